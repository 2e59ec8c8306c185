"""`turncoat curves` on networks that are really attacked: tiny ones, on stick figures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.lively import lively
from turncoat.engine.cli import main
from turncoat.engine.runs import open_run
from turncoat.training.checkpoint import save_network
from turncoat.training.data import open_dataset

QUICK = ("--per-subject", 3, "--steps", 4, "--threshold", 90, "--precision", "float32", "--budgets", "1,4")


@pytest.fixture(scope="module")
def weights(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two untrained networks."""
    dataset, folder = open_dataset(tiny_dataset), tmp_path_factory.mktemp("weights")
    found = [folder / "nsd.safetensors", folder / "cssl.safetensors"]
    for seed, file in enumerate(found):
        save_network(file, lively("person", dataset, seed), {"method": file.stem, "images": 1000})
    return found


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main([*map(str, ["curves", *arguments])])
    return int(exit_info.value.code or 0)


@pytest.fixture(scope="module")
def made(tiny_dataset: Path, weights: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made")
    assert command(tiny_dataset, "--network", weights[0], "--network", weights[1], "--out", out, *QUICK) == 0
    return out


def document_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "curves.json").read_text())
    return found


def test_one_command_attacks_both_and_writes_curves_tables_and_picture(made: Path) -> None:
    files = {f"curves.{kind}" for kind in ("json", "md", "pdf", "png", "svg")}
    assert {path.name for path in made.iterdir()} == {"runs", *files}
    assert (made / "curves.png").read_bytes().startswith(b"\x89PNG") and "<svg" in (made / "curves.svg").read_text()
    document = document_of(made)
    assert [(one["network"], one["budgets"]) for one in document["curves"]] == [
        ("nsd", [0.0, 1.0, 4.0]), ("cssl", [0.0, 1.0, 4.0]),
    ]  # fmt: skip
    (difference,) = document["differences"]
    a, b = (one["attack"]["error_area_mm"]["value"] for one in document["curves"])
    if all(one["past_before"] == 0 for one in document["curves"]):
        assert difference["error"]["value"] == pytest.approx(b - a)
    for one in document["curves"]:
        assert {"random direction"} == set(one["controls"]) and {"same subject", "other subjects"} == set(one["levels"])
    text = (made / "curves.md").read_text()
    assert "Area under the budget curve, appearance code" in text and "random direction, as long" in text


def test_the_numbers_are_those_of_the_run(made: Path) -> None:
    for found in document_of(made)["curves"]:
        run = open_run(made / "runs" / found["network"])
        assert run.info["settings"]["attacks"] == ["budget-1", "budget-4"] and run.info["settings"]["controls"]
        taken = run.rows(setting="budget-4", control=None, outcome=["fooled", "iterations used up", "zero gradient"])
        assert len(taken["sample_id"]) == found["attack"]["frames"] > 0
        assert found["attack"]["points"][2]["error_mm"]["value"] == pytest.approx(taken["error_verified_mm"].mean())
        assert found["attack"]["points"][0]["error_mm"]["value"] == pytest.approx(taken["error_initial_mm"].mean())
        assert taken["appearance_shift"].max() <= 4 + 1e-3


def test_finished_runs_are_used_again_and_a_killed_one_gone_on_with(
    made: Path, tiny_dataset: Path, weights: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = document_of(made)
    part = made / "runs" / "nsd" / "results" / "part-00000.parquet"
    other = made / "runs" / "cssl" / "results" / "part-00000.parquet"
    stamps = part.stat().st_mtime_ns, other.stat().st_mtime_ns
    part.unlink()
    facts = made / "runs" / "nsd" / "run.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"status": "running"}))
    capsys.readouterr()
    both = ("--network", weights[0], "--network", weights[1])
    assert command(tiny_dataset, *both, "--out", made, "--json", *QUICK) == 0
    document = json.loads(capsys.readouterr().out)
    assert part.stat().st_mtime_ns != stamps[0] and other.stat().st_mtime_ns == stamps[1]
    values = [one["attack"]["error_area_mm"]["value"] for found in (before, document) for one in found["curves"]]
    np.testing.assert_allclose(values[:2], values[2:], rtol=1e-4)


def test_runs_that_are_there_need_no_dataset(made: Path, tmp_path: Path) -> None:
    assert command(made / "runs" / "nsd", made / "runs" / "cssl", "--out", tmp_path / "out") == 0
    assert document_of(tmp_path / "out")["differences"] == document_of(made)["differences"]
    assert not (tmp_path / "out" / "runs").exists()


def test_bad_input_is_a_sentence(
    made: Path, tiny_dataset: Path, weights: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = made / "runs" / "nsd", ("--out", tmp_path / "out")
    for arguments, said in (
        ((run, "--network", weights[0]), "needs a dataset"),
        ((tiny_dataset, tmp_path), "both no runs"),
        ((tiny_dataset, "--network", weights[0], "--budgets", "1,two"), "numbers with commas"),
        ((tiny_dataset, "--network", weights[0], "--budgets", "0,1"), "above 0"),
        ((tiny_dataset, "--network", weights[0], "--budgets", "none"), "No budget"),
        ((tiny_dataset, "--network", weights[0], "--budgets", "none", "--colours", "2"), "below 1"),
        ((run, run), "Two networks are called"),
        ((tmp_path, "--network", weights[0]), str(tmp_path)),
    ):
        assert command(*arguments, *out) == 2
        error = capsys.readouterr().err.strip()
        assert said in " ".join(error.split()) and len(error.splitlines()) <= 3, error
