"""One ascent of many samples: what Algorithm 1 does to those that were admitted, driven in flight."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from turncoat.engine.attack.flight import Course, Flight, board
from turncoat.engine.attack.identity import Asker
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import Optimiser
from turncoat.engine.attack.slots import Slots
from turncoat.engine.attack.spaces import Space
from turncoat.export.attack_step import Objective, Painter


@dataclass(frozen=True)
class Rule:
    """How an ascent goes and when it ends.

    Attributes:
        steps: largest number of steps.
        step_size: of the optimiser.
        threshold_mm: an error past it, verified, ends the attack.
        objective: of the attack step.
        stop: end at the threshold; else all steps are made and the strongest iterate is what counts.
        optimiser: what a gradient becomes; `random` asks for none and is not driven here (`search.py`).
    """

    steps: int
    step_size: float
    threshold_mm: float
    objective: Objective = "squared"
    stop: bool = True
    optimiser: Optimiser = "adam"


class Ascended(NamedTuple):
    """What became of N samples; tensors on the device of the attack."""

    x: Tensor  # (N, ...) last coordinates, or the strongest ones (rule.stop false)
    outcome: list[Outcome]  # USED_UP, not FOOLED, where rule.stop is false: only verification can tell
    iterations: Tensor  # (N,) int64 steps made
    curve: Tensor  # (N, steps + 1) error in mm at every iterate; NaN after the last
    checks: Tensor  # (N,) int64 verifications made
    confirmed_first: list[bool | None]  # the first verification held; None: there was none

    @property
    def best(self) -> Tensor:
        """(N,) the largest error of every sample, mm."""
        return self.curve.nan_to_num(nan=-torch.inf, posinf=-torch.inf).amax(dim=1)

    @classmethod
    def joined(cls, pieces: "list[Ascended]") -> "Ascended":
        """Pieces of one set of samples, in their order, as one."""

        def listed(name: str) -> list[Any]:
            return [item for piece in pieces for item in getattr(piece, name)]

        def stacked(name: str) -> Tensor:
            return torch.cat([getattr(piece, name) for piece in pieces])

        return cls(
            stacked("x"),
            listed("outcome"),
            stacked("iterations"),
            stacked("curve"),
            stacked("checks"),
            listed("confirmed_first"),
        )


def ascend(
    pair: Pair,
    painter: Painter,
    slots: Slots,
    space: Space,
    rule: Rule,
    askers: Sequence[Asker] | None = None,
    *,
    size: int | None = None,
) -> Ascended:
    """Drive every slot uphill until it is retired. Only standing samples are computed.

    Args:
        pair: the target that is attacked; its steps run in the pair's precision, verification in float32.
        painter: repaints from an appearance: the pair's generator, or a colouring of layers.
        slots: samples 0 .. N-1, in that order.
        space: of their coordinates.
        rule: when to end.
        askers: (N,) whose samples these are; needed where the pair asks by queries.
        size: how many of them are computed at a time, the others wait for a place; None: all.

    A sample whose verification fails goes on. It is verified again when its error has risen by what was missing, every
    8 iterations, and at its last one: verification is in float32, and costs as much as a reduced step.

    Source: Nakka and Salzmann 2023, Algorithm 1, lines 6 to 12; the verification on 8-bit frames is ours.
    """
    count, device = slots.size, slots.x.device
    final = slots.x.clone()
    outcome = [Outcome.USED_UP] * count
    iterations = torch.zeros(count, dtype=torch.int64, device=device)
    checks = torch.zeros(count, dtype=torch.int64, device=device)
    curve = torch.full((count, rule.steps + 1), torch.nan, device=device)
    confirmed: list[bool | None] = [None] * count
    course = Course.same(
        count,
        rule.steps,
        rule.step_size,
        rule.optimiser,
        threshold_mm=rule.threshold_mm,
        stop=rule.stop,
        device=device,
    )
    whose = None if askers is None else (lambda numbers: [askers[number] for number in numbers])
    flight = Flight(pair, painter, space, objective=rule.objective, slots=size or max(1, count), askers=whose)
    flight.board(board(slots, course, rule.steps))
    for landed in flight.run():
        rows, who = landed.rows, landed.rows.slots.sample
        final[who], iterations[who] = landed.x, rows.slots.age
        checks[who], curve[who] = rows.checks, rows.curve
        for sample, ended, held in zip(who.tolist(), landed.outcome, rows.confirmed.tolist(), strict=True):
            outcome[sample] = ended
            confirmed[sample] = None if held < 0 else bool(held)
    return Ascended(final, outcome, iterations, curve, checks, confirmed)
