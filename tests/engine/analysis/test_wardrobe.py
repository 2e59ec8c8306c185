"""Networks that leak fully, not at all, half: the test has to find what was put in."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fixtures.crossed import LEVELS, MOVED, Knowing, Told, write_crossed
from fixtures.foreign import write_module, write_target
from fixtures.tiny import write_tiny_dataset
from turncoat.engine.analysis.wardrobe import WardrobeSettings, compare_wardrobe, wardrobe_test
from turncoat.engine.analysis.wardrobe.pairs import pair_up
from turncoat.engine.targets import load_target
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.kernels.files import write_json
from turncoat.kernels.pose_error import mpjpe, n_mpjpe, pa_mpjpe
from turncoat.training.data import open_dataset

MOVING = 16 / 17  # joints but the root
SETTINGS = WardrobeSettings(noise_draws=2, batch=7)


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    return write_crossed(tmp_path_factory.mktemp("crossed") / "ds")


def about(value):
    return pytest.approx(value, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("leak", [2.0, 1.0, 0.0])
def test_a_leak_of_colours_is_found_at_its_size(crossed, leak):
    found = wardrobe_test(Knowing(crossed, leak_mm=leak), crossed, SETTINGS)
    colours = found["colours"]
    assert colours.mpjpe_mm.value == about(leak * MOVING * MOVED.mean())
    assert colours.seen.mpjpe_mm.value == about(leak * MOVING * MOVED[:2].mean())
    assert colours.unseen.mpjpe_mm.value == about(leak * MOVING * MOVED[2])
    assert (colours.seen.levels, colours.unseen.levels) == (2, 1)
    assert (colours.levels, colours.pairs) == (3, 36)
    assert colours.joints_mm == about(np.where(np.arange(17) == 0, 0.0, leak * MOVED.mean()))
    assert {name: each.value for name, each in colours.level_mm.items()} == {
        name: about(leak * MOVING * moved) for name, moved in zip(("w2", "w3", "w9"), MOVED, strict=True)
    }
    assert found["background"].mpjpe_mm.value == about(0) and found["body"].mpjpe_mm.value == about(0)
    assert found.of_anchors(found.anchors.error_mm).value == about(100 * leak * MOVING)


def test_the_kinds_of_error_are_those_of_the_two_predictions(crossed):
    network = Knowing(crossed, leak_mm=2.0)
    found = wardrobe_test(network, crossed, SETTINGS)
    keys = crossed.column("crossed_pose")
    anchor = {keys[row]: row for row in crossed.select(factor="anchor")}
    rows = crossed.select(factor="colours")
    poses = predicted(network, crossed)
    one, other = poses[[anchor[keys[row]] for row in rows]], poses[rows]
    assert found["colours"].mpjpe_mm.value == about(mpjpe(other, one).mean())
    assert found["colours"].n_mpjpe_mm.value == about(n_mpjpe(other, one).mean())
    assert found["colours"].pa_mpjpe_mm.value == about(pa_mpjpe(other, one).mean())
    assert found["colours"].pa_mpjpe_mm.value < found["colours"].mpjpe_mm.value


def predicted(network, dataset):
    import torch

    return network.predict(torch.from_numpy(dataset.read(np.arange(len(dataset)))) / 255).numpy()


def test_a_network_that_looks_at_the_room_alone(crossed):
    found = wardrobe_test(Knowing(crossed, room_mm=0.5), crossed, SETTINGS)
    assert found["background"].mpjpe_mm.value == about(0.5 * MOVING * 50)
    assert found["colours"].mpjpe_mm.value == about(0) and found["body"].mpjpe_mm.value == about(0)
    assert found["background"].unseen is None


def test_the_joints_of_a_body_are_no_error(crossed):
    """Who sees the other body has no spread; who sees none has that of the joints; who sees half of it, half."""
    seeing, blind, half = (wardrobe_test(Knowing(crossed, share=share), crossed, SETTINGS) for share in (1, 0, 0.5))
    moves = blind["body"].truth_moves_mm
    assert moves > 30 and seeing["body"].mpjpe_mm.value == about(0)
    assert blind["body"].mpjpe_mm.value == about(moves) and half["body"].mpjpe_mm.value == about(moves / 2)
    assert blind["colours"].mpjpe_mm.value == about(0) and blind["colours"].truth_moves_mm == 0
    assert blind.of_anchors(blind.anchors.apart_mm).value == 0


def test_the_floor_is_what_one_grey_level_does(crossed):
    found = wardrobe_test(Knowing(crossed, pixel_mm=10.0), crossed, WardrobeSettings(noise_draws=4))
    assert found.noise.mpjpe_mm.value == about(10 * MOVING) and found.noise.levels == 4
    assert found["colours"].mpjpe_mm.value == about(10 * MOVING * MOVED.mean())
    grown = found.noise.grows[25.0]
    assert grown.change.value == 0 and grown.any.value == 0


def test_shares_count_errors_that_grow(crossed):
    """The error is the redness: w2 and w9 add 40 and 100 mm to it, w3 takes 60 away."""
    found = wardrobe_test(Knowing(crossed, leak_mm=1 / MOVING), crossed, SETTINGS)
    grows = found["colours"].grows
    assert [grows[t].change.value for t in (25.0, 50.0, 100.0)] == [about(2 / 3), about(1 / 3), 0]
    assert [grows[t].falls.value for t in (25.0, 50.0)] == [about(1 / 3), about(1 / 3)]
    assert [grows[t].any.value for t in (25.0, 50.0)] == [1, 1] and grows[100.0].any.value == 0
    assert found["colours"].unseen.grows[50.0].change.value == 1
    assert found["colours"].seen.grows[50.0].change.value == 0
    assert grows[25.0].mean.value == 1 and grows[50.0].mean.value == 0  # 80 / 3 mm
    assert found["colours"].growth_mm.value == about(80 / 3)


def test_spread_is_held_against_the_distance_between_poses(crossed):
    """A network that moves a tenth as much altogether is not a tenth as leaky."""
    whole, little = (
        wardrobe_test(Knowing(crossed, share=share, leak_mm=2 * share), crossed, SETTINGS) for share in (1, 0.1)
    )
    assert little["colours"].mpjpe_mm.value == about(whole["colours"].mpjpe_mm.value / 10)
    assert little["colours"].of_poses.value == about(whole["colours"].of_poses.value)
    (less, *_), (same, *_) = (compare_wardrobe(whole, little, relative=r) for r in (False, True))
    assert less.found.high < 0 and same.found.value == about(0)


def test_networks_are_compared_by_frame(crossed):
    one, other = (wardrobe_test(Knowing(crossed, leak_mm=leak), crossed, SETTINGS) for leak in (1, 2))
    found = {number.key: number for number in compare_wardrobe(one, other)}
    assert found["colours_difference"].found.value == about(MOVING * MOVED.mean())
    assert found["colours_difference"].null.value == 0 and found["background_difference"].found.value == about(0)
    with pytest.raises(ConfigError, match="different frames"):
        compare_wardrobe(one, replace(other, rows=other.rows[1:]))
    with pytest.raises(ConfigError, match=r"over 17 joints and .* over 15, not the same"):
        compare_wardrobe(one, replace(other, joints=tuple(range(15))))


def test_numbers_have_intervals_and_nulls_and_are_json(crossed, tmp_path):
    found = wardrobe_test(Knowing(crossed, leak_mm=1.0, pixel_mm=0.1), crossed, SETTINGS)
    numbers = found.numbers()
    assert numbers[0].key == "colours_mpjpe_mm" and len({number.key for number in numbers}) == len(numbers)
    for number in numbers:
        if not number.key.startswith(("noise", "poses")):
            assert number.null is not None and number.null_name
        assert number.found.known
        assert number.found.low - 1e-9 <= number.found.value <= number.found.high + 1e-9
    write_json(tmp_path / "facts.json", found.facts())
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert facts["groups"]["everyday"]["colours"]["mpjpe_mm"]["value"] == found["colours"].mpjpe_mm.value
    assert facts["groups"]["everyday"]["colours"]["mpjpe_mm"]["clustered_by"] in ("sequence", "motion_id")
    assert facts["frames"] == len(crossed) and facts["name"] == "knowing"


def test_the_answer_depends_on_no_batch_and_no_order(crossed):
    network = Knowing(crossed, leak_mm=1.0, pixel_mm=3.0)
    one, other = (wardrobe_test(network, crossed, WardrobeSettings(batch=batch)) for batch in (5, 64))
    assert np.array_equal(one.poses, other.poses)
    assert one.noise.mpjpe_mm == other.noise.mpjpe_mm


def test_groups_of_actions_are_not_pooled(tmp_path):
    dataset = write_crossed(tmp_path / "ds", group="both")
    found = wardrobe_test(Knowing(dataset, leak_mm=1.0), dataset, SETTINGS)
    assert set(found.spreads) == {"everyday", "acrobatic"} and found["colours"].pairs == 18
    assert "colours_acrobatic_mpjpe_mm" in {number.key for number in found.numbers()}
    assert set(found["colours"].actions) == {"walk", "wave"}


def test_fewer_poses_can_be_asked_for(crossed):
    counted = []
    settings = WardrobeSettings(poses=4, noise_draws=2)
    found = wardrobe_test(Knowing(crossed), crossed, settings, progress=lambda *now: counted.append(now))
    assert found["colours"].pairs == 4 * 3 and counted[-1] == (4 * len(LEVELS) + 2 * 4,) * 2


def test_a_network_that_is_told_where_the_person_is(crossed):
    found = wardrobe_test(Told(), crossed, SETTINGS)
    assert found["colours"].mpjpe_mm.value == 0 and found.name == "Told"


def test_a_foreign_target_is_held_against_its_own_joints_and_root(crossed):
    class Some(Knowing):
        joints, root_joints = (1, 2, 4, 5), (1, 4)

        def predict(self, frames):
            pose = super().predict(frames)[:, list(self.joints)]
            return pose - pose[:, [0, 2]].mean(dim=1, keepdim=True)

    found = wardrobe_test(Some(crossed, leak_mm=1.0), crossed, SETTINGS)
    assert found["colours"].joints_mm.shape == (4,) and found.joints == (1, 2, 4, 5)
    assert found["body"].mpjpe_mm.value == about(0) and found.of_anchors(found.anchors.error_mm).value == about(0)


def test_a_target_from_a_file_is_cut_around_the_person(crossed, tmp_path):
    """It sees the mean colour of its crop, so a redder shirt moves it; the crop is the dataset's and stays."""
    module = write_module(tmp_path, "foreign_wardrobe")
    target = load_target(write_target(tmp_path, f"{module}:joints", input={"crop": "box"}))
    found = wardrobe_test(target, crossed, SETTINGS)
    assert found.joints == target.joints and found.name == target.name
    moved = found["colours"].level_mm
    assert 0 < moved["w2"].value < moved["w3"].value < moved["w9"].value
    assert moved["w9"].value == pytest.approx(2.5 * moved["w2"].value, rel=0.02)
    assert found["colours"].mpjpe_mm.value > 5 * found.noise.mpjpe_mm.value


