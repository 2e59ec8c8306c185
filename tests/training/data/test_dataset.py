"""Reading a dataset: frames, masks, labels and geometry belong together; damage is named, never passed on."""

import multiprocessing
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fixtures import tiny
from turncoat.kernels.errors import DataError
from turncoat.training.data import UnreadableSamples, open_dataset


@pytest.fixture(scope="module")
def ds(tiny_dataset):
    return open_dataset(tiny_dataset)


def drawn(ds, row):
    """Frame, alpha and labels of a row, drawn again without the store."""
    column = {name: ds.column(name)[row] for name in ("sequence", "instant", "view", "subject")}
    sequence = next(s for s in tiny.sequences() if s.name == column["sequence"])
    world = tiny.joints_at(sequence, (int(column["instant"]) * tiny.STEP_S) % tiny.RECORDED_S).astype(np.float32)
    views, view = tiny.cameras(ds.size), column["view"]
    joints = world @ views["rotation"][view].T + views["translation"][view]
    pixels = joints @ views["intrinsics"][view].T
    colours = tiny.wardrobe(column["subject"])
    scenery = tiny.backgrounds(ds.size)[view]
    return tiny.draw(joints, pixels[:, :2] / pixels[:, 2:], 1.55 * ds.size, colours, scenery)


def test_frames_masks_and_labels_read_back_as_they_were_drawn(ds):
    rows = np.random.default_rng(0).choice(len(ds), 24, replace=False)
    frames, masks, (parts, materials) = ds.read(rows), ds.masks(rows), ds.labels(rows)
    assert frames.shape == (24, 3, 64, 64) and frames.dtype == np.uint8
    assert masks.shape == (24, 1, 64, 64) and parts.shape == materials.shape == (24, 64, 64)
    for i, row in enumerate(rows):
        frame, alpha, labels = drawn(ds, row)
        np.testing.assert_array_equal(frames[i].transpose(1, 2, 0), frame)
        np.testing.assert_array_equal(masks[i, 0], alpha)
        np.testing.assert_array_equal(parts[i] << 4 | materials[i], labels)


def test_frames_lie_in_memory_as_channels_last(ds):
    import torch

    assert torch.from_numpy(ds.read([3, 5])).is_contiguous(memory_format=torch.channels_last)
    assert torch.from_numpy(ds.background([3, 5])).is_contiguous(memory_format=torch.channels_last)


def test_a_frame_is_its_background_where_there_is_no_person(ds):
    rows = ds.select(camera=2)
    away = np.broadcast_to(ds.masks(rows) == 0, ds.read(rows).shape)
    np.testing.assert_array_equal(ds.read(rows)[away], ds.background(rows)[away])
    assert ds.backgrounds.shape == (8, 3, 64, 64)


def test_any_order_and_repetition_of_rows_reads_the_same_frames(ds):
    rows = np.array([599, 0, 0, 17, 599])
    np.testing.assert_array_equal(ds.read(rows), np.stack([ds.read([row])[0] for row in rows]))
    np.testing.assert_array_equal(ds.read(ds.column("sample_id")[rows]), ds.read(rows))
    assert ds.read([]).shape == (0, 3, 64, 64) and ds.pose([]).shape == (0, 17, 3)


def test_the_person_box_is_tight_around_the_mask_and_holds_the_joints(ds):
    rows = np.arange(0, len(ds), 11)
    boxes, joints = ds.person_box(rows), ds.joints_2d(rows)
    for box, mask in zip(boxes.astype(int), ds.masks(rows)[:, 0], strict=True):
        x0, y0, x1, y1 = box
        inside = mask[y0:y1, x0:x1]
        assert inside.sum() == mask.sum()
        assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
    assert (joints > boxes[:, None, :2]).all() and (joints < boxes[:, None, 2:]).all()


def test_the_joint_pixels_lie_on_the_person(ds):
    rows = np.arange(0, len(ds), 13)
    x, y = np.floor(ds.joints_2d(rows)).astype(int).transpose(2, 0, 1)
    on_person = ds.masks(rows)[np.arange(len(rows))[:, None], 0, y, x] > 128
    assert on_person.all(axis=1).mean() > 0.95  # a thin wrist may lie half a pixel off


def test_pose_is_the_rotated_world_joints_relative_to_the_pelvis(ds):
    rows = np.array([1, 250, 480])
    world = ds.joints_world(rows).astype(np.float64)
    expected = np.einsum("nij,nkj->nki", ds.rotation(rows), world - world[:, :1])
    np.testing.assert_allclose(ds.pose(rows), expected, atol=1e-3)
    assert (ds.pose(rows)[:, 0] == 0).all() and ds.pose(rows).dtype == np.float32
    camera = np.einsum("nij,nkj->nki", ds.rotation(rows), world) + ds.translation(rows)[:, None]
    np.testing.assert_allclose(ds.joints_camera(rows), camera, atol=2e-3)
    assert (ds.joints_camera(rows)[..., 2] > 0).all()


def test_an_instant_has_one_world_pose_whatever_the_camera(ds):
    instants = ds.column("sequence").astype(object) + ds.column("instant").astype(str).astype(object)
    for instant in np.unique(instants)[::7]:
        rows = np.flatnonzero(instants == instant)
        assert sorted(ds.column("camera")[rows]) == [0, 1, 2, 3]
        assert (ds.joints_world(rows) == ds.joints_world(rows[:1])).all()


