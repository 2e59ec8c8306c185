"""How much of one code another determines linearly, on recordings that the regression never saw."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from turncoat.engine.analysis.codes.draws import null_interval, shuffled_sequences
from turncoat.engine.analysis.intervals import Clusters, Interval, bootstrap_mean
from turncoat.kernels.errors import DataError

PENALTIES = tuple(10.0**power for power in np.arange(-6, 2.5, 0.5).tolist())
"""Ridge penalties that are tried, as shares of the frames' number, on standardised inputs. [choice]"""
HELD_BACK = 0.2
"""Share of the training recordings that the penalty is chosen on. [choice]"""


class Ridge(NamedTuple):
    """Linear regression with a penalty: standardised inputs (N, C) -> standardised outputs (N, D).

    mean_x, std_x: (C,); mean_y, std_y: (D,), of the training frames; weights: (C, D). penalty: that was chosen.
    """

    mean_x: np.ndarray
    std_x: np.ndarray
    mean_y: np.ndarray
    std_y: np.ndarray
    weights: np.ndarray
    penalty: float

    def predict(self, x: np.ndarray) -> np.ndarray:
        """(N, C) -> (N, D), in the outputs' own units."""
        return self._standard(x) @ self.weights * self.std_y + self.mean_y

    def errors(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Squared errors (N, D) of the prediction, and of the training mean, both in standard deviations."""
        truth = (y - self.mean_y) / self.std_y
        return (self._standard(x) @ self.weights - truth) ** 2, truth**2

    def _standard(self, x: np.ndarray) -> np.ndarray:
        return (x - self.mean_x) / self.std_x


class RidgeFit:
    """Everything of a regression that does not depend on the outputs, so that shuffled ones cost little."""

    def __init__(self, x: np.ndarray, sequence: np.ndarray, seed: int = 0) -> None:
        """x: (N, C) inputs; sequence: (N,) labels of recordings, of which a fifth choose the penalty."""
        names = np.unique(sequence)
        if len(names) < 2:
            raise DataError("The training frames are of one recording, so no penalty can be chosen; use more frames.")
        back = np.random.default_rng([seed, 7]).permutation(names)[: max(1, round(HELD_BACK * len(names)))]
        self.held = np.isin(sequence, back)
        self.mean, self.std = x.mean(0), _deviation(x)
        self.x = (x - self.mean) / self.std
        self.part, self.all = _Gram(self.x[~self.held]), _Gram(self.x)

    def fit(self, y: np.ndarray) -> Ridge:
        """Regress outputs (N, D); the penalty is the one that predicts the recordings held back best."""
        mean, std = y.mean(0), _deviation(y)
        standard = (y - mean) / std
        kept, held = standard[~self.held], standard[self.held]
        projected = self.x[self.held] @ self.part.vectors
        turned = self.part.vectors.T @ (self.part.x.T @ kept)
        errors = [
            float(((projected @ (turned / (self.part.values + penalty)[:, None]) - held) ** 2).sum())
            for penalty in PENALTIES
        ]
        penalty = PENALTIES[int(np.argmin(errors))]
        turned = self.all.vectors.T @ (self.all.x.T @ standard)
        weights = self.all.vectors @ (turned / (self.all.values + penalty)[:, None])
        return Ridge(self.mean, self.std, mean, std, weights, penalty)


class _Gram:
    """``x.T x / N`` in its eigenvectors; x (N, C) is kept divided by N, so that penalties are shares of N."""

    def __init__(self, x: np.ndarray) -> None:
        self.values, self.vectors = np.linalg.eigh(x.T @ x / len(x))
        self.values = self.values.clip(min=0)
        self.x = x / len(x)


@dataclass(frozen=True)
class Determined:
    """Out-of-sample R2 of one code from another: over all channels, each in its own standard deviations.

    r2: with its interval over recordings; null: of regressions on exchanged recordings, the mean and where 95 % lie.
    channels: of single channels, the 5th, 50th and 95th percentile. penalty: that was chosen.
    """

    r2: Interval
    null: Interval
    channels: tuple[float, float, float]
    penalty: float


def determined(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    sequence: np.ndarray,
    clusters: Clusters,
    *,
    permutations: int = 20,
    draws: int = 1000,
    seed: int = 0,
) -> Determined:
    """How much of y does x determine linearly? ``1 - sum(error^2) / sum((y - training mean)^2)`` on the test frames.

    train, test: (x, y), each (N, C) and (N, D). sequence: labels (N,) of the training frames' recordings. clusters: of
    the test frames. permutations: of the training pairs, whole recordings at a time; each is fitted anew.
    """
    fitting = RidgeFit(train[0], sequence, seed)
    found = fitting.fit(train[1])
    wrong, total = found.errors(*test)
    ratio = bootstrap_mean(wrong.sum(1), clusters, over=total.sum(1), draws=draws, seed=seed)
    random = np.random.default_rng([seed, 11])
    null = []
    for _ in range(permutations):
        missed, around = fitting.fit(train[1][shuffled_sequences(sequence, random)]).errors(*test)
        null.append(1 - missed.sum() / around.sum())
    each = 1 - wrong.sum(0) / total.sum(0).clip(min=1e-12)
    low, middle, high = np.quantile(each, (0.05, 0.5, 0.95)).tolist()
    return Determined(_turned(ratio), null_interval(np.array(null)), (low, middle, high), found.penalty)


def random_features(x: np.ndarray, fitted_on: np.ndarray, count: int = 600, seed: int = 0) -> np.ndarray:
    """Smooth non-linear functions (N, count) of `x` (N, C): cosines of random projections, for a ridge to combine.

    Together they approximate a Gaussian kernel as wide as the median distance between rows of `fitted_on` (M, C),
    whose standard deviations the columns are measured in. Source: Rahimi and Recht 2007.
    """
    from scipy.spatial.distance import pdist

    random = np.random.default_rng([seed, 13])
    mean, std = fitted_on.mean(0), _deviation(fitted_on)
    some = (fitted_on[:: max(1, len(fitted_on) // 500)] - mean) / std
    width = float(np.median(pdist(some))) or 1.0
    directions = random.normal(size=(x.shape[1], count)) / width
    return math.sqrt(2 / count) * np.cos((x - mean) / std @ directions + random.uniform(0, 2 * np.pi, count))


def _deviation(x: np.ndarray) -> np.ndarray:
    """Standard deviations (C,), 1 where a channel is constant."""
    std: np.ndarray = x.std(0)
    return np.where(std > 1e-9 * max(float(std.max(initial=0.0)), 1e-300), std, 1.0)


def _turned(ratio: Interval) -> Interval:
    """1 minus a ratio."""
    return Interval(1 - ratio.value, 1 - ratio.high, 1 - ratio.low, ratio.clustered_by)
