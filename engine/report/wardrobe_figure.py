"""The pictures of wardrobe tests: spread over each factor, what kind of error, how often, which joints and actions."""

import math
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.analysis.wardrobe.result import BODIES, HEADLINE, WardrobeTest
from turncoat.engine.analysis.wardrobe.spread import KINDS
from turncoat.engine.report.figure_files import INK, QUIET, new_figure, plain_axes, save_figure
from turncoat.engine.report.palette import network_colours, network_marks
from turncoat.kernels.errors import ConfigError
from turncoat.kernels.skeleton import JOINTS

SHORT = {
    "colours": "colours and\npattern",
    "shape": "cut, hair",
    "skin": "skin and hair\ncolours",
    "body": "body",
    "subject": "whole\nperson",
    "background": "background",
    "shadow": "cast\nshadow",
}
"""Factors as an axis names them."""
_KIND_NAMES = dict(zip(KINDS, ("MPJPE", "N-MPJPE", "PA-MPJPE"), strict=True))
_WIDTH, _LEGEND_COLUMNS = 9.2, 6
_LINE, _ACROSS = 0.19, 132  # of the lines below a title: inches apart, characters in one


def draw_wardrobe(results: Sequence[WardrobeTest], folder: Path) -> list[Path]:
    """Write wardrobe.png, .pdf, .svg and wardrobe_parts.png, .pdf, .svg of one or several networks.

    Raises:
        ConfigError: there is no result, or the results are of different groups of actions.
    """
    _check(results)
    return [
        *save_figure(_overview(results), folder, "wardrobe"),
        *save_figure(_parts(results), folder, "wardrobe_parts"),
    ]


