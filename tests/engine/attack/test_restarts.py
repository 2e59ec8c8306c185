"""Restarts, other optimisers, larger balls and search without gradients, on targets for which the answer is known."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fixtures.toys import ToyNetwork, ToyStatistics
from turncoat.engine.attack.appearance import admit_codes, attack_codes
from turncoat.engine.attack.ascent import Rule, ascend
from turncoat.engine.attack.block import Block
from turncoat.engine.attack.controls import random_direction
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.attack.slots import fill, step
from turncoat.engine.attack.spaces import Raw
from turncoat.engine.attack.starts import STEPS, random_point, random_starts
from turncoat.engine.attack.step_size import GRADIENT_LADDER, LADDERS, choose_step_size, known_step_size
from turncoat.kernels.errors import ConfigError

CPU = torch.device("cpu")
SAMPLES = [{"sample_id": f"frame-{n}"} for n in range(12)]
QUICK = AttackSettings(iterations=60, threshold_mm=175, optimiser={"natural": "adam"})


class WrongHill(ToyNetwork):
    """Redder than the frame, where the own code lies, the error levels off at 38 mm; less red, it rises without end."""

    def predict(self, frames: Tensor) -> Tensor:
        off = self.person(frames)[:, 0] - 128 / 255
        move = torch.where(off > 0, 40 * torch.tanh(off * 200), -4000 * off)
        pose = torch.zeros(len(frames), 17, 3)
        return pose + move[:, None, None] * torch.tensor([0.0] + [1.0] * 16)[None, :, None] * torch.tensor([1.0, 0, 0])


def frames_of(count: int) -> tuple[Tensor, Tensor]:
    frames = torch.full((count, 3, 32, 32), 128 / 255)
    frames[:, 1] += torch.arange(count)[:, None, None] / 255
    return frames, torch.full((count, 3, 32, 32), 0.25)


def attacked(network: Any, settings: AttackSettings, name: str = "natural", count: int = 6, **changes: Any) -> Block:
    pair = Pair(network, network, ("toy", "toy"), CPU)
    samples = changes.pop("samples", SAMPLES[:count])
    if "optimiser" in changes:
        changes["optimiser"] = {name: changes["optimiser"]}
    admitted = admit_codes(pair, *frames_of(count))
    return attack_codes(pair, admitted, name, 0.05, settings.model_copy(update=changes), None, samples)


def statistics(radius: float = 6.0) -> ToyStatistics:
    return ToyStatistics(scale=2.0, radius_p99=radius)


def test_restarts_find_the_hill_that_lies_behind_the_own_start() -> None:
    network = WrongHill(statistics=statistics())
    alone = attacked(network, QUICK)
    assert alone.outcome == [Outcome.USED_UP] * 6
    assert set(alone.columns["start"]) == {"own"} and not alone.columns["restart"].any()
    many = attacked(network, QUICK, restarts=12)
    assert many.outcome == [Outcome.FOOLED] * 6
    assert (many.columns["restart"] > 0).all() and set(many.columns["start"]) == {"random draw"}
    assert (many.columns["appearance_mahalanobis"] <= 6.0 + 1e-4).all()
    for curve, steps in zip(many.columns["error_curve_mm"], many.columns["iterations"], strict=True):
        assert len(curve) == steps + 1, "the curve is the kept restart's"


def test_more_restarts_never_end_lower_and_keep_what_fewer_have_found() -> None:
    network = WrongHill(statistics=statistics())
    ends = [attacked(network, QUICK, restarts=count, threshold_mm=5000.0) for count in (1, 2, 4, 8)]
    errors = np.stack([block.columns["error_final_mm"] for block in ends])
    numbers = np.stack([block.columns["restart"] for block in ends])
    assert (np.diff(errors, axis=0) >= -1e-3).all() and (np.diff(numbers, axis=0) >= 0).all()
    assert numbers[-1].max() > 0
    for block in ends:
        assert block.outcome == [Outcome.USED_UP] * 6
        assert (block.columns["error_best_mm"] >= block.columns["error_final_mm"]).all()


def test_a_fooled_sample_is_not_started_again() -> None:
    class Counting(ToyNetwork):
        frames = 0

        def predict(self, frames: Tensor) -> Tensor:
            self.frames += len(frames) * torch.is_grad_enabled()
            return super().predict(frames)

    network = Counting(statistics=statistics(60.0))
    block = attacked(network, QUICK, restarts=5, threshold_mm=60.0)
    assert block.outcome == [Outcome.FOOLED] * 6 and not block.columns["restart"].any()
    assert network.frames == (block.columns["iterations"] + 1).sum()


@pytest.mark.parametrize("optimiser", ["adam", "random"])
def test_neither_batch_nor_order_changes_what_is_drawn(optimiser: str) -> None:
    network = WrongHill(statistics=statistics())
    whole = attacked(network, QUICK, restarts=4, optimiser=optimiser, count=7)
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
    pair = Pair(network, network, ("toy", "toy"), CPU)
    frames, background = frames_of(7)
    admitted = admit_codes(pair, frames[order], background[order])
    settings = QUICK.model_copy(update={"restarts": 4, "optimiser": {"natural": optimiser}, "batch": 2})
    other = attack_codes(pair, admitted, "natural", 0.05, settings, None, [SAMPLES[i] for i in order])
    back = order.argsort()
    assert [other.outcome[i] for i in back] == whole.outcome
    for column in ("restart", "iterations"):
        assert other.columns[column][back.numpy()].tolist() == whole.columns[column].tolist()
    torch.testing.assert_close(other.appearance[back], whole.appearance, rtol=1e-4, atol=1e-4)
    seeded = attacked(network, QUICK, restarts=4, optimiser=optimiser, count=7, seed=1)
    assert not torch.equal(seeded.appearance, whole.appearance)


def test_starts_fill_the_ball_evenly_and_belong_to_sample_and_restart() -> None:
    points = np.stack([random_point(np.ones(3), 2.0, 0.1, np.random.default_rng(n)) for n in range(4000)])
    radius = np.linalg.norm(points, axis=1)
    assert radius.max() <= 2.0
    assert np.mean(radius < 1.0) == pytest.approx(1 / 8, abs=0.02), "half the radius holds an eighth of the volume"
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=0.06)
    free = np.stack([random_point(np.ones(3), None, 0.1, np.random.default_rng(n)) for n in range(4000)])
    np.testing.assert_allclose(free.std(axis=0), STEPS * 0.1, rtol=0.05)
    np.testing.assert_allclose(free.mean(axis=0), 1, atol=0.06)
    own = torch.zeros(3, 128)

    def drawn(order: list[int], restart: int = 1, seed: int = 0) -> Tensor:
        return random_starts(own, [SAMPLES[n] for n in order], "natural", 6.0, 0.1, seed, restart)

    assert torch.equal(drawn([0, 1, 2])[2], drawn([2, 1, 0])[0])
    for other in (drawn([0, 1, 2], restart=2), drawn([0, 1, 2], seed=1)):
        assert not torch.isclose(other, drawn([0, 1, 2])).any(dim=0).all()


def test_a_code_that_breaks_from_its_own_start_may_be_fooled_from_another() -> None:
    class Breaking(WrongHill):
        def predict(self, frames: Tensor) -> Tensor:
            broken = self.person(frames)[:, 0] > 0.515
            return super().predict(frames) + torch.where(broken, torch.nan, 0.0)[:, None, None]

    network = Breaking(statistics=statistics())
    assert attacked(network, QUICK).outcome == [Outcome.NOT_FINITE] * 6
    assert attacked(network, QUICK, restarts=12).outcome == [Outcome.FOOLED] * 6


def test_whatever_is_random_needs_to_know_the_samples() -> None:
    network = ToyNetwork(statistics=statistics())
    for changes in ({"restarts": 2}, {"optimiser": "random"}):
        with pytest.raises(ConfigError, match="give samples"):
            attacked(network, QUICK, samples=None, **changes)
    assert attacked(network, QUICK, samples=None).outcome == [Outcome.USED_UP] * 6


def test_plain_steps_are_as_long_as_adams_first_and_go_where_they_say() -> None:
    gradient = torch.tensor([[3.0, -4.0, 0.0, 1e-3], [0.0, 0.0, 2e-30, 0.0]])
    slots = fill(torch.zeros(2, 4), torch.zeros(2, 17, 3), ())
    sign = step(slots, gradient, Raw(), 0.2, "sign").x
    torch.testing.assert_close(sign, 0.2 * torch.tensor([[1.0, -1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]]))
    along = step(slots, gradient, Raw(), 0.2, "gradient")
    torch.testing.assert_close(along.x.norm(dim=1), torch.full((2,), 0.4))
    torch.testing.assert_close(along.x[0], 0.4 * gradient[0] / gradient[0].norm())
    assert along.age.tolist() == [1, 1] and not along.first.any(), "nothing is remembered"
    with pytest.raises(ConfigError, match="expected adam, sign or gradient"):
        step(slots, gradient, Raw(), 0.2, "random")


@pytest.mark.parametrize("optimiser", ["adam", "sign", "gradient"])
def test_every_optimiser_climbs_a_slope(optimiser: str) -> None:
    network = ToyNetwork(statistics=statistics(60.0))
    block = attacked(network, QUICK, optimiser=optimiser, threshold_mm=60.0)
    assert block.outcome == [Outcome.FOOLED] * 6
    assert block.columns["error_verified_mm"].min() > 60


def test_a_search_asks_for_no_gradient_and_evaluates_no_more_often_than_an_ascent() -> None:
    class Closed(WrongHill):
        evaluated = 0

        def predict(self, frames: Tensor) -> Tensor:
            assert not torch.is_grad_enabled()
            self.evaluated += len(frames)
            return super().predict(frames)

    network = Closed(statistics=statistics())
    block = attacked(network, QUICK, optimiser="random", threshold_mm=5000.0)
    assert block.outcome == [Outcome.USED_UP] * 6
    before_and_after = 2 + 2  # clean and synthesis; attacked, before and after rounding
    assert network.evaluated == 6 * (QUICK.iterations + 1 + before_and_after)
    assert (block.columns["appearance_mahalanobis"] <= 6.0 + 1e-4).all()
    for curve in block.columns["error_curve_mm"]:
        assert len(curve) == QUICK.iterations + 1 and (np.diff(curve) >= 0).all(), "only what is better is kept"
    assert block.columns["error_final_mm"].min() > 42, "beyond the near hill, whose top is at 38 mm"
    fooled = attacked(network, QUICK, optimiser="random", threshold_mm=42.0)
    assert fooled.outcome == [Outcome.FOOLED] * 6
    assert (fooled.columns["iterations"] < QUICK.iterations).all()
    assert fooled.columns["confirmed_first"] == [True] * 6


def test_a_search_says_so_where_nothing_is_finite() -> None:
    class Broken(ToyNetwork):
        def predict(self, frames: Tensor) -> Tensor:
            red = self.person(frames)[:, 0]
            return super().predict(frames) + torch.where(red != 128 / 255, torch.nan, 0.0)[:, None, None]

    network = Broken(statistics=statistics())
    pair = Pair(network, network, ("toy", "toy"), CPU)
    admitted = admit_codes(pair, *frames_of(2))
    admitted = admitted._replace(error_initial=torch.zeros(2))  # as if only the attack broke it
    settings = QUICK.model_copy(update={"optimiser": {"natural": "random"}})
    block = attack_codes(pair, admitted, "natural", 0.05, settings, None, SAMPLES[:2])
    assert block.outcome == [Outcome.NOT_FINITE] * 2


def test_a_larger_ball_is_filled_and_its_radius_recorded() -> None:
    network = ToyNetwork(statistics=statistics(3.0))
    settings = QUICK.model_copy(update={"threshold_mm": 5000.0, "iterations": 300})
    for factor in (1.0, 2.5):
        block = attacked(network, settings, budget_factor=factor)
        assert block.common["budget"] == 3.0 * factor
        distance = block.columns["appearance_mahalanobis"]
        assert 0.95 * 3.0 * factor < distance.min() and distance.max() <= 3.0 * factor + 1e-4
        pair = Pair(network, network, ("toy", "toy"), CPU)
        admitted, chosen = admit_codes(pair, *frames_of(6)), settings.model_copy(update={"budget_factor": factor})
        control = random_direction(pair, admitted, block, SAMPLES[:6], chosen, None)
        assert control.columns["appearance_mahalanobis"].max() <= 3.0 * factor + 1e-3


def test_step_sizes_belong_to_the_optimiser_that_they_were_chosen_with() -> None:
    network = ToyNetwork(statistics=statistics(60.0))
    network.metadata = {"attack_step_size": {"natural": 0.3, "free": 0.1, "optimiser": {"free": "gradient"}}}

    def known(optimiser: str, name: str = "natural") -> float | None:
        choice = known_step_size(name, AttackSettings.load(None, {"optimiser": optimiser}), network)
        return choice.step_size if choice else None

    assert (known("adam"), known("random"), known("gradient")) == (0.3, 0.3, None)
    assert (known("adam", "free"), known("gradient", "free")) == (None, 0.1)
    pair = Pair(network, network, ("toy", "toy"), CPU)
    admitted = admit_codes(pair, *frames_of(4))
    for optimiser, ladder in (("gradient", GRADIENT_LADDER), ("sign", LADDERS["natural"])):
        settings = AttackSettings.load(None, {"optimiser": optimiser, "step_size_iterations": 5, "restarts": 3})
        choice = choose_step_size(pair, admitted, "natural", settings, "validation")
        assert choice.optimiser == optimiser and choice.facts()["optimiser"] == optimiser
        assert tuple(rung.step_size for rung in choice.ladder) == ladder


def test_the_default_of_algorithm_1_is_one_start_of_adam() -> None:
    """The attack as it was: bit for bit what the loop alone finds from the own codes."""
    network = ToyNetwork(statistics=statistics())
    pair = Pair(network, network, ("toy", "toy"), CPU)
    admitted = admit_codes(pair, *frames_of(4))
    block = attack_codes(pair, admitted, "paper", 0.3, AttackSettings(iterations=20), None)
    slots = fill(admitted.appearance, admitted.clean_pose, admitted.canvas)
    found = ascend(pair, network, slots, Raw(), Rule(20, 0.3, 175.0))
    assert torch.equal(block.appearance, found.x)
    assert block.columns["iterations"].tolist() == found.iterations.tolist()
    assert AttackSettings().optimiser_of("free") == "adam"
    assert AttackSettings().optimiser_of("natural") == "gradient", "in a ball Adam is no strong attack"
