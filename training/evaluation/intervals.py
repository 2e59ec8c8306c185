"""How far a mean or a share could be off because of the sequences that happened to be recorded."""

import math

import numpy as np

Z_95 = 1.959963984540054


def bootstrap(
    values: np.ndarray, sequences: np.ndarray, *, over: np.ndarray | None = None, draws: int = 1000, seed: int = 0
) -> dict[str, float]:
    """Mean of `values` (N,), or the ratio of their sum to that of `over`, with a 95 % interval.

    Whole sequences are drawn with replacement, because the frames of one are not independent.

    Returns:
        mean, low, high; low and high are None where there is only one sequence.
    """
    _, index = np.unique(sequences, return_inverse=True)
    count = index.max() + 1
    top = np.bincount(index, values.astype(np.float64), count)
    bottom = np.bincount(index, None if over is None else over.astype(np.float64), count).astype(np.float64)
    mean = float(top.sum() / bottom.sum())
    if count < 2:
        return {"mean": mean, "low": None, "high": None}  # type: ignore[dict-item]
    weight = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    means = (weight @ top) / (weight @ bottom)
    low, high = np.quantile(means, (0.025, 0.975))
    return {"mean": mean, "low": float(low), "high": float(high)}


def share(values: np.ndarray, sequences: np.ndarray, *, draws: int = 1000, seed: int = 0) -> dict[str, float]:
    """Share of true `values` (N,) with a 95 % interval: on either side the wider of the bootstrap's and Wilson's.

    Wilson's is of as many samples as there are sequences. Alone, the bootstrap is too narrow near 0 and 1: of none in
    a hundred it has no spread at all.
    """
    drawn = bootstrap(values.astype(np.float64), sequences, draws=draws, seed=seed)
    count = len(np.unique(sequences))
    rate, square = drawn["mean"], Z_95**2 / count
    centre = (rate + square / 2) / (1 + square)
    half = Z_95 * math.sqrt(rate * (1 - rate) / count + square / (4 * count)) / (1 + square)
    low, high = (0.0 if rate == 0 else centre - half), (1.0 if rate == 1 else centre + half)
    if drawn["low"] is not None:
        low, high = min(low, drawn["low"]), max(high, drawn["high"])
    return {"mean": rate, "low": low, "high": high}
