"""Intervals: how far a mean or a rate could be off because of the recordings that happened to be chosen.

Frames are not independent. Those of one sequence are not, and neither are sequences that play the same motion clip
(mirrored, warped in time, by another person). Nobody can say which of the two ties frames closer, so every interval is
computed twice, drawing whole sequences and drawing whole clips, and the wider one is given, with its name.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

Z_95 = 1.959963984540054
FEWEST = 3
"""Fewer clusters than this say nothing about others: a mean of so few has no interval. [choice]"""
DRAWS = 2000
_AT_ONCE = 2_000_000  # drawn clusters in memory at a time


class Interval(NamedTuple):
    """An estimate and its 95 % interval.

    value: NaN where there is nothing to estimate from. low, high: NaN where there are too few clusters to tell.
    clustered_by: "sequence" or "motion_id", whichever gave the wider interval; None where there is none.
    """

    value: float
    low: float
    high: float
    clustered_by: str | None = None

    def scaled(self, factor: float) -> "Interval":
        """All three numbers times a positive `factor`: shares as percent."""
        return Interval(factor * self.value, factor * self.low, factor * self.high, self.clustered_by)

    def facts(self) -> dict[str, float | str | None]:
        """As plain values, for JSON: {value, low, high, clustered_by}, None for what is unknown."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        known = {name: number if math.isfinite(number) else None for name, number in numbers.items()}
        return {**known, "clustered_by": self.clustered_by}

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)


class Clusters:
    """What N frames have in common: of every clustering a whole number (N,) a frame."""

    def __init__(self, labels: Mapping[str, np.ndarray]) -> None:
        """labels: clustering's name -> labels (N,) of any kind."""
        self.labels = {name: _numbered(values) for name, values in labels.items()}

    def __getitem__(self, keep: np.ndarray) -> "Clusters":
        """Those of the frames that `keep` (mask or indices) names."""
        return Clusters({name: values[keep] for name, values in self.labels.items()})

    def counts(self) -> dict[str, int]:
        """How many clusters there are, by clustering."""
        return {name: int(values.max(initial=-1)) + 1 for name, values in self.labels.items()}


def clusters_of(columns: Mapping[str, np.ndarray]) -> Clusters:
    """Clusterings of frames by the columns `sequence` and, where it says anything, `motion_id` (each (N,)).

    A frame whose clip is unknown (None, "", NaN, or no such column) counts as a clip of its sequence's own.
    """
    sequence = np.asarray(columns["sequence"]).astype(str)
    found, motion = {"sequence": sequence}, columns.get("motion_id")
    if motion is not None:
        known = np.array([value == value and value not in (None, "") for value in motion.tolist()], dtype=bool)
        if known.any():
            own = np.char.add("in ", sequence)
            found["motion_id"] = np.where(known, np.char.add("clip ", motion.astype(str)), own)
    return Clusters(found)


def wider(found: Iterable[Interval]) -> Interval:
    """The widest of several intervals of one estimate, the first of equal ones; one that is unknown is the widest."""
    return max(found, key=lambda each: each.high - each.low if each.known else math.inf)


def wilson(successes: float, count: int) -> Interval:
    """Wilson's score interval of a rate, for independent samples; successes need not be whole.

    Source: Wilson 1927; ``(p + z^2/2n +- z sqrt(p (1 - p) / n + z^2 / 4 n^2)) / (1 + z^2 / n)``.
    """
    if count == 0:
        return Interval(math.nan, math.nan, math.nan)
    rate, square = successes / count, Z_95**2 / count
    centre = (rate + square / 2) / (1 + square)
    half = Z_95 * math.sqrt(rate * (1 - rate) / count + square / (4 * count)) / (1 + square)
    # At 0 and 1 the bounds are exact; the subtraction misses them by a rounding.
    return Interval(rate, 0.0 if successes == 0 else centre - half, 1.0 if successes == count else centre + half)


