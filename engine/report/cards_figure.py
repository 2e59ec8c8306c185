"""Leakage cards side by side as one picture: for each number a mark a network, with its interval and its null."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.analysis.leakage import GROUPS
from turncoat.engine.report.card_figure import whole_of
from turncoat.engine.report.figure_files import INK, QUIET, new_figure, save_figure
from turncoat.engine.report.number_tables import UNITS, number_cell
from turncoat.engine.report.palette import network_colours, network_marks

WIDTH = 9.0
_HEAD, _ROW, _BETWEEN, _AFTER, _FOOT = 0.55, 0.17, 0.17, 0.18, 0.55
_NAMES, _NUMBERS, _TRACK, _END = 0.36, 0.555, 0.575, 0.955  # where they begin or end, across the picture

Document = Mapping[str, Any]
Lines = dict[tuple[str, str], list[Mapping[str, Any] | None]]


def draw_cards(names: Sequence[str], cards: Sequence[Document], folder: Path) -> list[Path]:
    """Write cards.png, cards.pdf and cards.svg into the folder; returns their paths.

    Args:
        names: what each card is called, no two alike.
        cards: documents of cards, as `read_leakage_card` returns them.
        folder: where to; it is made.

    Raises:
        OSError: the folder cannot be written.
    """
    lines = lines_of(cards)
    groups = {name: [key for key, found in lines.items() if _first(found)["group"] == name] for name in GROUPS}
    longest = _longest(lines)
    one = _ROW * len(cards) + _BETWEEN
    title = wrap(f"How much of the pose is clothes: {listed(names)}", 66)
    top = 0.75 + 0.34 * len(title) + 0.2
    height = top + sum(_HEAD + one * len(keys) + _AFTER for keys in groups.values() if keys) + _FOOT
    figure = new_figure(WIDTH, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, 1)
    axes.set_ylim(height, 0)  # inches below the upper edge
    axes.axis("off")
    colours, marks = network_colours(names), network_marks(names)
    who = [(name, colours[name], marks[name]) for name in names]

    def write(x: float, y: float, text: str, **how: Any) -> None:
        axes.text(x, y, text, **({"fontsize": 9, "color": INK, "va": "center"} | how))

    write(0.045, 0.38, "turncoat · leakage cards", color=QUIET)
    for number, text in enumerate(title):
        write(0.045, 0.82 + 0.34 * number, text, fontsize=16, family="serif")
    at = top
    for group, keys in groups.items():
        if not keys:
            continue
        write(0.045, at + 0.1, group, fontsize=11, fontweight="bold")
        write(0.045, at + 0.32, GROUPS[group], fontsize=7.5, color=QUIET)
        at += _HEAD
        for key in keys:
            _draw_number(axes, write, lines[key], at, longest, who)
            at += one
        at += _AFTER
    words = (
        "Line: 95 % interval. Grey stroke: what the same measurement gives where there is nothing to find. "
        "Millimetres share one scale."
    )
    write(0.045, height - 0.3, words, fontsize=7.5, color=QUIET)
    return save_figure(figure, folder, "cards")


def lines_of(cards: Sequence[Document]) -> Lines:
    """(analysis, key) -> the line of each card, None where a card has none; in the order of the cards."""
    found: Lines = {}
    for place, card in enumerate(cards):
        for one in card["lines"]:
            found.setdefault((one["analysis"], one["key"]), [None] * len(cards))[place] = one
    return found


def interval_of(facts: Mapping[str, Any]) -> Interval:
    """A number of a document as `Interval`; what is unknown is NaN."""
    value, low, high = (math.nan if facts[name] is None else float(facts[name]) for name in ("value", "low", "high"))
    return Interval(value, low, high)


def _draw_number(axes: Any, write: Any, found: Sequence[Any], at: float, longest: float, who: Sequence[Any]) -> None:
    first = _first(found)
    unit = UNITS.get(first["unit"], first["unit"])
    label = wrap(first["label"] + (f", {unit}" if unit else ""), 36)[:3]
    middle = at + _ROW * len(who) / 2
    for row, text in enumerate(label):
        write(0.045, middle + 0.15 * (row - (len(label) - 1) / 2), text)
    whole = whole_of(first["unit"], longest)
    scale = (_END - _TRACK) / whole if whole else math.nan
    if whole:
        axes.fill_between((_TRACK, _END), at, at + _ROW * len(who), color="#f2f0eb", linewidth=0, zorder=0)
    for row, (one, (name, colour, mark)) in enumerate(zip(found, who, strict=True)):
        y = at + _ROW * (row + 0.5)
        write(_NAMES, y, name, fontsize=7.5, color=colour)
        number = Interval(math.nan, math.nan, math.nan) if one is None else interval_of(one)
        cell = number_cell(number, first["unit"])
        write(_NUMBERS, y, cell.text.replace("%", "").strip(), fontsize=8.5, ha="right", color=INK if one else QUIET)
        if one is None or not whole or not math.isfinite(number.value):
            continue

        def place(x: float, scale: float = scale, whole: float = whole) -> float:
            return _TRACK + scale * min(max(x, 0.0), whole)

        if one["null"] and one["null"]["value"] is not None:
            axes.plot([place(one["null"]["value"])] * 2, [y - 0.06, y + 0.06], color=QUIET, linewidth=1.6, zorder=2)
        if number.known:
            axes.plot([place(number.low), place(number.high)], [y, y], color=colour, linewidth=1.5, zorder=3)
        axes.plot([place(number.value)], [y], mark, color=colour, markersize=5, zorder=4, clip_on=False)


def _first(found: Sequence[Mapping[str, Any] | None]) -> Mapping[str, Any]:
    return next(one for one in found if one is not None)


def _longest(lines: Lines) -> float:
    """The largest number of millimetres, bound or null of one, of all cards."""
    known = [one for found in lines.values() for one in found if one is not None and one["unit"] == "mm"]
    nulls = [one["null"]["value"] for one in known if one["null"]]
    bounds = [
        bound for bound in [*nulls, *(one[name] for one in known for name in ("value", "high"))] if bound is not None
    ]
    return max(bounds, default=1.0)


def listed(names: Sequence[str]) -> str:
    """'a, b and c'"""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
