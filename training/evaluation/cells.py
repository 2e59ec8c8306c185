"""Which frames are measured: cells of a split and a group of actions."""

from collections.abc import Iterator, Sequence

import numpy as np

from turncoat.kernels import ConfigError
from turncoat.training.data import Dataset


def cells(
    dataset: Dataset, splits: Sequence[str] | None = None, most: int | None = None
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Split, group and rows of every cell that has frames.

    splits: all but the training split, where None. most: rows of a cell at most, spread evenly; all where None.

    Raises:
        ConfigError: the dataset has no such split.
    """
    names, groups = dataset.column("split"), dataset.column("group")
    known = sorted(set(names.tolist()))
    for split in splits or [name for name in known if name != "train"]:
        if split not in known:
            raise ConfigError(f"There is no split {split!r} in this dataset; it has {', '.join(known)}.")
        for group in ("everyday", "acrobatic", ""):
            rows = np.flatnonzero((names == split) & (groups == group))
            if len(rows):
                yield split, group or "all", rows if most is None else spread(rows, most)


def spread(rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the rows, evenly spread over their order, at an uneven step so that no camera is favoured."""
    if len(rows) <= most:
        return rows
    random = np.random.default_rng(len(rows))
    edges = np.linspace(0, len(rows), most + 1)
    return rows[(edges[:-1] + random.random(most) * np.diff(edges)).astype(int)]
