"""Intervals, as the analyses use them: `turncoat.kernels.intervals` holds them for every floor."""

from turncoat.kernels.intervals import (
    Z_95,
    Clusters,
    Interval,
    bootstrap_mean,
    bootstrap_mean_over_groups,
    clusters_of,
    paired_share_difference,
    share_interval,
    success_interval,
    wilson,
)

__all__ = [
    "Z_95",
    "Clusters",
    "Interval",
    "bootstrap_mean",
    "bootstrap_mean_over_groups",
    "clusters_of",
    "paired_share_difference",
    "share_interval",
    "success_interval",
    "wilson",
]
