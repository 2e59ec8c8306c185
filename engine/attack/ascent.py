"""The loop of Algorithm 1: step every standing slot, retire those that are done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from turncoat.engine.attack.identity import Asker
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair, compute_in
from turncoat.engine.attack.settings import Optimiser
from turncoat.engine.attack.slots import Slots, keep, step
from turncoat.engine.attack.spaces import Space
from turncoat.export.attack_step import Objective, Painter
from turncoat.kernels.pose_error import mpjpe

PATIENCE = 8  # iterations after which a failed check is repeated although the error has not risen


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


Verify = Callable[[Tensor, Any, Tensor], Tensor]
"""(appearance, canvas, reference) -> error in mm of the float32 prediction on the 8-bit frame, (B,)."""


def ascend(
    pair: Pair, painter: Painter, slots: Slots, space: Space, rule: Rule, askers: Sequence[Asker] | None = None
) -> Ascended:
    """Drive every slot uphill until it is retired. Only standing samples are computed.

    Args:
        pair: the target that is attacked; its steps run in the pair's precision, verification in float32.
        painter: repaints from an appearance: the pair's generator, or a colouring of layers.
        slots: samples 0 .. N-1, in that order.
        space: of their coordinates.
        rule: when to end.
        askers: (N,) whose samples these are; needed where the pair asks by queries.

    A sample whose verification fails goes on. It is verified again when its error has risen by what was missing, every
    8 iterations, and at its last one: verification is in float32, and costs as much as a reduced step.

    Source: Nakka and Salzmann 2023, Algorithm 1, lines 6 to 12; the verification on 8-bit frames is ours.
    """
    count, device = slots.size, slots.x.device
    final, best = slots.x.clone(), torch.full((count,), -torch.inf, device=device)
    outcome = [Outcome.USED_UP] * count
    iterations = torch.zeros(count, dtype=torch.int64, device=device)
    checks = torch.zeros(count, dtype=torch.int64, device=device)
    curve = torch.full((count, rule.steps + 1), torch.nan, device=device)
    confirmed: list[bool | None] = [None] * count
    next_error = torch.full((count,), -torch.inf, device=device)  # a failed check is repeated once the error has risen
    next_age = torch.zeros_like(iterations)  # by what was missing, or after some iterations
    weight = torch.ones(slots.reference.shape[1], device=device)

    while slots.size:
        appearance = space.appearance(slots.x)
        pose, gradient = pair.step(
            painter,
            appearance,
            slots.canvas,
            slots.reference,
            weight,
            1.0,
            objective=rule.objective,
            given=slots.given,
            askers=None if askers is None else [askers[sample] for sample in slots.sample.tolist()],
            iteration=slots.age,
        )
        gradient = space.pull_back(gradient.float())
        error = mpjpe(pose.float(), slots.reference)  # (S,)
        curve[slots.sample, slots.age] = error

        size = gradient.flatten(1).abs().amax(dim=1)
        finite = error.isfinite() & size.isfinite()
        fooled = torch.zeros_like(finite)
        used_up = slots.age >= rule.steps
        if rule.stop:
            due = (error >= next_error[slots.sample]) | (slots.age >= next_age[slots.sample]) | used_up
            past = (finite & (error > rule.threshold_mm) & due).nonzero()[:, 0]
            if len(past):
                verified = verified_error(pair, painter, keep(slots, past), appearance[past])
                fooled[past] = verified > rule.threshold_mm
                who = slots.sample[past]
                checks[who] += 1
                next_error[who] = error[past] + (rule.threshold_mm - verified)
                next_age[who] = slots.age[past] + PATIENCE
                for sample, held in zip(who.tolist(), fooled[past].tolist(), strict=True):
                    confirmed[sample] = held if confirmed[sample] is None else confirmed[sample]
        else:
            higher = finite & (error > best[slots.sample])
            best[slots.sample[higher]] = error[higher]
            final[slots.sample[higher]] = slots.x[higher]

        flat = size == 0
        done = fooled | ~finite | used_up | flat
        if done.any():
            leaving = done.nonzero()[:, 0]
            who = slots.sample[leaving]
            iterations[who] = slots.age[leaving]
            if rule.stop:
                final[who] = slots.x[leaving]
            reasons = zip(
                who.tolist(), fooled[leaving].tolist(), finite[leaving].tolist(), used_up[leaving].tolist(), strict=True
            )
            for sample, is_fooled, is_finite, is_used_up in reasons:
                outcome[sample] = _outcome(is_fooled, is_finite, is_used_up)
            standing = (~done).nonzero()[:, 0]
            slots, gradient = keep(slots, standing), gradient[standing]
        slots = step(slots, gradient, space, rule.step_size, rule.optimiser)

    return Ascended(final, outcome, iterations, curve, checks, confirmed)


def verified_error(pair: Pair, painter: Painter, slots: Slots, appearance: Tensor) -> Tensor:
    """Error, mm, (S,), of the float32 reference on the 8-bit frames of these slots."""
    painted = reference_paint(pair, painter, appearance, slots.canvas)
    return mpjpe(pair.predict_rounded(painted, slots.given), slots.reference)


def reference_paint(pair: Pair, painter: Painter, appearance: Tensor, canvas: Any) -> Tensor:
    """Frames painted in float32, without gradient."""
    with torch.no_grad(), compute_in(torch.float32, painter):
        return painter.paint(appearance, canvas).float()


def _outcome(fooled: bool, finite: bool, used_up: bool) -> Outcome:
    if not finite:
        return Outcome.NOT_FINITE
    if fooled:
        return Outcome.FOOLED
    return Outcome.USED_UP if used_up else Outcome.ZERO_GRADIENT
