"""Actors on Ray give the table of one process, though one is killed; without Ray a sentence says how to get it."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from fixtures.sweeps import assert_same_run, facts_that_decide, lines_of_log
from fixtures.toys import SlowToy, ToyNetwork, ToyStatistics
from turncoat.engine import AttackSettings, attack_dataset
from turncoat.engine.cli import main
from turncoat.engine.sweep import Selection

SELECTION = Selection(per_subject=40)  # of two subjects in two groups: five parts of 32
SETTINGS = AttackSettings(
    attacks=("paper",), iterations=6, step_size=0.5, threshold_mm=60, batch=32, controls=False, judge=None
)


def test_actors_of_which_one_is_killed_give_the_table_of_one_process(
    long_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'turncoat[ray]')")
    # Actors find the module of the network there.
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    monkeypatch.setenv("RAY_worker_niceness", "0")  # or they wait for everything else on a busy machine
    killed: list[int] = []

    def look_on(done: int, total: int, **facts: Any) -> None:
        processes = [line["process"] for line in lines_of_log(tmp_path / "run") if "process" in line]
        if done and not killed and len(processes) == 2:
            killed.append(processes[0])
            os.kill(killed[0], signal.SIGKILL)

    alone = attack_dataset(
        ToyNetwork(statistics=ToyStatistics()), long_dataset, SETTINGS, tmp_path / "alone", selection=SELECTION
    )
    run = attack_dataset(
        SlowToy(statistics=ToyStatistics()), long_dataset, SETTINGS, tmp_path / "run", selection=SELECTION,
        ray="local", workers=2, progress=look_on,
    )  # fmt: skip
    assert killed and run.complete
    assert_same_run(run, alone)
    assert facts_that_decide(run) == facts_that_decide(alone)
    assert run.info["attacks"]["paper"]["frames_per_s"] > 0


def test_without_ray_a_sentence_says_what_to_install(
    long_dataset: Path, small_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "ray", None)
    given = ["attack", long_dataset, "--network", small_weights, "--out", tmp_path / "run", "--per-subject", "1"]
    with pytest.raises(SystemExit) as stop:
        main([*map(str, given), "--attack", "paper", "--step-size", "1", "--judge", "none", "--ray", "local"])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and "pip install 'turncoat[ray]'" in said.splitlines()[-1]
