"""A run as a table in one line: the one of docs/runs.md, as it stands there."""

import re
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from fixtures.small_run import attacked, control, write_small_run
from turncoat.engine.runs import open_run
from turncoat.kernels.errors import DataError

PAGE = Path(__file__).parents[2] / "docs" / "runs.md"


def test_the_line_of_the_page_reads_every_part(tmp_path: Path) -> None:
    run = write_small_run(
        tmp_path / "run", [attacked(0), attacked(1, "iterations used up"), control(0, "same subject")]
    )
    (line,) = re.findall(r"^table = (pyarrow.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    table = eval(line.replace("runs/first", str(run.folder)), {"pyarrow": pyarrow})
    assert table.equals(run.table()) and len(table) == 3


def test_some_columns_are_those_of_all_rows(tmp_path: Path) -> None:
    rows = [attacked(0), attacked(1, "iterations used up", iterations=None), control(0, "same subject"), attacked(2)]
    run = write_small_run(tmp_path / "run", rows)
    names = ("outcome", "iterations", "control", "error_initial_mm", "confirmed_first")
    for where in ({}, {"control": None}, {"outcome": ["fooled"], "attack": "appearance"}, {"setting": "none such"}):
        streamed = open_run(run.folder).columns(names, **where)
        whole = run.rows(**where)
        assert list(streamed) == list(names)
        for name in names:
            np.testing.assert_array_equal(streamed[name], whole[name])
            np.testing.assert_array_equal(run.columns(names, **where)[name], whole[name])
    with pytest.raises(DataError, match="no column 'nothing'; it has sample_id"):
        open_run(run.folder).columns(["nothing"])
    with pytest.raises(DataError, match="no column 'nothing'"):
        open_run(run.folder).columns(names, nothing=1)
