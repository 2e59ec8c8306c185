"""The tables of the report: rows of finished text, computed from the numbers once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from turncoat.engine.report.names import CONTROL_NAMES, colour_of, interval, number, percent, short_name
from turncoat.engine.report.numbers import Group, Measured, Rate, count, mean, median
from turncoat.engine.report.reference import published


@dataclass(frozen=True)
class Cell:
    """Text of a table cell; `share` (0 to 1) draws a bar behind it, `small` is a second line."""

    text: str
    small: str = ""
    share: float | None = None
    css: str = ""


@dataclass(frozen=True)
class Row:
    """A row: its name and its cells; `css` is 'total', 'reference' or ''."""

    name: str
    cells: tuple[Cell, ...]
    css: str = ""


@dataclass(frozen=True)
class Table:
    """Column heads (name, CSS class, columns it spans) over column names, and rows; `css` is a class of the table."""

    heads: tuple[tuple[str, str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    css: str = ""


def share_cell(rate: Rate, css: str) -> Cell:
    """A share with its interval and a bar."""
    if not rate.total:
        return Cell("–")
    return Cell(percent(rate.value), interval(rate), rate.value, css)


def _cell(value: float, decimals: int = 0) -> Cell:
    return Cell(number(value, decimals))


def table_1(group: Group, method: str) -> Table | None:
    """The paper's Table 1 for the appearance attacks: mean errors of each subject's attacked frames."""
    attacks = group.appearance
    if not attacks:
        return None
    heads = (("", "", 3), *((short_name(attack.key), colour_of(attack.key), 3) for attack in attacks))
    by_subject = [dict(attack.by("subject")) for attack in attacks]
    first = "subject" if any(by_subject) else ""
    columns = (first, "frames", "past before", *("initial", "final", "fooled") * len(attacks))
    subjects = sorted(set().union(*by_subject))
    rows = [_subject_row(subject, [part.get(subject) for part in by_subject]) for subject in subjects]
    rows.append(_average_row(attacks, by_subject))
    if group.get("paper"):
        theirs = published(method)
        blank, errors = [Cell("–")] * 3, [_cell(theirs.initial_mm, 1), _cell(theirs.final_mm, 1), Cell("–")]
        cells = [cell for attack in attacks for cell in (errors if attack.key == "paper" else blank)]
        rows.append(Row(f"{theirs.network} as published, other data", (Cell("–"), Cell("–"), *cells), "reference"))
    return Table(heads, columns, tuple(rows))


def _subject_row(name: str, parts: Sequence[Measured | None]) -> Row:
    known = [part for part in parts if part is not None]
    cells = [_count(known), Cell(str(max(part.past_before for part in known)))]
    for part in parts:
        if part is None:
            cells += [Cell("–")] * 3
        else:
            errors = (_cell(mean(part.initial), 1), _cell(mean(part.final), 1))
            cells += [*errors, share_cell(part.fooled, colour_of(part.key))]
    return Row(name, tuple(cells))


def _average_row(attacks: Sequence[Measured], by_subject: Sequence[dict[str, Measured]]) -> Row:
    """Means over the subjects' means, as in the paper; the share and its interval are of all frames."""
    cells = [_count(attacks), Cell(str(max(attack.past_before for attack in attacks)))]
    for attack, parts in zip(attacks, by_subject, strict=True):
        if not parts:  # no subject is known
            parts = {"": attack}
        for values in ([mean(part.initial) for part in parts.values()], [mean(part.final) for part in parts.values()]):
            cells.append(_cell(mean(np.array(values)), 1))
        cells.append(share_cell(attack.fooled, colour_of(attack.key)))
    return Row("average" if any(by_subject) else "all", tuple(cells), "total")


def _count(parts: Sequence[Measured]) -> Cell:
    """Attacked frames, of the attack that has most (they differ only where rows failed)."""
    return Cell(f"{max(count(part.attacked) for part in parts):,}")


def control_table(attack: Measured, threshold: float) -> Table:
    """An attack and what stands beside it: errors in mm, and how often past the threshold.

    Where a control tries several changes, the strongest counts; `one try` is the mean over all of them. `length` is
    the mean way gone: of codes in the coordinates that the attack walks in, of colours over all channels of garments.
    """
    columns = ("", "length", "tries", "one try", "mean", "median", f"past {threshold:.0f} mm")
    rows = [
        Row(f"attack, {short_name(attack.key)}", (_length(attack), Cell("–"), Cell("–"), *_errors(attack)), "total")
    ]
    for control in attack.controls:
        draws = median(control.attacked["draws"])
        tries = (Cell("1"), Cell("–"))
        if draws > 1 and control.key != "random colours":  # one draw: its rows only record what all of them did
            tries = (Cell(f"{draws:.0f}"), _cell(mean(control.attacked["draws_mean_mm"]), 1))
        rows.append(Row(CONTROL_NAMES.get(control.key, control.key), (_length(control), *tries, *_errors(control))))
    return Table((), columns, tuple(rows))


def _length(part: Measured) -> Cell:
    """How far an attack or control went on average, in its own coordinates; a dash where it is not known."""
    codes, colours = (mean(part.attacked[name]) for name in ("appearance_shift", "colour_shift_l2"))
    return _cell(codes, 1) if math.isfinite(codes) else _cell(colours, 2)


