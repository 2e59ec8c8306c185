"""How far a mean or a share could be off because of what happened to be recorded, as JSON."""

from typing import Any

import numpy as np

from turncoat.kernels.intervals import (
    Clusters,
    Interval,
    bootstrap_mean,
    clusters_of,
    paired_share_difference,
    success_interval,
)
from turncoat.training.data import Dataset


def clusters_at(dataset: Dataset, rows: np.ndarray) -> Clusters:
    """Which of these frames share a sequence, and which a motion clip."""
    return clusters_of({name: dataset.column(name)[rows] for name in ("sequence", "motion_id")})


def bootstrap(
    values: np.ndarray,
    clusters: Clusters | np.ndarray,
    *,
    over: np.ndarray | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Mean of `values` (N,), or the ratio of their sum to that of `over`, with a 95 % interval.

    Whole sequences are drawn with replacement, and whole motion clips; the wider interval counts.

    Returns:
        mean, low, high, clustered_by ("sequence" or "motion_id"); all but the mean None where there are too few.
    """
    return _plain(bootstrap_mean(values, clusters, over=over, draws=draws, seed=seed))


def share(values: np.ndarray, clusters: Clusters | np.ndarray, *, draws: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Share of true `values` (N,) with a 95 % interval, as `bootstrap`: on either side at least as wide as Wilson's."""
    return _plain(success_interval(values, clusters, draws=draws, seed=seed))


def share_difference(
    a: np.ndarray, b: np.ndarray, clusters: Clusters | np.ndarray, *, draws: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Share of true `b` (N,) minus that of `a` (N,), of the same frames, with a 95 % interval."""
    return _plain(paired_share_difference(a, b, clusters, draws=draws, seed=seed))


def _plain(found: Interval) -> dict[str, Any]:
    facts = found.facts()
    return {"mean": facts.pop("value"), **facts}