def bootstrap_mean(
    values: np.ndarray,
    clusters: Clusters | np.ndarray,
    *,
    over: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Mean of `values` (N,), or the ratio of their sum to that of `over` (N,), by a bootstrap over whole clusters.

    Percentile bounds of K clusters are too near by ``sqrt(K / (K - 1)) t / z`` (t: Student's quantile of K - 1 degrees
    of freedom), a factor of 1.2 for 12: the bootstrap cannot know that it knows few. So their distances to the
    estimate are stretched by that factor; bounds of what is never negative stay at zero or above. NaN values are left
    out. Below `FEWEST` clusters there are no bounds.

    Source: Hesterberg 2015, "What teachers should know about the bootstrap", for the factor; there it moves the
    percentiles outwards, which stops at the smallest cluster and still covers too little below eight.

    clusters: as `clusters_of` makes them, or the labels (N,) of one clustering.
    """
    return bootstrap_mean_over_groups(values, clusters, None, over=over, draws=draws, seed=seed)


def bootstrap_mean_over_groups(
    values: np.ndarray,
    clusters: Clusters | np.ndarray,
    groups: np.ndarray | None,
    *,
    over: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Mean over `groups` (N,) (subjects) of each one's mean, as the average rows of the paper's tables are.

    The groups are given, not drawn. Clusters that lie within one group each (sequences) are drawn within their group;
    clusters that several share (clips that several people perform) are drawn once for all. Groups without a value are
    left out; where one has a single cluster of its own there are no bounds.
    """
    values = np.asarray(values, dtype=np.float64)
    below = np.ones(len(values)) if over is None else np.asarray(over, dtype=np.float64)
    present = ~(np.isnan(values) | np.isnan(below))
    if not present.any():
        return Interval(math.nan, math.nan, math.nan)
    values, below, clusters = values[present], below[present], _clusters(clusters)[present]
    group = np.zeros(len(values), dtype=np.int64) if groups is None else _numbered(np.asarray(groups)[present])
    centre = float((np.bincount(group, values) / np.bincount(group, below)).mean())
    positive = bool((values >= 0).all() and (below >= 0).all())

    def one(name: str, labels: np.ndarray) -> Interval:
        drawn = _drawn(values, below, labels, group, draws, np.random.default_rng(seed))
        if drawn is None:
            return Interval(centre, math.nan, math.nan)
        estimates, stretch = drawn
        low, high = (centre + stretch * (bound - centre) for bound in np.quantile(estimates, (0.025, 0.975)).tolist())
        return Interval(centre, max(low, 0.0) if positive else low, high, name)

    return wider(one(name, labels) for name, labels in clusters.labels.items())


def success_interval(
    hits: np.ndarray, clusters: Clusters | np.ndarray, *, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """A share of true `hits` (N,), or a mean of shares: the wider of the bootstrap's bounds over clusters and Wilson's.

    Wilson's is of as many samples as there are clusters. Alone, the bootstrap is far too narrow near 0 and 1: of one
    success in a hundred it cannot know that the next hundred may have five, and of none it has no spread at all. Below
    `FEWEST` clusters Wilson's stands alone.
    """
    hits = np.asarray(hits, dtype=np.float64)

    def beside(rate: float, count: int) -> tuple[float, float]:
        score = wilson(rate * count, count)
        return score.low, score.high

    return share_interval(hits, clusters, beside, (0.0, 1.0), draws=draws, seed=seed)


def share_interval(
    values: np.ndarray,
    clusters: Clusters | np.ndarray,
    beside: Callable[[float, int], tuple[float, float]],
    bounds: tuple[float, float],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Mean of `values` (N,), none of them NaN, on either side the wider of the bootstrap's bound and of another's.

    beside: (mean, number of clusters) -> bounds by a formula for so many independent samples. bounds: what a mean can
    be at most. Each clustering has its own, and the wider of those is given.
    """
    if len(values) == 0:
        return Interval(math.nan, math.nan, math.nan)

    def one(name: str, labels: np.ndarray) -> Interval:
        drawn = bootstrap_mean(values, labels, draws=draws, seed=seed)
        low, high = beside(drawn.value, int(labels.max()) + 1)
        if drawn.known:
            low, high = max(bounds[0], min(low, drawn.low)), min(bounds[1], max(high, drawn.high))
        return Interval(drawn.value, low, high, name)

    return wider(one(name, labels) for name, labels in _clusters(clusters).labels.items())


def paired_share_difference(
    a: np.ndarray, b: np.ndarray, clusters: Clusters | np.ndarray, *, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """Difference of two shares ``mean(b) - mean(a)`` of the same N samples (bool, or shares), with its interval.

    On either side the wider of the bootstrap over clusters and Bonett and Price's interval for as many pairs as there
    are clusters: where hardly a pair differs, the bootstrap alone would be certain of what it cannot know.

    Source: Bonett and Price 2012, "Adjusted Wald confidence interval for a difference of binomial proportions based on
    paired data".
    """
    moved = np.asarray(b, dtype=np.float64) - np.asarray(a, dtype=np.float64)

    def beside(_: float, pairs: int) -> tuple[float, float]:
        only_a, only_b = float((-moved).clip(min=0).mean()), float(moved.clip(min=0).mean())
        return _bonett_price(only_a * pairs, only_b * pairs, pairs)

    return share_interval(moved, clusters, beside, (-1.0, 1.0), draws=draws, seed=seed)


def _bonett_price(only_a: float, only_b: float, pairs: int) -> tuple[float, float]:
    """Bounds of the difference; counts need not be whole."""
    one, other = (only_a + 1) / (pairs + 2), (only_b + 1) / (pairs + 2)
    half = Z_95 * math.sqrt(max(one + other - (other - one) ** 2, 0.0) / (pairs + 2))
    return max(other - one - half, -1.0), min(other - one + half, 1.0)


def _drawn(
    values: np.ndarray,
    below: np.ndarray,
    labels: np.ndarray,
    group: np.ndarray,
    draws: int,
    random: np.random.Generator,
) -> tuple[np.ndarray, float] | None:
    """Estimates (draws,) over clusters drawn with replacement, and the stretch; None where clusters are too few."""
    from scipy.special import stdtrit

    count, groups = int(labels.max()) + 1, int(group.max()) + 1
    place = labels * groups + group
    tops, bottoms, there = (
        np.bincount(place, each, count * groups).reshape(count, groups)
        for each in (values, below, np.ones(len(values)))
    )
    own = (there > 0).sum(axis=1).max() == 1  # every cluster lies in one group
    strata = [np.flatnonzero(column) for column in there.T] if own else [np.arange(count)]
    freedom = count - len(strata)
    if freedom < FEWEST - 1 or min(map(len, strata)) < 2:
        return None
    found = np.zeros(draws)
    for number, members in enumerate(strata):
        columns = np.array([number]) if own else np.arange(groups)
        found += _ratios(tops[np.ix_(members, columns)], bottoms[np.ix_(members, columns)], draws, random) / len(strata)
    each = count / len(strata)
    return found, float(math.sqrt(each / (each - 1)) * stdtrit(freedom, 0.975) / Z_95)


def _ratios(tops: np.ndarray, bottoms: np.ndarray, draws: int, random: np.random.Generator) -> np.ndarray:
    """Mean over groups of ``sum(tops) / sum(bottoms)``, of clusters (K, groups) drawn with replacement: (draws,).

    A group none of whose clusters was drawn is left out of that draw.
    """
    count, parts = len(tops), []
    step = max(1, _AT_ONCE // count)
    for start in range(0, draws, step):
        size = min(step, draws - start)
        drawn = random.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)
        below = times @ bottoms
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = np.where(below > 0, (times @ tops) / below, np.nan)
        parts.append(ratios[:, 0] if ratios.shape[1] == 1 else np.nanmean(ratios, axis=1))
    return np.concatenate(parts)


def _clusters(clusters: Clusters | np.ndarray) -> Clusters:
    return clusters if isinstance(clusters, Clusters) else Clusters({"sequence": np.asarray(clusters)})


def _numbered(values: np.ndarray) -> np.ndarray:
    """Labels (N,) as whole numbers from 0, every one of which occurs."""
    number: np.ndarray = np.unique(np.asarray(values), return_inverse=True)[1].reshape(-1)
    return number
