"""Pairs of frames in which people stand alike, in true pose, seen by the same camera.

A pose is relative to the pelvis and divided by its size, so that a tall and a short person in one posture are near.
"""

from typing import NamedTuple

import numpy as np

from turncoat.engine.attack.identity import generator_of
from turncoat.kernels.errors import DataError
from turncoat.kernels.pose_error import mpjpe
from turncoat.training.data import Dataset


class Pairs(NamedTuple):
    """N pairs, nearest first.

    a, b: rows (N,) int64. distance_mm: (N,) mean over joints of how far B's joints lie from A's, both poses brought to
        the mean size of the frames looked at. chance_mm: (N,) the same of A and a random frame that B might have been.
    """

    a: np.ndarray
    b: np.ndarray
    distance_mm: np.ndarray
    chance_mm: np.ndarray


def similar_pairs(dataset: Dataset, rows: np.ndarray, *, count: int, seed: int = 0) -> Pairs:
    """Up to `count` pairs (A, B) of `rows`: for every frame A the nearest frame B of another subject, same camera.

    The nearest pairs are taken; but every sequence gives one A before any gives a second, and no two A of a sequence
    are of one instant.

    Raises:
        DataError: there is no such pair.
    """
    shape = _shapes(dataset, rows)
    subject, sequence, camera, instant = (
        np.unique(dataset.column(name)[rows], return_inverse=True)[1]
        for name in ("subject", "sequence", "camera", "instant")
    )
    nearest, apart = np.full(len(rows), -1), np.full(len(rows), np.inf)
    for one in np.unique(camera):
        here = np.flatnonzero(camera == one)
        squared = (shape[here] ** 2).sum(axis=1)
        between = squared[:, None] + squared[None] - 2 * shape[here] @ shape[here].T
        between[subject[here][:, None] == subject[here][None]] = np.inf
        best = between.argmin(axis=1)
        apart[here] = between[np.arange(len(here)), best]
        nearest[here] = here[best]
    order = [place for place in np.argsort(apart, kind="stable").tolist() if np.isfinite(apart[place])]
    if not order:
        raise DataError(f"{dataset.folder} shows two subjects through no one camera in the frames chosen; take others.")
    chosen: list[int] = []
    given: dict[int, int] = {}
    instants: set[tuple[int, int]] = set()
    most = 0
    while order and len(chosen) < count:
        most += 1
        left = []
        for place in order:
            key = (int(sequence[place]), int(instant[place]))
            if key in instants:
                continue
            if given.get(key[0], 0) < most and len(chosen) < count:
                chosen.append(place)
                given[key[0]] = given.get(key[0], 0) + 1
                instants.add(key)
            else:
                left.append(place)
        order = left
    a = np.array(sorted(chosen, key=lambda place: float(apart[place])))
    chance = []
    for place in a.tolist():
        could = np.flatnonzero((camera == camera[place]) & (subject != subject[place]))
        random = generator_of(seed, str(dataset.column("sample_id")[rows[place]]), 0, "chance pair")
        chance.append(int(could[random.integers(len(could))]))
    b = nearest[a]
    return Pairs(rows[a], rows[b], _between(shape[a], shape[b]), _between(shape[a], shape[np.array(chance)]))


def same_subject_pairs(dataset: Dataset, pairs: Pairs, group: str | None) -> Pairs | None:
    """For every A of `pairs` a frame of its own subject that stands as much like it as B does; chance_mm is empty.

    Of any split, of another sequence, through the same camera: the one whose distance to A is nearest to B's. A without
    such a frame is left out; None: all are.
    """
    rows = np.arange(len(dataset)) if group is None else dataset.select(group=group)
    subject, sequence, camera = (dataset.column(name) for name in ("subject", "sequence", "camera"))
    a, b, apart = [], [], []
    for one, other, wanted in zip(pairs.a.tolist(), pairs.b.tolist(), pairs.distance_mm.tolist(), strict=True):
        mine = (subject[rows] == subject[one]) & (sequence[rows] != sequence[one]) & (camera[rows] == camera[one])
        could = rows[mine]
        if not len(could):
            continue
        shape = _shapes(dataset, np.concatenate([[one, other], could]))
        far = _between(shape[:1], shape[1:])
        scale = wanted / far[0] if far[0] > 0 else 1.0  # sizes of these frames are not quite those of the split
        best = int(np.abs(scale * far[1:] - wanted).argmin())
        a.append(one)
        b.append(int(could[best]))
        apart.append(scale * far[1 + best])
    return Pairs(np.array(a), np.array(b), np.array(apart), np.zeros(0)) if a else None


def _shapes(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """Poses (N, 51) float64, all of the same size: their mean one, in mm."""
    pose = dataset.pose(rows).reshape(len(rows), -1).astype(np.float64)
    size = np.linalg.norm(pose, axis=1, keepdims=True)
    found: np.ndarray = pose / np.maximum(size, 1e-9) * size.mean()
    return found


def _between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mean distance of joints, (N, 51) or (1, 51) and (N, 51) -> (N,), mm."""
    one = np.broadcast_to(one, other.shape)
    return mpjpe(*(np.ascontiguousarray(each).reshape(len(other), -1, 3) for each in (one, other)))
