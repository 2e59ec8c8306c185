"""Tables 1 and 2 of a family of networks as finished text."""

from turncoat.engine.analysis import paper_values
from turncoat.engine.analysis.members import Member
from turncoat.engine.analysis.paper_values import SUBJECTS, paper_network, row_mean
from turncoat.engine.analysis.rows import CONTROLS, ErrorRow
from turncoat.engine.analysis.tables import FamilyTables
from turncoat.engine.report.cells import INTERVALS, NONE, Cell, Row, Table, Titled, plain, share, value
from turncoat.engine.report.names import colour_of, number, short_name

MARK = "†"


def shown(member: Member) -> str:
    """A network's name, with a mark where something has to be known beside it."""
    return f"{member.name} {MARK}" if member.marks else member.name


def marks(tables: FamilyTables) -> list[tuple[str, str]]:
    """(name, what has to be known) of every network that has a mark."""
    left_out = ", left out of averages"
    return [
        (member.name, "; ".join(member.marks) + (left_out if member.apart and tables.averages else ""))
        for member in tables.members
        if member.marks
    ]


def errors_table(tables: FamilyTables, setting: str, group: str) -> Titled:
    """Table 1: initial and final error, who was fooled, a row a network."""
    rows = tables.errors(setting, group)
    judged = any(row.judge_mm is not None for row in rows)
    columns = ["network", "frames", "past before", "initial, mm", "final, mm", "fooled", "steps"]
    columns += ["judge before", "judge after, mm"] * judged
    found = [_error_row(tables, row, judged) for row in _together(tables, rows)]
    average = tables.averages.get((setting, group))
    if average is not None:
        cells = [NONE, NONE, plain(number(average.initial_mm, 1)), plain(number(average.final_mm, 1)),
                 plain(f"{100 * average.success:.0f} %"), NONE, *[NONE] * 2 * judged]  # fmt: skip
        found.append(Row(f"mean of these {len(average.networks)}", tuple(cells), "total"))
    found += [_error_row(tables, row, judged, "apart") for row in _apart(tables, rows)]
    if setting == "paper":
        for name in dict.fromkeys(filter(None, (paper_network(member.method) for member in tables.members))):
            initial, final = row_mean(name)
            cells = [NONE, NONE, plain(number(initial, 1)), plain(number(final, 1)), NONE, NONE, *[NONE] * 2 * judged]
            found.append(Row(f"{name}, as published", tuple(cells), "reference"))
    caption = (
        "Initial: the unattacked synthesis, final: the last attacked frame, MPJPE to the prediction on the clean "
        "frame; means over the subjects' means. Past before: past the threshold before the attack, counted and left "
        f"out. Fooled: past {tables.threshold_mm:.0f} mm on the 8-bit frame. Steps: median (10 to 90 %) of the frames "
        f"fooled, of at most {tables.iterations}. {INTERVALS}"
    )
    caption += (
        " An attack stops at the first step past the threshold: how far above it a final error lies says how long that "
        "step was, so networks are compared by the share fooled."
    )
    if "paper" in tables.settings:
        caption += " As published: means of the paper's rows, on Human3.6M."
    if judged:
        caption += (
            " Judge: how far the prediction of an independent network, which nobody attacks, moves by the synthesis "
            "alone and by the attack: if little, the attack changed clothes and not the pose."
        )
    return Titled(f"Table 1, {short_name(setting)}", Table((), tuple(columns), tuple(found)), caption)


def subjects_table(tables: FamilyTables, setting: str, group: str) -> Titled:
    """Table 1 by subject: initial and final error in one cell, frames small."""
    subjects = tables.subjects
    by_subject = {name: {row.network: row for row in tables.errors(setting, group, name)} for name in subjects}
    whole = tables.errors(setting, group)
    rows = []
    for css, some in (("", _together(tables, whole)), ("apart", _apart(tables, whole))):
        for row in some:
            cells = [_arrow(by_subject[subject].get(row.network)) for subject in subjects]
            average = Cell(f"{number(row.initial_mm.value, 1)} → {number(row.final_mm.value, 1)}", f"n {row.attacked}")
            rows.append(Row(shown(tables.member(row.network)), (*cells, average), css))
    title = f"Table 1 by subject, {short_name(setting)}: initial → final, mm"
    caption = "n: attacked frames that the means are of. The last column is the mean over subjects."
    return Titled(title, Table((), ("network", *subjects, "average"), tuple(rows), "tight"), caption)


