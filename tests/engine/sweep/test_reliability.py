"""What goes wrong in a long sweep: kills, a full disk, damaged pictures, no numbers, a folder to read only."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

from fixtures.kills import kill_and_resume, toy_sweep, undisturbed
from fixtures.sweeps import QUICK, assert_same_run, rows_on_disk
from fixtures.toys import ToyNetwork, ToyStatistics, sums
from turncoat.engine import AttackSettings, attack_dataset, open_run
from turncoat.engine.cli import main, source
from turncoat.engine.sweep import Selection
from turncoat.training.data import Dataset, open_dataset

SELECTION = Selection(per_subject=40)
SETTINGS = AttackSettings(
    attacks=("paper",), iterations=3, step_size=0.5, threshold_mm=60, batch=32, controls=False, judge=None
)


def toy() -> ToyNetwork:
    return ToyNetwork(statistics=ToyStatistics())


def test_a_sweep_that_is_killed_at_random_moments_ends_with_the_undisturbed_table(
    long_dataset: Path, tmp_path: Path
) -> None:
    """`benchmarks/kill_and_resume.py` does the same thirty times, to the command line."""
    sweep = partial(toy_sweep, str(long_dataset))
    expected, seconds = undisturbed(sweep, tmp_path)
    assert expected.info["parts"] == 5
    found = kill_and_resume(sweep, expected, tmp_path, kills=8, span_s=seconds / 2, seed=1)
    assert found.kills == 8 and found.runs >= 1 and found.rows == 160


@contextmanager
def small_disk(folder: Path, size: str, options: str = "") -> Iterator[None]:
    """A file system of its own, mounted on `folder`; the test is skipped where that is not allowed."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}{options}", "tmpfs", folder], capture_output=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a command says that exits with 2; one sentence."""
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    said = capsys.readouterr().err
    assert stop.value.code == 2, said
    sentence = said.strip().splitlines()[-1]
    assert "Traceback" not in said and sentence.endswith(".")
    return sentence


def test_a_full_disk_is_one_sentence_and_the_run_goes_on_when_there_is_space(
    long_dataset: Path, small_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["attack", long_dataset, "--network", small_weights, "--per-subject", 24, *QUICK]
    with pytest.raises(SystemExit) as stop:
        main([*map(str, given), "--out", str(tmp_path / "whole")])
    assert not stop.value.code
    with small_disk(tmp_path / "disk", "1m"):
        filler = tmp_path / "disk" / "filler"
        part = (tmp_path / "whole" / "results" / "part-00000.parquet").stat().st_size
        filler.write_bytes(bytes((1 << 20) - 2 * part - (64 << 10)))
        run = tmp_path / "disk" / "run"
        sentence = refused(capsys, *given, "--out", run)
        assert "free some space and run again" in sentence and str(run) in sentence, sentence
        there = open_run(run)
        assert 0 < rows_on_disk(run) < 96 and not there.complete and not list(run.rglob(".tmp-*"))
        assert "free some space" in refused(capsys, "resume", run), "nothing is damaged by trying again"
        filler.unlink()
        with pytest.raises(SystemExit) as stop:
            main(["resume", str(run)])
        assert not stop.value.code
        assert_same_run(open_run(run), open_run(tmp_path / "whole"))


def test_a_folder_to_read_only_is_one_sentence(
    long_dataset: Path, small_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["attack", long_dataset, "--network", small_weights, "--per-subject", 4, *QUICK]
    with small_disk(tmp_path / "disk", "1m"):
        (tmp_path / "disk" / "empty").mkdir()
        subprocess.run(["mount", "-o", "remount,ro", tmp_path / "disk"], check=True)
        assert "cannot be" in refused(capsys, *given, "--out", tmp_path / "disk" / "run")
        for more in ([], ["--resume"]):
            sentence = refused(capsys, *given, "--out", tmp_path / "disk" / "empty", *more)
            assert str(tmp_path / "disk" / "empty") in sentence and "cannot be written" in sentence


def damaged(source: Path, folder: Path, picture: int, row: int) -> Dataset:
    """A copy of a dataset in which one picture has a wrong byte, and another's row of the index leads nowhere."""
    data = open_dataset(shutil.copytree(source, folder))
    path = folder / data.info["shards"][int(data.column("shard")[picture])]["file"]
    content = bytearray(path.read_bytes())
    content[int(data.column("offset")[picture]) + 5] ^= 255
    path.write_bytes(content)
    index = pq.read_table(folder / "index.parquet")
    offsets = index["offset"].to_pylist()
    offsets[row] = 10**12
    column = index.column_names.index("offset")
    pq.write_table(index.set_column(column, index.schema.field("offset"), [offsets]), folder / "index.parquet")
    return data


def test_damaged_pictures_have_rows_that_say_so_and_the_sweep_goes_on(long_dataset: Path, tmp_path: Path) -> None:
    rows = SELECTION.rows(open_dataset(long_dataset), SETTINGS.seed)
    victim, torn = int(rows[3]), int(rows[40])
    broken = damaged(long_dataset, tmp_path / "data", victim, torn)
    run = attack_dataset(toy(), tmp_path / "data", SETTINGS, tmp_path / "run", selection=SELECTION)
    whole = attack_dataset(toy(), long_dataset, SETTINGS, tmp_path / "whole", selection=SELECTION)
    assert run.complete and run.info["failed"] == 2
    bad = run.rows(outcome="unreadable input")["sample_id"].tolist()
    assert sorted(bad) == sorted(broken.column("sample_id")[[victim, torn]].tolist())
    others = [row for row in run.table().to_pylist() if row["sample_id"] not in bad]
    expected = [row for row in whole.table().to_pylist() if row["sample_id"] not in bad]
    assert [row["error_best_mm"] for row in others] == pytest.approx([row["error_best_mm"] for row in expected])


class NotANumber(ToyNetwork):
    """Predicts nothing on one picture."""

    victim: int = 0

    def predict(self, frames: Tensor) -> Tensor:
        hit = torch.tensor([one == self.victim for one in sums(frames)])
        return torch.where(hit[:, None, None], torch.nan, super().predict(frames))


def test_a_sample_that_gives_no_numbers_has_a_row_that_says_so_and_the_exit_code_tells(
    long_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = open_dataset(long_dataset)
    row = SELECTION.rows(data, SETTINGS.seed)[33:34]
    network = NotANumber(statistics=ToyStatistics())
    network.victim = sums(torch.from_numpy(data.read(row)).float() / 255)[0]
    monkeypatch.setattr(source, "open_network", lambda name: network)
    with pytest.raises(SystemExit) as stop:
        main(["attack", str(long_dataset), "--per-subject", "40", "--out", str(tmp_path / "run"), *QUICK])
    assert stop.value.code == 1
    run = open_run(tmp_path / "run")
    assert run.complete and run.info["failed"] == 1
    lost = run.rows(outcome="not finite")
    assert set(lost["sample_id"].tolist()) == set(data.column("sample_id")[row].tolist())
    assert lost["setting"].tolist() == ["paper"] and run.table().num_rows == 160