def _overview(results: Sequence[WardrobeTest]) -> Any:
    entries = _legend_entries(results)
    rows = -(-len(entries) // _LEGEND_COLUMNS)
    words = _below(results)
    more = _LINE * (len(words) - 2)
    height = 7.0 + more + 0.2 * rows
    figure = new_figure(_WIDTH, height)
    top, bottom = 1 - (0.92 + more + 0.2 * rows) / height, 0.6 / height
    grid = figure.add_gridspec(2, 2, left=0.075, right=0.985, top=top, bottom=bottom, hspace=0.42,
                               wspace=0.2, height_ratios=(1.25, 1))  # fmt: skip
    _head(figure, words, "How far a network's error moves when one thing changes and pose and camera do not")
    figure.legend(handles=entries, frameon=False, fontsize=8.8, loc="upper left", ncols=_LEGEND_COLUMNS,
                  bbox_to_anchor=(0.004, 1 - (0.72 + more) / height), columnspacing=1.3, handlelength=1.7)  # fmt: skip
    axes = figure.add_subplot(grid[0, :])
    factors = _factors(results)
    tops = _bars(
        axes, results, factors, lambda each, factor: each[factor].mpjpe_mm, lambda each, _: each.noise.mpjpe_mm.value
    )
    tops += _seen_and_unseen(axes, results, factors)
    axes.set_ylim(0, 1.06 * max(tops))
    axes.set_xticks(range(len(factors)), [SHORT[factor] for factor in factors], fontsize=9)
    axes.set_ylabel("spread, mm (MPJPE)", fontsize=9)
    kinds = figure.add_subplot(grid[1, 0])
    _bars(
        kinds,
        results,
        list(KINDS),
        lambda each, kind: getattr(each[HEADLINE], kind),
        lambda each, kind: getattr(each.noise, kind).value,
    )
    kinds.set_xticks(range(len(KINDS)), [_KIND_NAMES[kind] for kind in KINDS], fontsize=9)
    kinds.set_title("Colours and pattern: kinds of error", fontsize=9, loc="left", color=INK)
    kinds.set_ylabel("spread, mm", fontsize=9)
    _how_often(figure.add_subplot(grid[1, 1]), results)
    return figure


def _how_often(axes: Any, results: Sequence[WardrobeTest]) -> None:
    limits, colours = list(results[0].settings.thresholds_mm), _colours(results)
    _bars(
        axes,
        results,
        limits,
        lambda each, limit: each[HEADLINE].grows[limit].change.scaled(100),
        lambda each, limit: 100 * each.noise.grows[limit].change.value,
    )
    for place, left, width, each in _places(results, len(limits)):
        shares = each[HEADLINE].grows[limits[place]]
        change, worst, falls = (100 * one.value for one in (shares.change, shares.any, shares.falls))
        axes.plot([left, left + width], [worst] * 2, color=colours[each.name], linewidth=1.6)
        axes.plot([left + width / 2] * 2, [change, worst], color=colours[each.name], linewidth=0.6, linestyle=":")
        axes.plot([left + width / 2], [falls], "v", markersize=4.5, color="white", markeredgecolor=INK,
                  markeredgewidth=0.7)  # fmt: skip
    axes.set_xticks(range(len(limits)), [f"by more than\n{limit:g} mm" for limit in limits], fontsize=9)
    words = (
        f"Colours and pattern: error grows with a change (bar),\nwith some of {results[0][HEADLINE].levels} (line); "
    )
    axes.set_title(words + "it falls as far with a change (triangle)", fontsize=9, loc="left", color=INK)
    axes.set_ylabel("share, %", fontsize=9)
    axes.set_ylim(0, 103)


def _parts(results: Sequence[WardrobeTest]) -> Any:
    from matplotlib.lines import Line2D

    rows = -(-(len(results) + 1) // _LEGEND_COLUMNS)
    words = _below(results)
    more = _LINE * (len(words) - 2)
    height = 4.75 + more + 0.2 * rows + 0.4 * max(0, len(results) - 5)
    figure = new_figure(_WIDTH, height)
    top, bottom = 1 - (0.85 + more + 0.2 * rows) / height, 0.72 / height
    grid = figure.add_gridspec(1, 2, left=0.125, right=0.985, top=top, bottom=bottom, wspace=0.33)
    _head(figure, words, "Spread over colours and pattern, in parts")
    colours, marks = _colours(results), network_marks([each.name for each in results])
    joints = sorted(set().union(*(each.joints for each in results)))
    axes = figure.add_subplot(grid[0, 0])
    for each in results:
        places = [joints.index(joint) for joint in each.joints]
        style: dict[str, Any] = {"color": colours[each.name], "linestyle": "none"}
        axes.plot(each[HEADLINE].joints_mm, places, marks[each.name], markersize=5, label=each.name, **style)
        axes.plot(each.noise.joints_mm, places, "|", markersize=7, markeredgewidth=1.4, **style)
    _rows(axes, [JOINTS[joint].replace("_", " ") for joint in joints], "spread, mm, of each joint")
    actions = sorted({action for each in results for action in each[HEADLINE].actions})
    axes = figure.add_subplot(grid[0, 1])
    for number, each in enumerate(results):
        shift = min(0.16, 0.8 / len(results)) * (number - (len(results) - 1) / 2)
        for action, found in each[HEADLINE].actions.items():
            place = actions.index(action) + shift
            axes.plot([found.value], [place], marks[each.name], color=colours[each.name], markersize=5)
            if found.known:
                axes.plot([found.low, found.high], [place] * 2, color=colours[each.name], linewidth=1)
            axes.plot([each.noise.actions[action].value], [place], "|", color=colours[each.name], markersize=7,
                      markeredgewidth=1.4)  # fmt: skip
    title = "spread, mm (MPJPE), of each action;\nno interval from fewer than three recordings"
    _rows(axes, [action.replace("_", " ") for action in actions], title)
    handles, _ = figure.axes[0].get_legend_handles_labels()
    floor = Line2D([], [], color=INK, marker="|", markersize=7, markeredgewidth=1.4, linestyle="none")
    floor.set_label("floor: one grey level of noise")
    figure.legend(handles=[*handles, floor], loc="upper left", ncols=_LEGEND_COLUMNS, frameon=False, fontsize=8.8,
                  bbox_to_anchor=(0.004, 1 - (0.72 + more) / height), columnspacing=1.3)  # fmt: skip
    return figure


def _rows(axes: Any, names: Sequence[str], title: str) -> None:
    plain_axes(axes)
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.5)
    axes.set_yticks(range(len(names)), names, fontsize=8.5)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel(title, fontsize=9)


def _bars(
    axes: Any,
    results: Sequence[WardrobeTest],
    groups: Sequence[Any],
    value: Callable[[WardrobeTest, Any], Interval],
    floor: Callable[[WardrobeTest, Any], float],
) -> list[float]:
    """A bar a network in every group, its interval, and a black line as high as the noise; how high they reach."""
    plain_axes(axes)
    colours, tops = _colours(results), []
    for place, left, width, each in _places(results, len(groups)):
        found, noise = value(each, groups[place]), floor(each, groups[place])
        middle = left + width / 2
        axes.bar(middle, found.value, width, color=colours[each.name], alpha=0.85, linewidth=0)
        if found.known:
            axes.plot([middle] * 2, [found.low, found.high], color=INK, linewidth=1)
        axes.plot([left, left + width], [noise] * 2, color="black", linewidth=1.6, solid_capstyle="butt")
        tops.append(max(found.value, noise, found.high if found.known else 0))
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.55, len(groups) - 0.45)
    axes.set_ylim(bottom=0)
    return tops


