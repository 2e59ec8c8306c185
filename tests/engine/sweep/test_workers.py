"""Several processes give the table of one; those that die are replaced, and what nobody survives is left out."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from fixtures.sweeps import assert_same_run, facts_that_decide, lines_of_log, rows_on_disk, start
from fixtures.toys import DeadlyToy, RaisingToy, SlowToy, ToyNetwork, ToyStatistics, sums
from turncoat.engine import AttackSettings, attack_dataset, open_run
from turncoat.engine.runs import Run
from turncoat.engine.sweep import Selection
from turncoat.kernels.errors import ConfigError
from turncoat.training.data import open_dataset

SELECTION = Selection(per_subject=40)  # of two subjects in two groups: five parts of 32
SETTINGS = AttackSettings(
    attacks=("paper",), iterations=6, step_size=0.5, threshold_mm=60, batch=32, controls=False, judge=None
)


def swept(network: Any, data: Path, out: Path, **more: Any) -> Run:
    return attack_dataset(network, data, SETTINGS, out, selection=SELECTION, **more)


@pytest.fixture(scope="module")
def alone(long_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    network = ToyNetwork(statistics=ToyStatistics())
    return swept(network, long_dataset, tmp_path_factory.mktemp("runs") / "alone")


def test_two_workers_of_which_one_is_killed_give_the_table_of_one_process(
    alone: Run, long_dataset: Path, tmp_path: Path
) -> None:
    killed: list[int] = []
    steps: list[tuple[int, int]] = []

    def look_on(done: int, total: int, **facts: Any) -> None:
        steps.append((done, total))
        if facts and not killed:  # a worker has just done an attack
            killed.append(next(line["worker"] for line in lines_of_log(tmp_path / "run") if "worker" in line))
            os.kill(killed[0], signal.SIGKILL)

    run = swept(SlowToy(statistics=ToyStatistics()), long_dataset, tmp_path / "run", workers=2, progress=look_on)
    assert killed and run.complete
    assert_same_run(run, alone)
    said = lines_of_log(run.folder)
    assert [line["died"] for line in said if "died" in line] == killed
    assert len([line for line in said if "worker" in line]) == 3, "the dead one was replaced"
    assert steps[-1] == (160, 160) and all(done <= total for done, total in steps)
    facts, expected = facts_that_decide(run), facts_that_decide(alone)
    assert facts == expected
    assert run.info["attacks"]["paper"]["frames_per_s"] > 0


def test_samples_that_nobody_survives_are_left_out_and_the_run_says_so(
    alone: Run, long_dataset: Path, tmp_path: Path
) -> None:
    data = open_dataset(long_dataset)
    rows = SELECTION.rows(data, SETTINGS.seed)
    victim = sums(torch.from_numpy(data.read(rows[70:71])).float() / 255)  # of part 2
    deadly = DeadlyToy(victim, statistics=ToyStatistics())
    run = swept(deadly, long_dataset, tmp_path / "run", workers=2)
    assert not run.complete and run.info["status"] == "parts are missing" and run.info["missing"] == [2]
    assert rows_on_disk(run.folder) == 160 - 32
    assert run.info["attacks"]["paper"]["rows"] == 160 - 32
    deaths = [line for line in lines_of_log(run.folder) if "died" in line]
    assert len(deaths) == 3 and deaths[-1]["given_up"] == [2] and {line["exit"] for line in deaths} == {-9}
    later = swept(ToyNetwork(statistics=ToyStatistics()), long_dataset, tmp_path / "run", resume=True)
    assert later.complete and "missing" not in later.info
    assert_same_run(later, alone)


def test_what_a_worker_runs_into_is_raised_here(long_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        swept(RaisingToy(statistics=ToyStatistics()), long_dataset, tmp_path / "run", workers=2)
    assert caught.value.errno == 28
    assert not open_run(tmp_path / "run").complete
    assert swept(ToyNetwork(statistics=ToyStatistics()), long_dataset, tmp_path / "run", resume=True).complete


def test_what_cannot_be_sent_to_workers_is_refused_in_a_sentence(long_dataset: Path, tmp_path: Path) -> None:
    network = ToyNetwork(statistics=ToyStatistics())
    network.hook = lambda: None  # type: ignore[assignment]
    with pytest.raises(ConfigError, match="sent to other processes"):
        swept(network, long_dataset, tmp_path / "run", workers=2)
    with pytest.raises(ConfigError, match="at least 1"):
        swept(network, long_dataset, tmp_path / "run", workers=0)


def test_workers_do_not_outlive_a_killed_sweep(long_dataset: Path, small_weights: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    sweep = start("attack", long_dataset, "--network", small_weights, "--out", run, "--workers", 2, "--attack", "free",
                  "--iterations", 500, "--threshold", 90000, "--step-size", 0.01, "--judge", "none")  # fmt: skip
    workers: list[int] = []
    until = time.monotonic() + 60
    while len(workers) < 2 and time.monotonic() < until:
        time.sleep(0.2)
        workers = [line["worker"] for line in lines_of_log(run) if "worker" in line]
    sweep.kill()
    sweep.communicate()
    assert len(workers) == 2
    until = time.monotonic() + 20
    while any(is_running(worker) for worker in workers) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(is_running(worker) for worker in workers)


def is_running(process: int) -> bool:
    """Whether there is such a process that is more than an entry in a table."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
