"""What the factors look like for one pose, and what each network says of every frame."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from turncoat.engine.analysis.wardrobe.result import HEADLINE, WardrobeTest
from turncoat.engine.report.figure_files import INK, QUIET, new_figure, save_figure
from turncoat.engine.report.palette import network_colours
from turncoat.engine.report.skeletons import view
from turncoat.engine.report.wardrobe_figure import SHORT
from turncoat.kernels.errors import ConfigError
from turncoat.kernels.pose_error import mpjpe
from turncoat.kernels.skeleton import BONES, JOINTS

_CELL, _LEFT, _HEAD, _CAPTION = 1.12, 0.95, 1.08, 0.36  # inches
_TURN_DEG = 38.0
_LONG = 11  # characters of a name that take more than a line


def draw_wardrobe_strip(results: Sequence[WardrobeTest], folder: Path, *, quantile: float = 0.5) -> list[Path]:
    """Write wardrobe_strip.png, .pdf, .svg: a column for the anchor and for one level of each factor, a row a network.

    The pose is the one at `quantile` of the spreads over colours, averaged over the networks, in the group of actions
    that was asked for; of each factor the level that moves the networks most on it is shown.

    Raises:
        ConfigError: the results are not all of these frames.
    """
    first = results[0] if results else None
    if first is None or any(not np.array_equal(each.rows, first.rows) for each in results):
        raise ConfigError("Wardrobe tests of different frames were given; draw results of one crossed set together.")
    pose = _pose_at(results, quantile)
    shown = [int(first.anchor_places[pose]), *_strongest(results, pose)]
    return save_figure(_strip(results, pose, shown), folder, "wardrobe_strip")


def _pose_at(results: Sequence[WardrobeTest], quantile: float) -> int:
    """Number of the base pose; none of its frames is damaged."""
    first = results[0]
    spread = np.mean([each.pairs.mpjpe for each in results], axis=0)
    mine = (first.anchors.group == first.settings.group)[first.of]
    number = np.unique(first.of[mine & (first.factor == HEADLINE)])
    mean = np.array([spread[(first.of == n) & (first.factor == HEADLINE)].mean() for n in number])
    whole = [n for n in np.argsort(mean) if np.isfinite(spread[first.of == number[n]]).all()]
    if not whole:
        raise ConfigError("Every base pose has a damaged frame; render the crossed set again.")
    return int(number[whole[round(quantile * (len(whole) - 1))]])


def _strongest(results: Sequence[WardrobeTest], pose: int) -> list[int]:
    """Places of the frames of one pose, one a factor, with which the networks move most."""
    first = results[0]
    spread = np.mean([each.pairs.mpjpe for each in results], axis=0)
    found = []
    for factor in SHORT:
        mine = np.flatnonzero((first.of == pose) & (first.factor == factor))
        if len(mine):
            found.append(int(first.places[mine[int(np.argmax(spread[mine]))]]))
    return found


def _strip(results: Sequence[WardrobeTest], pose: int, shown: list[int]) -> Any:
    first, columns = results[0], len(shown)
    dataset = first.crossed
    width = _LEFT + columns * _CELL + 0.1
    row = _CELL + _CAPTION
    height = _HEAD + _CELL + 0.1 + len(results) * row + 0.05
    figure = new_figure(width, height)
    title = "One pose, one thing changed at a time"
    figure.text(0.1 / width, 1 - 0.08 / height, title, fontsize=11.5, fontweight="bold", color=INK, va="top")
    below = (
        f"{first.anchors.key[pose]}, in the middle of the spreads over colours; of each factor the level that moves "
        "most. Moved: the error, from the unchanged frame's."
    )
    figure.text(0.1 / width, 1 - 0.36 / height, below, fontsize=7.8, color=QUIET, va="top")
    frames = dataset.read(first.rows[shown]).transpose(0, 2, 3, 1)
    names, levels = dataset.column("factor")[first.rows[shown]], dataset.column("level")[first.rows[shown]]
    colours = network_colours([each.name for each in results])
    turned = view(_TURN_DEG)
    for column, picture in enumerate(frames):
        left = _LEFT + column * _CELL
        axes = _cell(figure, left, _HEAD, width, height)
        axes.imshow(picture, interpolation="nearest")
        words = SHORT.get(str(names[column]), "unchanged")
        words += f"\n{levels[column]}" if levels[column] else ""
        figure.text((left + 0.04) / width, 1 - (_HEAD - 0.04) / height, words, fontsize=7.6, color=INK, va="bottom")
    for number, each in enumerate(results):
        top = _HEAD + _CELL + 0.1 + number * row
        middle = 1 - (top + _CELL / 2) / height
        name = each.name if len(each.name) < _LONG else each.name.replace("-", "-\n", 1)
        figure.text(0.1 / width, middle, name, fontsize=9.5 if name == each.name else 8.3, color=colours[each.name],
                    va="bottom", fontweight="bold")  # fmt: skip
        figure.text(0.1 / width, middle - 0.1 / height, "turned by 38°;\ngrey: truth", fontsize=6.8, color=QUIET,
                    va="top")  # fmt: skip
        moved = {int(place): float(value) for place, value in zip(each.places, each.pairs.mpjpe, strict=True)}
        error = mpjpe(each.poses[shown], each.truth[shown])
        flat = [(_on_all(each, poses[shown]) @ turned.T)[..., :2] for poses in (each.truth, each.poses)]
        low, high = (np.nanpercentile(np.concatenate(flat), q, axis=(0, 1)) for q in (0, 100))
        centre, half = (low + high) / 2, 0.54 * float((high - low).max())
        for column, place in enumerate(shown):
            left = _LEFT + column * _CELL
            axes = _cell(figure, left, top, width, height)
            _bones(axes, flat[0][column], QUIET, 1.0)
            _bones(axes, flat[1][column], colours[each.name], 1.8)
            axes.set_xlim(centre[0] - half, centre[0] + half)
            axes.set_ylim(centre[1] + half, centre[1] - half)
            words = f"error {error[column]:.0f} mm"
            if place in moved:
                words = f"moved {moved[place]:.0f} mm\n{words}"
            figure.text((left + _CELL / 2) / width, 1 - (top + _CELL + 0.02) / height, words, fontsize=7.4, color=INK,
                        va="top", ha="center")  # fmt: skip
    return figure


def _cell(figure: Any, left: float, top: float, width: float, height: float) -> Any:
    side = _CELL - 0.06
    axes = figure.add_axes(((left + 0.03) / width, 1 - (top + side) / height, side / width, side / height))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_aspect("equal")
    return axes


def _on_all(found: WardrobeTest, poses: np.ndarray) -> np.ndarray:
    """Poses (N, J, 3) at their places among the 17, NaN elsewhere."""
    whole = np.full((len(poses), len(JOINTS), 3), np.nan)
    whole[:, list(found.joints)] = poses
    return whole


def _bones(axes: Any, flat: np.ndarray, colour: str, width: float) -> None:
    for parent, child in BONES:
        if np.isfinite(flat[[parent, child]]).all():
            axes.plot(*flat[[parent, child]].T, color=colour, linewidth=width, solid_capstyle="round")
