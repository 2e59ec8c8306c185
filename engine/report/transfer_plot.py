"""The picture of a transfer matrix: heat maps in one colour scale, one row of them a setting and group."""

import math
import textwrap
from pathlib import Path
from typing import Any

from turncoat.engine.analysis.transfer import Transfer
from turncoat.engine.report.transfer_tables import Heat, blocks, heats, top_mm
from turncoat.engine.report.transfer_words import MARK, headline

INK, QUIET, OWN = "#222222", "#767676", "#f28e2b"
ENDS = ("#f6f8fb", "#9cc3e4", "#2f79b5", "#08315c")
"""Light to dark of one hue: told apart by lightness alone, so by any eye and on paper."""
_TILE, _ACROSS, _LABELS, _HEAD = 0.62, 3, 1.35, 0.85  # inches, panels a row, inches, inches


def draw(found: Transfer, file: Path) -> None:
    """Write the picture, a PNG with 150 pixels an inch, as large as the matrix needs."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.figure import Figure

    parts = [(setting, group, heats(found, setting, group)) for setting, group in blocks(found)]
    side = _TILE * max(len(found.targets), len(found.generators), 2)
    rows_of = [_rows(shown) for _, _, shown in parts]
    across = max(len(line) for lines in rows_of for line in lines)
    width = max(across * (side + _LABELS) + 1.0, 8.6)
    head, foot = 0.75, 0.45
    row, title = side + _HEAD, 0.45
    height = head + sum(len(lines) * row + title for lines in rows_of) + foot
    figure = Figure(figsize=(width, height), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    colours = LinearSegmentedColormap.from_list("blue", ENDS)
    said = _wrapped(headline(found), width / 0.1)
    figure.text(0.15 / width, 1 - 0.12 / height, said, fontsize=11, fontweight="bold", color=INK, va="top")
    words = f"{MARK}, hatched: no average's part. Outlined: the attack was made for the network that looks."
    figure.text(
        0.15 / width, 1 - (0.22 + 0.19 * (said.count("\n") + 1)) / height, words, fontsize=8, color=QUIET, va="top"
    )
    at = head
    for (setting, group, shown), lines in zip(parts, rows_of, strict=True):
        scale = Normalize(0, top_mm(shown, found.threshold_mm))
        figure.text(0.15 / width, 1 - (at + 0.4) / height, f"{setting}, {group} frames", fontsize=10, color=INK,
                    va="center", fontweight="bold")  # fmt: skip
        at += title
        for number, line in enumerate(lines):
            top = at + number * row + _HEAD - 0.12
            for place, heat in enumerate(line):
                left = 0.15 + place * (side + _LABELS) + _LABELS - 0.45
                size = (_TILE * len(heat.columns), _TILE * len(heat.rows))
                axes = figure.add_axes((left / width, 1 - (top + size[1]) / height, size[0] / width, size[1] / height))
                _panel(axes, heat, colours, scale)
        bar = figure.add_axes(
            ((width - 0.62) / width, 1 - (at + _HEAD - 0.12 + side) / height, 0.12 / width, side / height)
        )
        _bar(figure, bar, colours, scale, found.threshold_mm)
        at += len(lines) * row
    figure.savefig(file, format="png")


def _rows(shown: list[Heat]) -> list[list[Heat]]:
    """What belongs together side by side: the two overviews, then painter by painter."""
    painters = shown[2:]
    return [shown[:2], *(painters[at : at + _ACROSS] for at in range(0, len(painters), _ACROSS))]


def _panel(axes: Any, heat: Heat, colours: Any, scale: Any) -> None:
    from matplotlib.patches import Rectangle

    axes.set_xlim(0, len(heat.columns))
    axes.set_ylim(len(heat.rows), 0)
    for y, tiles in enumerate(heat.tiles):
        for x, tile in enumerate(tiles):
            there = math.isfinite(tile.value)
            face = colours(scale(tile.value)) if there else (1, 1, 1, 1)
            dark = sum(part * weight for part, weight in zip(face, (0.3, 0.59, 0.11), strict=False)) < 0.55
            axes.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor="white", linewidth=1.5))
            if tile.marked:
                axes.add_patch(Rectangle((x, y), 1, 1, fill=False, hatch="////", linewidth=0,
                                         edgecolor=(1, 1, 1, 0.35) if dark else (0, 0, 0, 0.22)))  # fmt: skip
            if tile.own:
                axes.add_patch(Rectangle((x + 0.045, y + 0.045), 0.91, 0.91, fill=False, edgecolor=OWN, linewidth=1.8))
            ink = "white" if dark else INK
            axes.text(x + 0.5, y + (0.42 if tile.small else 0.5), tile.text, ha="center", va="center", fontsize=10,
                      color=ink)  # fmt: skip
            axes.text(x + 0.5, y + 0.74, tile.small, ha="center", va="center", fontsize=5.8, color=ink)
    axes.set_xticks([n + 0.5 for n in range(len(heat.columns))], [_short(name) for name in heat.columns])
    axes.set_yticks([n + 0.5 for n in range(len(heat.rows))], [_short(name) for name in heat.rows])
    turned = max(len(_short(name)) for name in heat.columns) > 8
    axes.tick_params(length=0, labelsize=7.5, labelcolor=INK)
    if turned:
        for label in axes.get_xticklabels():
            label.set_rotation(20)
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
    axes.set_title(heat.title, fontsize=8.5, loc="left", color=INK, pad=18)
    axes.text(0, -0.16, f"{heat.down} ↓   {heat.across} →", fontsize=7.5, color=QUIET, va="bottom")
    for side in axes.spines.values():
        side.set_visible(False)


def _bar(figure: Any, axes: Any, colours: Any, scale: Any, threshold_mm: float) -> None:
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(scale, colours), cax=axes)
    bar.outline.set_visible(False)
    axes.tick_params(labelsize=7, length=2, color=QUIET, labelcolor=QUIET)
    axes.axhline(threshold_mm, color=INK, linewidth=1, linestyle="--")
    axes.set_title("mm", fontsize=7.5, color=QUIET, loc="left", pad=4)


def _short(name: str) -> str:
    return name if len(name) <= 14 else f"{name[:13]}…"


def _wrapped(words: str, characters: float) -> str:
    return textwrap.fill(words.replace("\u00a0", " "), int(characters))