def test_damaged_frames_are_left_out_and_counted(tmp_path):
    dataset = write_crossed(tmp_path / "ds")
    rows = np.concatenate([dataset.select(factor="colours")[:1], dataset.select(factor="anchor")[-1:]])
    with open(tmp_path / "ds" / "frames-000.bin", "r+b") as file:
        for row in rows:
            file.seek(int(dataset.column("offset")[row]) + 7)
            file.write(b"\xff\x01")
    found = wardrobe_test(Knowing(dataset, leak_mm=1.0), open_dataset(tmp_path / "ds"), SETTINGS)
    assert found.unreadable == 2 and found["colours"].pairs == 36 - 1 - 3 and found.noise.pairs == 22
    assert found["background"].pairs == 11


def test_a_pair_of_which_one_is_missing_stays_alone():
    """Ten poses, every other one 10 mm from its anchor, the last one missing."""
    truth = np.random.default_rng(0).normal(0, 200, (10, 17, 3))
    moved = truth + np.where(np.arange(10) % 2, 10.0, 0.0)[:, None, None] * np.array([0, 1, 0])
    moved[9] = np.nan
    pairs = pair_up(truth, moved, truth, truth)
    assert pairs.mpjpe[:9] == about(np.where(np.arange(9) % 2, 10.0, 0.0)) and pairs.growth[1] == about(10)
    assert pairs.pa_mpjpe[:9].max() < 1e-6 and pairs.n_mpjpe[0] == about(0)
    assert all(np.isnan(values[9]).all() for values in pairs)


def test_sets_that_cannot_be_measured_are_one_sentence(crossed, tmp_path):
    other = open_dataset(write_tiny_dataset(tmp_path / "tiny", size=32, instants=1, shards=1, splits=("validation",)))
    with pytest.raises(DataError, match="is a confounded dataset, and a wardrobe test needs a crossed one"):
        wardrobe_test(Knowing(crossed), other)
    with pytest.raises(DataError, match="of 0 acrobatic sequences"):
        wardrobe_test(Knowing(crossed), crossed, WardrobeSettings(group="acrobatic"))
    small = write_crossed(tmp_path / "small", sequences=2)
    with pytest.raises(DataError, match="of 2 everyday sequences"):
        wardrobe_test(Knowing(small), small)

    class Broken(Knowing):
        def predict(self, frames):
            return super().predict(frames) * np.nan

    with pytest.raises(DataError, match="NaN or infinite"):
        wardrobe_test(Broken(crossed), crossed)


@pytest.mark.parametrize("thresholds", [(), (0.0, 25.0), (25.0, 25.0)])
def test_thresholds_that_are_none(thresholds):
    with pytest.raises(ValueError, match="thresholds"):
        WardrobeSettings(thresholds_mm=thresholds)
