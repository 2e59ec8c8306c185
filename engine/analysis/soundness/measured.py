"""What each variant reached, and how that differs from the attack that is checked, paired by sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from turncoat.engine.analysis.intervals import Interval, bootstrap_mean, clusters_of, success_interval
from turncoat.engine.analysis.paired import mcnemar, paired_difference, paired_share_difference
from turncoat.engine.analysis.soundness.variants import Variant
from turncoat.engine.attack.outcomes import ATTACKED, Outcome
from turncoat.engine.runs import Run
from turncoat.kernels.errors import DataError

Rows = dict[str, np.ndarray]

LARGER_MM = 5.0
"""By so much, with an interval that leaves zero out, a variant that fools no more frames is still the stronger."""


@dataclass(frozen=True)
class Measured:
    """One run, over the frames that were really attacked.

    Attributes:
        variant, step_size: what was run. seconds: it took.
        frames: attacked. past_before: left out for being past the threshold before the attack. failed: for no result.
        fooled: share, with its interval.
        reached_mm: mean verified error of the last 8-bit frame, none counting for more than the threshold; for what
            goes past it is no merit, and where attacks stop.
        largest_mm: the same of the largest error on the way, which is not verified.
        steps: quantiles 10, 50, 90 % of the steps, over all starts, that the fooled frames took; None if none was.
    """

    variant: Variant
    step_size: float
    seconds: float
    frames: int
    past_before: int
    failed: int
    fooled: Interval
    reached_mm: Interval
    largest_mm: float
    steps: tuple[float, float, float] | None


@dataclass(frozen=True)
class Against:
    """A variant minus the attack that is checked, over the pairs that were attacked under both.

    Attributes:
        pairs: how many. only_attack, only_variant: fooled by one alone. mcnemar_p: exact, of those two.
        fooled: difference of the shares. reached_mm: mean difference.
    """

    measured: Measured
    pairs: int
    only_attack: int
    only_variant: int
    mcnemar_p: float
    fooled: Interval
    reached_mm: Interval

    @property
    def fools_more(self) -> bool:
        """By more than the interval."""
        return self.fooled.low > 0

    @property
    def reaches_further(self) -> bool:
        """By more than the interval, and by `LARGER_MM`."""
        return self.reached_mm.low > 0 and self.reached_mm.value >= LARGER_MM

    @property
    def stronger(self) -> bool:
        """Either of them."""
        return self.fools_more or self.reaches_further

    @property
    def weaker(self) -> bool:
        """Fools fewer, or fools no more and reaches less far, by more than the interval."""
        less = self.reached_mm.high < 0 and self.reached_mm.value <= -LARGER_MM
        return not self.stronger and (self.fooled.high < 0 or less)


@dataclass(frozen=True)
class Together:
    """What the attack and its variants find between them, by this generator within this budget.

    fooled: share fooled by any. difference: to the attack alone. variants: how many there were.
    """

    variants: int
    frames: int
    fooled: Interval
    difference: Interval


def attack_rows(run: Run, variant: Variant) -> Rows:
    """The rows of the attack itself, sorted by sample."""
    rows = run.rows(attack="appearance", setting=variant.setting)
    order = np.argsort(rows["sample_id"].astype(str))
    return {name: column[order] for name, column in rows.items()}


def attacked(rows: Rows) -> np.ndarray:
    """(N,) bool: frames that were really attacked."""
    return np.isin(rows["outcome"].astype(str), [outcome.value for outcome in ATTACKED])


def fooled(rows: Rows) -> np.ndarray:
    """(N,) bool."""
    found: np.ndarray = rows["outcome"] == Outcome.FOOLED.value
    return found


def reached(rows: Rows, threshold_mm: float, column: str = "error_verified_mm") -> np.ndarray:
    """(N,) mm: the error, none counting for more than the threshold."""
    return np.minimum(rows[column].astype(np.float64), threshold_mm)


def steps_made(rows: Rows, variant: Variant) -> np.ndarray:
    """(N,) float: steps of all starts, as far as the one that is kept; earlier ones made all of theirs."""
    made: np.ndarray = rows["restart"].astype(np.float64) * variant.settings.iterations + rows["iterations"]
    return made


def measure(variant: Variant, run: Run, rows: Rows) -> Measured:
    """Of one run."""
    taken = attacked(rows)
    some = {name: column[taken] for name, column in rows.items()}
    hit, clusters, threshold = fooled(some), clusters_of(some), variant.settings.threshold_mm
    steps = steps_made(some, variant)[hit]
    before = int((rows["outcome"] == Outcome.PAST_BEFORE.value).sum())
    low, middle, high = np.quantile(steps, (0.1, 0.5, 0.9)).tolist() if len(steps) else (0.0, 0.0, 0.0)
    return Measured(
        variant=variant,
        step_size=float(run.info["attacks"][variant.setting]["step_size"]),
        seconds=float(run.info["wall_s"]),
        frames=int(taken.sum()),
        past_before=before,
        failed=int(len(taken) - taken.sum() - before),
        fooled=success_interval(hit, clusters),
        reached_mm=bootstrap_mean(reached(some, threshold), clusters),
        largest_mm=float(reached(some, threshold, "error_best_mm").mean()),
        steps=(low, middle, high) if len(steps) else None,
    )


def against(first: Rows, measured: Measured, rows: Rows) -> Against:
    """Pair a variant's rows with those of the checked attack; both sorted by sample, some frame attacked under both.

    Raises:
        DataError: they are of other samples.
    """
    if first["sample_id"].tolist() != rows["sample_id"].tolist():
        raise DataError(
            f"The run {measured.variant.name!r} is of other samples than the attack; delete its folder and check again."
        )
    both = attacked(first) & attacked(rows)
    one, other = ({name: column[both] for name, column in each.items()} for each in (first, rows))
    clusters, threshold = clusters_of(one), measured.variant.settings.threshold_mm
    a, b = fooled(one), fooled(other)
    only_attack, only_variant = int((a & ~b).sum()), int((b & ~a).sum())
    return Against(
        measured=measured,
        pairs=int(both.sum()),
        only_attack=only_attack,
        only_variant=only_variant,
        mcnemar_p=mcnemar(only_attack, only_variant),
        fooled=paired_share_difference(a, b, clusters),
        reached_mm=paired_difference(reached(one, threshold), reached(other, threshold), clusters),
    )


def together(first: Rows, others: Sequence[Rows]) -> Together:
    """What any of them fooled, over the frames that the checked attack was really made on."""
    taken = attacked(first)
    some = {name: column[taken] for name, column in first.items()}
    own, clusters = fooled(some), clusters_of(some)
    by_any = np.logical_or.reduce([own, *(fooled(rows)[taken] for rows in others)])
    return Together(
        variants=len(others),
        frames=int(taken.sum()),
        fooled=success_interval(by_any, clusters),
        difference=paired_share_difference(own, by_any, clusters),
    )


def share_over_steps(rows: Rows, variant: Variant) -> tuple[np.ndarray, np.ndarray]:
    """Share of the attacked frames fooled within so many steps of all starts: steps (K,), shares (K,), from 0 on."""
    taken = attacked(rows)
    steps = np.sort(steps_made(rows, variant)[taken & fooled(rows)])
    at, counts = np.unique(steps, return_counts=True)
    last = variant.settings.iterations * variant.settings.restarts
    shares = counts.cumsum() / taken.sum()
    end = shares[-1] if len(shares) else 0.0
    return np.concatenate([[0.0], at, [last]]), np.concatenate([[0.0], shares, [end]])


def error_over_steps(rows: Rows, variant: Variant) -> np.ndarray | None:
    """Mean error (iterations + 1,), mm, of the attacked frames at every iterate, as `reached` counts it.

    A frame that was fooled stays at the threshold. None for several starts: what was kept is known of one alone.
    """
    if variant.settings.restarts > 1:
        return None
    threshold, length = variant.settings.threshold_mm, variant.settings.iterations + 1
    curves: list[Any] = []
    for curve, outcome in zip(rows["error_curve_mm"], rows["outcome"], strict=True):
        if curve is None or not len(curve) or outcome not in [one.value for one in ATTACKED]:
            continue
        held = np.minimum(np.pad(curve[:length], (0, max(0, length - len(curve))), mode="edge"), threshold)
        if outcome == Outcome.FOOLED.value:
            held[len(curve) - 1 :] = threshold
        curves.append(held)
    return np.mean(curves, axis=0) if curves else None
