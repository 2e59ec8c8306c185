import numpy as np
import pytest

from turncoat.training.data.studio.body import PARTS, body_names, load_body, load_rig, skin
from turncoat.training.data.studio.closet import SUBJECT_WARDROBES, random_wardrobe
from turncoat.training.data.studio.motion import place_bones
from turncoat.training.data.studio.wardrobe import GARMENTS, MATERIALS, dress


def test_skin_weights_sum_to_one():
    assert np.allclose(load_rig().weight.sum(1), 1, atol=1e-5)


def test_bodies_are_people_of_different_heights():
    rig = load_rig()
    shown = np.unique(rig.triangles[rig.triangle_group == 0])
    heights = [np.ptp(load_body(name).vertices[shown, 1]) for name in body_names()]
    assert all(1450 < h < 1950 for h in heights)
    assert len({round(h) for h in heights}) == len(heights)


@pytest.mark.parametrize("name", body_names())
def test_the_rest_pose_skins_to_itself(name):
    body = load_body(name)
    still = np.tile(np.eye(3, dtype=np.float32), (len(body.rig.bones), 1, 1))
    out = np.empty_like(body.vertices)
    skin(body.vertices, body.rig.weight_bone, body.rig.weight, still, np.zeros((len(still), 3), np.float32), out)
    assert np.abs(out - body.vertices).max() < 0.05  # mm


def test_a_turned_root_turns_joints_rigidly():
    body = load_body("b1")
    rotation = np.tile(np.eye(3), (1, len(body.rig.bones), 1, 1))
    still = body.joints(rotation, place_bones(body, rotation, np.zeros((1, 3))))[0]
    turn = np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]])
    turned = body.joints(turn @ rotation, place_bones(body, turn @ rotation, np.zeros((1, 3))))[0]
    assert np.allclose(turned, still @ turn.T, atol=1e-6)


def test_left_is_positive_x_and_every_part_exists():
    body = load_body("b2")
    assert set(np.unique(body.part)) == set(range(1, len(PARTS)))
    for side, sign in (("l", 1), ("r", -1)):
        assert np.sign(body.vertices[body.part == PARTS.index(f"{side}_hand"), 0]).mean() == sign


def test_subjects_differ_in_every_garment_colour():
    colours = np.array([w.colours() for w in SUBJECT_WARDROBES])
    for garment in GARMENTS:
        c = colours[:, MATERIALS.index(garment)]
        apart = np.abs(c[:, None] - c[None]).max(-1) + np.eye(len(c))
        assert apart.min() > 0.04, garment


def test_a_skirt_ends_at_its_hem_and_cloth_has_thickness():
    body = load_body("b2")
    skirt, bare = dress(body, SUBJECT_WARDROBES[1]), dress(body, random_wardrobe("p", 0))
    assert (skirt.group == 4).any() and skirt.body.coordinates[skirt.triangles[skirt.group == 4]][..., 3].mean(
        1
    ).max() <= 1.3
    moved = np.linalg.norm(bare.vertices - body.vertices, axis=1)
    assert 0 < moved.max() < 25


def test_a_random_wardrobe_is_its_seed():
    assert random_wardrobe("p3", 3) == random_wardrobe("p3", 3) != random_wardrobe("p3", 4)
