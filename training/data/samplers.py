"""What a batch is made of. A sampler answers ``batch(step) -> rows int64``; randomness comes from (seed, step) alone,
so a resumed training run needs no sampler state and two machines agree.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict

import numpy as np

from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data.dataset import Dataset
from turncoat.training.data.index import known


def _random(seed: int, step: int) -> np.random.Generator:
    return np.random.default_rng([seed, step])


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise ConfigError(f"{name} is {value}; a batch needs at least 1.")
    return value


class Uniform:
    """Single frames drawn uniformly, with replacement, for regressors."""

    def __init__(self, rows: np.ndarray, size: int, seed: int):
        """``rows`` int64: frames to draw from; ``size``: frames a batch."""
        if not len(rows):
            raise DataError("There are no frames to draw from; widen the selection of split, group or action.")
        self.rows, self.size, self.seed = np.asarray(rows), _positive("the batch size", size), seed

    def batch(self, step: int) -> np.ndarray:
        """Rows int64 (size,)."""
        return self.rows[_random(self.seed, step).integers(len(self.rows), size=self.size)]


class ViewPairs:
    """NSD's batches (methods.md 1.8): groups of four frames of one sequence, ``[t a, t b, u c, u d]``:
    instants t and u, cameras a, b, c, d.

    Each group draws an action, then a sequence of it, then two different instants, then two different cameras at each,
    every time uniformly: actions are balanced whatever their share of the frames. With ``everyday`` given, that share
    of the groups draws from the everyday actions and the rest from the others.
    """

    VIEWS, INSTANTS = 2, 2

    def __init__(self, dataset: Dataset, rows: np.ndarray, groups: int, seed: int, everyday: float | None = None):
        """``rows`` int64: frames to draw from; ``groups``: groups of four a batch. DataError when no sequence has two
        instants with two cameras each."""
        self.groups, self.seed = _positive("the number of groups", groups), seed
        if everyday is not None and not 0 <= everyday <= 1:
            raise ConfigError(f"the share of everyday actions is {everyday}; expected a number from 0 to 1.")
        rows = np.asarray(rows, dtype=np.int64)
        sequence, instant = dataset.column("sequence")[rows], dataset.column("instant")[rows]
        camera = dataset.column("camera")[rows]
        order = np.lexsort((camera, instant, sequence))
        rows, sequence, instant = rows[order], sequence[order], instant[order]

        # Rows of one instant lie together, and so do instants of one sequence: (start, count) at each level.
        starts = np.flatnonzero(_changes(sequence) | _changes(instant))
        counts = np.diff(starts, append=len(rows))
        starts, counts = starts[counts >= self.VIEWS], counts[counts >= self.VIEWS]
        firsts = np.flatnonzero(_changes(sequence[starts]))
        lengths = np.diff(firsts, append=len(starts))
        firsts, lengths = firsts[lengths >= self.INSTANTS], lengths[lengths >= self.INSTANTS]
        if not len(firsts):
            raise DataError(
                f"None of the {len(rows)} selected frames is in a sequence with two instants seen by two cameras each; "
                "view pairs need both: widen the selection."
            )
        self._rows, self._instants, self._sequences = rows, (starts, counts), (firsts, lengths)
        action = dataset.column("action")[rows[starts[firsts]]]
        by_action = np.argsort(action, kind="stable")
        self.actions, first, count = np.unique(action[by_action], return_index=True, return_counts=True)
        self._by_action, self._actions = by_action, (first, count)
        group = dataset.column("group")[rows[starts[firsts[by_action[first]]]]]
        self._share = _action_shares(group == "everyday", everyday)

    def batch(self, step: int) -> np.ndarray:
        """Rows int64 (4 * groups,), group after group."""
        random = _random(self.seed, step)
        first, count = self._actions
        action = random.choice(len(first), size=self.groups, p=self._share)
        sequence = self._by_action[first[action] + random.integers(count[action])]
        first, count = self._sequences
        instant = first[sequence, None] + _two_different(random, count[sequence])  # (groups, 2)
        first, count = self._instants
        view = first[instant, None] + _two_different(random, count[instant])  # (groups, 2, 2)
        return self._rows[view.reshape(-1)]


def _action_shares(is_everyday: np.ndarray, everyday: float | None) -> np.ndarray:
    """Probability of each action, float64: equal, or equal within the everyday ones and within the others."""
    if everyday is None or is_everyday.all() or not is_everyday.any():
        return np.full(len(is_everyday), 1 / len(is_everyday))
    return np.where(is_everyday, everyday / is_everyday.sum(), (1 - everyday) / (~is_everyday).sum())


def _changes(values: np.ndarray) -> np.ndarray:
    """Whether each value differs from the one before; the first does."""
    return np.concatenate([np.ones(min(len(values), 1), dtype=bool), values[1:] != values[:-1]])


def _two_different(random: np.random.Generator, count: np.ndarray) -> np.ndarray:
    """Two different integers below each count, uniformly: int64 (..., 2)."""
    one = random.integers(count)
    other = random.integers(count - 1)
    return np.stack([one, other + (other >= one)], axis=-1)


def balanced_selection(
    dataset: Dataset,
    *,
    split: str | list[str],
    group: str | list[str] | None,
    per_subject: int,
    seed: int,
    minimum_gap_s: float = 0.5,
    subject: str | list[str] | None = None,
    action: str | list[str] | None = None,
) -> np.ndarray:
    """Frames to attack: ``per_subject`` of every subject, balanced over actions, rows int64.

    Within a sequence two chosen frames are at least ``minimum_gap_s`` apart in the sequence's time (so never two
    cameras of an instant), and in the motion's when both show the same motion. The choice depends on seed and sample
    ids only. Rows come in rounds over the subjects, so that the first k rounds are the choice for ``per_subject=k``.
    DataError when a subject has too few frames.
    """
    _positive("the number of frames per subject", per_subject)
    rows = dataset.select(split=split, group=group, subject=subject, action=action)
    subjects = dataset.column("subject")[rows]
    chosen, short = [], {}
    for name in np.unique(subjects):
        picks = _pick(dataset, rows[subjects == name], per_subject, seed, minimum_gap_s)
        chosen.append(picks)
        if len(picks) < per_subject:
            short[str(name)] = len(picks)
    where = f"split {split!r}, group {group!r}"
    if not chosen:
        raise DataError(f"Found no frame of the chosen subjects and actions in {where}; widen the selection.")
    if short:
        found = known(f"{name}: {count}" for name, count in short.items())
        raise DataError(
            f"Too few frames at least {minimum_gap_s:g} s apart in {where}: found {found}, "
            f"expected {per_subject} of each subject; ask for {min(short.values())}, or widen the selection."
        )
    return np.array(chosen, dtype=np.int64).T.reshape(-1)


def _rank(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()


def _pick(dataset: Dataset, rows: np.ndarray, wanted: int, seed: int, gap_s: float) -> list[int]:
    """One subject's frames: the actions in turn (in an order of the seed's), each giving its next frame that is far
    enough from those taken before."""
    ids, actions = dataset.column("sample_id")[rows].tolist(), dataset.column("action")[rows].tolist()
    sequences, motions = dataset.column("sequence")[rows].tolist(), dataset.column("motion_id")[rows]
    time_s, motion_time_s = dataset.column("time_s")[rows], dataset.column("motion_time_s")[rows]
    queues: dict[str, list[int]] = defaultdict(list)
    for i in sorted(range(len(rows)), key=lambda i: (_rank(seed, ids[i]), ids[i]), reverse=True):
        queues[actions[i]].append(i)  # the lowest rank is last: pop takes it first
    turn = sorted(queues, key=lambda action: _rank(seed, action))
    taken: dict[str, list[int]] = defaultdict(list)
    picks: list[int] = []
    while turn and len(picks) < wanted:
        for action in list(turn):
            if len(picks) == wanted:
                break
            queue = queues[action]
            while queue:
                i = queue.pop()
                before = taken[sequences[i]]
                close = np.abs(time_s[before] - time_s[i]) < gap_s - 1e-9
                repeats = np.abs(motion_time_s[before] - motion_time_s[i]) < gap_s - 1e-9
                if not (close | repeats & (motions[before] == motions[i])).any():
                    before.append(i)
                    picks.append(int(rows[i]))
                    break
            else:
                turn.remove(action)
    return picks
