"""Paired comparisons as finished text: two runs, Table 4, every network against one, and the spread over seeds."""

from turncoat.engine.analysis import paper_values
from turncoat.engine.analysis.compare import Comparison, Difference
from turncoat.engine.analysis.control_pairs import PairedError
from turncoat.engine.analysis.seeds import Spread
from turncoat.engine.analysis.tables import FamilyTables
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
    probability,
    share,
    value,
)
from turncoat.engine.report.family import shown
from turncoat.engine.report.names import CONTROL_NAMES, counted, short_name

_TABLE_4 = ("ssim", "psnr_db", "mse_mean", "mse_sum", "ssim_crop", "psnr_crop_db", "mse_mean_crop",
            "error_initial_mm", "error_final_mm")  # fmt: skip
_WHOLE = {"sequence": "whole sequences", "motion_id": "whole recordings"}
_ACROSS = {
    "error_initial_mm": "initial, mm",
    "error_final_mm": "final, mm",
    "psnr_db": "PSNR, dB",
    "error_gt_clean_mm": "own error, mm",
}


def comparison_table(found: Comparison, title: str = "") -> Titled:
    """Everything of a comparison, a row a measure."""
    a, b = _sides(found)
    rows = [_success_row(found), _row(found.initial_of_all), *(_row(one) for one in found.differences)]
    columns = ("measure", "pairs", a, b, "B − A")
    return Titled(title or f"{a} (A) and {b} (B), paired by sample", Table((), columns, tuple(rows)), _below(found))


def controls_table(found: Comparison) -> Titled | None:
    """The attack and every control on both sides, a row each; None where no control is in both runs."""
    if not found.beside:
        return None
    a, b = _sides(found)
    columns = ("measure", "pairs", a, b, "B − A")
    rows = tuple(row for one in found.beside for row in _beside_rows(one))
    caption = (
        "Errors of the float32 reference on the 8-bit frame, for attack and controls alike, over the same pairs. "
        f"Beyond it: how much further the attack moves the same frame. {INTERVALS}"
    )
    return Titled(f"{a} (A) and {b} (B) beside their controls", Table((), columns, rows), caption)


def success_sentences(found: Comparison) -> list[str]:
    """Who was fooled, in words: the counts behind the share, and the two tests."""
    one = found.success
    a, b = _sides(found)
    return [
        f"Of {counted(found.pairs, 'pair')} {one.both} were fooled under both, {one.only_a} under {a} alone, "
        f"{one.only_b} under {b} alone, {one.neither} under neither.",
        f"McNemar's exact test of {one.only_a} against {one.only_b}: p {_p(one.mcnemar_p)}, were frames independent. "
        f"Swapping {_WHOLE[one.swap_clustered_by]}, which come nearer to that: p {_p(one.swap_p)}.",
    ]


def table_4(tables: FamilyTables, setting: str, group: str) -> Titled | None:
    """CSSL against CSSL-DA; None where there is nothing to compare."""
    found = tables.table_4.get((setting, group))
    if found is None:
        return None
    printed, rows = setting == "paper", [_success_row(found)]
    for name in _TABLE_4:
        one = found.get(name)
        if one is not None:
            rows.append(_row(one))
    if printed:
        rows = [Row(row.name, (*row.cells, *_printed(row)), row.css) for row in rows]
    columns = ("measure", "pairs", "cssl", "cssl-da", "difference") + (("CSSL, paper", "CSSL(DA), paper") * printed)
    caption = " ".join([_below(found), *success_sentences(found)])
    caption += " The paper's columns are of other data, and of unpaired means." if printed else ""
    return Titled(f"Table 4, {short_name(setting)}: CSSL against CSSL-DA", Table((), columns, tuple(rows)), caption)


def differences_table(tables: FamilyTables, setting: str, group: str) -> Titled | None:
    """Every other network against the reference; None where there is no other."""
    found = tables.differences[setting, group]
    if not found:
        return None
    tests = ("p, frames", "p, swaps")
    columns = ("network", "pairs", "left out", "fooled, points", *tests, *_ACROSS.values())
    rows = []
    for one in found:
        member = tables.member(one.b.name)
        cells = [plain(str(one.pairs)), plain(str(one.left_out)), points(one.success.difference),
                 probability(one.success.mcnemar_p), probability(one.success.swap_p)]  # fmt: skip
        for name in _ACROSS:
            measured = one.get(name)
            cells.append(NONE if measured is None else difference(measured.difference, measured.measure.decimals))
        rows.append(Row(shown(member), tuple(cells), "apart" if member.apart else ""))
    rows += [_largest_row(spread, setting, group) for spread in tables.spreads]
    caption = (
        f"Paired by sample, each network minus {tables.reference}; frames past the threshold before the attack under "
        "either are left out on both sides. p: McNemar's exact test, which takes frames for independent, and swapping "
        "whole sequences or whole recordings, the larger of the two. Own error: clean prediction to the truth. "
    )
    caption += (
        "The last rows say how far two networks of one method lie apart that differ in their seed alone: smaller "
        "differences say nothing about methods, whatever their interval, which is about frames."
        if tables.spreads
        else "No seeds were given, so it is not known what two trainings of one method differ by: intervals are about "
        "frames, not about trainings."
    )
    title = f"Against {tables.reference}, {short_name(setting)}"
    return Titled(title, Table((), columns, tuple(rows)), caption)


