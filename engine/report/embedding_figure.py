"""t-SNE of both codes of a network, coloured by action and by person: Figures 4 and 9, with a number in every panel."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from turncoat.engine.analysis.codes.embedding import CODES, TRUE_POSE, WAYS, Embedding
from turncoat.engine.analysis.codes.frames import CODE_NAMES
from turncoat.engine.report.figure_files import INK, QUIET, RULE, new_figure, save_figure

CLASSES = ("#77aadd", "#ee8866", "#aaaa00", "#ffaabb", "#44bb99", "#eedd88", "#99ddff", "#bbcc33", "#b8b8b8")
"""Paul Tol's light colours: of actions and people, none of them a network's."""
SHAPES = ("o", "^", "s", "D", "v", "P", "X", "<", ">")
OTHERS = "others"


def draw_embedding(result: Embedding, folder: Path) -> list[Path]:
    """Write folder/embedding-<network>.png, .pdf and .svg: a row for what colours the points, a column for each code.

    The axes of a t-SNE have no units: only who is near whom means something.

    Raises:
        OSError: the folder cannot be written.
    """
    columns = list(result.labels)
    figure = new_figure(9.2, 0.85 + 4.15 * len(columns))
    height = figure.get_figheight()
    grid = figure.add_gridspec(
        len(columns), 3, left=0.02, right=0.99, top=1 - 1.5 / height, bottom=0.1 / height, wspace=0.06, hspace=0.27,
        width_ratios=(1, 1, 0.42),
    )  # fmt: skip
    many = result.described["frames"]
    for row, column in enumerate(columns):
        labels = _few(result.labels[column])
        names = [name for name in np.unique(labels).tolist() if name != OTHERS]
        names += [OTHERS] if OTHERS in labels else []
        for place, code in enumerate(CODES):
            axes = figure.add_subplot(grid[row, place])
            _points(axes, result.positions[code], labels, names)
            axes.text(0, 1.125, f"{CODE_NAMES[code]}, by {column}", transform=axes.transAxes, fontsize=11, color=INK,
                      fontweight="bold", va="bottom")  # fmt: skip
            words = f"{_words(result, code, column)}\n{_beside(result, column)}"
            axes.text(0, 1.015, words, transform=axes.transAxes, fontsize=8.5, color=INK, va="bottom")
        _legend(figure.add_subplot(grid[row, 2]), names, column)
    figure.text(0.02, 1 - 0.12 / height, f"{result.network}: t-SNE of its codes", fontsize=13, fontweight="bold",
                color=INK, va="top")  # fmt: skip
    below = (
        f"{len(result.rows):,} held-out frames, perplexity {result.settings.perplexity:g}; axes have no units. "
        f"Accuracies are of the codes themselves, {many:,} frames,\nagainst training frames of other recordings and "
        "clips; chance: the same answers against labels of recordings exchanged."
    )
    figure.text(0.02, 1 - 0.36 / height, below, fontsize=8.5, color=QUIET, va="top")
    return save_figure(figure, folder, f"embedding-{result.network}")


def class_styles(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and mark of every class; what is gathered as others is grey."""
    found = {name: (CLASSES[n % len(CLASSES)], SHAPES[n % len(SHAPES)]) for n, name in enumerate(names)}
    return found | ({OTHERS: (RULE, "o")} if OTHERS in found else {})


def _few(labels: np.ndarray) -> np.ndarray:
    """Labels with all but the commonest gathered as others, so that colours can be told apart."""
    names, counts = np.unique(labels, return_counts=True)
    if len(names) <= len(CLASSES):
        return labels.astype(object)
    kept = names[np.argsort(-counts, kind="stable")[: len(CLASSES) - 1]]
    return np.where(np.isin(labels, kept), labels, OTHERS).astype(object)


def _points(axes: Any, positions: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> None:
    styles = class_styles(names)
    for name in reversed(names):
        own = labels == name
        colour, shape = styles[name]
        axes.scatter(*positions[own].T, s=11, c=colour, marker=shape, linewidths=0, alpha=0.8)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(RULE)
    low, high = positions.min(axis=0), positions.max(axis=0)
    middle, half = (low + high) / 2, 0.53 * (high - low).max()
    axes.set_xlim(middle[0] - half, middle[0] + half)
    axes.set_ylim(middle[1] - half, middle[1] + half)
    axes.set_aspect("equal")


def _legend(axes: Any, names: Sequence[str], column: str) -> None:
    axes.set_axis_off()
    for name, (colour, shape) in class_styles(names).items():
        axes.scatter([], [], s=34, c=colour, marker=shape, linewidths=0, label=name.replace("_", " "))
    axes.legend(loc="upper left", title=column, frameon=False, fontsize=9, title_fontsize=9.5, alignment="left",
                borderaxespad=0, handletextpad=0.3)  # fmt: skip


def _words(result: Embedding, code: str, column: str) -> str:
    told = [each for each in result.accuracies if (each.code, each.column) == (code, column)]
    parts = [f"{WAYS[each.way]} {100 * each.found.value:.0f} %" for each in told]
    return f"{', '.join(parts)} (chance {100 * max(each.null.value for each in told):.0f} %)"


def _beside(result: Embedding, column: str) -> str:
    told = [each for each in result.accuracies if (each.code, each.column) == (TRUE_POSE, column)]
    return f"of true poses instead: {' and '.join(f'{100 * each.found.value:.0f} %' for each in told)}"
