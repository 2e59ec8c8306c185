"""Channels drawn: a filmstrip of each network, the sorted differences, and curves over how many are replaced."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from turncoat.engine.analysis.repaint.channels import Channels, Film
from turncoat.engine.analysis.repaint.exchange import ORDERS, Order
from turncoat.engine.report.figure_files import QUIET, new_figure, plain_axes, save_figure
from turncoat.engine.report.palette import network_colours
from turncoat.engine.report.tiles import Tiles, cut, file_name, several

WORDS: dict[Order, str] = {"lowest": "K lowest", "highest": "K highest", "random": "K random"}
STYLES: dict[Order, Any] = {"lowest": (0, (5, 2)), "highest": "-", "random": ":"}
PANELS = (
    ("pose_to_a", "pose: from A", "mm (MPJPE)"),
    ("pose_to_b", "pose: from B", "mm (MPJPE)"),
    ("clothes_to_a", "clothes: from A", "grey levels (RMS)"),
    ("clothes_to_b", "clothes: from B", "grey levels (RMS)"),
)
FRAMES = 9
"""Pictures between A and B in a strip at most."""


def draw_channels(results: Channels | Sequence[Channels], folder: Path) -> list[Path]:
    """Write ``channels-NETWORK`` (a filmstrip, numbered where there are several), ``channels_difference`` and
    ``channels_curves``; PNG, PDF and SVG."""
    results = several(results)
    files = []
    for found in results:
        for number, film in enumerate(found.films):
            name = f"channels-{file_name(found.network)}" + (f"-{number + 1}" if number else "")
            files += save_figure(strip(found, film), folder, name)
    files += save_figure(differences(results), folder, "channels_difference")
    return [*files, *save_figure(curves(results), folder, "channels_curves")]


def strip(found: Channels, film: Film) -> Any:
    """A at the left end, B at the right, and between them A with K channels of B's pose code."""
    shown = np.unique(np.linspace(0, len(found.ladder) - 1, min(FRAMES, len(found.ladder))).round().astype(int))
    side, gap, left, top = 1.0, 0.05, 0.95, 0.95
    ends = 2 * (side + 0.2)
    width = left + ends + len(shown) * (side + gap) + 0.1
    figure = new_figure(width, top + len(ORDERS) * (side + gap) + 0.1)
    tiles = Tiles(figure, side=side, gap=gap)
    title = f"{found.network}: K of {found.channels} channels of A's pose code replaced by B's"
    tiles.text(0.08, 0.2, title, ha="left", fontsize=12, fontweight="bold")
    tiles.text(0.08, 0.43, "The appearance code is A's throughout. Lowest, highest: by how much A and B differ in a "
               "channel.", ha="left", fontsize=8.5, color=QUIET)  # fmt: skip
    at_b = left + side + 0.2 + tiles.step(len(shown)) + 0.15
    for x, who in ((left, 0), (at_b, 1)):
        words = f"{'AB'[who]} ({film.subjects[who]})"
        tiles.text(x + side / 2, top - 0.12, words)
        tiles.place(x, top, cut(film.inputs[who], film.boxes[who]))
        tiles.place(x, top + tiles.step(1), cut(film.repainted[who], film.boxes[0]))
        tiles.text(x + side / 2, top + tiles.step(2) + 0.02, "above: input\nbelow: repainted", fontsize=7.5, va="top",
                   color=QUIET)  # fmt: skip
    for row, order in enumerate(ORDERS):
        y = top + tiles.step(row)
        tiles.text(left - 0.1, y + side / 2, WORDS[order].replace(" ", "\n"), ha="right", fontsize=9.5)
        for column, place in enumerate(shown.tolist()):
            x = left + side + 0.2 + tiles.step(column)
            tiles.place(x, y, cut(film.strips[order][place], film.boxes[0]))
            if row == 0:
                tiles.text(x + side / 2, top - 0.12, f"K = {found.ladder[place]}")
    return figure


def differences(results: Sequence[Channels]) -> Any:
    """Figure 5b: sorted differences of the pose codes, over those of one person who stands as much alike."""
    colours = network_colours([found.network for found in results])
    figure = new_figure(6.4, 3.8)
    axes = figure.add_axes((0.1, 0.14, 0.87, 0.78))
    plain_axes(axes)
    for found in results:
        colour, x = colours[found.network], np.arange(1, found.channels + 1)
        scale = found.difference.mean() if len(results) > 1 else 1.0  # codes of two networks have no common one
        axes.plot(x, found.difference / scale, color=colour, linewidth=1.8, label=found.network)
        if found.same_difference is not None:
            axes.plot(x, found.same_difference / scale, color=colour, linewidth=1.2, linestyle=":")
    axes.plot([], [], color=QUIET, linewidth=1.2, linestyle=":", label="null: one person in two sequences")
    axes.set_xlim(1, max(found.channels for found in results))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("channels of the pose code, smallest difference first", fontsize=9)
    axes.set_ylabel(
        "|difference|" + (", of the network's mean" if len(results) > 1 else ", units of the code"), fontsize=9
    )
    axes.set_title("Pose codes of two people who stand alike", fontsize=10, loc="left")
    axes.legend(fontsize=8.5, frameon=False, loc="upper left")
    return figure


def curves(results: Sequence[Channels]) -> Any:
    """A row a network: errors of pose to A and to B, distances of clothes to A and to B, as K grows."""
    colours = network_colours([found.network for found in results])
    row, head = 2.15, 0.55
    height = head + row * len(results) + 0.3
    figure = new_figure(9.6, height)
    axes = figure.subplots(len(results), len(PANELS), squeeze=False, sharex=True)
    figure.subplots_adjust(
        left=0.085, right=0.985, top=1 - (head + 0.3) / height, bottom=0.5 / height, wspace=0.36, hspace=0.32
    )
    for number, (line, found) in enumerate(zip(axes, results, strict=True)):
        for axis, (what, title, unit) in zip(line, PANELS, strict=True):
            for order in ORDERS:
                points = found.curves[order][what]
                colour = QUIET if order == "random" else colours[found.network]
                axis.plot(found.ladder, [one.value for one in points], color=colour, linestyle=STYLES[order],
                          linewidth=1.9)  # fmt: skip
                if order == "highest" and all(one.known for one in points):
                    axis.fill_between(found.ladder, [one.low for one in points], [one.high for one in points],
                                      color=colour, alpha=0.15, linewidth=0)  # fmt: skip
            plain_axes(axis)
            axis.set_xlim(0, found.channels)
            axis.set_ylim(bottom=0)
            axis.set_ylabel(unit, fontsize=8.5)
            if number == 0:
                axis.set_title(title, fontsize=10, loc="left")
            if number == len(results) - 1:
                axis.set_xlabel("K channels from B", fontsize=9)
        line[0].annotate(found.network, (0, 1), xytext=(-38, 22 if number == 0 else 6), fontsize=10.5,
                         xycoords="axes fraction", textcoords="offset points", fontweight="bold",
                         color=colours[found.network])  # fmt: skip
    _legend(figure)
    return figure


def _legend(figure: Any) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=QUIET if order == "random" else "#222222", linestyle=STYLES[order], linewidth=1.9,
               label=WORDS[order] + (" (null)" if order == "random" else " channels"))
        for order in ("highest", "lowest", "random")
    ]  # fmt: skip
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.01, 0.998), ncols=3, fontsize=9, frameon=False)
