"""Pose in the appearance code, people in the pose code: both halves of the leak, as bars."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from turncoat.engine.analysis.codes.frames import APPEARANCE, POSE_CODE
from turncoat.engine.analysis.codes.probes import MEAN_POSE, CodeProbes, Told
from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.report.figure_files import INK, QUIET, new_figure, plain_axes, save_figure
from turncoat.engine.report.palette import network_colours

MANY = 6
"""Networks whose names no longer fit side by side."""
_FILLS = {
    POSE_CODE: ("", 1.0),
    APPEARANCE: ("////", 0.35),
    MEAN_POSE: ("", 0.0),
    "true_pose": ("", 0.0),
}
_LEGEND = {
    POSE_CODE: "from the pose code",
    APPEARANCE: "from the appearance code",
    MEAN_POSE: "mean pose",
    "true_pose": "from the true pose",
}


def draw_probes(results: Sequence[CodeProbes], folder: Path) -> list[Path]:
    """Write folder/probes.png, .pdf and .svg: MPJPE from either code and of the mean pose; people told from either code
    and from the true pose, with chance as a line.

    Raises:
        OSError: the folder cannot be written.
    """
    columns = list(dict.fromkeys(told.of for result in results for told in result.people))
    panels = 1 + len(columns)
    slanted = len(results) >= MANY
    width, height = max(8.5, 0.9 + panels * (0.8 + 0.85 * len(results))), 4.9 + 0.55 * slanted
    figure = new_figure(width, height)
    top, bottom = 1 - 1.22 / height, (0.83 + 0.55 * slanted) / height
    grid = figure.add_gridspec(1, panels, left=min(0.085, 0.85 / width), right=0.99, top=top, bottom=bottom,
                               wspace=0.16 if slanted else 0.27)  # fmt: skip
    names = [result.network for result in results]
    colours = network_colours(names)
    poses = figure.add_subplot(grid[0, 0])
    for place, result in enumerate(results):
        codes = (POSE_CODE, APPEARANCE, MEAN_POSE)
        _bars(poses, place, colours[result.network], {code: result.poses[code] for code in codes}, "{:.0f}", 1.0)
    _finish(poses, names, "How well is the pose told?\n(lower is better)", "MPJPE, mm")
    poses.set_ylim(0, 1.15 * max(each.value for result in results for each in result.poses.values()))
    for number, column in enumerate(columns):
        axes = figure.add_subplot(grid[0, 1 + number])
        for place, result in enumerate(results):
            told = _best(result, column)
            if told:
                shares = {code: told[code].accuracy for code in (POSE_CODE, APPEARANCE, "true_pose") if code in told}
                _bars(axes, place, colours[result.network], shares, "{:.0f}", 100.0)
                chance = 100 * next(iter(told.values())).chance
                axes.plot([place - 0.42, place + 0.42], [chance] * 2, color=INK, linewidth=1.2, linestyle=(0, (3, 2)))
        _finish(axes, names, f"How often is the {column} told?\n(dashes: chance; bodies differ)", "frames told, %")
        axes.set_ylim(0, 112)
        axes.set_yticks([0, 25, 50, 75, 100])
    for code, words in _LEGEND.items():
        if code != "true_pose":
            hatch, alpha = _FILLS[code]
            figure.gca().bar([0], [0], color=_tint(QUIET, alpha), edgecolor=QUIET, hatch=hatch, label=words)
    figure.gca().bar([0], [0], color="white", edgecolor=INK, linestyle=":", label=_LEGEND["true_pose"])
    figure.legend(
        loc="upper left", bbox_to_anchor=(0.04 / width, 1 - 0.34 / height), ncols=4, frameon=False, fontsize=9
    )
    title = "Pose in the appearance code, people in the pose code"
    figure.text(0.1 / width, 1 - 0.12 / height, title, fontsize=13, fontweight="bold", color=INK, va="top")
    figure.text(0.1 / width, 0.1 / height, _below(results), fontsize=8.5, color=QUIET, va="bottom")
    return save_figure(figure, folder, "probes")


def _bars(axes: Any, place: int, colour: str, values: dict[str, Interval], text: str, factor: float) -> None:
    width = 0.27
    for number, (code, found) in enumerate(values.items()):
        x, each = place + (number - 1) * width, found.scaled(factor)
        hatch, alpha = _FILLS[code]
        style = ":" if code == "true_pose" else "-"
        axes.bar([x], [each.value], width * 0.92, color=_tint(colour, alpha), edgecolor=colour, hatch=hatch,
                 linewidth=1.2, linestyle=style, zorder=2)  # fmt: skip
        top = each.value
        if each.known:
            axes.plot([x, x], [each.low, each.high], color=INK, linewidth=1.1, zorder=3)
            top = each.high
        axes.annotate(text.format(each.value), (x, top), xytext=(0, 2), textcoords="offset points", ha="center",
                      fontsize=7, color=INK)  # fmt: skip


def _best(result: CodeProbes, column: str) -> dict[str, Told]:
    """Of each code the probe that tells most; of true poses and lengths of bones together, as "true_pose"."""
    found: dict[str, Told] = {}
    for told in result.people:
        if told.of == column:
            code = "true_pose" if told.code.startswith("true_") else told.code
            if code not in found or told.accuracy.value > found[code].accuracy.value:
                found[code] = told
    return found


def _finish(axes: Any, names: Sequence[str], title: str, unit: str) -> None:
    plain_axes(axes)
    slanted = len(names) >= MANY
    axes.set_xticks(range(len(names)), names, fontsize=9, rotation=30 * slanted, ha="right" if slanted else "center",
                    rotation_mode="anchor" if slanted else None)  # fmt: skip
    axes.set_xlim(-0.55, len(names) - 0.45)
    axes.set_ylabel(unit, fontsize=9.5, color=INK)
    axes.set_title(title, fontsize=10.5, loc="left", color=INK)


def _tint(colour: str, share: float) -> tuple[float, ...]:
    """A colour mixed with white, opaque."""
    from matplotlib.colors import to_rgb

    return tuple(1 - share * (1 - channel) for channel in to_rgb(colour))


def _below(results: Sequence[CodeProbes]) -> str:
    kinds = list(dict.fromkeys(told.kind for result in results for told in result.people))
    best = ", the best of them" if len(kinds) > 1 else ""
    frames = results[0].described["training_frames"]
    return (
        f"Held-out frames of recordings never fitted on. Probes: {', '.join(kinds)}{best}, fitted on {frames:,} "
        "frames. Bars: 95 %."
    )
