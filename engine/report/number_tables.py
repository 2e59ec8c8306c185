"""Numbers of analyses as tables: a few of several networks side by side, and all of one with what is known of each."""

import math
from collections.abc import Mapping, Sequence

from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.analysis.number import Number
from turncoat.engine.report.cells import INTERVALS, NONE, Cell, Row, Table, Titled, plain, share, value

UNITS = {"mm": "mm", "share": "%", "ratio": "", "dB": "dB", "": ""}
_DECIMALS = {"mm": 1, "dB": 1}


def number_cell(found: Interval | None, unit: str) -> Cell:
    """A number in its unit: shares as percent, millimetres and decibels with one decimal, pure numbers with two."""
    if found is None or not math.isfinite(found.value):
        return NONE
    return share(found) if unit == "share" else _bare(value(found, _DECIMALS.get(unit, 2)), found)


def beside_table(title: str, numbers: Mapping[str, Sequence[Number]], keys: Sequence[str]) -> Titled:
    """A line for each network; of each number in `keys` its value, and its null where any network has one.

    Args:
        numbers: network -> its numbers.
        keys: which are shown, in that order; those that nobody has are left out.
    """
    known = {name: {one.key: one for one in found} for name, found in numbers.items()}
    columns: list[str] = []
    shown: list[tuple[str, bool]] = []
    notes: list[str] = []
    for key in keys:
        having = [found[key] for found in known.values() if key in found]
        if not having:
            continue
        unit = UNITS.get(having[0].unit, having[0].unit)
        columns.append(f"{having[0].label}{f', {unit}' if unit else ''}")
        shown.append((key, False))
        if any(one.null is not None for one in having):
            columns.append(next(one.null_name for one in having if one.null is not None) or "null")
            shown.append((key, True))
        notes += [one.note for one in having[:1] if one.note and len(having) == 1]
    rows = []
    for name, found in known.items():
        cells = []
        for key, null in shown:
            one = found.get(key)
            cells.append(NONE if one is None else number_cell(one.null if null else one.found, one.unit))
        rows.append(Row(name, tuple(cells)))
    return Titled(title, Table((), ("network", *columns), tuple(rows)), " ".join([*notes, INTERVALS]))


def by_number(title: str, numbers: Mapping[str, Sequence[Number]], keys: Sequence[str]) -> Titled:
    """A line for each number, a column for each network, for terminals. Small: the interval; after a slash the null.

    Args: as in `beside_table`.
    """
    known = {name: {one.key: one for one in found} for name, found in numbers.items()}
    rows = []
    for key in keys:
        having = [found[key] for found in known.values() if key in found]
        if not having:
            continue
        unit, null = UNITS.get(having[0].unit, having[0].unit), next((one for one in having if one.null), None)
        words = f"{having[0].label}{f', {unit}' if unit else ''}{f' / {null.null_name}' if null else ''}"
        rows.append(Row(words, tuple(_with_null(found.get(key)) for found in known.values())))
    return Titled(title, Table((), ("number", *known), tuple(rows)))


def _with_null(one: Number | None) -> Cell:
    if one is None:
        return NONE
    cell = number_cell(one.found, one.unit)
    null = "" if one.null is None else f" / {number_cell(one.null, one.unit).text}"
    return Cell(cell.text, f"{cell.small}{null}".strip())


def all_numbers(title: str, numbers: Sequence[Number]) -> Titled:
    """Every number of one network: value with interval, null, and what has to be known."""
    rows = tuple(
        Row(
            one.label,
            (
                number_cell(one.found, one.unit),
                plain(UNITS.get(one.unit, one.unit)),
                number_cell(one.null, one.unit),
                plain(one.null_name),
            ),
        )
        for one in numbers
    )
    notes = [f"{one.label}: {one.note}" for one in numbers if one.note]
    return Titled(
        title, Table((), ("number", "found", "unit", "where there is nothing", "that is"), rows), " ".join(notes)
    )


def _bare(cell: Cell, found: Interval) -> Cell:
    """Without the remark on missing intervals, which counts and nulls do not have."""
    return cell if found.known else Cell(cell.text)
