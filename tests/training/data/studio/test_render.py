import numpy as np
import pytest

from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data import open_dataset
from turncoat.training.data.studio import recipe as recipes
from turncoat.training.data.studio.layers import depth
from turncoat.training.data.studio.render import render_dataset
from turncoat.training.data.studio.wardrobe import MATERIALS


def render(out, **options):
    return render_dataset(out, **{"preset": "demo", "size": 64, "workers": 1} | options)


def test_the_same_seed_gives_the_same_bytes(rendered, few_sequences, tmp_path):
    again = render(tmp_path / "again")
    assert again["fingerprint"] == rendered[1]["fingerprint"] and again["bytes_hash"] == rendered[1]["bytes_hash"]
    other = render(tmp_path / "other", seed=1)
    assert other["fingerprint"] != rendered[1]["fingerprint"] and other["bytes_hash"] != rendered[1]["bytes_hash"]


def test_an_interrupted_rendering_resumes_to_the_same_bytes(few_sequences, tmp_path):
    whole = render(tmp_path / "whole")

    class Killed(Exception):
        pass

    def kill(done, total):
        if done > 0:
            raise Killed

    with pytest.raises(Killed):
        render(tmp_path / "cut", progress=kill)
    with pytest.raises(DataError):
        open_dataset(tmp_path / "cut")
    counted = []
    resumed = render(tmp_path / "cut", progress=lambda done, total: counted.append(done))
    assert counted[0] > 0  # what was finished was kept
    assert resumed["bytes_hash"] == whole["bytes_hash"]


def test_a_folder_of_another_recipe_is_refused(few_sequences, tmp_path):
    render(tmp_path / "ds")
    with pytest.raises(DataError, match="fingerprint"):
        render(tmp_path / "ds", seed=3)


def test_layers_recompose_the_stored_frame_to_one_grey_level(rendered):
    ds, _ = rendered
    rows = np.arange(0, len(ds), 7)
    layers = ds.layers(rows)
    assert layers.shading.sum(1).max() <= 1 + 1e-6 and layers.shading.min() >= 0
    frame = np.clip(np.einsum("nmyx,nmc->ncyx", layers.shading, layers.colours) + layers.rest, 0, 1)
    assert np.abs(np.floor(frame * 255 + 0.5) - ds.read(rows)).max() <= 1
    np.testing.assert_array_equal(ds.colours(rows), layers.colours)


def test_frames_equal_their_background_where_nobody_is(rendered):
    ds, _ = rendered
    rows = np.arange(len(ds))
    empty = np.broadcast_to(ds.masks(rows) == 0, (len(rows), 3, ds.size, ds.size))
    assert (ds.read(rows)[empty] == ds.background(rows)[empty]).all() and 0.8 < empty.mean() < 0.99


def test_an_instant_has_one_world_pose_seen_by_four_calibrated_cameras(rendered):
    ds, _ = rendered
    rows = np.arange(len(ds))
    world, sequence, instant = ds.joints_world(rows), ds.column("sequence"), ds.column("instant")
    for key in {*zip(sequence, instant, strict=True)}:
        mine = (sequence == key[0]) & (instant == key[1])
        assert mine.sum() == 4 and (world[mine] == world[mine][0]).all()
    camera = ds.joints_camera(rows)
    projected = np.einsum("nij,nkj->nki", ds.intrinsics(rows), camera)
    assert np.allclose(projected[..., :2] / projected[..., 2:], ds.joints_2d(rows), atol=1e-2)
    assert np.allclose(ds.pose(rows), camera - camera[:, :1], atol=1e-2)


def test_joints_lie_on_the_person_and_feet_on_the_floor(rendered):
    ds, _ = rendered
    rows = np.arange(len(ds))
    x, y = np.floor(ds.joints_2d(rows)).astype(int).transpose(2, 0, 1)
    on = ds.masks(rows)[np.arange(len(rows))[:, None], 0, y, x] > 0
    assert on.mean() > 0.97
    walking = ds.select(action="walking")
    lowest = ds.joints_world(walking)[:, [3, 6], 1].min(1)
    assert lowest.min() > 20 and lowest.max() < 140  # ankles, mm


def test_the_whole_person_is_inside_every_frame(rendered):
    ds, _ = rendered
    masks = ds.masks(np.arange(len(ds)))[:, 0]
    assert not masks[:, [0, -1]].any() and not masks[:, :, [0, -1]].any()


def test_labels_name_garments_where_they_are_worn(rendered):
    ds, _ = rendered
    rows = ds.select(split="train")
    parts, materials = ds.labels(rows)
    assert ((parts > 0) == (materials > 0)).all()
    assert (materials[parts == 12] - 1 == MATERIALS.index("shoes")).mean() > 0.8  # left foot
    on_head = materials[parts == 1] - 1
    assert np.isin(on_head, [MATERIALS.index(m) for m in ("skin", "hair", "eyes", "shirt", "shirt_pattern")]).all()


def test_depth_is_where_the_person_is(rendered):
    ds, _ = rendered
    rows = np.arange(8)
    z, alpha = depth(ds, rows), ds.masks(rows)[:, 0]
    assert (np.isfinite(z) == (alpha > 0)).all()
    middle = ds.joints_camera(rows)[:, :, 2].mean(1)
    for k in range(len(rows)):
        assert abs(np.median(z[k][np.isfinite(z[k])]) - middle[k]) < 350


def test_the_demo_preset_is_a_subset_of_the_default_one():
    small, default = (recipes.plan(p, "confounded")[0] for p in ("demo", "default"))
    assert set(small) < set(default)


def test_splits_hold_out_what_they_say():
    sequences, _ = recipes.plan("default", "confounded")
    for s in sequences:
        assert (s.subject in recipes.UNSEEN_SUBJECTS) == (s.split == "unseen subject")
        assert (s.scene == "courtyard") == (s.split == "unseen scene")
        assert (s.action in ("soccer", "washing_window")) == (s.split == "unseen motion")
    assert len({s.key for s in sequences}) == len(sequences)
    assert sum(s.split == "train" for s in sequences) * recipes.INSTANTS * 4 >= 60_000


def test_decorrelated_training_breaks_the_tie_of_body_and_clothes():
    sequences, _ = recipes.plan("default", "decorrelated")
    train = [s for s in sequences if s.split == "train"]
    worn = {body: {s.wardrobe for s in train if s.body == body} for body in ("b1", "b2", "b3", "b4", "b5")}
    assert all(len(w) > 30 for w in worn.values())
    assert not {"w6", "w7"} & set().union(*worn.values())


@pytest.mark.parametrize("bad", [{"preset": "huge"}, {"recipe": "messy"}, {"size": 8}])
def test_unknown_names_are_one_sentence(bad, tmp_path):
    with pytest.raises(ConfigError, match="choose"):
        render(tmp_path / "x", **bad)


def test_a_cast_shadow_darkens_the_floor_only(few_sequences, tmp_path):
    render(tmp_path / "plain")
    render(tmp_path / "shadow", shadow=True)
    plain, dark = open_dataset(tmp_path / "plain"), open_dataset(tmp_path / "shadow")
    rows = np.arange(0, len(plain), 5)
    person = plain.masks(rows)[:, 0] == 255
    assert np.array_equal(plain.masks(rows), dark.masks(rows))
    a, b = plain.read(rows).transpose(0, 2, 3, 1).astype(int), dark.read(rows).transpose(0, 2, 3, 1).astype(int)
    assert (a[person] == b[person]).all() and (b[~person] <= a[~person]).all() and (a - b).max() > 20
