"""Attacks towards a pose, for the smallest change, above a floor of the picture, on pixels: answers that are known."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fixtures.toys import GAIN_MM, PER_UNIT, REPAINTED, ToyNetwork, ToyStatistics, error_of_red
from turncoat.engine.attack.appearance import admit_codes, attack_codes
from turncoat.engine.attack.block import Block
from turncoat.engine.attack.code_flight import CodeFlight
from turncoat.engine.attack.controls import random_direction
from turncoat.engine.attack.floors import PictureFloor
from turncoat.engine.attack.goals import find_goal, mirrored
from turncoat.engine.attack.measure import Admitted
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair, to_bytes
from turncoat.engine.attack.pixels import admit_pixels, attack_pixels, random_signs
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.attack.similarity import similarity
from turncoat.engine.attack.slots import fill
from turncoat.engine.attack.spaces import Codes
from turncoat.engine.attack.verified import reference_paint
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.kernels.pose_error import mpjpe
from turncoat.kernels.skeleton import LEFT, RIGHT
from turncoat.training.data import open_dataset

CPU = torch.device("cpu")
SAMPLES = [{"sample_id": f"frame-{n}"} for n in range(12)]
SCALE = 2.0  # of the toy's natural codes, so that a whitened unit is two units of channel 0
PER_WHITENED = error_of_red(PER_UNIT) * SCALE  # mm


def toy(radius: float = 40.0) -> ToyNetwork:
    return ToyNetwork(statistics=ToyStatistics(scale=SCALE, radius_p99=radius))


def pair_of(network: Any) -> Pair:
    return Pair(network, network, ("toy", "toy"), CPU)


def frames_of(count: int = 4, level: float = 128 / 255) -> tuple[Tensor, Tensor]:
    """Frames with a flat grey person, each a little different in green, before a grey background."""
    frames = torch.full((count, 3, 32, 32), level)
    frames[:, 1] += torch.arange(count)[:, None, None] / 255
    return frames, torch.full((count, 3, 32, 32), 0.25)


def attacked(
    name: str, step_size: float = 0.05, network: Any = None, goal: Tensor | None = None, count: int = 4, **changes: Any
) -> tuple[Pair, Admitted, Block, AttackSettings]:
    said = {"attacks": (name,), "iterations": 200, **({"towards": "mirror"} if goal is not None else {}), **changes}
    chosen, pair = AttackSettings(**said), pair_of(network or toy())
    admitted = admit_codes(pair, *frames_of(count))
    if goal is not None:
        admitted = admitted._replace(goal=goal.expand_as(admitted.clean_pose))
    return pair, admitted, attack_codes(pair, admitted, name, step_size, chosen, None, SAMPLES[:count]), chosen


# Towards a pose


def redder(red: float) -> Tensor:
    """(1, 17, 3) mm, what the toy predicts on the frames of `frames_of` if their person is so much redder."""
    frames = frames_of(1)[0]
    frames[:, 0] += red
    return toy().predict(frames)


@pytest.mark.parametrize("name", ["towards", "towards-free", "towards-paper"])
@pytest.mark.parametrize("red", [0.1, -0.1])
def test_a_prediction_is_driven_to_the_goal_whichever_side_it_lies_on(name: str, red: float) -> None:
    _, admitted, block, _ = attacked(name, goal=redder(red), reach_mm=15, step_size=0.3)
    assert block.outcome == [Outcome.FOOLED] * 4
    initial = torch.from_numpy(block.columns["error_goal_initial_mm"])
    torch.testing.assert_close(initial, torch.full((4,), error_of_red(red - PER_UNIT * REPAINTED)), rtol=0.01, atol=1.0)
    assert block.columns["error_goal_mm"].max() < 15
    moved = (block.appearance - admitted.appearance)[:, 0] * PER_UNIT
    torch.testing.assert_close(moved, torch.full((4,), red - PER_UNIT * REPAINTED), rtol=0, atol=15 / GAIN_MM * 1.2)
    for row in block.rows(SAMPLES[:4]):
        assert "error_curve_mm" not in row and "error_best_mm" not in row, "those are away from the clean pose"
        curve = row["error_goal_curve_mm"]
        assert len(curve) == row["iterations"] + 1 and curve[-1] < 15 < curve[0]


def test_a_goal_out_of_reach_leaves_the_nearest_iterate_not_the_last() -> None:
    """In the ball the reddest code is known; what lies beyond it cannot be reached."""
    network = toy(radius=3.0)
    _, _, block, _ = attacked("towards", network=network, goal=redder(0.5), reach_mm=5, step_size=0.2)
    assert block.outcome == [Outcome.USED_UP] * 4
    reached = error_of_red(0.5 - SCALE * 3.0 * PER_UNIT)
    np.testing.assert_allclose(block.columns["error_goal_mm"], reached, rtol=0.02)
    for curve, error in zip(block.columns["error_goal_curve_mm"], block.columns["error_goal_mm"], strict=True):
        assert error == pytest.approx(curve.min(), abs=5.0)  # a grey level is 7 mm


def test_steps_of_one_length_settle_on_a_goal_that_they_would_circle() -> None:
    """A step is 40 mm long and the goal is reached to 8: only shrinking steps get there."""
    long = 40 / PER_WHITENED / math.sqrt(128)
    _, _, block, _ = attacked("towards", goal=redder(0.1), reach_mm=8, step_size=long)
    assert block.outcome == [Outcome.FOOLED] * 4


def test_who_is_at_the_goal_already_is_not_attacked_and_counts_apart() -> None:
    _, admitted, block, _ = attacked("towards", goal=redder(PER_UNIT * REPAINTED), reach_mm=10)
    assert block.outcome == [Outcome.PAST_BEFORE] * 4
    assert torch.equal(block.appearance, admitted.appearance)


def test_random_directions_as_long_stand_beside_and_are_judged_by_the_goal() -> None:
    pair, admitted, block, chosen = attacked("towards", goal=redder(0.1), reach_mm=15)
    control = random_direction(pair, admitted, block, SAMPLES[:4], chosen, None)
    assert control.outcome == [Outcome.BELOW] * 4
    goal = torch.from_numpy(control.columns["pose_attacked"])
    expected = mpjpe(goal, redder(0.1).expand_as(goal))
    np.testing.assert_allclose(control.columns["error_goal_mm"], expected, rtol=1e-4)
    np.testing.assert_allclose(control.columns["appearance_shift"], block.columns["appearance_shift"], rtol=1e-3)


def test_attacks_towards_and_away_fly_side_by_side_as_they_do_alone() -> None:
    network = toy()
    pair, (frames, background) = pair_of(network), frames_of(3)
    admitted = admit_codes(pair, frames, background)
    admitted = admitted._replace(goal=redder(0.1).expand_as(admitted.clean_pose))
    names = ("paper", "budget-2", "budget-4", "smallest", "towards")
    sizes = dict.fromkeys(names, 0.1)
    chosen = AttackSettings(attacks=names, towards="mirror", reach_mm=15, iterations=40, budget_iterations=20, batch=4)
    together = CodeFlight(pair, chosen, sizes)
    riders = together.board(admitted, SAMPLES[:3])
    done = [one for some in together.run() for one in some]
    assert len(done) == 3 * len(names) and together.aboard == 0
    for name in names:
        if name == "budget-4":
            continue  # alone it begins at the own code
        alone = CodeFlight(pair, chosen, {name: 0.1})
        others = alone.board(admitted, SAMPLES[:3])
        for _ in alone.run():
            pass
        for one, other in zip(riders, others, strict=True):
            assert one.kept[name].outcome is other.kept[name].outcome
            torch.testing.assert_close(one.kept[name].x, other.kept[name].x, rtol=1e-4, atol=1e-4)


def test_mirroring_exchanges_sides_and_is_its_own_inverse() -> None:
    torch.manual_seed(0)
    pose = torch.randn(2, 17, 3)
    other = mirrored(pose)
    torch.testing.assert_close(mirrored(other), pose)
    torch.testing.assert_close(other[:, list(LEFT)] * torch.tensor([-1.0, 1, 1]), pose[:, list(RIGHT)])


def test_goals_come_from_a_sample_a_file_or_the_mirror(tiny_dataset: Path, tmp_path: Path) -> None:
    data, pair = open_dataset(tiny_dataset), pair_of(toy())
    sample = str(data.column("sample_id")[7])

    def goal(said: str) -> Any:
        return find_goal(pair, data, AttackSettings(attacks=("towards",), towards=said))

    clean = pair.predict(pair.frames(data.read([7])))
    torch.testing.assert_close(goal(sample).of(clean.expand(3, -1, -1)), clean.expand(3, -1, -1))
    pose = np.random.default_rng(0).normal(size=(17, 3)) * 200 + 50
    np.save(tmp_path / "pose.npy", pose)
    read = goal(str(tmp_path / "pose.npy"))
    np.testing.assert_allclose(read.of(clean)[0], pose - pose[0], rtol=1e-4, atol=1e-3)
    assert read.facts()["pose_mm"] is not None and goal(sample).facts()["pose_mm"] is None
    torch.testing.assert_close(goal("mirror").of(clean), mirrored(clean))
    assert find_goal(pair, data, AttackSettings()) is None


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((16, 3)), r"float64 \(16, 3\); expected one array \(17, 3\)"),
        (np.full((17, 3), np.nan), "finite"),
        (np.array([["a"] * 3] * 17), "expected one array"),
        (None, "cannot be read as a pose"),
    ],
)
def test_a_file_that_holds_no_pose_is_refused(
    tiny_dataset: Path, tmp_path: Path, array: np.ndarray | None, words: str
) -> None:
    path = tmp_path / "pose.npy"
    if array is not None:
        np.save(path, array)
    with pytest.raises(DataError, match=words):
        find_goal(pair_of(toy()), open_dataset(tiny_dataset), AttackSettings(attacks=("towards",), towards=str(path)))


def test_a_goal_that_is_no_sample_is_refused(tiny_dataset: Path) -> None:
    with pytest.raises(DataError, match="'nobody', which is no sample of "):
        find_goal(pair_of(toy()), open_dataset(tiny_dataset), AttackSettings(attacks=("towards",), towards="nobody"))


def test_without_a_goal_there_is_nothing_to_drive_to() -> None:
    with pytest.raises(ConfigError, match="give the admitted samples a goal"):
        attacked("towards", towards="mirror")


# The smallest change


@pytest.mark.parametrize("name", ["smallest", "smallest-free"])
def test_the_smallest_change_is_the_distance_to_the_threshold(name: str) -> None:
    """Only red moves the pose, so how far one has to go is known; eight rounds know it to the 256th of the first."""
    chosen = {"threshold_mm": 175, "smallest_rounds": 8}
    _, admitted, block, _ = attacked(name, step_size=0.3, **chosen)
    assert block.outcome == [Outcome.FOOLED] * 4
    needed = (175 - error_of_red(PER_UNIT * REPAINTED)) / PER_WHITENED
    grey_level = error_of_red(1 / 255) / PER_WHITENED
    found, low = block.columns["appearance_shift"], block.columns["appearance_shift_low"]
    assert (found > needed - grey_level).all() and (found < needed + grey_level).all()
    assert (low < found).all() and (found - low < 0.05).all()
    assert block.columns["error_verified_mm"].min() > 175
    whitened = Codes(ToyStatistics(scale=SCALE))
    away = whitened.coordinates(block.appearance) - whitened.coordinates(admitted.appearance)
    np.testing.assert_allclose(away.norm(dim=1), found, rtol=1e-4)


def test_the_smallest_change_is_no_larger_than_that_of_a_plain_ascent_and_says_where_nothing_was_found() -> None:
    _, _, plain, _ = attacked("natural", step_size=0.3)
    _, _, block, _ = attacked("smallest", step_size=0.3, smallest_rounds=1)
    assert (block.columns["appearance_shift"] <= plain.columns["appearance_shift"] + 1e-4).all()
    np.testing.assert_array_equal(block.columns["iterations"], plain.columns["iterations"])
    bounds = block.columns["appearance_shift_low"]
    assert ((bounds == 0) | (bounds >= plain.columns["appearance_shift"] / 2 - 1e-4)).all()


def test_where_nothing_fools_there_is_no_smallest_change() -> None:
    pair, admitted, block, chosen = attacked("smallest", network=toy(radius=2.0), iterations=20)
    assert block.outcome == [Outcome.USED_UP] * 4
    assert np.isnan(block.columns["appearance_shift"]).all() and np.isnan(block.columns["appearance_shift_low"]).all()
    control = random_direction(pair, admitted, block, SAMPLES[:4], chosen, None)
    assert control.columns["appearance_shift"].min() > 0, "it goes as far as the ascent went"


@settings(max_examples=4)
@given(batch=st.integers(1, 9), rounds=st.integers(1, 4), seed=st.integers(0, 5))
def test_slots_and_order_change_nothing_in_a_bisection(batch: int, rounds: int, seed: int) -> None:
    torch.manual_seed(seed)
    pair, frames = pair_of(toy()), torch.rand(6, 3, 32, 32)
    chosen = AttackSettings(attacks=("smallest",), iterations=40, budget_iterations=10, smallest_rounds=rounds)
    admitted = admit_codes(pair, frames, torch.rand(6, 3, 32, 32))
    order = torch.randperm(6)
    whole = attack_codes(pair, admitted, "smallest", 0.2, chosen, None)
    mixed = admit_codes(pair, frames[order], admitted.canvas.base[order])
    other = attack_codes(pair, mixed, "smallest", 0.2, chosen.model_copy(update={"batch": batch}), None)
    assert [other.outcome[n] for n in order.argsort()] == whole.outcome
    shift = other.columns["appearance_shift"][order.argsort().numpy()]
    np.testing.assert_allclose(shift, whole.columns["appearance_shift"], rtol=1e-3, atol=1e-3)


# Floors of the picture


@pytest.mark.parametrize("name", ["paper", "natural", "free", "budget-20", "smallest"])
@pytest.mark.parametrize(
    "floors", [{"psnr_floor": 35.0}, {"ssim_floor": 0.99}, {"psnr_floor": 30.0, "ssim_floor": 0.98}]
)
def test_the_row_holds_the_floor_and_the_attack_comes_near_it(name: str, floors: dict[str, float]) -> None:
    _, _, block, _ = attacked(name, step_size=0.5, threshold_mm=5000, iterations=40, budget_iterations=40, **floors)
    assert block.outcome == [Outcome.USED_UP] * 4
    psnr, ssim = floors.get("psnr_floor", 0.0), floors.get("ssim_floor", 0.0)
    assert block.columns["psnr_db"].min() >= psnr - 1e-3 and block.columns["ssim"].min() >= ssim - 1e-5
    near = (block.columns["psnr_db"] < psnr + 1.5) | (block.columns["ssim"] < ssim + 0.004)
    assert near.all(), "or the floor is not what stopped it"


def test_a_floor_that_is_never_met_changes_nothing() -> None:
    _, _, plain, _ = attacked("natural", step_size=0.3)
    _, _, block, _ = attacked("natural", step_size=0.3, psnr_floor=5.0)
    torch.testing.assert_close(block.appearance, plain.appearance)


def test_restarts_begin_above_the_floor_too() -> None:
    _, _, block, _ = attacked("natural", step_size=0.3, threshold_mm=5000, iterations=2, restarts=3, psnr_floor=35.0)
    assert block.columns["psnr_db"].min() >= 35 - 1e-3


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), floor=st.floats(20, 60), far=st.floats(0, 80))
def test_whatever_is_brought_back_lies_on_the_way_and_holds_the_floor(seed: int, floor: float, far: float) -> None:
    torch.manual_seed(seed)
    network = toy()
    pair, space = pair_of(network), Codes(network.statistics)
    admitted = admit_codes(pair, torch.rand(3, 3, 32, 32), torch.rand(3, 3, 32, 32))
    own = space.coordinates(admitted.appearance)
    x = own + far * torch.nn.functional.normalize(torch.randn(3, 128), dim=1)
    x[2, 5] = torch.nan
    slots = fill(x, admitted.clean_pose, admitted.canvas, space.limits(own, True))
    back = PictureFloor(pair, network, space, psnr_db=floor)(x, slots)
    painted = to_bytes(reference_paint(pair, network, space.appearance(back, slots.limits), admitted.canvas))
    assert (similarity(painted, admitted.synthesis)["psnr_db"][:2] >= floor - 0.05).all()
    share = (back - own)[:2].norm(dim=1) / (x - own)[:2].norm(dim=1).clamp(min=1e-9)
    torch.testing.assert_close((back - own)[:2], share[:, None] * (x - own)[:2], rtol=1e-3, atol=1e-4)
    assert (share <= 1 + 1e-5).all() and back[2, 5].isnan()


# Pixels


def pixels(name: str = "pixels-8", count: int = 4, **changes: Any) -> tuple[Pair, Admitted, Block, Block]:
    pair, chosen = pair_of(toy()), AttackSettings(attacks=(name,), **changes)
    pictures = np.random.default_rng(3).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    pictures[0, 0] = 2  # where the box is cut by black
    admitted = admit_pixels(pair, pictures, 3)
    block = attack_pixels(pair, admitted, name, SAMPLES[:count], chosen, None)
    return pair, admitted, block, random_signs(pair, admitted, name, SAMPLES[:count], chosen, None)


@pytest.mark.parametrize("levels", [1, 8])
def test_every_pixel_of_the_person_goes_as_far_as_it_may(levels: int) -> None:
    """The toy's error is linear in the mean red, so the strongest picture has all of it at one face of the box."""
    _, admitted, block, control = pixels(f"pixels-{levels}", threshold_mm=30)
    red = admitted.appearance[:, 0, 8:24, 8:24]
    up = ((red + levels / 255).clamp(max=1) - red).mean(dim=(1, 2))
    down = (red - (red - levels / 255).clamp(min=0)).mean(dim=(1, 2))
    either = torch.stack([up, down]) * GAIN_MM * 16 / 17
    error = torch.from_numpy(block.columns["error_verified_mm"])
    assert (torch.minimum((error - either[0]).abs(), (error - either[1]).abs()) < 0.05).all()
    expected = Outcome.FOOLED if levels == 8 else Outcome.USED_UP
    assert block.outcome[1:] == [expected] * 3
    assert block.common["budget"] == levels and block.common["attack"] == "pixels"
    theirs = control.columns["error_verified_mm"][1:]  # at black, half of the signs are cut, so that they do go up
    assert (theirs < 0.4 * block.columns["error_verified_mm"][1:]).all() and (control.columns["draws"] == 20).all()


