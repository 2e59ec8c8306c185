"""Is the gradient that an attack follows the slope of what it climbs? Held against finite differences on its way.

At some iterates of an attack that nothing stops, the float32 gradient g is compared with central differences of the
objective, along g itself and along the step that the attack takes there; and with the gradient in the precision of
the attack's steps.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack import AttackSettings, Pair
from turncoat.engine.attack.appearance import space_of
from turncoat.engine.attack.measure import Admitted
from turncoat.engine.attack.pair import compute_in
from turncoat.engine.attack.slots import Slots, fill, keep, step, take
from turncoat.engine.attack.spaces import Space
from turncoat.engine.attack.verified import reference_paint
from turncoat.export.attack_step import attack_step, objective_value
from turncoat.kernels.pose_error import mpjpe
from turncoat.training.networks import guide

ITERATES = (0, 1, 3, 10, 30, 100)
LENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1)
"""Of the differences, in steps of the attack: too short ones drown in rounding, too long ones leave the slope."""


@dataclass(frozen=True)
class Slope:
    """What was found at one iterate, over the frames there.

    Attributes:
        iterate, frames: where, and of how many.
        length: of the differences that agree best (smallest median), in steps of the attack.
        relative_error, relative_error_p90: of the slope along the gradient, ``|difference - |g|| / |g|``: median and
            90th percentile.
        relative_error_step, relative_error_step_p90: of the slope along the attack's step, over |g| as well.
        cosine, cosine_p10: of the gradient in the precision of the steps with the float32 one: median, 10th percentile.
        step_cosine: of the attack's step with the gradient, median: 1 where it goes straight uphill.
        zero: share of frames with a gradient that is zero or not finite.
        rise_mm: change of the error by the attack's step, median. rising: share of frames that it raises the error of.
    """

    iterate: int
    frames: int
    length: float
    relative_error: float
    relative_error_p90: float
    relative_error_step: float
    relative_error_step_p90: float
    cosine: float
    cosine_p10: float
    step_cosine: float
    zero: float
    rise_mm: float
    rising: float

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON; None for what is unknown."""
        return {name: None if value != value else value for name, value in asdict(self).items()}

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> "Slope":
        """The inverse of `facts`."""
        known: dict[str, Any] = {name: np.nan if value is None else value for name, value in facts.items()}
        return cls(**known)


def slopes(pair: Pair, admitted: Admitted, name: str, step_size: float, settings: AttackSettings) -> list[Slope]:
    """Walk as the attack does from the own codes, never stopping, and look at the slope at `ITERATES`.

    Args:
        pair: generator and target.
        admitted: frames; those past the threshold before the attack, or not finite, are left out.
        name: `paper`, `free` or `natural`.
        step_size: of the attack.
        settings: of the attack.
    """
    space, _ = space_of(name, pair.generator, pair.device, settings.budget_factor)
    usable = (admitted.usable() & (admitted.error_initial <= settings.threshold_mm)).nonzero()[:, 0]
    some: Admitted = take(admitted, usable)
    slots = fill(space.coordinates(some.appearance), some.clean_pose, some.canvas, given=some.given)
    found: list[Slope] = []
    last = max(iterate for iterate in ITERATES if iterate < settings.iterations)
    for iterate in range(last + 1 if slots.size else 0):
        gradient = _gradient(pair, slots, space, settings, reduced=True)
        following = step(slots, gradient, space, step_size, settings.optimiser_of(name))
        if iterate in ITERATES:
            found.append(_slope(pair, slots, following, gradient, space, step_size, settings, iterate))
        walking = gradient.isfinite().all(dim=1).nonzero()[:, 0]
        slots = keep(following, walking)
    return found


def _slope(
    pair: Pair,
    slots: Slots,
    following: Slots,
    gradient: Tensor,
    space: Space,
    step_size: float,
    settings: AttackSettings,
    iterate: int,
) -> Slope:
    exact = _gradient(pair, slots, space, settings, reduced=False)  # (S, D)
    size = exact.norm(dim=1)
    there = (size > 0) & size.isfinite()
    moved = following.x - slots.x
    uphill, along = (torch.nn.functional.normalize(way, dim=1) for way in (exact, moved))
    stride = step_size * exact.shape[1] ** 0.5
    errors: dict[str, np.ndarray] = {}
    for which, direction in (("gradient", uphill), ("step", along)):
        slope = (exact * direction).sum(dim=1)
        rows = []
        for length in LENGTHS:
            above, below = (_objective(pair, slots, slots.x + sign * length * stride * direction, space, settings)[0]
                            for sign in (1, -1))  # fmt: skip
            difference = (above - below) / (2 * length * stride)
            rows.append(((difference - slope).abs() / size)[there].double().cpu().numpy())
        errors[which] = np.stack(rows)  # (lengths, frames)
    best = int(np.argmin(np.median(errors["gradient"], axis=1))) if there.any() else 0
    straight, stepped = errors["gradient"][best], errors["step"][best]
    cosine = torch.nn.functional.cosine_similarity(gradient, exact, dim=1)[there].double().cpu().numpy()
    climbing = torch.nn.functional.cosine_similarity(moved, exact, dim=1)[there].double().cpu().numpy()
    before, after = (_objective(pair, slots, x, space, settings)[1] for x in (slots.x, following.x))
    rise = (after - before).double().cpu().numpy()
    return Slope(
        iterate=iterate,
        frames=slots.size,
        length=LENGTHS[best],
        relative_error=_quantile(straight, 0.5),
        relative_error_p90=_quantile(straight, 0.9),
        relative_error_step=_quantile(stepped, 0.5),
        relative_error_step_p90=_quantile(stepped, 0.9),
        cosine=_quantile(cosine, 0.5),
        cosine_p10=_quantile(cosine, 0.1),
        step_cosine=_quantile(climbing, 0.5),
        zero=float((~there).double().mean()),
        rise_mm=_quantile(rise, 0.5),
        rising=float((rise > 0).mean()),
    )


def _gradient(pair: Pair, slots: Slots, space: Space, settings: AttackSettings, *, reduced: bool) -> Tensor:
    """Of the objective with respect to the coordinates, (S, D): as the attack's steps take it, or in float32."""
    appearance = space.appearance(slots.x)
    weight = torch.ones(slots.reference.shape[1], device=pair.device)
    fixed = (appearance, slots.canvas, slots.reference, weight, 1.0)
    if reduced:
        _, gradient = pair.step(pair.generator, *fixed, objective=settings.objective, given=slots.given)
    else:
        with compute_in(torch.float32, pair.generator, pair.target):
            target = guide(pair.target, slots.given)
            _, gradient = attack_step(pair.generator, target, *fixed, objective=settings.objective)
    return space.pull_back(gradient.float())


def _objective(pair: Pair, slots: Slots, x: Tensor, space: Space, settings: AttackSettings) -> tuple[Tensor, Tensor]:
    """What is climbed at coordinates `x`, and the error in mm, (S,) each: networks in float32, sums in float64."""
    frames = reference_paint(pair, pair.generator, space.appearance(x), slots.canvas)
    pose = pair.predict(frames, slots.given)
    weight = torch.ones(pose.shape[1], device=pose.device, dtype=torch.float64)
    value = objective_value(pose.double(), slots.reference.double(), weight, 1.0, objective=settings.objective)
    return value, mpjpe(pose, slots.reference)


def _quantile(values: np.ndarray, at: float) -> float:
    return float(np.quantile(values, at)) if len(values) else float("nan")
