"""Which channels carry the clothes: on a network whose channels are known."""

import numpy as np
import pytest

from fixtures.oracle import CLOTHES, Oracle, write_people
from turncoat.engine.analysis.repaint.channels import ChannelSettings, replace_channels
from turncoat.engine.analysis.repaint.exchange import laid_over
from turncoat.engine.analysis.repaint.similar import same_subject_pairs, similar_pairs
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data import open_dataset

MANY = CLOTHES.stop - CLOTHES.start
FEW = 15  # the rest of the clothes are of parts that nobody sees, or differ no more than poses
SETTINGS = ChannelSettings(pairs=12, ladder=(FEW, 200, 500, 600 - MANY))


@pytest.fixture(scope="module")
def leaking(bodies):
    return replace_channels(Oracle(bodies, 1.0), bodies, SETTINGS)


@pytest.fixture(scope="module")
def clean(bodies):
    return replace_channels(Oracle(bodies, 0.0), bodies, SETTINGS)


def test_pairs_are_two_people_in_one_posture_before_one_camera(bodies):
    rows = bodies.select(split="held-out")
    pairs = similar_pairs(bodies, rows, count=12)
    for name, same in (("subject", False), ("camera", True)):
        column = bodies.column(name)
        assert np.all((column[pairs.a] == column[pairs.b]) == same)
    assert pairs.distance_mm.max() < 0.1  # one motion in several sizes
    assert pairs.chance_mm.mean() > 50
    assert len(np.unique(bodies.column("sequence")[pairs.a])) == 12  # of 12 there are


def test_the_other_pairs_are_one_person_elsewhere(bodies):
    pairs = similar_pairs(bodies, bodies.select(split="held-out"), count=6)
    same = same_subject_pairs(bodies, pairs, "everyday")
    for name, expected in (("subject", True), ("camera", True), ("sequence", False)):
        column = bodies.column(name)
        assert np.all((column[same.a] == column[same.b]) == expected), name


def test_with_a_full_leak_the_pose_code_brings_all_clothes_and_few_channels_do_it(leaking):
    assert leaking.at("random", 600, "clothes_share").value == pytest.approx(1, abs=0.01)
    assert leaking.at("highest", FEW, "clothes_share").value > 0.8
    assert leaking.at("highest", FEW, "pose_share").value < 0.1
    assert leaking.at("lowest", 600 - MANY, "clothes_share").value < 0.1
    assert leaking.at("lowest", 600 - MANY, "pose_share").value > 0.3
    assert leaking.at("highest", FEW, "outline_share").value < 0.1
    assert leaking.lead["clothes"].value > 0.3
    assert leaking.lead["separation"].value > 0.1


def test_without_a_leak_clothes_stay_whatever_is_replaced(clean):
    for order, curves in clean.curves.items():
        assert [point.value for point in curves["clothes_share"]] == pytest.approx([0] * 6, abs=0.01), order
        assert max(point.value for point in curves["clothes_to_a"]) < 1.5
    assert clean.lead["clothes"].value == pytest.approx(0, abs=0.01)
    assert clean.at("random", 600, "pose_share").value == pytest.approx(1, abs=0.01)


def test_half_a_leak_brings_half_of_the_clothes(bodies):
    found = replace_channels(Oracle(bodies, 0.5), bodies, SETTINGS)
    assert found.at("random", 600, "clothes_share").value == pytest.approx(0.5, abs=0.01)


def test_ends_are_a_and_b(leaking):
    for curves in leaking.curves.values():
        assert curves["pose_to_a"][0].value == 0
        assert curves["clothes_to_a"][0].value == 0
        assert curves["pose_to_b"][-1].value == pytest.approx(0, abs=1e-3)
        assert curves["clothes_to_b"][-1].value < 1.5
        assert curves["outline_share"][-1].value == pytest.approx(1, abs=0.01)
    film = leaking.films[0]
    for strip in film.strips.values():
        assert np.array_equal(strip[0], film.repainted[0])
        assert np.abs(strip[-1].astype(int) - film.repainted[1]).max() <= 1


def test_two_people_differ_more_than_one_only_if_clothes_leak(leaking, clean):
    assert leaking.ratio.value > clean.ratio.value
    assert np.all(np.diff(leaking.difference) >= 0)
    assert leaking.difference.shape == (600,)


def test_poses_that_are_the_same_have_no_way_between_them(people):
    found = replace_channels(Oracle(people, 1.0), people, SETTINGS)
    assert np.isnan(found.at("random", 600, "pose_share").value)
    assert found.at("random", 600, "clothes_share").value == pytest.approx(1, abs=0.01)
    assert found.facts()["lead"]["separation"]["value"] is None


def test_standardised_differences_are_another_order(bodies, leaking):
    found = replace_channels(Oracle(bodies, 1.0), bodies, SETTINGS.model_copy(update={"standardise": True, "pool": 24}))
    assert found.curves["highest"]["clothes_share"][1] != leaking.curves["highest"]["clothes_share"][1]
    assert np.array_equal(found.difference, leaking.difference)


def test_labels_move_as_the_crop_does():
    part = np.full((1, 9, 9), -1, dtype=np.int8)
    part[0, 2, 6] = 3
    whole = np.array([[1.0, 1.0, 0.0, 0.0]])
    assert np.array_equal(laid_over(part, whole, whole), part)
    moved = laid_over(part, whole, np.array([[1.0, 1.0, -0.5, 0.25]]))  # pixels are a quarter apart
    assert moved[0, 3, 4] == 3
    assert (moved >= 0).sum() == 1
    back = laid_over(moved, np.array([[1.0, 1.0, -0.5, 0.25]]), whole)
    assert back[0, 2, 6] == 3
    assert np.all(laid_over(np.zeros_like(part), np.array([[0.5, 0.5, 0.0, 0.0]]), whole) == 0)


def test_bad_input_is_one_sentence(bodies, tmp_path):
    with pytest.raises(ConfigError, match="has 600 channels of pose, fewer than the ladder's 601"):
        replace_channels(Oracle(bodies), bodies, ChannelSettings(pairs=1, ladder=(601,)))
    with pytest.raises(DataError, match=r"differs by 0\.9 in colour"):
        replace_channels(Oracle(bodies), bodies, ChannelSettings(pairs=2, apart=0.9))
    alone = open_dataset(write_people(tmp_path / "one", people=1, instants=2))
    with pytest.raises(DataError, match="two subjects through no one camera"):
        replace_channels(Oracle(alone), alone, SETTINGS)
