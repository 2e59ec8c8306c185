"""The factorial test set: a level changes what its name says and nothing else, to the last bit."""

from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest

from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data import open_dataset
from turncoat.training.data.index import LOCATION_COLUMNS, SAMPLE_COLUMNS
from turncoat.training.data.studio import crossed, crossed_render
from turncoat.training.data.studio import recipe as recipes
from turncoat.training.data.studio.render import backgrounds_8bit, render_dataset
from turncoat.training.data.studio.scene import CAMERAS_FOR_ALL, SCENES, cameras
from turncoat.training.data.studio.stage import View, inside_picture, stage
from turncoat.training.data.studio.wardrobe import PARTS, Wardrobe

SIZE = 64
LIMBS = [(1, 2), (2, 3), (4, 5), (5, 6), (11, 12), (12, 13), (14, 15), (15, 16)]


def few(preset, seed=0):
    whole = crossed.plan_poses("default", seed)
    return [next(p for p in whole if p.sequence.action == action) for action in ("jumping", "soccer")]


def render(out, **options):
    return render_dataset(out, **{"preset": "demo", "recipe": "crossed", "size": SIZE, "workers": 1} | options)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Two base poses of one frame a level, and what render_dataset said of them."""
    folder = tmp_path_factory.mktemp("crossed") / "ds"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crossed_render, "plan_poses", few)
        info = render(folder)
    return open_dataset(folder), info


def pairs(dataset, *factors):
    """(anchor row, row) of every frame of these factors."""
    keys, names = dataset.column("crossed_pose"), dataset.column("factor")
    anchors = {keys[row]: row for row in np.flatnonzero(names == crossed.ANCHOR)}
    rows = np.flatnonzero(np.isin(names, factors))
    return np.array([anchors[keys[row]] for row in rows]), rows


def test_base_poses_are_spread_evenly_over_what_training_never_saw_move():
    poses = crossed.plan_poses("default")
    assert all(p.sequence.split in ("held-out", "unseen motion") for p in poses)
    for count in (
        Counter(p.sequence.subject for p in poses),
        Counter(p.sequence.action for p in poses if p.sequence.group == "everyday"),
        Counter(p.sequence.action for p in poses if p.sequence.group == "acrobatic"),
    ):
        assert len(set(count.values())) == 1, count
    seen = Counter((p.sequence.scene, p.camera) for p in poses)
    assert set(seen) == {(scene, camera) for scene, some in CAMERAS_FOR_ALL.items() for camera in some}
    assert max(seen.values()) < 2 * min(seen.values())
    assert len({(p.sequence.key, p.camera, p.instants[0]) for p in poses}) == len(poses)


def test_a_preset_is_a_part_of_a_larger_one():
    demo, default, large = (set(crossed.plan_poses(preset)) for preset in ("demo", "default", "large"))
    assert demo < default < large


def test_the_parts_of_a_wardrobe_are_all_of_it():
    every = [field for part in PARTS.values() for field in part]
    assert sorted([*every, "name"]) == sorted(field.name for field in fields(Wardrobe))


def test_each_level_changes_its_own_part_and_no_other():
    pose = crossed.plan_poses("default")[7]
    anchor, *others = crossed.levels(pose)
    own, count = recipes.wardrobe(anchor.wardrobe), Counter((level.factor, level.seen) for level in others)
    assert count == {
        ("colours", True): 4, ("colours", False): 4, ("shape", True): 4, ("shape", False): 2, ("skin", True): 4,
        ("skin", False): 2, ("body", True): 4, ("body", False): 2, ("subject", True): 4, ("subject", False): 2,
        ("background", True): 3, ("background", False): 4, ("shadow", False): 1,
    }  # fmt: skip
    for level in others:
        worn = recipes.wardrobe(level.wardrobe)
        changed = {part for part, names in PARTS.items() if any(getattr(worn, n) != getattr(own, n) for n in names)}
        others_too = {"body": level.body != anchor.body, "background": level.scene != anchor.scene}
        changed |= {name for name, there in (others_too | {"shadow": level.shadow}).items() if there}
        expected = {*PARTS, "body"} if level.factor == "subject" else {level.factor}
        assert changed == expected, level
        if level.factor in PARTS:
            source = recipes.wardrobe(level.name)
            assert all(getattr(worn, name) == getattr(source, name) for name in PARTS[level.factor])
    new = [level.name for level in others if level.name.startswith("p")]
    assert new and all(int(name[1:]) >= recipes.POOL for name in new)  # the decorrelated recipe trains on none of them


def test_an_anchor_is_the_frame_of_the_confounded_recipe(small):
    dataset, _ = small
    view = View(SIZE)
    for row in dataset.select(factor="anchor"):
        key, instant = dataset.column("sequence")[row], int(dataset.column("instant")[row])
        sequence = next(s for s in recipes.plan("default", "confounded")[0] if s.key == key)
        camera = int(dataset.column("camera")[row]) % 4
        staged = stage(sequence, 0, SIZE)
        view.draw(staged, instant, camera)
        background = backgrounds_8bit(sequence.scene, SIZE)[camera]
        frame, alpha = view.picture(staged.dressed.wardrobe.colours(), background.astype(np.float32) / np.float32(255))
        assert (dataset.read([row])[0].transpose(1, 2, 0) == frame).all()
        assert (dataset.masks([row])[0, 0] == alpha).all()
        assert (dataset.joints_world([row])[0] == staged.joints[instant]).all()
        assert dataset.column("crossed_pose")[row] == f"{key}.i{instant:02d}.c{camera}"


def test_joints_and_camera_are_the_anchors_own_wherever_the_body_is(small):
    dataset, _ = small
    anchors, rows = pairs(dataset, "colours", "shape", "skin", "background", "shadow")
    assert len(rows) == 2 * 28
    assert (dataset.joints_world(rows) == dataset.joints_world(anchors)).all()
    assert (dataset.pose(rows) == dataset.pose(anchors)).all()
    anchors, rows = pairs(dataset, *crossed.FACTORS)
    for what in (dataset.rotation, dataset.translation, dataset.intrinsics):
        assert (what(rows) == what(anchors)).all()


def test_another_body_holds_its_limbs_alike_over_the_same_point_of_the_floor(small):
    dataset, _ = small
    anchors, rows = pairs(dataset, "body", "subject")
    a, b = dataset.joints_world(anchors).astype(float), dataset.joints_world(rows).astype(float)
    for parent, child in LIMBS:
        one, other = a[:, child] - a[:, parent], b[:, child] - b[:, parent]
        lengths = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)
        assert (np.einsum("ni,ni->n", one, other) / (lengths[0] * lengths[1]) > 0.9999).all()
    assert np.allclose(a[:, 0, [0, 2]], b[:, 0, [0, 2]], atol=1e-2)
    assert (np.abs(a - b).max(axis=(1, 2)) > 10).all()


def test_colours_and_skin_leave_the_silhouette_alone(small):
    dataset, _ = small
    anchors, rows = pairs(dataset, "colours", "skin")
    mask = dataset.masks(rows)
    assert (mask == dataset.masks(anchors)).all()
    a, b = dataset.read(anchors), dataset.read(rows)
    outside = np.broadcast_to(mask == 0, a.shape)
    assert (a[outside] == b[outside]).all() and ((a != b).any(axis=(1, 2, 3))).all()
    _, worn = dataset.labels(anchors)
    skin = np.isin(worn, [1, 2, 8]) & (mask[:, 0] == 255)  # skin, hair, eyes
    changed = (np.abs(a.astype(int) - b).max(axis=1) > 1) & skin
    colours = dataset.column("factor")[rows] == "colours"
    assert changed[colours].sum() < 0.2 * skin[colours].sum()  # pixels of garments at their edges
    assert changed[~colours].sum() > 0.5 * skin[~colours].sum()


def test_a_cut_changes_the_person_alone(small):
    dataset, _ = small
    anchors, rows = pairs(dataset, "shape")
    outside = (dataset.masks(rows) == 0) & (dataset.masks(anchors) == 0)
    a, b = dataset.read(anchors), dataset.read(rows)
    assert (a[np.broadcast_to(outside, a.shape)] == b[np.broadcast_to(outside, b.shape)]).all()
    assert (dataset.labels(rows)[1] != dataset.labels(anchors)[1]).any(axis=(1, 2)).all()


def test_a_room_and_a_shadow_leave_the_person_alone(small):
    dataset, _ = small
    for factor in ("background", "shadow"):
        anchors, rows = pairs(dataset, factor)
        mask = dataset.masks(rows)
        assert (mask == dataset.masks(anchors)).all()
        a, b = dataset.read(anchors), dataset.read(rows)
        inside = np.broadcast_to(mask == 255, a.shape)
        assert inside.any() and (a[inside] == b[inside]).all()
        assert ((a != b).any(axis=(1, 2, 3))).all()
        if factor == "shadow":
            assert (b <= a).all()
        else:
            outside = np.broadcast_to(mask == 0, a.shape)
            assert (b[outside] == dataset.background(rows)[outside]).all()
            assert (a[outside] != b[outside]).mean() > 0.5


def test_a_room_is_a_picture_of_training_or_what_the_own_camera_sees_of_it(small):
    """The first are seen: their bytes are those of the room's own camera that looks nearly the same way."""
    dataset, _ = small
    for row in dataset.select(factor="background", seen=True):
        scene, camera = dataset.column("level")[row].split(" c")
        assert dataset.column("scene")[row] == scene
        assert (dataset.background([row])[0].transpose(1, 2, 0) == backgrounds_8bit(scene, SIZE)[int(camera)]).all()
        own = cameras(scene, SIZE)[int(camera)].rotation[2] @ dataset.rotation([row])[0, 2]
        assert own > np.cos(np.deg2rad(55))
    trained = np.concatenate([backgrounds_8bit(scene, SIZE) for scene in SCENES])
    for row in dataset.select(factor="background", seen=False):
        assert dataset.column("level")[row] == dataset.column("scene")[row]
        seen = dataset.background([row])[0].transpose(1, 2, 0)
        assert not (trained == seen).all(axis=(1, 2, 3)).any()


