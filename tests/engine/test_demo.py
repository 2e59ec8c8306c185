"""The demo: four steps, each done once; killed and started again it goes on."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.toys import LayeredDataset, ToyNetwork, ToyStatistics
from turncoat.engine import demo
from turncoat.engine.attack import AttackSettings
from turncoat.engine.cli import main
from turncoat.engine.cli.output import Output
from turncoat.engine.runs import open_run
from turncoat.engine.sweep import Selection
from turncoat.kernels.errors import DataError
from turncoat.training.data.studio import recipe

QUIET = Output(as_json=True)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tiny_dataset: Path) -> ToyNetwork:
    """The demo on a toy network and stick figures: same steps, seconds instead of minutes."""
    quick = AttackSettings(
        attacks=("paper", "natural", "colours-0.1"),
        iterations=8,
        colour_iterations=3,
        draws=2,
        threshold_mm=60,
        step_size={"paper": 1.0, "natural": 0.1},
    )
    monkeypatch.setattr(demo, "SETTINGS", quick)
    monkeypatch.setattr(demo, "SELECTION", Selection(groups=("everyday",), per_subject=2))

    def render(folder: Path, stage: Any, workers: int | None) -> LayeredDataset:
        stage.done("dataset", "stick figures", cached=(folder / "rendered").exists())
        folder.mkdir(exist_ok=True)
        (folder / "rendered").touch()
        return LayeredDataset(tiny_dataset)

    monkeypatch.setattr(demo, "_render", render)
    return ToyNetwork(statistics=ToyStatistics())


def test_a_second_demo_finds_everything_there_and_changes_nothing(toy: ToyNetwork, tmp_path: Path) -> None:
    first = demo.run_demo(tmp_path / "demo", network=toy, screen=QUIET)
    assert [(step.name, step.cached) for step in first.steps] == [
        ("weights", True), ("dataset", False), ("attack", False), ("report", False)
    ]  # fmt: skip
    written = first.report.read_bytes()
    second = demo.run_demo(tmp_path / "demo", network=toy, screen=QUIET)
    assert all(step.cached for step in second.steps)
    assert second.report == first.report
    assert second.report.read_bytes() == written


def test_printing_a_demo_prints_its_tables_and_names_the_report_last(toy: ToyNetwork, tmp_path: Path) -> None:
    lines = str(demo.run_demo(tmp_path / "demo", network=toy, screen=QUIET)).splitlines()
    text = "\n".join(lines)
    for expected in ("S1", "S2", "average", "NSD as published, other data", "attack, paper", "attack, natural",
                     "attack, colours ±0.1", "random direction, as long", "one grey level of noise"):  # fmt: skip
        assert expected in text
    assert lines[-1] == f"Report: {next((tmp_path / 'demo').glob('run-*'))}/report/index.html"


def test_a_demo_killed_in_the_attack_goes_on_with_it(
    toy: ToyNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = demo.run_demo(tmp_path / "whole", network=toy, screen=QUIET)
    with monkeypatch.context() as patch:
        patch.setattr(demo, "attack_dataset", killed_after_first_part(demo.attack_dataset))
        with pytest.raises(KeyboardInterrupt):
            demo.run_demo(tmp_path / "demo", network=toy, screen=QUIET)
    resumed = demo.run_demo(tmp_path / "demo", network=toy, screen=QUIET)
    assert [step.cached for step in resumed.steps] == [True, True, False, False]
    columns = ["sample_id", "attack", "setting", "control", "outcome", "iterations"]
    ours, theirs = (made.run.table().select(columns) for made in (resumed, undisturbed))
    assert ours.equals(theirs)


def killed_after_first_part(attack: Any) -> Any:
    def dies(*args: Any, **kwargs: Any) -> Any:
        def stop(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        return attack(*args, **{**kwargs, "progress": stop})

    return dies


def test_a_demo_of_other_weights_leaves_the_first_run_alone(toy: ToyNetwork, tmp_path: Path) -> None:
    first = demo.run_demo(tmp_path / "demo", network=toy, screen=QUIET)
    rows = first.run.table()
    other = demo.run_demo(tmp_path / "demo", network=ToyNetwork(1500.0, ToyStatistics()), screen=QUIET)
    assert other.run.folder != first.run.folder
    assert open_run(first.run.folder).table().equals(rows)


def test_a_page_older_than_the_code_that_writes_it_is_written_again(toy: ToyNetwork, tmp_path: Path) -> None:
    first = demo.run_demo(tmp_path / "demo", network=toy, screen=QUIET)
    os.utime(first.report, (0, 0))
    second = demo.run_demo(tmp_path / "demo", network=toy, screen=QUIET)
    assert [step.cached for step in second.steps] == [True, True, True, False]


def test_missing_weights_are_said_before_anything_is_rendered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError):
        demo.run_demo(tmp_path / "demo", network=tmp_path / "none.safetensors", screen=QUIET)
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--out", str(tmp_path / "demo"), "--network", str(tmp_path / "none.safetensors")])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "demo").exists()


def test_json_is_one_document_and_nothing_else(
    toy: ToyNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "load_network", lambda *_, **__: toy)
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--out", str(tmp_path / "demo"), "--json"])
    assert ended.value.code == 0
    document = json.loads(capsys.readouterr().out)
    assert Path(document["report"]).is_file()
    assert [step["name"] for step in document["steps"]] == ["weights", "dataset", "attack", "report"]
    assert {one["setting"] for one in document["summaries"]} >= {"paper", "natural", "colours-0.1", "codes", "colours"}


def test_the_dataset_is_rendered_once_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every twentieth of its instants."""
    thinner = replace(recipe.PRESETS["demo"], stride=20 * recipe.PRESETS["demo"].stride)
    monkeypatch.setitem(recipe.PRESETS, "demo", thinner)
    stage = demo._Stage(QUIET, 1)
    dataset = demo._render(tmp_path, stage, workers=1)
    assert len(dataset) >= 5000 / 20
    demo._render(tmp_path, stage, workers=1)
    assert [step.cached for step in stage.steps] == [False, True]
