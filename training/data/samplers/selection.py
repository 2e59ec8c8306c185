"""Which frames are attacked or measured: so many of every subject, balanced over actions, far enough apart."""

from __future__ import annotations

import hashlib
from bisect import bisect, insort
from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from turncoat.kernels.errors import DataError
from turncoat.training.data.dataset import Dataset
from turncoat.training.data.index import known
from turncoat.training.data.samplers.common import positive


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
    positive("the number of frames per subject", per_subject)
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
    sequences, motions = dataset.column("sequence")[rows].tolist(), dataset.column("motion_id")[rows].tolist()
    time_s, motion_time_s = (dataset.column(name)[rows].tolist() for name in ("time_s", "motion_time_s"))
    queues: dict[str, list[int]] = defaultdict(list)
    for i in sorted(range(len(rows)), key=lambda i: (_rank(seed, ids[i]), ids[i]), reverse=True):
        queues[actions[i]].append(i)  # the lowest rank is last: pop takes it first
    turn = sorted(queues, key=lambda action: _rank(seed, action))
    taken: dict[Hashable, list[float]] = defaultdict(list)  # times, sorted: those of a sequence, and of a motion in it
    picks: list[int] = []
    while turn and len(picks) < wanted:
        for action in list(turn):
            if len(picks) == wanted:
                break
            queue = queues[action]
            while queue:
                i = queue.pop()
                kept = ((taken[sequences[i]], time_s[i]), (taken[sequences[i], motions[i]], motion_time_s[i]))
                if all(_apart(times, time, gap_s) for times, time in kept):
                    for times, time in kept:
                        insort(times, time)
                    picks.append(int(rows[i]))
                    break
            else:
                turn.remove(action)
    return picks


def _apart(times: Sequence[float], time: float, gap_s: float) -> bool:
    """Whether a time is at least that far from all of these, which are sorted: so from the two beside it."""
    place = bisect(times, time)
    return all(abs(other - time) >= gap_s - 1e-9 for other in times[max(place - 1, 0) : place + 1])
