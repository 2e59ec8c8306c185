"""Intervals: how far a rate or a mean could be off because of the frames that happened to be chosen."""

import math
from typing import NamedTuple

import numpy as np

Z_95 = 1.959963984540054


class Interval(NamedTuple):
    """An estimate and its 95 % interval; NaN where there is nothing to estimate from."""

    value: float
    low: float
    high: float


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


def bootstrap_mean(values: np.ndarray, clusters: np.ndarray, *, draws: int = 2000, seed: int = 0) -> Interval:
    """Mean of `values` (N,) with a percentile bootstrap over `clusters` (N,).

    Frames of one sequence are not independent, so whole clusters (sequences) are drawn with replacement. With one
    cluster there is nothing to draw from, and the bounds are NaN. NaN values are left out.
    """
    values, clusters = np.asarray(values, dtype=np.float64), np.asarray(clusters)
    present = ~np.isnan(values)
    values, clusters = values[present], clusters[present]
    if len(values) == 0:
        return Interval(math.nan, math.nan, math.nan)
    means = _drawn_means(values, clusters, draws, np.random.default_rng(seed))
    if means is None:
        return Interval(float(values.mean()), math.nan, math.nan)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(values.mean()), float(low), float(high))


def bootstrap_mean_over_groups(
    values: np.ndarray, clusters: np.ndarray, groups: np.ndarray, *, draws: int = 2000, seed: int = 0
) -> Interval:
    """Mean over `groups` (N,) (subjects) of each one's mean, as the average rows of the paper's tables are.

    Clusters (sequences; each lies in one group) are drawn with replacement within their group: the groups are given,
    not drawn. Groups without a value are left out; where one has a single cluster the bounds are NaN.
    """
    values, clusters, groups = np.asarray(values, dtype=np.float64), np.asarray(clusters), np.asarray(groups)
    present = ~np.isnan(values)
    names = np.unique(groups[present])
    if not len(names):
        return Interval(math.nan, math.nan, math.nan)
    random, centres, drawn = np.random.default_rng(seed), [], []
    for name in names:
        mine = present & (groups == name)
        centres.append(values[mine].mean())
        drawn.append(_drawn_means(values[mine], clusters[mine], draws, random))
    known = [means for means in drawn if means is not None]
    if len(known) < len(names):
        return Interval(float(np.mean(centres)), math.nan, math.nan)
    low, high = np.quantile(np.mean(known, axis=0), (0.025, 0.975))
    return Interval(float(np.mean(centres)), float(low), float(high))


def _drawn_means(
    values: np.ndarray, clusters: np.ndarray, draws: int, random: np.random.Generator
) -> np.ndarray | None:
    """Means (draws,) of values over clusters drawn with replacement; None where there is one cluster."""
    _, member = np.unique(clusters, return_inverse=True)
    sums, sizes = np.bincount(member, values), np.bincount(member)
    if len(sums) == 1:
        return None
    drawn = random.integers(len(sums), size=(draws, len(sums)))
    means: np.ndarray = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return means


def success_interval(fooled: np.ndarray, clusters: np.ndarray, *, draws: int = 2000, seed: int = 0) -> Interval:
    """A success rate with its interval: on either side the wider of the bootstrap's over clusters and Wilson's.

    Wilson's is of as many samples as there are clusters. Alone, the bootstrap is far too narrow near 0 and 1: of one
    success in a hundred it cannot know that the next hundred may have five, and of none it has no spread at all.
    """
    fooled, clusters = np.asarray(fooled, dtype=bool), np.asarray(clusters)
    if len(fooled) == 0:
        return Interval(math.nan, math.nan, math.nan)
    rate, independent = float(fooled.mean()), len(np.unique(clusters))
    score = wilson(rate * independent, independent)
    drawn = bootstrap_mean(fooled, clusters, draws=draws, seed=seed)
    if independent == 1:
        return Interval(rate, score.low, score.high)
    return Interval(rate, min(score.low, drawn.low), max(score.high, drawn.high))
