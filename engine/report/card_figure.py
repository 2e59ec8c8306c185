"""The leakage card as one picture: lines with bars, intervals and nulls, and the frames that were moved furthest."""

import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from textwrap import wrap
from typing import Any

from turncoat.engine.analysis.curves import BudgetCurves
from turncoat.engine.analysis.leakage import CLOTHES, CODES, GROUPS, LeakageCard, Line
from turncoat.engine.attack.controls import RANDOM_DIRECTION
from turncoat.engine.report.figure_files import INK, QUIET, RULE, new_figure, plain_axes, save_figure
from turncoat.engine.report.number_tables import UNITS, number_cell
from turncoat.engine.report.worst import Worst

WIDTH = 9.0
_COLOURS = {True: "#00785a", False: "#0a66a8"}  # clothes; codes: as on pages
_LINE, _HEAD, _AFTER, _PICTURES, _FOOT = 0.46, 0.62, 0.22, 2.1, 0.8
_CURVE = 1.95
_LABELS, _NUMBERS, _BARS = 0.40, 0.50, 0.52  # where they end, or begin, across the picture


def draw_card(card: LeakageCard, worst: Sequence[Worst], folder: Path) -> list[Path]:
    """Write card.png and card.pdf into the folder; returns their paths."""
    groups = [(name, [one for one in card.lines if one.group == name]) for name in GROUPS]
    groups = [(name, lines) for name, lines in groups if lines]
    title = wrap(card.headline, 62)
    top = 0.75 + 0.36 * len(title) + 0.25
    left_out = [part for one in card.left_out for part in wrap(f"Not measured: {one.why}", 118)]
    height = top + sum(_HEAD + _LINE * len(lines) + _AFTER for _, lines in groups)
    height += (_PICTURES if worst else 0.0) + 0.17 * len(left_out) + _FOOT
    curve = budget_curve(card)
    height += _CURVE if curve is not None else 0.0
    figure = new_figure(WIDTH, height)

    def write(x: float, y: float, text: str, **how: Any) -> None:
        """Text at a part of the width and so many inches below the upper edge."""
        figure.text(x, 1 - y / height, text, **({"fontsize": 9, "color": INK, "va": "center"} | how))

    write(0.045, 0.38, f"turncoat · leakage card · {card.network}", color=QUIET)
    for number, line in enumerate(title):
        write(0.045, 0.82 + 0.36 * number, line, fontsize=17, family="serif")
    at = top
    longest = reach(card)
    for name, lines in groups:
        write(0.045, at + 0.12, name, fontsize=11, fontweight="bold")
        write(0.045, at + 0.36, GROUPS[name], fontsize=7.5, color=QUIET)
        at += _HEAD
        for one in lines:
            _draw_line(figure, one, 1 - (at + _LINE / 2) / height, height, longest)
            _text_of(write, one, at)
            at += _LINE
        if name == CODES and curve is not None:
            side = (_CURVE - 0.6) / height
            _draw_curve(figure.add_axes((0.09, 1 - (at + 0.12) / height - side, 0.865, side)), curve)
            at += _CURVE
        at += _AFTER
    if worst:
        _draw_worst(figure, write, worst, at, height)
        at += _PICTURES
    for number, text in enumerate(left_out):
        write(0.045, at + 0.2 + 0.17 * number, text, fontsize=7.5, color=QUIET)
    legend = (
        "Dark line: 95 % interval. Grey stroke: where there is nothing to find. Bars in millimetres share one scale."
    )
    write(0.045, height - 0.5, legend, fontsize=7.5, color=QUIET)
    words = "  ·  ".join(f"{term} {said}" for term, said in card.described)
    for number, text in enumerate(wrap(words, 125)[:2]):
        write(0.045, height - 0.33 + 0.15 * number, text, fontsize=7, color=QUIET)
    return save_figure(figure, folder, "card", ("png", "pdf"))


def budget_curve(card: LeakageCard) -> BudgetCurves | None:
    """The curve over budgets of codes, if it is on the card and has more than one budget."""
    return next((one for one in card.curves if one.family == "codes" and len(one.budgets) > 2), None)


def curve_png(curve: BudgetCurves) -> bytes:
    """The curve alone, as PNG."""
    figure = new_figure(WIDTH, 2.3)
    _draw_curve(figure.add_axes((0.075, 0.24, 0.9, 0.7)), curve)
    found = BytesIO()
    figure.savefig(found, format="png")
    return found.getvalue()