def _errors(part: Measured) -> tuple[Cell, Cell, Cell]:
    share = share_cell(part.fooled, colour_of(part.key))
    return _cell(mean(part.verified), 1), _cell(median(part.verified), 1), share


def goal_table(group: Group, reach: float) -> Table | None:
    """How near attacks towards a pose came to it, and what stands beside them; None where there are none."""
    rows = []
    for attack in group.aimed:
        for part in (attack, *attack.controls):
            before, after = (part.attacked[name] for name in ("error_goal_initial_mm", "error_goal_mm"))
            values = (mean(before), mean(after), median(after), mean(part.verified))
            name = f"attack, {short_name(attack.key)}" if part is attack else CONTROL_NAMES.get(part.key, part.key)
            share = share_cell(part.fooled, colour_of(part.key))
            cells = (_length(part), *(_cell(value, 1) for value in values), share)
            rows.append(Row(name, cells, "total" if part is attack else ""))
    columns = ("", "length", "to the goal before", "after", "median", "from the clean pose", f"within {reach:.0f} mm")
    return Table((), columns, tuple(rows)) if rows else None


def kinds_table(group: Group, method: str) -> Table:
    """What kind of error each attack makes, and how much of the picture it changed (the paper's Table 2 below).

    Where a judge was asked, what it sees of the same frames stands beside: of the repainting alone, then attacked.
    """
    judged = any(math.isfinite(_judge(attack)[1]) for attack in group.attacks)
    truth = any(math.isfinite(mean(attack.attacked["error_gt_clean_mm"])) for attack in group.attacks)
    columns = (
        "setting",
        "MPJPE",
        "N-MPJPE",
        "PA-MPJPE",
        "from the synthesis",
        "bone ratios",
        "turn",
        *(("true error",) if truth else ()),
        "PSNR, dB",
        "SSIM",
        *(("the judge's",) if judged else ()),
    )
    rows = []
    for attack in group.attacks:
        row = attack.attacked
        low, high = median(row["bone_ratio_p5"]), median(row["bone_ratio_p95"])
        bones = f"{low:.2f}–{high:.2f}" if math.isfinite(low) and math.isfinite(high) else "–"
        turn = median(np.abs(row["yaw_deg"].astype(float)))
        before, after = mean(row["error_gt_clean_mm"]), mean(row["error_gt_attacked_mm"])
        true = f"{number(before)} → {number(after)}" if math.isfinite(before) else "–"
        cells = [
            _cell(mean(row[name]), 1)
            for name in ("error_verified_mm", "error_n_mm", "error_pa_mm", "error_from_synthesis_mm")
        ]
        cells += [Cell(bones), Cell(f"{turn:.0f}°" if math.isfinite(turn) else "–"), *[Cell(true)] * truth]
        cells += [_cell(mean(row["psnr_db"]), 1), _cell(mean(row["ssim"]), 3)]
        if judged:
            repainted, changed = _judge(attack)
            cells.append(Cell(f"{number(repainted)} → {number(changed)}" if math.isfinite(changed) else "–"))
        rows.append(Row(short_name(attack.key), tuple(cells)))
    if group.get("paper"):
        theirs = published(method)
        cells = [*[Cell("–")] * (6 + truth), _cell(theirs.psnr_db, 1), _cell(theirs.ssim, 3), *[Cell("–")] * judged]
        rows.append(Row(f"{theirs.network} as published, other data", tuple(cells), "reference"))
    return Table((), columns, tuple(rows))


def _judge(part: Measured) -> tuple[float, float]:
    """The judge's mean error, mm, on the unattacked synthesis and on the changed frame; NaN without a judge."""
    return mean(part.attacked["judge_error_initial_mm"]), mean(part.attacked["judge_error_mm"])


def breakdown(group: Group, column: str) -> Table | None:
    """Own error, initial error and what each attack does, for each subject or each action."""
    parts = [dict(attack.by(column)) for attack in group.attacks]
    names = sorted(set().union(*parts)) if parts else []
    if not names:
        return None
    heads = (("", "", 3), *((short_name(attack.key), colour_of(attack.key), 2) for attack in group.attacks))
    columns = (column, "frames", "own error", *("error", "fooled") * len(group.attacks))
    rows = []
    for name in names:
        known = [part[name] for part in parts if name in part]
        cells = [
            Cell(f"{max(count(part.attacked) for part in known):,}"),
            _cell(mean(known[0].attacked["error_gt_clean_mm"])),
        ]
        for part in parts:
            cells += _effect(part[name]) if name in part else [Cell("–")] * 2
        rows.append(Row(str(name).replace("_", " "), tuple(cells)))
    return Table(heads, columns, tuple(rows))


def _effect(part: Measured) -> list[Cell]:
    """Mean error, and the share fooled; without its interval, for a table of many small parts would be mostly that."""
    if not part.fooled.total:
        return [Cell("–")] * 2
    share = Cell(percent(part.fooled.value), share=part.fooled.value, css=colour_of(part.key))
    return [_cell(mean(part.verified)), share]
