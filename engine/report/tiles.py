"""Grids of small pictures in figures, and figures of one network and of several."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from turncoat.engine.report.figure_files import INK, RULE
from turncoat.engine.report.pictures import around

Result = TypeVar("Result")


def several(results: Result | Sequence[Result]) -> list[Result]:
    """One result or several, as a list."""
    return list(results) if isinstance(results, Sequence) else [results]


def file_name(text: str) -> str:
    """A network's name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "network"


def cut(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """A picture (3, H, W) uint8 cut down to the person at `box` (4,) pixels: (side, side, 3)."""
    x0, y0, x1, y1 = around(box, picture.shape[1:])
    found: np.ndarray = picture[:, y0:y1, x0:x1].transpose(1, 2, 0)
    return found


class Tiles:
    """Square pictures of one inch, or `side`, laid out on a figure from its upper left corner."""

    def __init__(self, figure: Any, *, side: float = 1.0, gap: float = 0.06) -> None:
        self.figure, self.side, self.gap = figure, side, gap
        self.width, self.height = figure.get_size_inches()

    def place(self, x: float, y: float, picture: np.ndarray, *, ring: str = RULE, wide: float = 0.6) -> None:
        """A picture (h, w, 3) with its upper left corner at x, y inches, in a ring of that colour."""
        where = (x / self.width, 1 - (y + self.side) / self.height, self.side / self.width, self.side / self.height)
        axes = self.figure.add_axes(where)
        axes.imshow(picture, interpolation="bilinear")
        axes.set_xticks([])
        axes.set_yticks([])
        for line in axes.spines.values():
            line.set_color(ring)
            line.set_linewidth(wide)

    def text(self, x: float, y: float, words: str, **style: Any) -> None:
        """Words at x, y inches from the upper left corner."""
        style = {"fontsize": 9, "color": INK, "ha": "center", "va": "center"} | style
        self.figure.text(x / self.width, 1 - y / self.height, words, **style)

    def step(self, count: int) -> float:
        """Inches from the first to the `count`-th tile."""
        return count * (self.side + self.gap)