def _draw_curve(axes: Any, curve: BudgetCurves) -> None:
    """Mean error over the budget, attacked, and by random directions of the same length."""
    plain_axes(axes)
    axes.tick_params(labelsize=7.5, length=2)
    points, colour = curve.attack.points, _COLOURS[False]
    at = [point.budget for point in points]
    if all(point.error_mm.known for point in points):
        low, high = ([getattr(point.error_mm, side) for point in points] for side in ("low", "high"))
        axes.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(at, [point.error_mm.value for point in points], "o-", color=colour, markersize=4, linewidth=1.8)
    last = points[-1]
    axes.annotate("searched for", (last.budget, last.error_mm.value), xytext=(-4, 6), textcoords="offset points",
                  fontsize=7.5, color=colour, ha="right")  # fmt: skip
    control = curve.control(RANDOM_DIRECTION)
    if control is not None:
        axes.plot(at, [point.error_mm.value for point in control.points], "--", color=QUIET, linewidth=1.3)
        axes.annotate("random directions as long", (last.budget, control.points[-1].error_mm.value), xytext=(-4, 4),
                      textcoords="offset points", fontsize=7.5, color=QUIET, ha="right")  # fmt: skip
    axes.axhline(curve.threshold_mm, color=RULE, linewidth=1)
    axes.set_xlim(0, last.budget)
    axes.set_ylim(bottom=0)
    axes.set_xticks(at)
    axes.set_xlabel("distance from the own code, standard deviations of natural codes", fontsize=7.5, color=QUIET)
    axes.set_ylabel("pose moves by, mm", fontsize=7.5, color=QUIET)


def _text_of(write: Any, line: Line, at: float) -> None:
    number = line.number
    cell = number_cell(number.found, number.unit)
    unit = "" if number.unit == "share" else UNITS.get(number.unit, number.unit)
    label = wrap(number.label, 44)[:3]
    step = 0.15 if len(label) < 3 else 0.135
    for row, text in enumerate(label):
        write(0.045, at + _LINE / 2 + step * (row - (len(label) - 1) / 2), text, fontsize=9 if len(label) < 3 else 8)
    write(_NUMBERS, at + _LINE / 2, f"{cell.text} {unit}".strip(), fontsize=12, ha="right")
    beside = [cell.small] if cell.small else []
    if number.null is not None:
        beside.append(f"{number.null_name}: {number_cell(number.null, number.unit).text}")
    words = "   ".join([*beside, number.note] if number.note else beside)
    for row, text in enumerate(wrap(words, 79)[:2]):
        write(_BARS, at + _LINE / 2 + 0.155 + 0.1 * row, text, fontsize=6.5, color=QUIET)


def _draw_line(figure: Any, line: Line, middle: float, height: float, longest: float) -> None:
    """The bar of a number, if it is of a kind that has one."""
    number = line.number
    whole = whole_of(number.unit, longest)
    if not whole or not math.isfinite(number.found.value):
        return
    axes = figure.add_axes((_BARS, middle - 0.05 / height, 0.955 - _BARS, 0.16 / height))
    axes.set_xlim(0, whole)
    axes.set_ylim(0, 1)
    axes.axis("off")
    axes.barh(0.5, whole, height=1, color="#f2f0eb", linewidth=0)
    axes.barh(
        0.5, max(number.found.value, 0.0), height=1, color=_COLOURS[line.group == CLOTHES], alpha=0.62, linewidth=0
    )
    if number.found.known:
        axes.plot([number.found.low, number.found.high], [0.5, 0.5], color=INK, linewidth=1.6, solid_capstyle="butt")
    if number.null is not None and math.isfinite(number.null.value):
        axes.plot([number.null.value] * 2, [-0.25, 1.25], color=QUIET, linewidth=1.8, clip_on=False)


def _draw_worst(figure: Any, write: Any, worst: Sequence[Worst], at: float, height: float) -> None:
    """Pictures in a row; below them what happened."""
    write(0.045, at + 0.14, "Moved furthest", fontsize=11, fontweight="bold")
    side, x = 1.18, 0.045 * WIDTH
    for one in worst[:2]:
        start = x
        for name, picture in one.pictures.items():
            axes = figure.add_axes((x / WIDTH, 1 - (at + 0.38 + side) / height, side / WIDTH, side / height))
            axes.imshow(picture, interpolation="lanczos")
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_color(RULE)
            axes.set_title(name, fontsize=7, color=QUIET, pad=2)
            x += side + 0.08
        for row, text in enumerate(wrap(one.words, 58 if len(one.pictures) > 2 else 42)[:3]):
            write(start / WIDTH, at + 0.5 + side + 0.14 * row, text, fontsize=7.5)
        x += 0.42


def whole_of(unit: str, longest: float) -> float | None:
    """What the whole length of a bar stands for: of millimetres the longest of the card, of shares and of pure numbers
    (correlations, whose own sign says nothing here) 1; None for units that have no bar.
    """
    return {"mm": longest, "share": 1.0, "": 1.0}.get(unit)


def reach(card: LeakageCard) -> float:
    """The longest bar, mm: of all numbers in millimetres, of their intervals and of their nulls."""
    found = [one.number for one in card.lines if one.number.unit == "mm"]
    bounds = [bound for one in found for bound in (one.found.value, one.found.high)]
    bounds += [one.null.value for one in found if one.null is not None]
    return max((bound for bound in bounds if math.isfinite(bound)), default=1.0)
