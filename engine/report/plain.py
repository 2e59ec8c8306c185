"""Tables of the report as rich tables and as Markdown."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table as RichTable
from rich.text import Text

from turncoat.engine.report.cells import Titled
from turncoat.engine.report.tables import Cell, Table

_STYLES = {"total": "bold", "reference": "italic", "apart": "dim"}


def rich_table(titled: Titled) -> RichTable:
    """For a terminal; intervals stand below their numbers."""
    found = RichTable(
        title=Text(titled.title), title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False,
        caption=Text(titled.caption) if titled.caption else None, caption_justify="left",
    )  # fmt: skip
    for index, head in enumerate(_heads(titled.table)):
        found.add_column(Text(head), justify="left" if index == 0 else "right", overflow="fold")
    for row in titled.table.rows:
        texts = [Text(cell.text) + Text(f"\n{cell.small}" if cell.small else "", style="dim") for cell in row.cells]
        found.add_row(Text(row.name), *texts, style=_STYLES.get(row.css))
    return found


def markdown(titled: Titled, level: int = 3) -> str:
    """As Markdown: heading, table, caption."""
    heads = [head.replace("\n", " ") for head in _heads(titled.table)]
    lines = [_line(heads), _line([":--"] + ["--:"] * (len(heads) - 1))]
    for row in titled.table.rows:
        mark = {"total": "**", "reference": "*"}.get(row.css, "")
        texts = [row.name, *(_text(cell) for cell in row.cells)]
        lines.append(_line([f"{mark}{text}{mark}" if text else "" for text in texts]))
    below = f"\n\n{titled.caption}" if titled.caption else ""
    return f"{'#' * level} {titled.title}\n\n" + "\n".join(lines) + below + "\n"


def _heads(table: Table) -> list[str]:
    """Column names, each under the head that spans it."""
    spans = [name for name, _, span in table.heads for _ in range(span)] or [""] * len(table.columns)
    return [f"{span}\n{column}" if span else column for span, column in zip(spans, table.columns, strict=True)]


def _text(cell: Cell) -> str:
    return f"{cell.text} ({cell.small})" if cell.small else cell.text


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
