"""People painted from one appearance code, drawn: the pictures of each network, and who can still be told apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.analysis.repaint.zero import CODES, SILHOUETTE, Zero
from turncoat.engine.report.figure_files import INK, QUIET, new_figure, plain_axes, save_figure
from turncoat.engine.report.palette import network_colours, network_marks
from turncoat.engine.report.tiles import Tiles, cut, file_name, several

ROWS = {"own": "own code", "zero": "zero code", "mean": "mean code"}
KINDS = ("own", "mean", "zero", SILHOUETTE)
WORDS = {"own": "own codes", "mean": "mean code", "zero": "zero code", SILHOUETTE: "true\nsilhouettes"}


def draw_zero(results: Zero | Sequence[Zero], folder: Path) -> list[Path]:
    """Write ``zero-NETWORK`` (the pictures) for each result and ``zero_told`` for all; PNG, PDF and SVG."""
    results = several(results)
    files = [file for found in results for file in save_figure(grid(found), folder, f"zero-{file_name(found.network)}")]
    return [*files, *save_figure(told(results), folder, "zero_told")]


def grid(found: Zero) -> Any:
    """Columns: people; rows: as they are, and painted from their own, the zero and the mean code."""
    pictures = found.pictures
    rows: list[tuple[str, np.ndarray]] = [
        ("input", pictures.inputs),
        *((ROWS[name], pictures.painted[name]) for name in CODES),
    ]
    count, left, top = len(pictures.subjects), 0.95, 0.62
    side, gap = 1.15, 0.06
    figure = new_figure(max(left + count * (side + gap) + 0.1, 4.6), top + len(rows) * (side + gap) + 0.1)
    tiles = Tiles(figure, side=side, gap=gap)
    tiles.text(0.08, 0.2, f"{found.network}: everyone from one appearance code", fontsize=12, ha="left",
               fontweight="bold")  # fmt: skip
    for row, (words, shown) in enumerate(rows):
        y = top + tiles.step(row)
        tiles.text(left - 0.1, y + side / 2, words, ha="right", fontsize=9.5)
        for place in range(count):
            tiles.place(left + tiles.step(place), y, cut(shown[place], pictures.boxes[place]))
    for place, name in enumerate(pictures.subjects):
        tiles.text(left + tiles.step(place) + side / 2, top - 0.12, name)
    return figure


def told(results: Sequence[Zero]) -> Any:
    """Probe accuracies by kind of picture with chance, a panel a column; and the share of colours that is left."""
    columns = list(dict.fromkeys(column for found in results for column in found.told))
    kept = [found for found in results if found.kept is not None]
    names = [found.network for found in results]
    colours, marks = network_colours(names), network_marks(names)
    panels = len(columns) + bool(kept)
    across = min(6, max(3, int(1.2 + 3.4 * panels) * 6 // 8))
    rows = -(-len(results) // across)
    height = 3.9 + 0.2 * rows
    figure = new_figure(1.2 + 3.4 * panels, height)
    axes = figure.subplots(1, panels, squeeze=False, width_ratios=[4.0] * len(columns) + [2.4] * bool(kept))[0]
    figure.subplots_adjust(left=0.55 / (1 + 3.4 * panels), right=0.985, top=1 - (0.41 + 0.2 * rows) / height,
                           bottom=0.61 / height, wspace=0.3)  # fmt: skip
    for axis, column in zip(axes, columns, strict=False):
        _panel(axis, [(found.network, {name: found.told[column][name].accuracy for name in KINDS})
                      for found in results if column in found.told], KINDS, colours, marks)  # fmt: skip
        chance = max(found.told[column]["own"].chance for found in results if column in found.told)
        axis.axhline(chance, color=QUIET, linewidth=1.2, linestyle="--")
        axis.annotate("chance", (len(KINDS) - 0.5, chance), xytext=(0, 3), textcoords="offset points", ha="right",
                      fontsize=8, color=QUIET)  # fmt: skip
        axis.set_ylabel("share named rightly, other sequences", fontsize=9)
        axis.set_title(f"Which {column} is it?", fontsize=10, loc="left")
    if kept:
        axis, kinds = axes[-1], ("mean", "zero")
        _panel(axis, [(found.network, found.kept or {}) for found in kept], kinds, colours, marks)
        axis.axhline(1, color=INK, linewidth=0.8)
        axis.set_ylabel("share of the differences in colour", fontsize=9)
        axis.set_title("Colours that are left", fontsize=10, loc="left")
    figure.legend(handles=_handles(names, colours, marks), loc="upper left", bbox_to_anchor=(0.01, 0.99), ncols=across,
                  fontsize=9, frameon=False)  # fmt: skip
    return figure


def _panel(
    axes: Any, found: list[tuple[str, dict[str, Interval]]], kinds: Sequence[str], colours: dict[str, str],
    marks: dict[str, str],
) -> None:  # fmt: skip
    wide = 0.8 / len(found)
    lowest = 0.0
    for place, (network, values) in enumerate(found):
        for column, kind in enumerate(kinds):
            x, one = column + (place - (len(found) - 1) / 2) * wide, values[kind]
            if one.known:
                axes.plot([x, x], [one.low, one.high], color=colours[network], linewidth=1.4)
                lowest = min(lowest, one.low)
            axes.plot([x], [one.value], marks[network], color=colours[network], markersize=5.5)
    plain_axes(axes)
    axes.set_xticks(range(len(kinds)), [WORDS[kind] for kind in kinds])
    axes.set_xlim(-0.5, len(kinds) - 0.5)
    axes.set_ylim(min(-0.02, lowest - 0.03), 1.06)


def _handles(names: Sequence[str], colours: dict[str, str], marks: dict[str, str]) -> list[Any]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=colours[name], marker=marks[name], linestyle="none", label=name) for name in names]