def test_everybody_is_wholly_in_the_picture():
    acted = crossed_render.cast(few("demo")[0], 0, SIZE)
    assert len(acted.staged) > 20
    camera = acted.anchor.cameras[acted.pose.camera]
    for one in acted.staged.values():
        assert inside_picture(one.vertices, one.dressed, camera, SIZE)
        feet = one.vertices[0, one.dressed.used, 1].min()
        assert abs(feet - acted.anchor.vertices[acted.instant, acted.anchor.dressed.used, 1].min()) < 20


def test_an_instant_at_which_somebody_leaves_the_picture_is_passed_over(monkeypatch):
    pose = few("demo")[0]
    refused = []

    def inside(vertices, dressed, camera, size):
        if len(refused) < 2 and dressed.body.name == "b7":
            refused.append(1)
            return False
        return True

    monkeypatch.setattr(crossed_render, "inside_picture", inside)
    assert crossed_render.cast(pose, 0, SIZE).instant == pose.instants[2]


def test_layers_recompose_crossed_frames_to_one_grey_level(small):
    dataset, _ = small
    rows = np.arange(0, len(dataset), 5)[::-1]
    rows = np.concatenate([rows, dataset.select(factor="shadow")])
    layers = dataset.layers(rows)
    frame = np.clip(np.einsum("nmyx,nmc->ncyx", layers.shading, layers.colours) + layers.rest, 0, 1)
    assert np.abs(np.floor(frame * 255 + 0.5) - dataset.read(rows)).max() <= 1


