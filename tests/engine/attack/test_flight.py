"""In-flight batching: who shares a step, how many slots there are and when one looks changes nothing in any sample."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fixtures.plain_loop import plain_ascend
from fixtures.toys import ToyNetwork, ToyStatistics
from turncoat.engine.attack import AttackSettings
from turncoat.engine.attack.appearance import admit_codes, attack_codes
from turncoat.engine.attack.ascent import Rule, ascend
from turncoat.engine.attack.code_flight import CodeFlight
from turncoat.engine.attack.flight import Course, Flight, board
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.slots import fill, take
from turncoat.engine.attack.spaces import Raw, Whitened

CPU = torch.device("cpu")


class Uneven(ToyNetwork):
    """The greener a person the steeper its slope: some need two steps, some all of them, some have no slope at all, and
    blue ones break once they are red enough."""

    def predict(self, frames: Tensor) -> Tensor:
        red, green, blue = self.person(frames).unbind(1)
        slope = 4000.0 * (green.detach() - 0.25).clamp(min=0)
        broken = (blue.detach() > 0.7) & (red > 0.6)
        move = slope * red + torch.where(broken, torch.nan, 0.0)
        self.predicted_in.add(self.compute_dtype)
        return move[:, None, None] * torch.linspace(0, 1, 17)[None, :, None].expand(1, 17, 3)


def frames_of(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    colours = torch.rand(count, 3, 1, 1, generator=generator) * 0.7 + 0.15
    return colours.expand(-1, -1, 32, 32).contiguous(), torch.zeros(count, 3, 32, 32)


def pair_of(network: ToyNetwork) -> Pair:
    return Pair(network, network, ("toy", "toy"), CPU)


def ready(count: int = 23):  # type: ignore[no-untyped-def]
    network = Uneven(statistics=ToyStatistics(radius_p99=60.0))
    pair = pair_of(network)
    return pair, admit_codes(pair, *frames_of(count))


RULE = Rule(40, 0.7, 175.0)


@pytest.fixture(scope="module")
def truth():  # type: ignore[no-untyped-def]
    pair, admitted = ready()
    return plain_ascend(
        pair, pair.generator, fill(admitted.appearance, admitted.clean_pose, admitted.canvas), Raw(), RULE
    )


def test_the_samples_of_these_tests_are_uneven(truth) -> None:  # type: ignore[no-untyped-def]
    """Else they would prove little: several outcomes, and iterations that differ."""
    assert {Outcome.FOOLED, Outcome.USED_UP, Outcome.NOT_FINITE, Outcome.ZERO_GRADIENT} <= set(truth.outcome)
    fooled = truth.iterations[[ended is Outcome.FOOLED for ended in truth.outcome]]
    assert fooled.max() > 2.5 * fooled.min()


@pytest.mark.parametrize("rule", [RULE, Rule(25, 0.5, 175.0, stop=False), Rule(30, 0.4, 175.0, optimiser="gradient")])
@pytest.mark.parametrize("size", [1, 4, 23, 64])
def test_a_flight_ends_where_the_plain_loop_ends(rule: Rule, size: int) -> None:
    pair, admitted = ready()
    space = Whitened(pair.generator.statistics, 20.0)
    x = space.coordinates(admitted.appearance)
    plain = plain_ascend(pair, pair.generator, fill(x, admitted.clean_pose, admitted.canvas), space, rule)
    flown = ascend(pair, pair.generator, fill(x, admitted.clean_pose, admitted.canvas), space, rule, size=size)
    assert flown.outcome == plain.outcome
    assert torch.equal(flown.iterations, plain.iterations) and torch.equal(flown.checks, plain.checks)
    assert flown.confirmed_first == plain.confirmed_first
    torch.testing.assert_close(flown.x, plain.x, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(flown.curve, plain.curve, rtol=1e-4, atol=1e-2, equal_nan=True)


@settings(max_examples=25)
@given(
    slots=st.integers(1, 40),
    every=st.integers(1, 9),
    admitted_at_once=st.integers(1, 23),
    seed=st.integers(0, 1000),
)
def test_slots_order_looks_and_admission_change_nothing(
    truth,  # type: ignore[no-untyped-def]
    slots: int,
    every: int,
    admitted_at_once: int,
    seed: int,
) -> None:
    pair, admitted = ready()
    order = torch.from_numpy(np.random.default_rng(seed).permutation(23))
    rows = board(
        fill(admitted.appearance, admitted.clean_pose, admitted.canvas),
        Course.same(23, RULE.steps, RULE.step_size, threshold_mm=175.0),
        40,
    )
    flight = Flight(pair, pair.generator, Raw(), slots=slots, every=every)
    waiting = list(order.split(admitted_at_once))

    def admit() -> bool:
        if waiting:
            flight.board(take(rows, waiting.pop(0)))
        return bool(waiting)

    seen: dict[int, tuple[Outcome, int]] = {}
    for landed in flight.run(admit):
        for sample, ended, age in zip(
            landed.rows.slots.sample.tolist(), landed.outcome, landed.rows.slots.age.tolist(), strict=True
        ):
            assert sample not in seen, "nobody lands twice"
            seen[sample] = ended, age
    assert flight.aboard == 0
    assert [seen[n][0] for n in range(23)] == truth.outcome
    assert max(abs(seen[n][1] - int(truth.iterations[n])) for n in range(23)) <= 1


def test_slots_stay_busy_while_samples_wait() -> None:
    pair, admitted = ready(200)
    step = 0.4
    rows = board(
        fill(admitted.appearance, admitted.clean_pose, admitted.canvas),
        Course.same(200, 60, step, threshold_mm=175.0),
        60,
    )
    flight = Flight(pair, pair.generator, Raw(), slots=16)
    flight.board(rows)
    iterations = torch.cat([landed.rows.slots.age for landed in flight.run()])
    traffic = flight.traffic.facts()
    assert traffic["busy_before_tail"] > 0.95, traffic
    static = sum(16 * int(batch.max() + 1) for batch in iterations[torch.randperm(200)].split(16))
    assert traffic["places"] < 0.8 * static, "a batch that waits for its slowest computes far more"


def test_a_crossing_that_verification_refuses_comes_back_and_goes_on() -> None:
    class Knife(ToyNetwork):
        """The pose leaps at a level of red that no 8-bit picture holds."""

        def predict(self, frames: Tensor) -> Tensor:
            red = self.person(frames)[:, 0]
            leap = 15.0 * ((red > 140.3 / 255) & (red < 140.45 / 255)).float() + 15.0 * (red > 150 / 255).float()
            pose = torch.zeros(len(frames), 17, 3)
            slope = (red - red.detach()) * 1000.0 + 10.0 * red
            return pose + (leap + slope)[:, None, None] * torch.arange(17)[None, :, None]

    pair = pair_of(Knife())
    frames = torch.full((3, 3, 32, 32), 0.5)
    settings_ = AttackSettings(batch=2)
    block = attack_codes(
        pair, admit_codes(pair, frames, torch.zeros_like(frames)), "paper", 0.1 / 2.55, settings_, None
    )
    assert block.outcome == [Outcome.FOOLED] * 3
    assert block.columns["confirmed_first"] == [False] * 3
    assert block.columns["error_verified_mm"].min() > 175


def test_attacks_of_one_sample_fly_side_by_side_and_equal_those_flown_alone() -> None:
    pair, admitted = ready(17)
    chosen = AttackSettings(iterations=30, batch=8)
    sizes = {"paper": 0.7, "natural": 0.3, "free": 0.1}
    together = CodeFlight(pair, chosen, sizes)
    riders = together.board(admitted)
    done = [(id(one.rider), one.name) for some in together.run() for one in some]
    assert sorted(done) == sorted((id(rider), name) for rider in riders for name in sizes)
    for name, size in sizes.items():
        alone = attack_codes(pair, admitted, name, size, chosen, None)
        assert [rider.kept[name].iterations for rider in riders] == alone.columns["iterations"].tolist()
        x = torch.stack([rider.kept[name].x for rider in riders])
        start = (
            admitted.appearance
            if name == "paper"
            else Whitened(pair.generator.statistics).coordinates(admitted.appearance)
        )
        np.testing.assert_allclose((x - start).norm(dim=1), alone.columns["appearance_shift"], atol=1e-3)


def test_budgets_bind_and_larger_ones_begin_where_smaller_ones_ended() -> None:
    pair, admitted = ready(9)
    chosen = AttackSettings(
        attacks=("budget-0.5", "budget-1", "budget-2.5"), budget_iterations=15, threshold_mm=1e9, judge=None
    )
    flight = CodeFlight(pair, chosen, dict.fromkeys(chosen.attacks, 0.05))
    riders = flight.board(admitted)
    for _ in flight.run():
        pass
    own = Whitened(pair.generator.statistics).coordinates(admitted.appearance)
    usable = [n for n, rider in enumerate(riders) if {one.outcome for one in rider.kept.values()} == {Outcome.USED_UP}]
    assert len(usable) >= 3
    best = []
    for name, budget in zip(chosen.attacks, (0.5, 1.0, 2.5), strict=True):
        x = torch.stack([riders[n].kept[name].x for n in usable])
        assert (x - own[usable]).norm(dim=1).max() <= budget + 1e-4
        best.append([riders[n].kept[name].best for n in usable])
    assert (np.diff(np.array(best), axis=0) > 0).all()
