"""One writer a run: a second one is refused, a dead one is not in the way."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from turncoat.engine.runs import RunWriter
from turncoat.engine.runs import lock as locking
from turncoat.engine.runs.lock import RunLock
from turncoat.kernels.errors import ConfigError

FACTS = {"settings": {"threshold_mm": 60.0}}
HOLD = """
import sys, time
from turncoat.engine.runs import RunWriter
writer = RunWriter.open(sys.argv[1], {"settings": {"threshold_mm": 60.0}}, resume=True)
print("held", flush=True)
time.sleep(60)
"""


def test_two_writers_of_one_run_are_refused_and_a_dead_one_is_not_in_the_way(tmp_path: Path) -> None:
    run = tmp_path / "run"
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(run)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        before = (run / "run.json").read_bytes()
        with pytest.raises(ConfigError, match=rf"being written by another sweep \(process {other.pid} on .*\); wait"):
            RunWriter.open(run, FACTS, resume=True)
        assert (run / "run.json").read_bytes() == before
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        assert (run / ".lock").exists(), "it had no time to clean up"
        with RunWriter.open(run, FACTS, resume=True) as writer:
            with pytest.raises(ConfigError, match="another sweep"):
                RunWriter.open(run, FACTS, resume=True)
            writer.finish()
        assert not (run / ".lock").exists()
    finally:
        other.kill()
        other.wait()


def test_a_writer_that_fails_lets_go(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), RunWriter.open(tmp_path / "run", FACTS):
        raise RuntimeError
    RunWriter.open(tmp_path / "run", FACTS, resume=True).finish()
    with pytest.raises(ConfigError, match="threshold_mm"):
        RunWriter.open(tmp_path / "run", {"settings": {"threshold_mm": 70.0}}, resume=True)
    RunWriter.open(tmp_path / "run", FACTS, resume=True).finish()


def test_a_lock_whose_file_is_replaced_meanwhile_is_taken_again(tmp_path: Path) -> None:
    """Between opening and locking, the holder may be done and remove the file: two could hold locks of two files."""
    first = RunLock.take(tmp_path)
    stale = open(tmp_path / ".lock", "a+")  # noqa: SIM115
    first.release()
    second = RunLock.take(tmp_path)
    assert not locking._is_there(tmp_path / ".lock", stale)
    with pytest.raises(ConfigError, match="another sweep"):
        RunLock.take(tmp_path)
    second.release()
    second.release()
    stale.close()


def test_a_file_system_without_locks_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise OSError(locking.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locking.fcntl, "flock", unknown)
    with RunWriter.open(tmp_path / "run", FACTS) as writer:
        assert "knows no locks" in (tmp_path / "run" / "log.jsonl").read_text()
        assert writer.finish().complete


@pytest.mark.parametrize("left", [[".lock"], [".tmp-1-a-run.json"], [".lock", "results/"], ["results/"]])
def test_what_is_left_by_a_writer_that_died_at_once_is_an_empty_folder(left: list[str], tmp_path: Path) -> None:
    for resume in (False, True):
        run = tmp_path / f"run-{resume}"
        run.mkdir()
        for name in left:
            (run / name).mkdir() if name.endswith("/") else (run / name).write_text("")
        with RunWriter.open(run, FACTS, resume=resume) as writer:
            writer.write(0, [])
            assert writer.finish().complete
        assert sorted(path.name for path in run.iterdir()) == ["results", "run.json"]


def test_torn_files_of_a_killed_writer_are_removed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with RunWriter.open(run, FACTS) as writer:
        writer.write(0, [])
    torn = run / "results" / ".tmp-17-abc-part-00001.parquet"
    torn.write_bytes(b"PAR1")
    with RunWriter.open(run, FACTS, resume=True) as writer:
        assert not torn.exists() and writer.has(0) and not writer.has(1)
        assert writer.finish().table().num_rows == 0
