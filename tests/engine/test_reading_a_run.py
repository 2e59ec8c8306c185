"""A run as a table in one line: the one of docs/runs.md, as it stands there."""

import re
from pathlib import Path

import pyarrow
import pyarrow.parquet

from fixtures.small_run import attacked, control, write_small_run

PAGE = Path(__file__).parents[2] / "docs" / "runs.md"


def test_the_line_of_the_page_reads_every_part(tmp_path: Path) -> None:
    run = write_small_run(
        tmp_path / "run", [attacked(0), attacked(1, "iterations used up"), control(0, "same subject")]
    )
    (line,) = re.findall(r"^table = (pyarrow.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    table = eval(line.replace("runs/first", str(run.folder)), {"pyarrow": pyarrow})
    assert table.equals(run.table()) and len(table) == 3
