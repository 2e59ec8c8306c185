"""Budget curves as tables: the areas networks are compared by, every budget, differences between networks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from turncoat.engine.analysis.curve_differences import AreaDifference
from turncoat.engine.analysis.curves import BudgetCurves, Curve, Level
from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.report.cells import (
    INTERVALS,
    NONE,
    Cell,
    Row,
    Table,
    Titled,
    difference,
    plain,
    points,
    share,
    value,
)
from turncoat.engine.report.curves_plot import draw_curves
from turncoat.engine.report.names import CONTROL_NAMES, counted, number
from turncoat.engine.report.plain import markdown
from turncoat.kernels.files import write_json, write_text

_OF = {"codes": "appearance code", "colours": "colours of the clothes"}


def areas_table(curves: Sequence[BudgetCurves]) -> Titled:
    """Area under error and success of every network of a family, its controls below it."""
    first, rows = curves[0], []
    for one in curves:
        rows.append(_area_row(one.network, one.attack, "total"))
        rows += [_area_row(f"· {CONTROL_NAMES.get(control.name, control.name)}", control) for control in one.controls]
        rows += [_level_row(f"· {CONTROL_NAMES.get(level.name, level.name)}, no budget", level) for level in one.levels]
    columns = ("network", "frames", "error, mm", "attack − control, mm", "success", "attack − control, points")
    caption = (
        f"Means over all budgets from 0 to {first.budgets[-1]:g}: the area under the curve, divided by that. Error: of "
        f"the float32 network on the 8-bit frame, never cut off. Success: past {first.threshold_mm:g} mm. No budget: a "
        "control with one length of its own, whose error and success stand here as they are. "
        f"{' '.join(_left_out(one) for one in curves)} {INTERVALS}"
    )
    return Titled(f"Area under the budget curve, {_of(first)}", Table((), columns, tuple(rows)), caption)


def points_table(curves: Sequence[BudgetCurves]) -> Titled:
    """Error and success at every budget, and the controls that have no budget."""
    first, rows = curves[0], []
    for one in curves:
        for curve in (one.attack, *one.controls):
            name = one.network if curve is one.attack else f"· {CONTROL_NAMES.get(curve.name, curve.name)}"
            for words, cells in (
                ("mean error, mm", [value(point.error_mm, 0) for point in curve.points]),
                ("median error, mm", [plain(number(point.median_mm)) for point in curve.points]),
                ("success", [share(point.success) for point in curve.points]),
            ):
                rows.append(Row(f"{name}: {words}", tuple(cells), "total" if curve is one.attack else ""))
    columns = ("budget", *(f"{budget:g}" for budget in first.budgets))
    caption = "Budget 0: the frame is repainted, and not attacked; frames past the threshold there are left out."
    return Titled(f"At every budget, {_of(first)}", Table((), columns, tuple(rows)), caption)


def differences_table(found: Sequence[AreaDifference]) -> Titled:
    """Networks two by two, paired by sample."""
    rows = [
        Row(f"{one.b} − {one.a}", (plain(str(one.pairs)), plain(str(one.left_out)), value(one.error_a),
            value(one.error_b), difference(one.error), share(one.success_a), share(one.success_b),
            points(one.success)))
        for one in found
    ]  # fmt: skip
    columns = ("B − A", "pairs", "left out", "A, mm", "B, mm", "B − A, mm", "A, success", "B, success", "B − A, points")
    caption = f"Areas over the frames that both networks were attacked on at every budget. {INTERVALS}"
    return Titled(f"Differences of areas, {_OF[found[0].family]}", Table((), columns, tuple(rows)), caption)


def curve_tables(curves: Sequence[BudgetCurves], differences: Sequence[AreaDifference]) -> list[Titled]:
    """All tables, family by family and group by group."""
    found = []
    for family, group in dict.fromkeys((one.family, one.group) for one in curves):
        mine = [one for one in curves if (one.family, one.group) == (family, group)]
        alike = len({one.budgets for one in mine}) == 1
        found.append(areas_table(mine))
        found += [points_table(mine)] if alike else [points_table([one]) for one in mine]
        if paired := [one for one in differences if one.family == family]:
            found.append(differences_table(paired))
    return found


def curves_document(curves: Sequence[BudgetCurves], differences: Sequence[AreaDifference]) -> dict[str, Any]:
    """As plain values, for JSON."""
    return {"curves": [one.facts() for one in curves], "differences": [one.facts() for one in differences]}


def write_curves(curves: Sequence[BudgetCurves], differences: Sequence[AreaDifference], folder: Path) -> list[Path]:
    """Write curves.json, curves.md, curves.png, curves.pdf and curves.svg into the folder, which exists."""
    files = [folder / "curves.json", folder / "curves.md"]
    write_json(files[0], curves_document(curves, differences))
    text = "# Budget curves\n\n![Error and success as a function of budget](curves.png)\n\n"
    write_text(files[1], text + "\n".join(markdown(one) for one in curve_tables(curves, differences)))
    return files + draw_curves(curves, folder)


def _area_row(name: str, curve: Curve, css: str = "") -> Row:
    oftener = NONE if curve.beyond_success is None else points(curve.beyond_success)
    further, area, often = _difference(curve.beyond_mm), value(curve.error_area_mm), share(curve.success_area)
    return Row(name, (plain(str(curve.frames)), area, further, often, oftener), css)


def _level_row(name: str, level: Level) -> Row:
    cells = (plain(str(level.frames)), value(level.error_mm), NONE, share(level.success), NONE)
    return Row(name, cells, "reference")


def _difference(found: Interval | None) -> Cell:
    return difference(found) if found is not None else NONE


def _of(found: BudgetCurves) -> str:
    return _OF[found.family] + (f", {found.group} frames" if found.group else "")


def _left_out(found: BudgetCurves) -> str:
    """What is in no curve, and what is odd about those that are, in a sentence."""
    said = f"{found.network}: {counted(found.attack.frames, 'frame')} from {counted(found.sequences, 'sequence')}"
    said += f" of {counted(found.recordings, 'recording')}" if found.recordings else ""
    said += f", {found.past_before} past the threshold before the attack left out"
    said += f", {found.incomplete} without an error at every budget left out" if found.incomplete else ""
    said += f"; errors of {found.fell} fall by more than a millimetre at some larger budget" if found.fell else ""
    return f"{said}."
