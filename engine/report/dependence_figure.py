"""What ties the two codes together: Table 3 as a picture, every number beside what it would be by chance."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from turncoat.engine.analysis.codes.dependence import Dependence
from turncoat.engine.analysis.number import Number
from turncoat.engine.analysis.paper_values import table_3
from turncoat.engine.report.figure_files import INK, QUIET, RULE, new_figure, save_figure
from turncoat.engine.report.palette import network_colours, network_marks


class Panel(NamedTuple):
    """A panel: its title, what its axis says, and its rows: key of a number -> what it is called."""

    title: str
    axis: str
    rows: dict[str, str]


PANELS = (
    Panel(
        "Do the codes depend on each other?",
        "distance correlation (no unit)",
        {
            "dc": "as published\n(biased)",
            "dc_corrected": "bias-corrected",
            "dc_standardised": "…, channels\nin equal units",
            "dc_perfect": "…, perfect codes:\nperson, true pose",
        },
    ),
    Panel(
        "What is left once the rest is known?",
        "partial distance correlation, bias-corrected (no unit)",
        {
            "dc_given_pose": "both codes,\ngiven the pose",
            "dc_people_given_pose": "pose code, person,\ngiven the pose",
            "dc_pose_given_people": "appearance, pose,\ngiven the person",
        },
    ),
    Panel(
        "Does one determine the other linearly?",
        "R², share of variance on new recordings",
        {
            "r2_appearance_from_pose_code": "appearance\nfrom pose code",
            "r2_pose_code_from_appearance": "pose code\nfrom appearance",
            "r2_within_appearance_from_pose_code": "within a person:\nappearance",
            "r2_within_pose_code_from_appearance": "within a person:\npose code",
        },
    ),
    Panel(
        "Do they tell what the picture shows?",
        "information over bias (ratio of squared errors)",
        {"iob_appearance": "appearance\ncode", "iob_pose_code": "pose code"},
    ),
)
_PAPER = {"dc": "DC(A, P)", "iob_appearance": "IOB(I, A)", "iob_pose_code": "IOB(I, P)"}


def draw_dependence(results: Sequence[Dependence], folder: Path) -> list[Path]:
    """Write folder/dependence.png, .pdf and .svg: a mark for each network, its interval, and its null as a grey bar.

    Hollow diamonds are the paper's values of the network that was trained alike, of other data.

    Raises:
        OSError: the folder cannot be written.
    """
    names = [result.network for result in results]
    colours, marks = network_colours(names), network_marks(names)
    tallest = max(len(panel.rows) for panel in PANELS)
    tall = tallest * max(0.5, 0.16 * len(results) + 0.22)  # of a panel, inches
    across = min(6, len(names) + 2)
    above = 0.9 + 0.24 * -(-(len(names) + 2) // across)
    words = textwrap.fill(_below(results), 150)
    below = 0.75 + 0.16 * (words.count("\n") + 1)
    height = above + below + 2 * tall + 0.95
    figure = new_figure(10.5, height)
    grid = figure.add_gridspec(
        2, 2, left=0.125, right=0.985, top=1 - above / height, bottom=below / height, hspace=0.95 / tall, wspace=0.36
    )
    for place, panel in enumerate(PANELS):
        axes = figure.add_subplot(grid[place // 2, place % 2])
        _panel(axes, panel, results, colours, marks)
    for name in names:
        figure.gca().plot([], [], marks[name], color=colours[name], markersize=7, label=name)
    figure.gca().plot([], [], color=QUIET, alpha=0.45, linewidth=6, label="where there is nothing to find")
    figure.gca().plot([], [], "D", color=INK, markerfacecolor="white", markersize=6, label="the paper's, other data")
    figure.legend(loc="upper left", bbox_to_anchor=(0.01, 1 - 0.42 / height), ncols=across,
                  frameon=False, fontsize=9.5, handletextpad=0.4, columnspacing=1.6)  # fmt: skip
    figure.text(0.015, 1 - 0.12 / height, "What ties appearance code and pose code together", fontsize=13, va="top",
                fontweight="bold", color=INK)  # fmt: skip
    figure.text(0.015, 0.1 / height, words, fontsize=8.5, color=QUIET, va="bottom")
    return save_figure(figure, folder, "dependence")


def _panel(
    axes: Any, panel: Panel, results: Sequence[Dependence], colours: dict[str, str], marks: dict[str, str]
) -> None:
    ticks, texts = [], []
    step = 0.78 / len(results)
    values = [0.0]
    for row, (key, words) in enumerate(panel.rows.items()):
        there = [(result, number) for result in results for number in result.numbers() if number.key == key]
        ticks.append(float(row))
        texts.append(words if there else f"{words}\n(not measured)")
        for result, number in there:
            place = row + (results.index(result) - (len(results) - 1) / 2) * step
            _mark(axes, number, place, step, colours[result.network], marks[result.network])
            values += [value for value in (*number.found[:3], *(number.null or ())[:3]) if value == value]
            paper = table_3(result.network).get(_PAPER.get(key, ""))
            if paper is not None:
                axes.plot([paper], [place], "D", color=colours[result.network], markerfacecolor="white", markersize=6)
                values.append(paper)
    axes.set_yticks(ticks, texts, fontsize=9)
    axes.set_ylim(len(panel.rows) - 0.45, -0.55)
    if panel.rows.keys() & {"iob_appearance"}:
        axes.axvline(1, color=QUIET, linewidth=1, zorder=0)
    axes.set_xlim(min(values) - 0.03 * (max(values) - min(values)) - 0.01, max(1.0, max(values)) * 1.04)
    axes.set_xlabel(panel.axis, fontsize=9.5, color=INK)
    axes.set_title(panel.title, fontsize=11, loc="left", color=INK, fontweight="bold")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.grid(axis="x", color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)


def _mark(axes: Any, number: Number, place: float, step: float, colour: str, mark: str) -> None:
    if number.null is not None:
        low, value, high = number.null.low, number.null.value, number.null.high
        if number.null.known:
            axes.plot([low, high], [place] * 2, color=QUIET, alpha=0.45, linewidth=6, solid_capstyle="butt", zorder=1)
        axes.plot([value] * 2, [place - step / 3, place + step / 3], color=QUIET, linewidth=1.6, zorder=2)
    if number.found.known:
        axes.plot([number.found.low, number.found.high], [place] * 2, color=colour, linewidth=1.6, zorder=3)
    axes.plot([number.found.value], [place], mark, color=colour, markersize=7, zorder=4)


def _below(results: Sequence[Dependence]) -> str:
    words = (
        f"{results[0].settings.frames} held-out frames for distance correlations. Bars: 95 % over recordings. "
        "Grey: recordings exchanged (a bar: where 95 % lie), of partial ones what is left of a code beside the pose "
        "(or the person)."
    )
    if any(len(result.described["people"]) > 1 for result in results):
        words += " Where one body has several wardrobes, the wardrobe is asked for in the person's place."
    heads = [result.network for result in results if result.official_head]
    if heads:
        words += f" The pose code determines the appearance code by construction (official head) of {', '.join(heads)}."
    return words
