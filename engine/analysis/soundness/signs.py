"""The usual signs that a gradient hides something, each with its number and the bound it is held against.

Source: Athalye, Carlini and Wagner 2018, "Obfuscated gradients give a false sense of security", section 3.1: one step
beats many, black boxes beat white ones, large budgets do not succeed, random sampling finds what ascent does not, more
distortion does not help. The bounds are our choice.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.analysis.soundness.gradient import Slope
from turncoat.engine.analysis.soundness.measured import Against, Measured, Rows, attacked, fooled
from turncoat.engine.attack.outcomes import Outcome

ZERO, FLAT, ONE_STEP = 0.01, 0.1, 0.1  # shares of frames
FLAT_MM = 5.0
WRONG_MEDIAN, WRONG_P90, COSINE = 0.05, 0.5, 0.9
HALF = 0.5


@dataclass(frozen=True)
class Sign:
    """One sign. `bad`: it is there. `words`: what was looked for. `found`: what there was, with its numbers."""

    name: str
    words: str
    found: str
    bad: bool


def signs_of(
    first: Rows,
    slopes: Sequence[Slope],
    compared: Mapping[str, Against],
    budgets: Sequence[tuple[float, Measured]],
    easier: Measured | None,
) -> list[Sign]:
    """All that could be looked for.

    Args:
        first: rows of the checked attack.
        slopes: of the gradient check; none where it was left out.
        compared: variants by name.
        budgets: the checked attack's optimiser in balls of several sizes (factor, what it reached), 1 among them;
            none for attacks without one.
        easier: the checked attack with an easier objective, for those.
    """
    found = [_zero(first, slopes), _flat(first), _one_step(first)]
    found += _wrong(slopes)
    if "search" in compared:
        found.append(_search(compared["search"]))
    larger = [one for one in budgets if one[0] >= 1]
    if len(larger) > 1:
        found.append(_budgets(larger))
    if easier is not None:
        rate = easier.fooled
        words = f"{100 * rate.value:.0f} % of the frames pass {easier.variant.settings.threshold_mm:.0f} mm"
        found.append(Sign("positive control", "an easier objective fails", words, rate.value < HALF))
    return found


def half_budget(budgets: Sequence[tuple[float, Interval]]) -> Interval:
    """The budget, as a factor, at which half of the frames are fooled; NaN where it lies beyond those that were tried.

    Between two budgets shares are taken to change evenly. The bounds are where the bounds of the shares pass a half.
    """
    ordered = sorted(budgets)
    factors = [factor for factor, _ in ordered]

    def crossing(shares: Sequence[float]) -> float:
        for (f, s), (g, t) in zip(zip(factors, shares, strict=True), zip(factors[1:], shares[1:], strict=True),
                                  strict=False):  # fmt: skip
            if s < HALF <= t:
                return f + (g - f) * (HALF - s) / (t - s)
        return math.nan if not shares or shares[0] < HALF else factors[0]

    values = [[getattr(share, part) for _, share in ordered] for part in ("value", "high", "low")]
    middle, low, high = (crossing(shares) for shares in values)
    return Interval(middle, low, high)


def _zero(first: Rows, slopes: Sequence[Slope]) -> Sign:
    share = float((first["outcome"] == Outcome.ZERO_GRADIENT.value)[attacked(first)].mean())
    walked = max((slope.zero for slope in slopes), default=0.0)
    text = f"{100 * share:.1f} % of the attacks ended by it" + (
        f", {100 * walked:.1f} % at worst on the way" if slopes else ""
    )
    return Sign("zero gradient", "gradients that are zero", text, max(share, walked) > ZERO)


def _flat(first: Rows) -> Sign:
    missed = attacked(first) & ~fooled(first)
    rise = (first["error_best_mm"] - first["error_initial_mm"]).astype(np.float64)[missed]
    if not len(rise):
        return Sign("flat", "frames whose error never moved", "every frame was fooled", False)
    share = float((rise < FLAT_MM).mean())
    text = (
        f"{100 * share:.1f} % of the frames that were not fooled rose by less than {FLAT_MM:.0f} mm (median rise "
        f"{np.median(rise):.0f} mm)"
    )
    return Sign("flat", "frames whose error never moved", text, share > FLAT)


def _one_step(first: Rows) -> Sign:
    missed = attacked(first) & ~fooled(first)
    curves = [curve for curve in first["error_curve_mm"][missed] if curve is not None and len(curve) > 2]
    if not curves:
        return Sign("one step", "one step that beats many", "every frame was fooled", False)
    share = float(np.mean([curve[1] >= curve[-1] for curve in curves]))
    text = f"{100 * share:.1f} % of the frames that were not fooled had a larger error after one step than after all"
    return Sign("one step", "one step that beats many", text, share > ONE_STEP)


def _wrong(slopes: Sequence[Slope]) -> list[Sign]:
    known = [slope for slope in slopes if not math.isnan(slope.relative_error)]
    if not known:
        return []
    median, worst = (max(getattr(slope, name) for slope in known) for name in ("relative_error", "relative_error_p90"))
    cosine = min(slope.cosine for slope in known)
    return [
        Sign(
            "finite differences",
            "a gradient that is not the slope",
            f"off by {100 * median:.1f} % (median) and {100 * worst:.1f} % (90th percentile) at the worst of "
            f"{len(known)} iterates",
            median > WRONG_MEDIAN or worst > WRONG_P90,
        ),
        Sign(
            "precision",
            "steps so rounded that they go elsewhere",
            f"cosine of the steps' gradient with the float32 one {cosine:.3f} (median) at the worst iterate",
            cosine < COSINE,
        ),
    ]


def _search(search: Against) -> Sign:
    text = (
        f"search minus attack: {100 * search.fooled.value:+.0f} points of success, {search.reached_mm.value:+.1f} mm; "
        f"{search.only_variant} frames by search alone, {search.only_attack} by the attack alone"
    )
    return Sign("search", "a search without gradients that beats the attack", text, search.stronger)


def _budgets(larger: Sequence[tuple[float, Measured]]) -> Sign:
    ordered = sorted(larger, key=lambda one: one[0])
    shares = [one.fooled.value for _, one in ordered]
    text = ", ".join(f"{100 * one.fooled.value:.0f} % at x{factor:g}" for factor, one in ordered)
    stuck = shares[-1] < HALF or (shares[-1] < 1 and shares[-1] <= shares[0])
    return Sign("larger budgets", "larger budgets that do not help", text, stuck)
