"""What a person in a picture wears: the mean colour of every garment part, read through the labels of the dataset.

Colours are plain RGB, not linear light: the renderer's pictures are linear in them (docs/studio.md).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from turncoat.kernels.errors import DataError
from turncoat.training.data import Dataset

PARTS = ("hair", "skin", "shirt", "bottoms", "shoes")
"""Parts in the order of pictures and tables; materials of other names come after them."""
IGNORED = ("eyes",)
"""Materials of a few pixels."""
PATTERN = "_pattern"
"""A garment's pattern counts as the garment."""
LEAST = 12
"""Pixels below which a part of a picture has no colour. [choice]"""
LEVELS = 255.0


class Regions(NamedTuple):
    """Where the garment parts of N frames are.

    names: of the M parts. part: (N, H, W) int8, place in `names`, -1 where there is none.
    """

    names: tuple[str, ...]
    part: np.ndarray


def part_names(dataset: Dataset) -> dict[str, tuple[int, ...]]:
    """Part -> the label numbers of its materials.

    Raises:
        DataError: the dataset does not say what its labels mean.
    """
    materials = dataset.info.get("materials") if dataset.has_labels else None
    if not materials:
        raise DataError(
            f"{dataset.folder} has no part labels (dataset.json names no materials), so nobody can tell whose clothes "
            "a repainting wears; take a dataset with labels, like that of `turncoat render`."
        )
    found: dict[str, tuple[int, ...]] = {}
    for number, material in enumerate(materials):
        name = material.removesuffix(PATTERN)
        if name not in IGNORED:
            found[name] = (*found.get(name, ()), number + 1)
    order = sorted(found, key=lambda name: PARTS.index(name) if name in PARTS else len(PARTS))
    return {name: found[name] for name in order}


def regions(dataset: Dataset, rows: np.ndarray) -> Regions:
    """The parts of `rows`, wherever nothing but the person is in the pixel.

    Raises:
        DataError: no part labels, or none of these rows has any.
    """
    numbers = part_names(dataset)
    _, materials = dataset.labels(rows)
    table = np.full(256, -1, dtype=np.int8)
    for place, labels in enumerate(numbers.values()):
        table[list(labels)] = place
    part = np.where(dataset.masks(rows)[:, 0] == LEVELS, table[materials], -1)
    if not (part >= 0).any():
        raise DataError(
            f"{dataset.folder} has no part labels in the {len(rows)} frames chosen; take a dataset with labels, like "
            "that of `turncoat render`."
        )
    return Regions(tuple(numbers), part)


def part_colours(
    frames: np.ndarray, part: np.ndarray, count: int, *, base: np.ndarray | None = None, mask: np.ndarray | None = None
) -> np.ndarray:
    """Mean colour of every part: (N, 3, H, W) uint8, part (N, H, W) -> (N, count, 3) float64 in [0, 1].

    base, mask: background uint8 (N, 3, H, W) and mask (N, 1, H, W) in [0, 1] of a repainting, to take out what shines
        through: ``sum(frame - background * (1 - mask)) / sum(mask)``.

    NaN where a part has fewer than `LEAST` pixels (or as much of the mask).
    """
    total = len(frames)
    place = (part.reshape(total, -1).astype(np.int64) + 1 + (count + 1) * np.arange(total)[:, None]).ravel()

    def summed(values: np.ndarray | None) -> np.ndarray:
        weights = None if values is None else values.reshape(-1)
        return np.bincount(place, weights, total * (count + 1)).reshape(total, count + 1)[:, 1:]

    pictures = frames.astype(np.float64) / LEVELS
    if base is not None and mask is not None:
        pictures = pictures - base / LEVELS * (1 - mask)
    weight = summed(None if mask is None else mask[:, 0])
    sums = np.stack([summed(pictures[:, channel]) for channel in range(3)], axis=-1)
    found: np.ndarray = np.where(weight[..., None] < LEAST, np.nan, sums / np.maximum(weight, 1e-9)[..., None])
    return found


def means_by(colours: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Mean of colours (N, M, 3) over the frames of each name: (len(names), M, 3), NaN where a part is never seen."""
    found = np.full((len(names), *colours.shape[1:]), np.nan)
    for place, name in enumerate(names):
        mine = colours[labels == name]
        seen = np.isfinite(mine).all(axis=-1)
        for part in range(colours.shape[1]):
            if seen[:, part].any():
                found[place, part] = mine[seen[:, part], part].mean(axis=0)
    return found


class Along(NamedTuple):
    """How far changes of colour go along the line from one colour to another, all (N, M), NaN where there is none.

    dot: change times line; far: squared length of the line; off: squared distance of the change from the line.
    The share of the way is ``sum(dot) / sum(far)``: least squares, so that colours far apart weigh most.
    """

    dot: np.ndarray
    far: np.ndarray
    off: np.ndarray


def along(change: np.ndarray, line: np.ndarray, apart: float) -> Along:
    """Project changes (N, M, 3) on lines (N, M, 3); lines shorter than `apart`, RMS of the channels, are left out."""
    far = (line**2).sum(axis=-1)
    dot = (change * line).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        out = ~(np.sqrt(far / 3) >= apart) | ~np.isfinite(dot)
        off = np.maximum((change**2).sum(axis=-1) - dot**2 / far, 0.0)
    return Along(*(np.where(out, np.nan, each) for each in (dot, far, off)))


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """RMS of the channels of differences of colours, mean over the parts both have: (N, M, 3) -> (N,), grey levels."""
    each = LEVELS * np.sqrt(((a - b) ** 2).mean(axis=-1))
    there = np.isfinite(each)
    with np.errstate(invalid="ignore"):
        return np.where(there, each, 0.0).sum(axis=1) / np.where(there.any(axis=1), there.sum(axis=1), np.nan)
