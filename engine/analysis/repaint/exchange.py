"""Pairs of people painted into A's place from mixtures of their pose codes, and looked at."""

from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.analysis.repaint.painting import Painter, Seen
from turncoat.engine.analysis.repaint.parts import part_colours, regions
from turncoat.engine.attack.identity import generator_of
from turncoat.training.networks import Codes

Order = Literal["lowest", "highest", "random"]
ORDERS: tuple[Order, ...] = ("lowest", "highest", "random")
"""The K channels that are replaced: those that differ least, most, or any."""


class Looks(NamedTuple):
    """What N repaintings look like.

    pose: (N, 17, 3) mm, predicted. colours: (N, M, 3) of the parts. mask: (N, H, W) uint8. shown: the pictures that
    were kept, (S, 3, H, W) uint8.
    """

    pose: np.ndarray
    colours: np.ndarray
    mask: np.ndarray
    shown: np.ndarray


class Exchange:
    """Paints N pairs, always into A's place (box and background).

    Clothes are read where A's labels and B's, moved into A's box, name the same part: the same pixels for every
    mixture, wherever between A and B its pose is.

    moved: codes of B in A's box.
    """

    def __init__(self, painter: Painter, a: Seen, b: Seen) -> None:
        """DataError: no part labels."""
        self.painter, self.a, self.b = painter, a, b
        self.moved = b.codes._replace(box=a.codes.box)
        found = regions(painter.dataset, a.rows)
        other = regions(painter.dataset, b.rows).part
        laid = laid_over(other, b.codes.box.numpy(), a.codes.box.numpy())
        self.names = found.names
        self.part = np.where(found.part == laid, found.part, -1).astype(np.int8)

    def mixed(self, order: Tensor, count: int) -> Codes:
        """A's codes with the first `count` channels of `order` (N, C) taken from B's pose code."""
        taken = torch.zeros_like(self.a.codes.pose_code, dtype=torch.bool)
        taken.scatter_(1, order[:, :count], True)
        return self.a.codes._replace(pose_code=torch.where(taken, self.b.codes.pose_code, self.a.codes.pose_code))

    def look(self, codes: Codes, keep: np.ndarray | None = None) -> Looks:
        """Paint from `codes`, mask included, predict, and read off the clothes; `keep` the pictures of these places.

        keep: ascending; None: all.
        """
        poses, colours, masks, shown = [], [], [], []
        for painted in self.painter.paint(self.a, codes=codes):
            at, frames = painted.places, painted.frames[0]
            base = self.a.backgrounds[at]
            poses.append(self.painter.predict(self.a, frames, at))
            colours.append(part_colours(frames, self.part[at], len(self.names), base=base, mask=painted.mask))
            masks.append(np.rint(255 * painted.mask[:, 0]).astype(np.uint8))
            shown.append(frames if keep is None else frames[np.isin(at, keep)])
        return Looks(*(np.concatenate(parts) for parts in (poses, colours, masks, shown)))


def ordered(order: Order, gap: Tensor, sample_ids: np.ndarray, seed: int) -> Tensor:
    """Channels (N, C) int64 in the order in which they are replaced.

    gap: (N, C), how much they differ. sample_ids: (N,) of A, which random orders belong to.
    """
    if order != "random":
        return gap.argsort(dim=1, descending=order == "highest", stable=True)
    draws = [generator_of(seed, str(name), 0, "channels").permutation(gap.shape[1]) for name in sample_ids.tolist()]
    return torch.from_numpy(np.stack(draws))


def laid_over(part: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Labels (N, H, W) moved as a picture is that is cut out at box `source` and pasted at box `target`, (N, 4) each.

    Every pixel takes the nearest one's label; -1 where the source ends.
    """
    _, height, width = part.shape
    found = np.full_like(part, -1)
    for place in range(len(part)):
        (x, inside_x), (y, inside_y) = (
            _pulled(size, source[place, axis::2], target[place, axis::2]) for axis, size in ((0, width), (1, height))
        )
        moved = part[place][np.ix_(y, x)]
        found[place] = np.where(inside_y[:, None] & inside_x[None], moved, -1)
    return found


def _pulled(size: int, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every pixel along an axis the one it comes from, and whether there is one; boxes as (scale, shift)."""
    crop = (np.linspace(-1, 1, size) - target[1]) / target[0]
    back = np.rint((source[0] * crop + source[1] + 1) / 2 * (size - 1)).astype(int)
    return back.clip(0, size - 1), (back >= 0) & (back < size)
