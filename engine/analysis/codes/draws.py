"""Drawing recordings, and exchanging them: the intervals and the nulls of numbers that are no means of frames."""

import math
from collections.abc import Callable

import numpy as np

from turncoat.engine.analysis.intervals import Z_95, Clusters, Interval
from turncoat.kernels.intervals import FEWEST, wider


def shuffled_frames(count: int, random: np.random.Generator) -> np.ndarray:
    """A partner (count,) for every frame, any other's: what frames that do not depend on each other would allow."""
    return random.permutation(count)


def shuffled_sequences(sequence: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A partner (N,) for every frame, from whole recordings that were exchanged.

    The recordings' frames stand one after another; the partners are the same line with the recordings in another
    order, each turned by a random number of frames. Recordings of different length make the borders drift by the
    difference. Frames of one recording resemble each other, and so do their partners here: a statistic that a few
    recordings dominate is as large by chance as it would be by chance in the data.

    sequence: labels (N,) of any kind.
    """
    labels = np.unique(sequence, return_inverse=True)[1].reshape(-1)
    order = np.argsort(labels, kind="stable")
    blocks = np.split(order, np.cumsum(np.bincount(labels))[:-1])
    turned = [
        np.roll(blocks[number], random.integers(len(blocks[number]))) for number in random.permutation(len(blocks))
    ]
    partner = np.empty(len(sequence), dtype=np.int64)
    partner[order] = np.concatenate(turned)
    return partner


def partner_sequences(sequence: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A partner (N,) for every frame: every recording gets frames of one other, in order, as many as it needs.

    Unlike in `shuffled_sequences` no borders drift, so partners tell recordings apart as well as frames do; where a
    recording is longer than its partner, frames of that one come twice.
    """
    labels = np.unique(sequence, return_inverse=True)[1].reshape(-1)
    blocks = [np.flatnonzero(labels == number) for number in range(int(labels.max()) + 1)]
    partner = np.empty(len(sequence), dtype=np.int64)
    for own, number in zip(blocks, random.permutation(len(blocks)).tolist(), strict=True):
        other = blocks[number]
        partner[own] = other[np.arange(len(own)) * len(other) // len(own)]
    return partner


def shuffled_labels(labels: np.ndarray, sequence: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Labels (N,) of frames with whole recordings' labels exchanged; a recording has one label, that of its first."""
    _, first, number = np.unique(sequence, return_index=True, return_inverse=True)
    return labels[first][random.permutation(len(first))][number.reshape(-1)]


def distinct_frames(labels: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """About `count` different frames of clusters drawn with replacement: indices, ascending.

    A cluster that was drawn twice gives twice as many of its frames, none of them twice: two copies of one frame have
    no distance from each other, which no statistic of distances would forgive.

    labels: (N,) whole numbers from 0, of the pool that frames are taken from.
    """
    clusters = int(labels.max()) + 1
    times = np.bincount(random.integers(clusters, size=clusters), minlength=clusters)
    sizes = np.bincount(labels, minlength=clusters)
    share = count / (times * sizes).sum()
    found = []
    for cluster in np.flatnonzero(times):
        own = np.flatnonzero(labels == cluster)
        found.append(random.choice(own, min(len(own), max(1, round(share * times[cluster] * len(own)))), replace=False))
    return np.sort(np.concatenate(found))


def drawn_intervals(
    values: np.ndarray,
    statistics: Callable[[np.ndarray], np.ndarray],
    clusters: Clusters,
    count: int,
    *,
    draws: int,
    seed: int,
) -> list[Interval]:
    """95 % intervals of statistics of `count` frames: clusters are drawn from a larger pool, and the wider is kept.

    The draws' own mean is set to the value (fewer different recordings make a distance correlation larger, and that
    is no uncertainty), and their distances from it are stretched as in `turncoat.kernels.intervals`. [choice]

    values: (K,), of the frames that were chosen. statistics: indices into the pool -> the numbers (K,).
    """
    from scipy.special import stdtrit

    found: list[list[Interval]] = [[] for _ in values]
    for name, labels in clusters.labels.items():
        many = int(labels.max()) + 1
        if many < FEWEST:
            bounds = np.full((2, len(values)), np.nan)
        else:
            random = np.random.default_rng([seed, many])
            drawn = np.stack([statistics(distinct_frames(labels, count, random)) for _ in range(draws)])
            stretch = math.sqrt(many / (many - 1)) * stdtrit(many - 1, 0.975) / Z_95
            bounds = values + stretch * (np.quantile(drawn, (0.025, 0.975), axis=0) - drawn.mean(axis=0))
        for place, (value, low, high) in enumerate(zip(values.tolist(), *bounds.tolist(), strict=True)):
            found[place].append(Interval(value, low, high, name if many >= FEWEST else None))
    return [wider(each) for each in found]


def null_interval(values: np.ndarray) -> Interval:
    """Mean of what shuffling gave, and between which bounds 95 % of it lies; no bounds of fewer than 20."""
    values = np.asarray(values, dtype=np.float64)
    low, high = np.quantile(values, (0.025, 0.975)) if len(values) >= 20 else (values.min(), values.max())
    return Interval(float(values.mean()), float(low), float(high))