def test_select_combines_criteria(ds):
    rows = ds.select(split="held-out", group="acrobatic", subject=["S1", "S2"], camera=3)
    assert len(rows) == 12
    assert set(ds.column("split")[rows]) == {"held-out"} and set(ds.column("action")[rows]) == {"jump"}
    assert len(ds.select()) == len(ds) and len(ds.select(split=None)) == len(ds)
    assert len(ds.select(action="crawl", split="train")) == 0


@pytest.mark.parametrize(
    ("criteria", "sentence"),
    [
        ({"subject": "S9"}, 'the subject "S9", which this dataset does not have; choose from "S1", "S2", "S3".'),
        ({"action": ["walk", "swim"]}, 'the action "swim"'),
        ({"split": "test"}, 'choose from "train", "validation", "held-out", "unseen motion"'),
        ({"camera": 4}, 'choose from "0", "1", "2", "3"'),
        ({"colour": "red"}, 'samples are selected by "split", "group"'),
    ],
)
def test_unknown_values_are_answered_with_the_known_ones(ds, criteria, sentence):
    with pytest.raises(DataError) as error:
        ds.select(**criteria)
    assert sentence in str(error.value)


def test_rows_finds_ids_and_names_an_unknown_one(ds):
    rows = np.array([599, 4, 4, 123])
    np.testing.assert_array_equal(ds.rows(ds.column("sample_id")[rows]), rows)
    with pytest.raises(DataError, match='the sample id "S1-walk-z"'):
        ds.rows(["S1-walk-z"])


@pytest.mark.parametrize("rows", [[-1], [600], [0.5], [[0, 1]]])
def test_rows_that_do_not_exist_are_refused(ds, rows):
    with pytest.raises(DataError, match="rows"):
        ds.read(rows)


def test_columns_cannot_be_changed_and_unknown_ones_are_named(ds):
    with pytest.raises(ValueError, match="read-only"):
        ds.column("split")[0] = "train"
    with pytest.raises(DataError, match='no index column "splits"'):
        ds.column("splits")


def test_only_studio_data_has_layers(ds):
    with pytest.raises(DataError, match='is a "tiny" dataset'):
        ds.layers([0])
    with pytest.raises(DataError, match='is a "tiny" dataset'):
        ds.colours([0])


@pytest.fixture
def damaged(tiny_dataset, tmp_path):
    """A copy in which one byte of two records is wrong, with these rows."""
    folder = Path(shutil.copytree(tiny_dataset, tmp_path / "damaged"))
    ds = open_dataset(folder)
    rows = np.array([30, 400])
    for row in rows:
        path = folder / f"frames-{ds.column('shard')[row]:03d}.bin"
        content = bytearray(path.read_bytes())
        content[ds.column("offset")[row] + 3] ^= 1
        path.write_bytes(content)
    return open_dataset(folder), rows


@pytest.mark.parametrize("verb", ["read", "masks", "labels"])
def test_damaged_samples_are_named(damaged, verb):
    ds, rows = damaged
    with pytest.raises(UnreadableSamples) as error:
        getattr(ds, verb)(np.arange(len(ds)))
    np.testing.assert_array_equal(error.value.rows, rows)
    assert error.value.sample_ids == ds.column("sample_id")[rows].tolist()
    assert "2 of the samples" in str(error.value) and error.value.sample_ids[0] in str(error.value)


def test_read_valid_skips_damaged_samples_and_says_which(damaged, tiny_dataset):
    ds, rows = damaged
    asked = np.array([29, 30, 31, 400, 5])
    frames, valid, bad = ds.read_valid(asked)
    np.testing.assert_array_equal(valid, [29, 31, 5])
    np.testing.assert_array_equal(bad, rows)
    np.testing.assert_array_equal(frames, open_dataset(tiny_dataset).read(valid))
    read = list(ds.frames_in_order(np.arange(len(ds)), batch=100))
    assert sum(len(frames) for frames, _, _ in read) == 598 and sum(len(bad) for _, _, bad in read) == 2


def test_a_record_that_the_index_places_outside_its_shard_is_damaged(ds, tiny_dataset):
    other = open_dataset(tiny_dataset)
    other._reader._place[7, 1] = 10**9
    other._reader._place[8, 4] = 500
    _, _, bad = other.read_valid([6, 7, 8])
    np.testing.assert_array_equal(bad, [7, 8])


def test_threads_and_pickled_copies_read_the_same(ds):
    rows = np.random.default_rng(1).integers(len(ds), size=(16, 32))
    expected = [ds.read(r) for r in rows]
    with ThreadPoolExecutor(4) as pool:
        for got, frames in zip(pool.map(open_dataset(ds.folder).read, rows), expected, strict=True):
            np.testing.assert_array_equal(got, frames)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ds)).read(rows[0]), expected[0])


def _sum(rows):
    return int(_shared.read(rows).sum())


def test_a_forked_process_reads_through_the_parents_dataset(ds):
    global _shared
    _shared = ds
    with multiprocessing.get_context("fork").Pool(2) as pool:
        rows = [np.arange(0, 20), np.arange(300, 340)]
        assert pool.map(_sum, rows) == [int(ds.read(r).sum()) for r in rows]