def controls_table(tables: FamilyTables, group: str, *, errors: bool) -> Titled:
    """Attacks beside their controls: share past the threshold, or with `errors` the mean error."""
    heads, columns = [("", "", 1)], ["network"]
    for setting in tables.settings:
        heads.append((short_name(setting), colour_of(setting), 2))
        columns += ["attack", "random direction"]
    heads.append(("other codes", "control", 2))
    columns += ["same subject", "other subjects"]
    rows = {setting: {row.network: row for row in tables.errors(setting, group)} for setting in tables.settings}
    found = []
    for member in sorted(tables.members, key=lambda member: bool(member.apart)):
        cells: list[Cell] = []
        for setting in tables.settings:
            cells += _beside(rows[setting].get(member.name), ("attack", CONTROLS[0]), errors)
        cells += _beside(rows[tables.settings[0]].get(member.name), CONTROLS[1:], errors)
        found.append(Row(shown(member), tuple(cells), "apart" if member.apart else ""))
    what = "mean error, mm" if errors else f"share past {tables.threshold_mm:.0f} mm"
    caption = (
        "A random direction is as long as the attack's step. Other codes: of another frame of the same subject; the "
        "strongest of other subjects' codes, which favours the control. "
    )
    caption += "Errors are the float32 reference's on the 8-bit frame, means over frames." if errors else ""
    return Titled(f"Beside controls: {what}", Table(tuple(heads), tuple(columns), tuple(found)), caption.strip())


def pictures_table(tables: FamilyTables, setting: str, group: str) -> Titled:
    """Table 2: how much the attack changed the picture."""
    columns = ("network", "frames", "SSIM", "PSNR, dB", "MSE, mean", "MSE, sum")
    found = []
    for row in sorted(tables.pictures(setting, group), key=lambda row: bool(tables.member(row.network).apart)):
        member = tables.member(row.network)
        for region, suffix in (("", ""), (", crop", "_crop")):
            names = (f"ssim{suffix}", f"psnr{suffix}_db", f"mse_mean{suffix}", f"mse_sum{suffix}")
            cells = [value(row.values[name], decimals) for name, decimals in zip(names, (3, 2, 4, 4), strict=True)]
            css = "apart" if member.apart else ""
            found.append(Row(f"{shown(member)}{region}", (plain(str(row.frames)), *cells), css))
    if setting == "paper":
        for name, printed in paper_values.TABLE_2.items():
            cells = [plain(f"{printed.ssim:.3f}"), plain(f"{printed.psnr_db:.2f}"), NONE, plain(f"{printed.mse:.3f}")]
            found.append(Row(f"{name}, as published", (NONE, *cells), "reference"))
    caption = (
        "Attacked against unattacked synthesis, 8-bit frames, means over the attacked frames. MSE, mean: over pixels "
        "and channels; sum: over channels of the mean over pixels. Crop: inside the generator's crop, for the "
        "background that no attack changes flatters the whole frame."
    )
    if "paper" in tables.settings:
        caption += (
            " The paper does not say which MSE it prints; its PSNR agrees with the sum. Its frames are Human3.6M's."
        )
    return Titled(f"Table 2, {short_name(setting)}", Table((), columns, tuple(found)), caption)


def printed_table() -> Titled:
    """The paper's Table 1 as printed."""
    networks = list(paper_values.TABLE_1)
    heads = (("", "", 1), *((name, "", 2) for name in networks))
    columns = ("subject", *("initial", "final") * len(networks))
    rows = []
    for subject in (*SUBJECTS, paper_values.AVERAGE):
        pairs = (paper_values.TABLE_1[name][subject] for name in networks)
        cells = tuple(plain(f"{error:.1f}") for pair in pairs for error in pair)
        rows.append(Row(subject, cells, "total" if subject == paper_values.AVERAGE else ""))
    means = [row_mean(name) for name in networks]
    rows.append(Row("mean of rows", tuple(plain(f"{error:.1f}") for pair in means for error in pair), "reference"))
    caption = f"{paper_values.SOURCE}. " + " ".join(paper_values.NOTES[:2])
    return Titled("The paper's Table 1, as printed: MPJPE, mm", Table(heads, columns, tuple(rows)), caption)


def _error_row(tables: FamilyTables, row: ErrorRow, judged: bool, css: str = "") -> Row:
    steps = NONE
    if row.iterations is not None:
        low, middle, high = row.iterations
        steps = Cell(f"{middle:.0f}", f"{low:.0f}–{high:.0f}")
    frames = Cell(f"{row.attacked:,}")
    past = Cell(str(row.past_before), f"{row.failed} failed" if row.failed else "")
    cells = [
        frames,
        past,
        value(row.initial_mm),
        value(row.final_mm),
        share(row.success, colour_of(row.setting)),
        steps,
    ]
    return Row(
        shown(tables.member(row.network)),
        (*cells, *([value(row.judge_initial_mm), value(row.judge_mm)] if judged else [])),
        css,
    )


def _arrow(row: ErrorRow | None) -> Cell:
    if row is None or not row.attacked:
        return NONE
    return Cell(f"{number(row.initial_mm.value, 1)} → {number(row.final_mm.value, 1)}", f"n {row.attacked}")


def _beside(row: ErrorRow | None, names: tuple[str, ...], errors: bool) -> list[Cell]:
    found = [row.beside.get(name) if row is not None else None for name in names]
    if errors:
        return [value(one.error_mm if one else None, 0) for one in found]
    return [share(one.success if one else None) for one in found]


def _together(tables: FamilyTables, rows: list[ErrorRow]) -> list[ErrorRow]:
    return [row for row in rows if not tables.member(row.network).apart]


def _apart(tables: FamilyTables, rows: list[ErrorRow]) -> list[ErrorRow]:
    return [row for row in rows if tables.member(row.network).apart]
