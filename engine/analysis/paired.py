"""Two answers about the same samples: is the difference more than the choice of samples?"""

import math

import numpy as np

from turncoat.engine.analysis.intervals import Clusters, Interval, bootstrap_mean, paired_share_difference

__all__ = ["mcnemar", "paired_difference", "paired_share_difference", "swap_test"]


def paired_difference(a: np.ndarray, b: np.ndarray, clusters: Clusters | np.ndarray, *, seed: int = 0) -> Interval:
    """Mean of ``b - a`` over the pairs (N,), with its interval over `clusters` (N,), whole ones drawn.

    Pairs in which either is NaN are left out.
    """
    return bootstrap_mean(np.asarray(b, dtype=np.float64) - np.asarray(a, dtype=np.float64), clusters, seed=seed)


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p of McNemar's test, from the two counts of pairs that differ: 1 where none does.

    Under the null every differing pair is a fair coin, so p is twice the smaller tail of a binomial of
    `only_a + only_b`. Frames count as independent here, which those of one sequence are not: see `swap_test`.

    Source: McNemar 1947; the exact form of Edwards 1948.
    """
    differing = only_a + only_b
    tail = sum(math.comb(differing, k) for k in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * tail / 2**differing)  # whole numbers of any size: no rounding before the division


def swap_test(differences: np.ndarray, clusters: np.ndarray, *, draws: int = 9999, seed: int = 0) -> float:
    """p of the mean difference when the two answers of whole clusters are swapped at random; differences (N,).

    The null that goes with dependent frames: were both networks alike, each sequence could as well have had them the
    other way round. All 2^K ways are counted for K clusters where those are fewer than `draws`, else `draws` random
    ones, the way observed among them. 1 where no pair differs or only one cluster is there.
    """
    differences, clusters = np.asarray(differences, dtype=np.float64), np.asarray(clusters)
    present = ~np.isnan(differences)
    if not present.any():
        return math.nan
    _, member = np.unique(clusters[present], return_inverse=True)
    sums = np.bincount(member, differences[present])
    if len(sums) == 1:
        return 1.0
    observed = abs(sums.sum()) * (1 - 1e-12)
    if 2 ** len(sums) <= draws:
        ways = (np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1
        return float((np.abs((2 * ways - 1) @ sums) >= observed).mean())
    signs = np.random.default_rng(seed).integers(0, 2, size=(draws, len(sums))) * 2 - 1
    return float((1 + (np.abs(signs @ sums) >= observed).sum()) / (draws + 1))