def _seen_and_unseen(axes: Any, results: Sequence[WardrobeTest], factors: Sequence[str]) -> list[float]:
    """Marks of the two where there are both, and what somebody has who sees no body; how high they reach."""
    tops = []
    for place, left, width, each in _places(results, len(factors)):
        spread = each[factors[place]]
        for part, face, share in ((spread.seen, INK, 0.3), (spread.unseen, "white", 0.7)):
            if spread.seen is None or spread.unseen is None or part is None:
                continue
            value, at = part.mpjpe_mm.value, left + share * width
            tops.append(value)
            axes.plot([at], [value], "o", markersize=4, markerfacecolor=face, markeredgecolor=INK, markeredgewidth=0.8)
            if factors[place] in BODIES:
                half = 0.17 * width
                axes.plot([at - half, at + half], [part.truth_moves_mm] * 2, color=INK, linewidth=1.1, linestyle=":")
    return tops


def _legend_entries(results: Sequence[WardrobeTest]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    colours = _colours(results)
    entries: list[Any] = [Patch(facecolor=colours[each.name], alpha=0.85, label=each.name) for each in results]
    dot: dict[str, Any] = {"color": INK, "marker": "o", "markersize": 4, "linestyle": "none", "markeredgewidth": 0.8}
    entries += [
        Line2D([], [], color="black", linewidth=1.6, label="floor: one grey level of noise"),
        Line2D([], [], **dot, label="levels seen in training"),
        Line2D([], [], **dot, markerfacecolor="white", label="unseen levels"),
    ]
    if set(_factors(results)) & set(BODIES):
        entries.append(Line2D([], [], color=INK, linewidth=1.1, linestyle=":", label="one pose for all bodies"))
    return entries


def _factors(results: Sequence[WardrobeTest]) -> list[str]:
    return [factor for factor in SHORT if all(factor in each.factors for each in results)]


def _places(results: Sequence[WardrobeTest], groups: int) -> list[tuple[int, float, float, WardrobeTest]]:
    """(number of the group, left edge, width, result) of every bar."""
    width = min(0.8 / len(results), 0.34)
    start = -width * len(results) / 2
    return [(n, n + start + k * width, width * 0.94, each) for n in range(groups) for k, each in enumerate(results)]


def _head(figure: Any, words: Sequence[str], title: str) -> None:
    height = figure.get_size_inches()[1]
    figure.text(0.012, 1 - 0.1 / height, title, fontsize=12, fontweight="bold", color=INK, va="top")
    for number, line in enumerate(words):
        figure.text(0.012, 1 - (0.38 + _LINE * number) / height, line, fontsize=8.8, color=QUIET, va="top")


def _below(results: Sequence[WardrobeTest]) -> list[str]:
    """What stands below a title, in lines that fit."""
    first = results[0]
    known = [f"{each.name} {_mm(each.of_anchors(each.anchors.error_mm))}" for each in results]
    moves = [f"{each.name} {_mm(each.of_anchors(each.anchors.apart_mm))}" for each in results]
    nothing = _mm(first.of_anchors(first.anchors.mean_pose_mm))
    poses = int((first.anchors.group == first.settings.group).sum())
    sentences = [
        f"{poses} {first.settings.group} poses. Against the truth, unchanged: {', '.join(known)}; the mean pose "
        f"{nothing} mm.",
        f"Between predictions of different sequences: {', '.join(moves)} mm. Thin lines: 95 %.",
    ]
    return [line for words in sentences for line in textwrap.wrap(words, _ACROSS, break_on_hyphens=False)]


def _mm(found: Interval) -> str:
    return f"{found.value:.0f}" if math.isfinite(found.value) else "–"


def _colours(results: Sequence[WardrobeTest]) -> dict[str, str]:
    return network_colours([each.name for each in results])


def _check(results: Sequence[WardrobeTest]) -> None:
    if not results or len({each.settings.group for each in results}) != 1:
        groups = ", ".join(each.settings.group for each in results) or "none"
        raise ConfigError(f"Wardrobe tests of the groups {groups} were given; draw results of one group together.")
