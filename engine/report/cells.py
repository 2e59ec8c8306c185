"""Numbers with their intervals as cells of a table, and tables with a title and the words below them."""

import math
from dataclasses import dataclass

from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.report.names import SPACE, percent
from turncoat.engine.report.tables import Cell, Row, Table

NONE = Cell("–")
TOO_FEW = "too few"
INTERVALS = (
    "Intervals: 95 %, drawing whole sequences or whole recordings, whichever is wider; of shares the wider of that and "
    "a score interval; too few: fewer than three of either."
)


@dataclass(frozen=True)
class Titled:
    """A table, what stands above it and what has to be known below it."""

    title: str
    table: Table
    caption: str = ""


def plain(text: str) -> Cell:
    """A cell of text alone."""
    return Cell(text)


def value(found: Interval | None, decimals: int = 1) -> Cell:
    """A number and, small, its 95 % interval, or that there is too little for one."""
    if found is None or not math.isfinite(found.value):
        return NONE
    return Cell(_number(found.value, decimals), _bounds(found, decimals, "–"))


def share(found: Interval | None, css: str = "") -> Cell:
    """A share in percent and, small, its interval; with a bar where it has a colour."""
    if found is None or not math.isfinite(found.value):
        return NONE
    bounds = f"{100 * found.low:.0f}–{100 * found.high:.0f}{SPACE}%" if found.known else TOO_FEW
    return Cell(percent(found.value), bounds, found.value if css else None, css)


def difference(found: Interval | None, decimals: int = 1) -> Cell:
    """A signed number and, small, its interval; `strong` where the interval leaves zero out."""
    if found is None or not math.isfinite(found.value):
        return NONE
    return Cell(_signed(found.value, decimals), _bounds(found, decimals, " to ", signed=True))


def points(found: Interval) -> Cell:
    """A difference of two shares in percentage points."""
    return difference(found.scaled(100))


def probability(p: float) -> Cell:
    """A p value: two digits, or that it is below .001."""
    return NONE if not math.isfinite(p) else Cell("< .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1")


def _bounds(found: Interval, decimals: int, between: str, *, signed: bool = False) -> str:
    if not found.known:
        return TOO_FEW
    decimals = max(decimals - 1, 0) if abs(found.high) >= 100 else decimals  # a tenth of 250 says nothing in a bound
    low, high = (_signed(x, decimals) if signed else _number(x, decimals) for x in (found.low, found.high))
    return f"{low}{between}{high}"


def _number(number: float, decimals: int) -> str:
    return f"{number:,.{decimals}f}".replace("-", "−")


def _signed(number: float, decimals: int) -> str:
    text = f"{number:+,.{decimals}f}".replace("-", "−")
    return text.lstrip("+−") if not text.strip("+−0.,") else text


__all__ = [
    "INTERVALS",
    "NONE",
    "Cell",
    "Row",
    "Table",
    "Titled",
    "difference",
    "plain",
    "points",
    "probability",
    "share",
    "value",
]
