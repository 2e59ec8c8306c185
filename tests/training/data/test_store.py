"""Writing a dataset: whole shards or none, resumable, the same bytes again."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fixtures.tiny import write_tiny_dataset
from turncoat.kernels.errors import DataError
from turncoat.training.data import open_dataset
from turncoat.training.data.store import (
    ShardWriter,
    finish_dataset,
    part_name,
    shard_is_finished,
    shard_name,
    tight_rectangle,
)

SAMPLE = {
    "sequence": "s",
    "instant": 0,
    "camera": 0,
    "scene": "room",
    "subject": "S1",
    "action": "walk",
    "group": "everyday",
    "split": "train",
    "view": 0,
}
CAMERAS = {
    "scene": ["room"],
    "camera": [0],
    "rotation": np.eye(3)[None],
    "translation": np.array([[0, 0, 4000.0]]),
    "intrinsics": np.array([[[50.0, 0, 8], [0, 50.0, 8], [0, 0, 1]]]),
}
SCENERY = np.full((1, 16, 16, 3), 90, np.uint8)


def add(writer: ShardWriter, name: str, height: int = 5, width: int = 3, x0: int = 4, y0: int = 6, **change) -> int:
    random = np.random.default_rng(len(name))
    rgb = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    ones = np.ones((height, width), np.uint8)
    sample = SAMPLE | {"sample_id": name} | change
    return writer.add(rgb, ones * 255, ones * 0x21, x0, y0, joints_world=np.ones((17, 3)), **sample)


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (3, 2, 9, 11), (0, 0, 16, 12), (15, 11, 16, 12)])
def test_the_tight_rectangle_holds_every_pixel_and_no_empty_border(box):
    x0, y0, x1, y1 = box
    alpha, labels = np.zeros((12, 16), np.uint8), np.zeros((12, 16), np.uint8)
    alpha[y0, x0], labels[y1 - 1, x1 - 1] = 1, 7
    assert tight_rectangle(alpha, labels) == box
    assert tight_rectangle(alpha) == (x0, y0, x0 + 1, y0 + 1)


def test_the_tight_rectangle_of_nothing_is_empty():
    assert tight_rectangle(np.zeros((4, 4), np.uint8)) == (0, 0, 0, 0)


def test_offsets_say_where_records_start(tmp_path):
    with ShardWriter(tmp_path, 0) as writer:
        assert [add(writer, "a"), add(writer, "b", 2, 2), add(writer, "c")] == [0, 75, 95]
    assert (tmp_path / shard_name(0)).stat().st_size == 170


def test_an_interrupted_shard_leaves_nothing_and_is_not_finished(tmp_path):
    with pytest.raises(KeyboardInterrupt), ShardWriter(tmp_path, 0) as writer:
        add(writer, "a")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    assert not shard_is_finished(tmp_path, 0)


def test_a_finished_shard_is_recognised_and_a_truncated_or_half_written_one_is_not(tmp_path):
    with ShardWriter(tmp_path, 0, fingerprint="f") as writer:
        add(writer, "a")
    assert shard_is_finished(tmp_path, 0, fingerprint="f")
    records = tmp_path / shard_name(0)
    whole = records.read_bytes()
    records.write_bytes(whole[:-1])
    assert not shard_is_finished(tmp_path, 0, fingerprint="f")
    records.write_bytes(whole)
    part = tmp_path / part_name(0)
    part.write_bytes(part.read_bytes()[:-20])
    assert not shard_is_finished(tmp_path, 0, fingerprint="f")


def test_a_shard_of_another_rendering_is_refused(tmp_path):
    with ShardWriter(tmp_path, 0, fingerprint="confounded") as writer:
        add(writer, "a")
    with pytest.raises(DataError, match="belongs to another rendering"):
        shard_is_finished(tmp_path, 0, fingerprint="decorrelated")


def test_a_dataset_with_a_missing_shard_is_not_finished(tmp_path):
    with ShardWriter(tmp_path, 1) as writer:
        add(writer, "a")
    with pytest.raises(DataError, match=r"lacks 1 of 2 shards \(the first is frames-000.bin\)"):
        finish_dataset(tmp_path, {}, SCENERY, CAMERAS, shards=2)
    assert not (tmp_path / "dataset.json").exists()


def test_a_rendering_resumed_after_a_kill_equals_an_undisturbed_one(tmp_path):
    for folder in (tmp_path / "whole", tmp_path / "resumed"):
        for shard in range(3):
            with ShardWriter(folder, shard) as writer:
                add(writer, f"{shard}-a")
                add(writer, f"{shard}-b", 7, 2)
    resumed = tmp_path / "resumed"
    (resumed / part_name(1)).unlink()  # killed between the records and the index part
    (resumed / ".tmp-123-abcd-frames-002.bin").write_bytes(b"left by a kill")
    assert [shard_is_finished(resumed, shard) for shard in range(3)] == [True, False, True]
    with ShardWriter(resumed, 1) as writer:
        add(writer, "1-a")
        add(writer, "1-b", 7, 2)
    for folder in (tmp_path / "whole", resumed):
        finish_dataset(folder, {"name": "x"}, SCENERY, CAMERAS, shards=3)
    files = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert files == sorted(path.name for path in resumed.iterdir())
    assert files == sorted(
        ["backgrounds.npy", "dataset.json", "index.parquet", "joints_world.npy", *map(shard_name, range(3))]
    )
    for name in files:
        assert (tmp_path / "whole" / name).read_bytes() == (resumed / name).read_bytes(), name


def test_the_same_frames_have_the_same_bytes_hash_and_one_changed_pixel_another(tmp_path, tiny_dataset):
    again = open_dataset(write_tiny_dataset(tmp_path / "again", size=64))
    assert again.info["bytes_hash"] == open_dataset(tiny_dataset).info["bytes_hash"]
    hashes = []
    for grey in (0, 1):
        with ShardWriter(tmp_path / str(grey), 0) as writer:
            add(writer, "a")
            rgb, plane = np.full((1, 1, 3), grey, np.uint8), np.ones((1, 1), np.uint8)
            writer.add(rgb, plane, plane, 0, 0, joints_world=np.ones((17, 3)), **SAMPLE, sample_id="b")
        hashes.append(finish_dataset(tmp_path / str(grey), {}, SCENERY, CAMERAS, shards=1)["bytes_hash"])
    assert hashes[0] != hashes[1]


def test_facts_of_the_renderer_are_kept_and_the_rest_is_derived(tiny_dataset):
    info = json.loads((tiny_dataset / "dataset.json").read_text())
    assert (info["name"], info["recipe"], info["preset"]) == ("tiny", "confounded", "tiny")
    assert info["subjects"] == ["S1", "S2", "S3"]
    assert info["actions"] == {"crawl": "acrobatic", "jump": "acrobatic", "walk": "everyday", "wave": "everyday"}
    assert sum(info["splits"].values()) == info["frames"] == 600


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"colour": "red"}, 'unknown columns ("colour")'),
        ({"split": None}, 'without required ones ("split")'),
    ],
)
def test_a_sample_with_wrong_columns_is_refused(tmp_path, change, sentence):
    with pytest.raises(DataError) as error, ShardWriter(tmp_path, 0) as writer:
        add(writer, "a", **change)
    assert sentence in str(error.value)


def test_wrong_arrays_are_refused(tmp_path):
    plane = np.ones((2, 2), np.uint8)
    with ShardWriter(tmp_path, 0) as writer:
        with pytest.raises(DataError, match=r"rgb is float64 .* needs uint8 \(2, 2, 3\)"):
            writer.add(np.ones((2, 2, 3)), plane, plane, 0, 0, joints_world=np.ones((17, 3)), **SAMPLE, sample_id="a")
        with pytest.raises(DataError, match="17 x 3 finite"):
            add_nan = np.full((17, 3), np.nan)
            writer.add(np.ones((2, 2, 3), np.uint8), plane, plane, 0, 0, joints_world=add_nan, **SAMPLE, sample_id="a")


def test_ids_that_occur_twice_and_cameras_that_disagree_are_refused(tmp_path):
    with ShardWriter(tmp_path / "twice", 0) as writer:
        add(writer, "a")
        add(writer, "a")
    with pytest.raises(DataError, match="occur twice"):
        finish_dataset(tmp_path / "twice", {}, SCENERY, CAMERAS, shards=1)
    with ShardWriter(tmp_path / "views", 0) as writer:
        add(writer, "a", camera=3)
    with pytest.raises(DataError, match=r'camera 3 of scene "room" view 0'):
        finish_dataset(tmp_path / "views", {}, SCENERY, CAMERAS, shards=1)


@pytest.fixture
def copy(tiny_dataset: Path, tmp_path: Path) -> Path:
    """A copy of the tiny dataset that a test may damage."""
    return Path(shutil.copytree(tiny_dataset, tmp_path / "copy"))


def rewrite_info(folder: Path, **change) -> None:
    info = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(info | change))


def damaged(folder: Path) -> str:
    with pytest.raises(DataError) as error:
        open_dataset(folder)
    message = str(error.value)
    assert "\n" not in message and message.endswith(".")
    return message


def test_a_missing_folder_is_one_sentence(tmp_path):
    assert "There is no dataset folder" in damaged(tmp_path / "nowhere")


def test_a_folder_without_a_dataset_is_one_sentence(tmp_path):
    assert "is not a dataset" in damaged(tmp_path)


def test_a_half_written_dataset_is_one_sentence(copy):
    (copy / "dataset.json").unlink()
    assert "half-written dataset" in damaged(copy)


def test_a_missing_shard_is_one_sentence(copy):
    (copy / shard_name(1)).unlink()
    assert "frames-001.bin (192 frames) is missing" in damaged(copy)


def test_a_truncated_shard_is_one_sentence(copy):
    path = copy / shard_name(2)
    path.write_bytes(path.read_bytes()[:-100])
    assert "frames-002.bin has" in damaged(copy)


@pytest.mark.parametrize("name", ["index.parquet", "backgrounds.npy", "joints_world.npy"])
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_missing_or_truncated_file_is_one_sentence(copy, name, damage):
    if damage == "missing":
        (copy / name).unlink()
    else:
        (copy / name).write_bytes((copy / name).read_bytes()[:-50])
    assert name in damaged(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', '{"format": 1}'])
def test_a_damaged_description_is_one_sentence(copy, text):
    (copy / "dataset.json").write_text(text)
    assert "dataset.json" in damaged(copy)


def test_files_of_different_datasets_are_one_sentence(copy):
    rewrite_info(copy, frames=7)
    assert "do not belong together" in damaged(copy)


def test_a_frame_without_a_person_is_its_background(tmp_path):
    nobody = np.zeros((16, 16), np.uint8)
    with ShardWriter(tmp_path, 0) as writer:
        sample = SAMPLE | {"sample_id": "nobody"}
        writer.add_frame(SCENERY[0], nobody, nobody, joints_world=np.ones((17, 3)), **sample)
    finish_dataset(tmp_path, {}, SCENERY, CAMERAS, shards=1)
    ds = open_dataset(tmp_path)
    np.testing.assert_array_equal(ds.read([0]), ds.background([0]))
    assert ds.masks([0]).sum() == 0 and ds.person_box([0]).tolist() == [[0, 0, 0, 0]]


def test_a_shadow_may_reach_past_the_person_whose_box_stays_tight(tmp_path):
    alpha = np.zeros((16, 16), np.uint8)
    alpha[4:9, 5:7] = 255
    frame = SCENERY[0].copy()
    frame[4:12, 2:7] = 33  # person and shadow
    with ShardWriter(tmp_path, 0) as writer:
        sample = SAMPLE | {"sample_id": "shadowed"}
        joints = np.ones((17, 3))
        writer.add_frame(frame, alpha, alpha // 8, rectangle=(2, 4, 7, 12), joints_world=joints, **sample)
    finish_dataset(tmp_path, {}, SCENERY, CAMERAS, shards=1)
    ds = open_dataset(tmp_path)
    np.testing.assert_array_equal(ds.read([0])[0].transpose(1, 2, 0), frame)
    assert ds.person_box([0]).tolist() == [[5, 4, 7, 9]]
