"""What commands print, and the log that progress leaves."""

import enum
import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel
from rich.table import Table

from turncoat.engine.cli.output import Output, plain


class Colour(enum.Enum):
    RED = "red, as in roses"


class Point(BaseModel):
    x: float
    where: Path


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (np.float32(1.5), 1.5),
        (np.float64("inf"), None),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([[1.0, np.nan]]), [[1.0, None]]),
        (Path("a/b"), "a/b"),
        (Colour.RED, "red, as in roses"),
        (Point(x=1, where=Path("c")), {"x": 1.0, "where": "c"}),
        ({1: (2, None, "é", False)}, {"1": [2, None, "é", False]}),
    ],
)
def test_everything_a_command_reports_becomes_json(value, expected):
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == expected


def test_with_json_standard_output_is_one_document_and_nothing_else(capsys):
    out = Output(True)
    out.show("a note")
    out.show(Table("a"))
    with out.progress("working", "frames") as advance:
        advance(1, 2)
    out.finish({"frames": 2})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"frames": 2}
    assert "a note" in captured.err


def test_work_that_is_refused_before_its_first_step_shows_no_bar(capsys):
    with pytest.raises(RuntimeError), Output().progress("working", "frames"):
        raise RuntimeError
    assert capsys.readouterr().err == ""
    with Output().progress("working", "frames") as advance:
        advance(1, 2)
    assert "working" in capsys.readouterr().err


def test_without_json_a_person_reads_on_standard_output(capsys):
    out = Output()
    out.show("a note")
    out.finish({"frames": 2})
    assert capsys.readouterr().out == "a note\n"


def test_the_log_holds_the_last_facts_and_a_rate_that_ignores_resumed_work(tmp_path, monkeypatch, capsys):
    clock = iter(np.arange(100.0, 200.0, 0.25))
    monkeypatch.setattr("turncoat.engine.cli.output.time.monotonic", lambda: float(next(clock)))
    log = tmp_path / "log.jsonl"
    with Output().progress("training", "images", log=log) as advance:
        for done in range(1000, 1100, 10):
            advance(done, 2000, loss=np.float32(0.5))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert 2 <= len(lines) < 10, "at most one a second"
    last = lines[-1]
    assert (last["done"], last["total"], last["loss"], last["what"], last["unit"]) == (
        1090,
        2000,
        0.5,
        "training",
        "images",
    )
    assert last["per_second"] == pytest.approx(90 / last["seconds"])
    assert last["seconds_left"] == pytest.approx(910 / last["per_second"])


def test_work_that_fails_leaves_its_last_facts_in_the_log(tmp_path, capsys):
    log = tmp_path / "log.jsonl"
    with pytest.raises(RuntimeError), Output().progress("training", "images", log=log) as advance:
        advance(1, 10)
        advance(2, 10)
        raise RuntimeError
    assert json.loads(log.read_text().splitlines()[-1])["done"] == 2