def test_an_interrupted_rendering_resumes_to_the_same_bytes(small, monkeypatch, tmp_path):
    monkeypatch.setattr(crossed_render, "plan_poses", few)

    class Killed(Exception):
        pass

    def kill(done, total):
        if done > 0:
            raise Killed

    monkeypatch.setattr(crossed_render, "_POSES_PER_SHARD", 1)
    with pytest.raises(Killed):
        render(tmp_path / "cut", size=32, progress=kill)
    counted = []
    resumed = render(tmp_path / "cut", size=32, progress=lambda done, total: counted.append((done, total)))
    whole = render(tmp_path / "whole", size=32)
    assert counted == [(41, 82), (82, 82)] and resumed["bytes_hash"] == whole["bytes_hash"]


def test_what_belongs_to_crossed_sets_is_only_there(small, rendered):
    dataset, info = small
    assert info["recipe"] == "crossed" and info["factors"] == list(crossed.FACTORS)
    assert info["splits"] == {"crossed": len(dataset)} and len(dataset) == 2 * 41
    assert set(dataset.select(level="courtyard")) < set(dataset.select(factor="background", seen=False))
    other, _ = rendered
    assert list(other.index.columns) == [*SAMPLE_COLUMNS, *LOCATION_COLUMNS]
    with pytest.raises(DataError, match='no index column "factor"'):
        other.select(factor="colours")


def test_shadows_are_frames_of_their_own(tmp_path):
    with pytest.raises(ConfigError, match="shadow"):
        render(tmp_path / "x", shadow=True)


def test_a_mixed_wardrobe_is_named_by_what_it_took():
    worn = recipes.wardrobe("w2+shape:w3")
    assert worn == replace(recipes.wardrobe("w2").taking("shape", recipes.wardrobe("w3")), name="w2+shape:w3")
    assert worn.shirt == recipes.wardrobe("w2").shirt and worn.skirt is False and worn.sleeve == 0.5
