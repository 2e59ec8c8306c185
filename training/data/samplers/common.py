"""What samplers share: randomness, balance over actions, and videos: one camera's view of one sequence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from turncoat.kernels.errors import ConfigError
from turncoat.training.data.dataset import Dataset


def random_of(seed: int, step: int) -> np.random.Generator:
    """The generator of a step."""
    return np.random.default_rng([seed, step])


def positive(name: str, value: int) -> int:
    """`value`; ConfigError if it is below 1."""
    if value < 1:
        raise ConfigError(f"{name} is {value}; a batch needs at least 1.")
    return value


def changes(values: np.ndarray) -> np.ndarray:
    """Whether each value differs from the one before; the first does."""
    return np.concatenate([np.ones(min(len(values), 1), dtype=bool), values[1:] != values[:-1]])


def two_different(random: np.random.Generator, count: np.ndarray) -> np.ndarray:
    """Two different integers below each count, uniformly: int64 (..., 2)."""
    one = random.integers(count)
    other = random.integers(count - 1)
    return np.stack([one, other + (other >= one)], axis=-1)


class ActionBalance:
    """Draws items so that every action comes equally often, whatever its share of the items.

    With ``everyday`` given, that share of the draws is of everyday actions and the rest of the others.
    """

    def __init__(self, action: np.ndarray, group: np.ndarray, everyday: float | None):
        """``action``, ``group`` str (N,): of the items."""
        if everyday is not None and not 0 <= everyday <= 1:
            raise ConfigError(f"the share of everyday actions is {everyday}; expected a number from 0 to 1.")
        self._items = np.argsort(action, kind="stable")
        self.actions, self._first, self._count = np.unique(action[self._items], return_index=True, return_counts=True)
        self._share = _shares(group[self._items[self._first]] == "everyday", everyday)

    def draw(self, random: np.random.Generator, size: int) -> np.ndarray:
        """Items int64 (size,): an action, then an item of it, uniformly each time."""
        action = random.choice(len(self._first), size=size, p=self._share)
        return self._items[self._first[action] + random.integers(self._count[action])]


def _shares(is_everyday: np.ndarray, everyday: float | None) -> np.ndarray:
    """Probability of each action, float64: equal, or equal within the everyday ones and within the others."""
    if everyday is None or is_everyday.all() or not is_everyday.any():
        return np.full(len(is_everyday), 1 / len(is_everyday))
    return np.where(is_everyday, everyday / is_everyday.sum(), (1 - everyday) / (~is_everyday).sum())


class Videos(NamedTuple):
    """One camera's view of a sequence each, frames in the order of time.

    rows: int64 (N,), the frames of all videos, one after the other; time_s: float64 (N,) beside them.
    first, length: int64 (V,), where each video lies in them. action, group, subject: str (V,).
    """

    rows: np.ndarray
    time_s: np.ndarray
    first: np.ndarray
    length: np.ndarray
    action: np.ndarray
    group: np.ndarray
    subject: np.ndarray

    def only(self, keep: np.ndarray) -> Videos:
        """Those videos (V,) bool alone; their frames keep their places."""
        parts = (self.first, self.length, self.action, self.group, self.subject)
        return Videos(self.rows, self.time_s, *(part[keep] for part in parts))


def videos_of(dataset: Dataset, rows: np.ndarray) -> Videos:
    """The videos that the frames ``rows`` are of."""
    rows = np.asarray(rows, dtype=np.int64)
    sequence, camera = dataset.column("sequence")[rows], dataset.column("camera")[rows]
    time_s, instant = dataset.column("time_s")[rows], dataset.column("instant")[rows]
    order = np.lexsort((instant, time_s, camera, sequence))
    rows, sequence, camera, time_s = rows[order], sequence[order], camera[order], time_s[order]
    first = np.flatnonzero(changes(sequence) | changes(camera))
    columns = (dataset.column(name)[rows[first]] for name in ("action", "group", "subject"))
    return Videos(rows, time_s, first, np.diff(first, append=len(rows)), *columns)
