"""Which frames of a crossed set belong together: every changed frame beside its anchor."""

from dataclasses import dataclass

import numpy as np

from turncoat.kernels.errors import DataError
from turncoat.kernels.intervals import FEWEST
from turncoat.training.data import Dataset
from turncoat.training.data.index import CROSSED_COLUMNS

ANCHOR = "anchor"
COLUMNS = ("crossed_pose", "sequence", "motion_id", "action", "group", "subject")


@dataclass(frozen=True)
class Layout:
    """P base poses and the M frames that change something.

    Attributes:
        rows: (R,) int64, all frames, in storage order; everything below counts in places of it.
        anchors: (P,) place of each base pose's anchor.
        poses: name of `COLUMNS` -> (P,), as the anchor has it.
        changed: (M,) places. of: (M,) number of the base pose. factor, level: (M,) names. seen: (M,) bool.
    """

    rows: np.ndarray
    anchors: np.ndarray
    poses: dict[str, np.ndarray]
    changed: np.ndarray
    of: np.ndarray
    factor: np.ndarray
    level: np.ndarray
    seen: np.ndarray


def lay_out(dataset: Dataset, group: str, poses: int | None = None) -> Layout:
    """The layout of a crossed set, of at most so many base poses of each group.

    Raises:
        DataError: the dataset is not a crossed set, or holds too few sequences of the group for an interval.
    """
    if any(name not in dataset.index.columns for name in CROSSED_COLUMNS):
        recipe = dataset.info.get("recipe") or dataset.info.get("name")
        raise DataError(
            f"{dataset.folder} is a {recipe} dataset, and a wardrobe test needs a crossed one, in which one thing "
            "changes at a time; render it with `turncoat render --recipe crossed`."
        )
    factor, key = dataset.column("factor"), dataset.column("crossed_pose")
    anchors = _spread_over(dataset, np.flatnonzero(factor == ANCHOR), poses)
    number = {name: n for n, name in enumerate(key[anchors].tolist())}
    of = np.array([number.get(name, -1) for name in key.tolist()], dtype=np.int64)
    rows = np.flatnonzero(of >= 0)
    place = np.full(len(dataset), -1)
    place[rows] = np.arange(len(rows))
    changed = rows[factor[rows] != ANCHOR]
    mine = dataset.column("group")[anchors] == group
    found = len(np.unique(dataset.column("sequence")[anchors[mine]]))
    if found < FEWEST or not np.isin(of[changed], np.flatnonzero(mine)).any():
        raise DataError(
            f"{dataset.folder} holds changed frames of {found} {group} sequences, and a wardrobe test needs {FEWEST} "
            "to tell how sure it is; render a larger preset or choose another group."
        )
    return Layout(
        rows=rows,
        anchors=place[anchors],
        poses={name: dataset.column(name)[anchors].astype(str) for name in COLUMNS},
        changed=place[changed],
        of=of[changed],
        factor=factor[changed].astype(str),
        level=dataset.column("level")[changed].astype(str),
        seen=dataset.column("seen")[changed].astype(bool),
    )


def _spread_over(dataset: Dataset, anchors: np.ndarray, poses: int | None) -> np.ndarray:
    """At most `poses` of each group's anchors, evenly."""
    if poses is None:
        return anchors
    groups, kept = dataset.column("group")[anchors], []
    for name in np.unique(groups):
        among = anchors[groups == name]
        kept.append(among[np.unique(np.linspace(0, len(among) - 1, min(poses, len(among))).round().astype(int))])
    return np.sort(np.concatenate([*kept, anchors[:0]]))
