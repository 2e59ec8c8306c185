"""Random search: what can be found within a budget without asking for a single gradient.

A check on the ascent, not a rival to it: where this finds more with as many evaluations of the network, the gradient
hides something (Athalye, Carlini and Wagner 2018, "Obfuscated gradients give a false sense of security", section 3.1).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.ascent import Ascended, Rule
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.slots import Slots, keep
from turncoat.engine.attack.spaces import Space
from turncoat.engine.attack.starts import random_points
from turncoat.engine.attack.verified import verified_error
from turncoat.export.attack_step import Painter

DRAWN = 0.25  # share of the evaluations spent on draws from the whole budget, before the climb
WIDER, NARROWER = 1.5, 1.5**-0.25  # balance where one proposal in five is better


def search(
    pair: Pair,
    painter: Painter,
    slots: Slots,
    space: Space,
    rule: Rule,
    budget: float | None,
    random: Sequence[np.random.Generator],
) -> Ascended:
    """Draw from the budget, then climb from the strongest point by random steps, of which the better are kept.

    Every evaluation is of the float32 network on the 8-bit frame, so that what is found is verified already. A sample
    is evaluated `rule.steps + 1` times at most, as often as an ascent of as many steps evaluates it.

    Args:
        pair, painter, slots, space: as in `ascend`; coordinates are (S, D).
        rule: its steps, step size (of the first climbing steps, along every coordinate) and threshold.
        budget: radius of the ball that is drawn from, or None; see `starts.random_point`.
        random: of every sample, in the order of `slots`.

    Source: the climb is a (1 + 1) evolution strategy with the one-fifth rule (Rechenberg 1973).
    """
    count, device = slots.size, slots.x.device
    start, kept = slots.x, slots.x.clone()
    best = torch.full((count,), -torch.inf, device=device)
    reach = torch.full((count,), float(rule.step_size), device=device)
    iterations = torch.full((count,), rule.steps, dtype=torch.int64, device=device)
    curve = torch.full((count, rule.steps + 1), torch.nan, device=device)
    drawn = round(DRAWN * rule.steps)

    for age in range(rule.steps + 1):
        who = slots.sample
        mine = [random[sample] for sample in who.tolist()]
        if age == 0:
            x = slots.x
        elif age <= drawn:
            x = space.project(random_points(start[who], budget, rule.step_size, mine), slots.limits)
        else:
            x = space.project(kept[who] + reach[who, None] * _noise(mine, start), slots.limits)
        error = verified_error(pair, painter, slots, space.appearance(x))
        higher = error > best[who]  # never where it is NaN
        best[who[higher]], kept[who[higher]] = error[higher], x[higher]
        if age > drawn:
            reach[who] *= torch.where(higher, WIDER, NARROWER)
        curve[who, age] = best[who]
        done = (best[who] > rule.threshold_mm) & best[who].isfinite()
        if done.any():
            iterations[who[done]] = age
            slots = keep(slots, (~done).nonzero()[:, 0])
            if not slots.size:
                break

    finite, past = best.isfinite(), best > rule.threshold_mm
    outcome = [
        Outcome.NOT_FINITE if not is_finite else Outcome.FOOLED if is_past else Outcome.USED_UP
        for is_finite, is_past in zip(finite.tolist(), past.tolist(), strict=True)
    ]
    return Ascended(kept, outcome, iterations, curve, past.long(), [is_past or None for is_past in past.tolist()])


def _noise(random: Sequence[np.random.Generator], like: Tensor) -> Tensor:
    """Standard normal numbers, (S, D)."""
    drawn = np.stack([by.standard_normal(like.shape[1]) for by in random])
    return torch.from_numpy(drawn).to(like)
