"""Swaps drawn: the grid of children of each network, and whose clothes they wear, network by network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.analysis.repaint.swap import Swap
from turncoat.engine.report.figure_files import INK, QUIET, RULE, new_figure, plain_axes, save_figure
from turncoat.engine.report.palette import network_colours, network_marks
from turncoat.engine.report.tiles import Tiles, cut, file_name, several

_LEGEND_COLUMNS = 4


def draw_swap(results: Swap | Sequence[Swap], folder: Path) -> list[Path]:
    """Write ``swap-NETWORK`` (the grid) for each result and ``swap_shares`` for all; PNG, PDF and SVG."""
    results = several(results)
    files = [file for found in results for file in save_figure(grid(found), folder, f"swap-{file_name(found.network)}")]
    return [*files, *save_figure(shares(results), folder, "swap_shares")]


def grid(found: Swap) -> Any:
    """Rows: pose of; columns: appearance of; inputs along the edges, the parents' own repaintings ringed."""
    pictures = found.pictures
    count, left, top = len(pictures.subjects), 0.62, 1.0
    side, gap, apart = 1.0, 0.06, 0.22
    across = left + (count + 1) * (side + gap) + apart + 0.05
    figure = new_figure(across, top + (count + 1) * (side + gap) + apart + 0.1)
    tiles = Tiles(figure, side=side, gap=gap)
    own = network_colours([found.network])[found.network]
    tiles.text(0.08, 0.2, f"{found.network}: pose of one, appearance of another", fontsize=12, ha="left",
               fontweight="bold")  # fmt: skip
    tiles.text(0.08, 0.45, "On the diagonal people repainted as they are; beside and above, the inputs.", fontsize=8.5,
               ha="left", color=QUIET)  # fmt: skip
    first = (left + side + gap + apart, top + side + gap + apart)
    tiles.text(first[0] + tiles.step(count) / 2, 0.72, "appearance of", fontsize=10)
    tiles.text(0.16, first[1] + tiles.step(count) / 2, "pose of", fontsize=10, rotation=90)
    for place, name in enumerate(pictures.subjects):
        x, y = first[0] + tiles.step(place), first[1] + tiles.step(place)
        seen = cut(pictures.inputs[place], pictures.boxes[place])
        tiles.place(x, top, seen)
        tiles.text(x + side / 2, top - 0.1, name)
        tiles.place(left, y, seen)
        tiles.text(left - 0.12, y + side / 2, name, rotation=90)
        for column in range(count):
            child = cut(pictures.children[place, column], pictures.boxes[place])
            mine = column == place
            tiles.place(first[0] + tiles.step(column), y, child, ring=own if mine else RULE, wide=2 if mine else 0.6)
    return figure


def shares(results: Sequence[Swap]) -> Any:
    """The appearance parent's share of every part, with the third subject's beside it, and how far the pose moves."""
    parts = list(dict.fromkeys(part for found in results for part in found.share))
    names = [found.network for found in results]
    colours, marks = network_colours(names), network_marks(names)
    rows, slanted = -(-(len(results) + 2) // _LEGEND_COLUMNS), len(results) > 3
    height = 3.75 + 0.19 * rows + 0.45 * slanted
    figure = new_figure(9.2, height)
    left, right = figure.subplots(1, 2, width_ratios=(len(parts), max(3.0, 0.7 * len(results))))
    figure.subplots_adjust(left=0.075, right=0.985, top=1 - (0.35 + 0.19 * rows) / height,
                           bottom=(0.43 + 0.45 * slanted) / height, wspace=0.22)  # fmt: skip
    wide = 0.8 / len(results)
    for place, found in enumerate(results):
        colour, mark = colours[found.network], marks[found.network]
        for column, part in enumerate(parts):
            if part not in found.share:
                continue
            x = column + (place - (len(results) - 1) / 2) * wide
            _point(left, x, found.share[part], colour, mark, label=found.network if column == 0 else None)
            if found.other is not None and part in found.other:
                left.plot([x - wide / 2.6, x + wide / 2.6], [found.other[part].value] * 2, color=QUIET, linewidth=2)
        _point(right, place, found.change_mm["swap"]["mpjpe"], colour, mark)
        same = found.change_mm["same"]["mpjpe"].value
        noise = found.change_mm["noise"]["mpjpe"].value
        right.plot([place - 0.25, place + 0.25], [same] * 2, color=QUIET, linewidth=2)
        right.plot([place - 0.25, place + 0.25], [noise] * 2, color=QUIET, linewidth=1, linestyle=":")
    for axes in (left, right):
        plain_axes(axes)
    for end, words, below in ((0, "0: the pose code decides", True), (1, "1: the appearance code decides", False)):
        left.axhline(end, color=INK, linewidth=0.8)
        left.annotate(words, (len(parts) - 0.5, end), xytext=(0, -4 if below else 3), textcoords="offset points",
                      fontsize=8, ha="right", va="top" if below else "bottom", color=QUIET)  # fmt: skip
    values = [one.value for found in results for one in found.share.values()]
    left.set_ylim(min(-0.1, *values) - 0.02, max(1.1, *values) + 0.02)
    left.set_xlim(-0.5, len(parts) - 0.5)
    left.set_xticks(range(len(parts)), ["all parts" if part == "all" else part for part in parts])
    left.set_ylabel("appearance parent's share of the colour", fontsize=9)
    left.set_title("Whose clothes does the child wear?", fontsize=10, loc="left")
    right.set_xticks(range(len(results)), names, rotation=30 * slanted, ha="right" if slanted else "center",
                     rotation_mode="anchor" if slanted else None)  # fmt: skip
    right.set_xlim(-0.6, len(results) - 0.4)
    right.set_ylim(bottom=0)
    right.set_ylabel("change of the predicted pose, mm (MPJPE)", fontsize=9)
    right.set_title("How far does the pose move?", fontsize=10, loc="left")
    _legend(figure, results, colours, marks)
    return figure


def _legend(figure: Any, results: Sequence[Swap], colours: dict[str, str], marks: dict[str, str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colours[one.network], marker=marks[one.network], linestyle="none", label=one.network)
        for one in results
    ]
    handles += [
        Line2D([], [], color=QUIET, linewidth=2, label="null: a third subject's share; another frame's code"),
        Line2D([], [], color=QUIET, linewidth=1, linestyle=":", label="one grey level of noise"),
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.01, 0.99),
        ncols=_LEGEND_COLUMNS,
        fontsize=8.5,
        frameon=False,
    )


def _point(axes: Any, x: float, one: Interval, colour: str, mark: str, label: str | None = None) -> None:
    if one.known:
        axes.plot([x, x], [one.low, one.high], color=colour, linewidth=1.4)
    axes.plot([x], [one.value], mark, color=colour, markersize=5.5, label=label)
