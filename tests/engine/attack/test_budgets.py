"""Attacks within a distance of the own code, on targets for which the strongest point is known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fixtures.toys import PER_UNIT, REPAINTED, LayeredDataset, ToyNetwork, ToyStatistics, error_of_red
from turncoat.engine.analysis.curves import budget_curves
from turncoat.engine.attack.appearance import admit_codes, attack_codes
from turncoat.engine.attack.code_flight import CodeFlight
from turncoat.engine.attack.courses import BUDGET_STEP, budget_step
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.attack.spaces import Codes
from turncoat.engine.attack.step_size import known_step_size
from turncoat.engine.sweep import Selection, attack_dataset

CPU = torch.device("cpu")
SCALE = ToyStatistics().scale  # of the code, for one of whitened coordinates
NAMES = ("budget-0.5", "budget-1", "budget-2", "budget-4")
SETTINGS = AttackSettings(attacks=NAMES, budget_iterations=12, controls=False, judge=None, threshold_mm=60)


class Wavy(ToyNetwork):
    """The pose swings with red, so that going further does not in itself move it more."""

    def predict(self, frames: Tensor) -> Tensor:
        pose = super().predict(frames)
        still = pose.detach() - torch.nn.functional.pad(pose[..., :1].detach(), (0, 2))
        swing = 50 * torch.sin(pose[:, 1:, 0] / 150)
        moved = torch.nn.functional.pad(swing[..., None], (0, 2, 1, 0))
        return still + moved


def pair_of(network: ToyNetwork) -> Pair:
    return Pair(network, network, ("toy", "toy"), CPU, "float32")


def flat_frames(count: int = 4) -> tuple[Tensor, Tensor]:
    return torch.full((count, 3, 32, 32), 128 / 255), torch.full((count, 3, 32, 32), 0.25)


def step_of(name: str, network: ToyNetwork) -> float:
    found = budget_step(name, network, SETTINGS)
    assert found is not None
    return found


@pytest.mark.parametrize("name, budget", [("budget-0.5", 0.5), ("budget-1", 1.0), ("budget-4", 4.0)])
def test_the_strongest_point_of_a_budget_is_found_and_not_passed(name: str, budget: float) -> None:
    """Red alone moves the pose, so the whole budget goes there; no threshold ends it, 60 mm is far below."""
    network = ToyNetwork(statistics=ToyStatistics())
    pair = pair_of(network)
    admitted = admit_codes(pair, *flat_frames())
    settings = SETTINGS.model_copy(update={"attacks": (name,)})
    block = attack_codes(pair, admitted, name, step_of(name, network), settings, None)
    best = error_of_red(PER_UNIT * (REPAINTED + SCALE * budget))
    np.testing.assert_allclose(block.columns["error_best_mm"], best, rtol=2e-3)
    np.testing.assert_allclose(block.columns["error_verified_mm"], best, atol=error_of_red(1 / 255))
    np.testing.assert_allclose(block.columns["appearance_shift"], budget, rtol=1e-3)
    assert block.common["budget"] == budget and set(block.columns["iterations"].tolist()) == {12}


def test_a_budget_larger_than_the_ball_ends_on_the_ball() -> None:
    network = ToyNetwork(statistics=ToyStatistics(radius_p99=3.0))
    pair = pair_of(network)
    admitted = admit_codes(pair, *flat_frames())
    settings = SETTINGS.model_copy(update={"attacks": ("budget-50",)})
    block = attack_codes(pair, admitted, "budget-50", step_of("budget-50", network), settings, None)
    assert np.asarray(block.columns["appearance_mahalanobis"]).max() <= 3 + 1e-4
    np.testing.assert_allclose(block.columns["error_best_mm"], error_of_red(PER_UNIT * 10 * 3), rtol=0.02)


def test_projected_points_are_in_the_budget_and_in_the_ball_if_the_own_code_is() -> None:
    torch.manual_seed(0)
    space = Codes(ToyStatistics(), CPU)
    own = torch.randn(500, 128)
    own = own / own.norm(dim=1, keepdim=True) * 6 * torch.rand(500, 1)
    x = own + torch.randn(500, 128) * torch.logspace(-2, 2, 500)[:, None]
    for budget in (0.1, 3.0, 20.0):
        limits = space.limits(own, True, 6.0, budget)
        found = space.project(x, limits)
        assert found.norm(dim=1).max() <= 6 + 1e-4
        assert (found - own).norm(dim=1).max() <= budget + 1e-4
        torch.testing.assert_close(space.project(found, limits), found)
        within = ((x - own).norm(dim=1) <= budget) & (x.norm(dim=1) <= 6)
        torch.testing.assert_close(found[within], x[within])


def test_errors_never_fall_with_the_budget_even_where_going_further_is_no_merit() -> None:
    network = Wavy(statistics=ToyStatistics())
    pair = pair_of(network)
    frames, background = flat_frames(6)
    frames[:, 0] += torch.linspace(-0.08, 0.08, 6)[:, None, None]  # everybody is elsewhere on the wave
    flight = CodeFlight(pair, SETTINGS, {name: step_of(name, network) for name in NAMES})
    riders = flight.board(admit_codes(pair, frames, background), None)
    for _ in flight.run():
        pass
    best = np.array([[rider.kept[name].best for name in NAMES] for rider in riders])
    assert (np.diff(best, axis=1) >= -1e-3).all() and (best[:, -1] > best[:, 0] + 5).any()
    shift = torch.stack([torch.stack([rider.kept[name].x for name in NAMES]) for rider in riders])  # (6, 4, 128)
    assert shift.norm(dim=2).max() <= 6 + 1e-4


def test_a_step_is_as_long_as_the_budget_and_no_longer_than_the_ball() -> None:
    network = ToyNetwork(statistics=ToyStatistics(radius_p99=6.0))
    for name, length in (("budget-0.5", 0.5), ("budget-4", 4.0), ("budget-40", 6.0)):
        assert step_of(name, network) * 128**0.5 == pytest.approx(BUDGET_STEP * length)
        choice = known_step_size(name, AttackSettings(step_size={"natural": 9.0}), network)
        assert choice is not None and choice.step_size_from == "budget" and choice.step_size == step_of(name, network)
    assert budget_step("natural", network, SETTINGS) is None
    given = known_step_size("budget-4", AttackSettings(step_size={"budget-4": 0.3}), network)
    assert given is not None and (given.step_size, given.step_size_from) == (0.3, "given")


def test_curves_of_a_sweep_rise_and_random_directions_stay_below(tiny_dataset: Path, tmp_path: Path) -> None:
    network = ToyNetwork(statistics=ToyStatistics())
    attacks = ("budget-0.5", "budget-2", "colours-0.05", "colours-0.1")
    settings = SETTINGS.model_copy(
        update={"attacks": attacks, "colour_iterations": 6, "draws": 3, "threshold_mm": 100, "controls": True}
    )
    selection = Selection(groups=("everyday",), per_subject=3)
    run = attack_dataset(network, LayeredDataset(tiny_dataset), settings, tmp_path / "run", selection=selection)
    codes, colours = budget_curves(run)
    assert (codes.family, codes.budgets, colours.family, colours.budgets) == (
        "codes", (0, 0.5, 2), "colours", (0, 0.05, 0.1),
    )  # fmt: skip
    for found, name, grey in ((codes, "random direction", 1 / 255), (colours, "random colours", 1 / 255)):
        control = found.control(name)
        assert control is not None and control.beyond_mm is not None and control.beyond_mm.value > 0
        means = [point.error_mm.value for point in found.attack.points]
        assert means[0] < means[1] < means[2]
        assert (np.diff(found.measured.error_mm, axis=1) >= -error_of_red(grey)).all()
    for k, budget in ((1, 0.5), (2, 2.0)):
        expected = codes.measured.error_mm[:, 0] + error_of_red(PER_UNIT * SCALE * budget)
        np.testing.assert_allclose(codes.measured.error_mm[:, k], expected, atol=1.5 * error_of_red(1 / 255))
    assert {one.name for one in codes.levels} == {"same subject", "other subjects"}
    assert {one.name for one in colours.levels} == {"other wardrobes", "grey noise"}
