"""Shards: each does its share, and together they are the run that an undivided sweep gives."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fixtures.sweeps import assert_same_run, facts_that_decide
from fixtures.toys import LayeredDataset, ToyNetwork, ToyStatistics
from turncoat.engine import AttackSettings, attack_dataset, open_run
from turncoat.engine.cli import main
from turncoat.engine.runs import Run, RunWriter
from turncoat.engine.sweep import Selection, Shard, merge_shards, plan
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data import Dataset

FEW = Selection(groups=("everyday",), per_subject=3)
SETTINGS = AttackSettings(
    attacks=("paper", "colours-0.1"), iterations=8, colour_iterations=4, draws=2, threshold_mm=60,
    step_size={"paper": 0.5}, batch=2,
)  # fmt: skip


def swept(data: Dataset, out: Path, settings: AttackSettings = SETTINGS, **more: Any) -> Run:
    network = ToyNetwork(statistics=ToyStatistics())
    return attack_dataset(network, data, settings, out, **{"selection": FEW, **more})


@pytest.fixture(scope="module")
def layered(tiny_dataset: Path) -> Dataset:
    return LayeredDataset(tiny_dataset)


@pytest.fixture(scope="module")
def made(layered: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run of six parts, and the same in four shards. Copy it to change it."""
    folder = tmp_path_factory.mktemp("shards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "PART", 2)
        swept(layered, folder / "whole")
        for number in range(1, 5):
            swept(layered, folder / f"shard-{number}", shard=Shard(number, 4))
    return folder


def shards(made: Path) -> list[Path]:
    return [made / f"shard-{number}" for number in (3, 1, 4, 2)]  # in any order


def test_a_shard_does_its_parts_and_says_which_it_is(made: Path) -> None:
    names = [sorted(path.name for path in (made / f"shard-{n}" / "results").iterdir()) for n in range(1, 5)]
    assert [len(one) for one in names] == [2, 2, 1, 1]
    whole = sorted(path.name for path in (made / "whole" / "results").iterdir())
    assert sorted(name for one in names for name in one) == whole and len(whole) == 6
    run = open_run(made / "shard-2")
    assert run.info["status"] == "shard 2 of 4 complete" and not run.complete
    assert run.info["selection"] == open_run(made / "whole").info["selection"]


def test_merged_shards_are_the_undivided_run(made: Path, tmp_path: Path) -> None:
    merged, whole = merge_shards(tmp_path / "run", shards(made)), open_run(made / "whole")
    assert merged.complete
    assert_same_run(merged, whole)
    assert facts_that_decide(merged) == facts_that_decide(whole)
    speeds = [open_run(shard).info["attacks"]["paper"].get("frames_per_s") or 0 for shard in shards(made)]
    assert merged.info["attacks"]["paper"]["frames_per_s"] == pytest.approx(sum(speeds), abs=0.01)


def test_a_merge_that_was_killed_goes_on_and_a_second_one_changes_nothing(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    saved = RunWriter.save
    calls: list[int] = []

    def killed(self: RunWriter, **changes: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        saved(self, **changes)

    monkeypatch.setattr(RunWriter, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        merge_shards(out, shards(made))
    monkeypatch.undo()
    (out / "results" / "part-00003.parquet").unlink()
    assert not open_run(out).complete
    merge_shards(out, shards(made))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    merge_shards(out, shards(made)[::-1])
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert_same_run(open_run(out), open_run(made / "whole"))


def test_more_shards_than_parts_leave_some_empty(layered: Dataset, tmp_path: Path) -> None:
    whole = swept(layered, tmp_path / "whole")  # two parts
    folders = [tmp_path / f"shard-{number}" for number in (1, 2, 3)]
    for number, folder in enumerate(folders, start=1):
        swept(layered, folder, shard=Shard(number, 3))
    assert open_run(folders[2]).table().num_rows == 0
    assert_same_run(merge_shards(tmp_path / "run", folders), whole)


def refused(tmp_path: Path, folders: list[Path]) -> str:
    with pytest.raises((ConfigError, DataError)) as caught:
        merge_shards(tmp_path / "run", folders)
    assert not (tmp_path / "run").exists()
    return str(caught.value)


def test_shards_that_are_not_there_or_twice_there_are_named(made: Path, tmp_path: Path) -> None:
    assert "Shards 2, 4 of 4 are not given" in refused(tmp_path, [made / "shard-1", made / "shard-3"])
    assert "both shard 1 of 4" in refused(tmp_path, [*shards(made), made / "shard-1"])
    assert "a whole run, not a shard" in refused(tmp_path, [made / "whole"])
    assert "not a run" in refused(tmp_path, [tmp_path / "nowhere"])
    assert "No shard" in refused(tmp_path, [])


def test_a_shard_that_is_not_complete_is_named(made: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made / "shard-1", tmp_path / "shard-1"))
    next((copy / "results").iterdir()).unlink()
    said = refused(tmp_path, [copy, *(made / f"shard-{number}" for number in (2, 3, 4))])
    assert "lacks 1 of its 2 parts" in said and f"turncoat resume {copy}" in said


def test_a_damaged_part_is_not_merged(made: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made / "shard-1", tmp_path / "shard-1"))
    part = sorted((copy / "results").iterdir())[0]
    part.write_bytes(part.read_bytes()[:200])
    with pytest.raises(DataError, match=part.name):
        merge_shards(tmp_path / "run", [copy, *(made / f"shard-{number}" for number in (2, 3, 4))])
    assert not (tmp_path / "run" / "results" / part.name).exists()


@pytest.mark.parametrize(
    "where, value, words",
    [
        (("settings", "threshold_mm"), 61.0, "settings threshold_mm (60.0 and 61.0)"),
        (("generator", "weights_hash"), "other", "generator weights_hash ('toy-2000' and 'other')"),
        (("selection", "sample_ids_hash"), "other", "selection sample_ids_hash"),
        (("attacks", "paper", "step_size"), 0.7, "attacks paper step_size (0.5 and 0.7)"),
    ],
)
def test_shards_of_different_sweeps_are_refused_with_the_difference(
    made: Path, tmp_path: Path, where: tuple[str, ...], value: Any, words: str
) -> None:
    copy = Path(shutil.copytree(made / "shard-2", tmp_path / "shard-2"))
    info = json.loads((copy / "run.json").read_text())
    inner = info
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    (copy / "run.json").write_text(json.dumps(info))
    assert words in refused(tmp_path, [made / "shard-1", copy, made / "shard-3", made / "shard-4"])


def test_a_shard_is_not_gone_on_with_as_another_or_as_a_whole(
    made: Path, layered: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "PART", 2)
    for other in (None, Shard(3, 4)):
        with pytest.raises(ConfigError, match="another shard"):
            swept(layered, made / "shard-2", resume=True, shard=other)
    with pytest.raises(ConfigError, match="another shard"):
        swept(layered, made / "whole", resume=True, shard=Shard(1, 4))


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "2", "1/2/3", "a/b", "-1/4", ""])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="like 2/4"):
        Shard.parse(text)
    assert Shard.parse("2/4") == Shard(2, 4)


def test_the_commands_make_and_merge_shards(
    tiny_dataset: Path, small_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [str(tiny_dataset), "--network", str(small_weights), "--attack", "paper", "--iterations", "2",
              "--step-size", "0.5", "--per-subject", "2", "--judge", "none"]  # fmt: skip
    folders = [str(tmp_path / f"shard-{number}") for number in (1, 2)]

    def command(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stop:
            main(list(words))
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out + captured.err

    for number, folder in enumerate(folders, start=1):
        code, said = command("attack", *common, "--out", folder, "--shard", f"{number}/2")
        assert code == 0 and f"shard {number} of 2 complete" in said
    code, said = command("merge", str(tmp_path / "run"), folders[0])
    assert code == 2 and said.count("\n") == 1 and "Shard 2 of 2 is not given" in said
    assert command("merge", str(tmp_path / "run"), *folders)[0] == 0
    assert command("attack", *common, "--out", str(tmp_path / "whole"))[0] == 0
    assert_same_run(open_run(tmp_path / "run"), open_run(tmp_path / "whole"))
    code, said = command("attack", *common, "--out", str(tmp_path / "odd"), "--shard", "3/2")
    assert code == 2 and said.count("\n") == 1 and not (tmp_path / "odd").exists()