def seeds_table(spread: Spread, setting: str, group: str) -> Titled:
    """One method's seeds, a row a measure."""
    columns = (
        "measure",
        *(member.name for member in spread.members),
        "mean",
        "standard deviation",
        "largest difference",
    )
    rows = []
    for name, (words, decimals, factor) in _SEED_WORDS.items():
        one = spread.get(setting, group, name)
        if one is not None:
            numbers = (*one.values, one.mean, one.deviation, one.largest)
            rows.append(Row(words, tuple(plain(f"{factor * x:.{decimals}f}") for x in numbers)))
    images = sorted({member.images for member in spread.members if member.images})
    of = f"each trained on {images[0]:,} images" if len(images) == 1 else ""
    caption = "; ".join(part for part in (f"n {len(spread.members)} networks", of) if part) + "."
    caption += f" {spread.warning}" if spread.warning else ""
    return Titled(f"Seeds of {spread.method}, {short_name(setting)}", Table((), columns, tuple(rows)), caption)


_SEED_WORDS = {
    "success": ("fooled, %", 1, 100),
    "initial_mm": ("initial, mm", 1, 1),
    "final_mm": ("final, mm", 1, 1),
    "ssim": ("SSIM", 3, 1),
    "psnr_db": ("PSNR, dB", 2, 1),
    "mse_sum": ("MSE, sum", 4, 1),
}


def _largest_row(spread: Spread, setting: str, group: str) -> Row:
    """The largest difference between two seeds, under the columns of `differences_table`."""
    cells = [plain(f"{len(spread.members)} seeds"), NONE]
    for name, factor, decimals in (("success", 100, 1), ("", 0, 0), ("", 0, 0), ("initial_mm", 1, 1),
                                   ("final_mm", 1, 1), ("psnr_db", 1, 2), ("", 0, 0)):  # fmt: skip
        one = spread.get(setting, group, name)
        cells.append(NONE if one is None else plain(f"±{factor * one.largest:.{decimals}f}"))
    return Row(f"seeds of {spread.method}", tuple(cells), "reference")


def _success_row(found: Comparison) -> Row:
    one = found.success
    shares = [value(side.scaled(100), 0) for side in (one.a, one.b)]
    cells = [Cell(cell.text + " %", cell.small) for cell in shares]
    return Row("fooled; difference in points", (plain(str(found.pairs)), *cells, points(one.difference)), "total")


def _beside_rows(one: PairedError) -> list[Row]:
    """Error and share of an attack or a control, and how far the attack goes beyond it."""
    name, pairs = CONTROL_NAMES.get(one.name, one.name), plain(str(one.pairs))
    shares = (share(one.success_a), share(one.success_b), points(one.success_difference))
    rows = [
        Row(f"{name}, mm", (pairs, value(one.a), value(one.b), difference(one.difference)), "total"),
        Row("fooled; difference in points", (pairs, *shares)),
    ]
    if one.beyond is not None:
        cells = (pairs, value(one.beyond_a), value(one.beyond_b), difference(one.beyond))
        rows.append(Row("attack beyond it, mm", cells))
    return rows


def _row(one: Difference) -> Row:
    measure = one.measure
    unit = f", {measure.unit}" if measure.unit else ""
    cells = (
        value(one.a, measure.decimals),
        value(one.b, measure.decimals),
        difference(one.difference, measure.decimals),
    )
    return Row(f"{measure.words}{unit}", (plain(str(one.pairs)), *cells))


def _printed(row: Row) -> list[Cell]:
    """The paper's two numbers for a row of Table 4."""
    ours = {"SSIM, whole frame": "ssim", "PSNR, whole frame, dB": "psnr_db", "MSE, summed over channels": "mse"}
    name = ours.get(row.name)
    if name is None:
        return [NONE, NONE]
    decimals = {"ssim": 3, "psnr_db": 2, "mse": 3}[name]
    return [plain(f"{getattr(paper_values.TABLE_4[network], name):.{decimals}f}") for network in ("CSSL", "CSSL(DA)")]


def _sides(found: Comparison) -> tuple[str, str]:
    """The two names; settings or folders where the names alone would not tell them apart."""
    a, b = found.a, found.b
    if a.setting != b.setting:
        return f"{a.name} {short_name(a.setting)}", f"{b.name} {short_name(b.setting)}"
    return (a.name, b.name) if a.name != b.name else (a.folder, b.folder)


def _below(found: Comparison) -> str:
    text = f"{counted(found.pairs, 'pair')} from {counted(found.sequences, 'sequence')}"
    text += f" of {counted(found.recordings, 'recording')}" if found.recordings else ""
    a, b = _sides(found)
    text += f"; {found.left_out} of {found.shared} shared frames left out ("
    text += ", ".join(f"{side.past_before} past {found.threshold_mm:.0f} mm before the attack under {name}"
                      for side, name in ((found.a, a), (found.b, b)))  # fmt: skip
    failed = found.a.failed + found.b.failed
    text += f", {failed} failed)" if failed else ")"
    return text + f". {INTERVALS}"


def _p(p: float) -> str:
    return probability(p).text
