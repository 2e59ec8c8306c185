"""Figures in files: PNG to look at, PDF and SVG to print, the same bytes from the same numbers."""

from pathlib import Path
from typing import Any

from turncoat.kernels.files import atomic_path

INK, QUIET, RULE = "#222222", "#767676", "#cccccc"
"""Colours of text, of what stands back (nulls, controls), and of rules."""
TYPES = ("png", "pdf", "svg")


def new_figure(width: float, height: float) -> Any:
    """An empty white matplotlib Figure of so many inches, drawn without a screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, folder: Path, name: str, types: tuple[str, ...] = TYPES) -> list[Path]:
    """Write folder/name.png, .pdf and .svg, text as text; the folder is made.

    Raises:
        OSError: the folder cannot be written.
    """
    from matplotlib import rc_context

    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.{kind}" for kind in types]
    dateless = {"svg": {"Date": None}, "pdf": {"CreationDate": None, "ModDate": None}}
    with rc_context({"svg.hashsalt": "turncoat", "svg.fonttype": "none", "pdf.fonttype": 42}):
        for file in files:
            with atomic_path(file) as temporary:
                figure.savefig(temporary, metadata=dateless.get(file.suffix[1:]), format=file.suffix[1:])
    return files


def plain_axes(axes: Any) -> None:
    """The house style of one axes: no box, quiet ticks."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(axis="y", color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