def test_pictures_stay_in_the_box_and_start_at_random_from_the_sample() -> None:
    _, _, block, _ = pixels()
    _, _, again, _ = pixels(batch=1)
    np.testing.assert_allclose(block.columns["error_verified_mm"], again.columns["error_verified_mm"], rtol=1e-4)
    assert (block.columns["psnr_db"] > 20 * math.log10(255 / 8) - 1e-3).all(), "8 grey levels everywhere are 30.1 dB"
    assert block.columns["error_initial_mm"].max() == 0, "nothing is repainted"
    assert block.columns["start"] == ["random draw"] * 4
    curves = block.columns["error_curve_mm"]
    assert all(len(curve) == 21 and curve[0] > 0 for curve in curves)


# What does not go together


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attacks": ("towards",)}, "say which by `towards`"),
        ({"towards": "mirror"}, "no attack goes there"),
        ({"attacks": ("pixels-8",), "psnr_floor": 30.0}, "pixels-8 have budgets of their own"),
        ({"attacks": ("natural", "colours-0.1"), "ssim_floor": 0.9}, "colours-0.1 have budgets of their own"),
        ({"attacks": ("smallest",), "optimiser": "random"}, "'smallest' follows gradients"),
        ({"attacks": ("natural",), "optimiser": "random", "psnr_floor": 30.0}, "with psnr_floor follows gradients"),
        ({"attacks": ("pixels-0",)}, "there is no attack 'pixels-0'"),
        ({"attacks": ("pixels-256",)}, "there is no attack 'pixels-256'"),
        ({"attacks": ("smallest-paper",)}, "there is no attack 'smallest-paper'"),
        ({"psnr_floor": 100.0}, "psnr_floor"),
        ({"ssim_floor": 0.0}, "ssim_floor"),
        ({"objective": "l1"}, "objective"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused_in_a_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        AttackSettings.load(None, changes)
