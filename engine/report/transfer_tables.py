"""The numbers of a transfer matrix as tables: heat maps, averages, and a line for every cell."""

import math
from dataclasses import dataclass, replace

from turncoat.engine.analysis.transfer import Cell, Transfer
from turncoat.engine.analysis.transfer.cells import Average
from turncoat.engine.report.cells import INTERVALS, NONE, Row, Table, Titled, difference, plain, share, value
from turncoat.engine.report.cells import Cell as Shown
from turncoat.engine.report.names import percent
from turncoat.engine.report.transfer_words import FOREIGN, MARK, OTHER, OWN

_COLUMNS = ("painted by", "made for", "frames", "past before", "initial, mm", "attacked, mm",
            "random direction, mm", "attack adds, mm", "past the threshold", "of its own")  # fmt: skip

_NARROW = (0, 2, 3, 4, 5)  # of the cells of averages, at a terminal


@dataclass(frozen=True)
class Tile:
    """One cell of a heat map.

    Attributes:
        value: mm; NaN where there is none. small: below it.
        marked: hatched, and no average's part. own: outlined; the attack was made for the network that looks.
    """

    value: float
    small: str = ""
    marked: bool = False
    own: bool = False

    @property
    def text(self) -> str:
        """The number, with its mark."""
        if not math.isfinite(self.value):
            return "–"
        return f"{self.value:.0f}" + (f" {MARK}" if self.marked else "")


@dataclass(frozen=True)
class Heat:
    """A heat map: what it shows and in which unit, what rows and columns are, and a tile for each pair of them."""

    title: str
    down: str
    across: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    tiles: tuple[tuple[Tile, ...], ...]

    def titled(self) -> Titled:
        """As a plain table."""
        rows = [
            Row(name, tuple(Shown(tile.text, tile.small) for tile in tiles))
            for name, tiles in zip(self.rows, self.tiles, strict=True)
        ]
        return Titled(self.title, Table((), (f"{self.down} \\ {self.across}", *self.columns), tuple(rows)))


def blocks(found: Transfer) -> list[tuple[str, str]]:
    """(setting, group) of every part of page and picture, in their order."""
    return [(setting, group) for group in found.groups for setting in found.settings]


def heats(found: Transfer, setting: str, group: str) -> list[Heat]:
    """The repaintings, the attacks made for the network that looks, then all attacks painter by painter."""
    painters, targets = found.generators, found.targets
    shown = [
        Heat("Repaint alone: initial error, mm", "target", "painted by", targets, painters,
             tuple(tuple(_initial(found, group, painter, name) for painter in painters) for name in targets)),
        Heat("Attack made for the target: error, mm", "target", "painted by", targets, painters,
             tuple(tuple(_tile(found.cell(setting, group, painter, name, name), outlined=False)
                         for painter in painters) for name in targets)),
    ]  # fmt: skip
    if len(targets) > 1:
        shown += [
            Heat(f"Painted by {painter}: error, mm", "made for", "looked at by", targets, targets,
                 tuple(tuple(_tile(found.cell(setting, group, painter, made_for, name)) for name in targets)
                       for made_for in targets))
            for painter in painters
        ]  # fmt: skip
    return shown


def top_mm(shown: list[Heat], threshold_mm: float) -> float:
    """Where the colours of some heat maps end: their largest value, at least the threshold."""
    values = [tile.value for heat in shown for tiles in heat.tiles for tile in tiles if math.isfinite(tile.value)]
    return max([threshold_mm, *values])


def _initial(found: Transfer, group: str, generator: str, target: str) -> Tile:
    one = found.repaint(group, generator, target)
    return Tile(one.initial_mm.value, marked=bool(one.marks))


def _tile(one: Cell, outlined: bool = True) -> Tile:
    small = f"random {one.random_mm.value:.0f}" if one.random_mm is not None else ""
    return Tile(one.error_mm.value, small, bool(one.marks), outlined and one.own)


def averages_table(found: Transfer, setting: str, group: str) -> Titled:
    """Means over cells."""
    rows = [_average(one) for one in found.averages if (one.setting, one.group) == (setting, group)]
    columns = ("attacks", "cells", "left out", "initial, mm", "attacked, mm", "random direction, mm",
               "past the threshold", "random past it")  # fmt: skip
    return Titled(
        f"Averages ({setting}): mean over cells that are not marked",
        Table((), columns, tuple(rows)),
        "Cells share frames, so they are drawn together; networks were drawn from nothing.",
    )


def narrow_averages(found: Transfer, setting: str, group: str) -> Titled:
    """The same for a terminal: what fits beside the names."""
    whole = averages_table(found, setting, group)
    rows = tuple(Row(row.name, tuple(row.cells[place] for place in _NARROW), row.css) for row in whole.table.rows)
    columns = ("attacks", "cells", "initial", "attacked", "random", "past")
    return Titled(f"{whole.title}, mm", Table((), columns, rows))


def cells_table(found: Transfer, setting: str, group: str) -> Titled:
    """One line a cell."""
    cells = [one for one in found.cells if (one.setting, one.group) == (setting, group)]
    cells.sort(key=lambda one: (found.targets.index(one.target), found.generators.index(one.generator)))
    return Titled(
        f"Every target under every attack ({setting}, {group})",
        Table((), ("target", *_COLUMNS), tuple(_line(one) for one in cells)),
        INTERVALS,
    )


def _line(one: Cell) -> Row:
    cells = (
        plain(one.generator),
        plain("itself" if one.own else one.made_for),
        plain(str(one.frames)),
        plain(str(one.past_before)),
        _marked(value(one.initial_mm), bool(one.marks)),
        value(one.error_mm),
        value(one.random_mm),
        difference(one.added_mm),
        share(one.success),
        NONE if one.of_own is None else share(one.of_own),
    )
    return Row(one.target, cells, "apart" if one.marks else "total" if one.own else "")


def _average(one: Average) -> Row:
    cells = (
        plain(str(one.cells)),
        plain(str(one.left_out)),
        value(one.initial_mm),
        value(one.error_mm),
        value(one.random_mm),
        plain(percent(one.success)),
        NONE if one.random_success is None else plain(percent(one.random_success)),
    )
    return Row(one.words, cells, "total" if one.words in (OWN, OTHER, FOREIGN) else "")


def _marked(cell: Shown, marked: bool) -> Shown:
    return replace(cell, text=f"{cell.text} {MARK}") if marked and cell is not NONE else cell
