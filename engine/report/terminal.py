"""The tables of the report for a terminal."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from turncoat.engine.report.facts import facts_of
from turncoat.engine.report.names import capital
from turncoat.engine.report.numbers import read_groups
from turncoat.engine.report.tables import Cell, control_table, table_1
from turncoat.engine.report.words import initial_sentence
from turncoat.engine.runs import Run


def terminal_tables(run: Run) -> list[Table]:
    """For each group of frames: the paper's Table 1, and every attack beside its controls.

    Raises:
        DataError: the run holds no results.
    """
    known, found = facts_of(run), []
    for group in read_groups(run):
        frames = f"{capital(group.name)} frames" if group.name else "Frames"
        by_subject = table_1(group, known.method)
        if by_subject:
            spans = [name for name, _, span in by_subject.heads for _ in range(span)]
            heads = [f"{span}\n{column}" for span, column in zip(spans, by_subject.columns, strict=True)]
            table = _table(f"{frames}: MPJPE before and after the attack, mm, of the frames attacked", heads)
            for row in by_subject.rows:
                _add(table, row.name, row.cells, bold=row.css == "total", intervals=False)
            table.caption, table.caption_justify = initial_sentence(group.appearance[0]), "left"
            found.append(table)
        beside = [control_table(attack, known.threshold) for attack in group.attacks]
        table = _table(f"{frames}: attacks beside their controls, MPJPE in mm", beside[0].columns)
        for one in beside:
            for row in one.rows:
                _add(table, row.name, row.cells, bold=row.css == "total", intervals=True)
            table.add_section()
        found.append(table)
    return found


def _table(title: str, heads: Sequence[str]) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    for index, head in enumerate(heads):
        table.add_column(head, justify="left" if index == 0 else "right", no_wrap=index > 0)
    return table


def _add(table: Table, name: str, cells: Sequence[Cell], *, bold: bool, intervals: bool) -> None:
    texts = [f"{cell.text} ({cell.small})" if intervals and cell.small else cell.text for cell in cells]
    table.add_row(name, *texts, style="bold" if bold else None)
