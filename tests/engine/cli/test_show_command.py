"""`turncoat show` and `turncoat runs`: which row is meant, what the picture shows, what is listed, what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fixtures.fake_run import write_fake_run
from fixtures.toys import LayeredDataset, ToyNetwork, ToyStatistics
from turncoat.engine.attack import AttackSettings
from turncoat.engine.cli import main
from turncoat.engine.report.pictures import Sources
from turncoat.engine.report.sample import draw_sample, find_sample
from turncoat.engine.runs import Run
from turncoat.engine.runs.listing import list_runs
from turncoat.engine.runs.lock import RunLock
from turncoat.engine.sweep import Selection, attack_dataset
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data import Dataset, open_dataset


@pytest.fixture(scope="module")
def dataset(tiny_dataset: Path) -> Dataset:
    return open_dataset(tiny_dataset)


@pytest.fixture(scope="module")
def fake(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_fake_run(tmp_path_factory.mktemp("fake") / "run", dataset)


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main([str(argument) for argument in arguments])
    return int(exit_info.value.code or 0)


def test_the_strongest_was_fooled_in_the_fewest_iterations(fake: Run) -> None:
    rows = fake.rows(attack="appearance", setting="paper", outcome="fooled")
    strongest, third = (find_sample(fake, name, "paper") for name in ("strongest", "#3"))
    assert strongest.rank == 1 and third.rank == 3 and find_sample(fake, "3", "paper") == third
    assert strongest.row["iterations"] == rows["iterations"].min()
    weakest = find_sample(fake, "weakest", "paper")
    assert weakest.rank == weakest.of == len(fake.select(attack="appearance", setting="paper", outcome=_ATTACKED))
    by_id = find_sample(fake, strongest.row["sample_id"], "paper")
    assert by_id.index == strongest.index and by_id.row["attack"] == "appearance"
    assert strongest.beside["random direction"] > 0 and set(strongest.beside) >= {"same subject", "other subjects"}
    assert find_sample(fake, "median").row["setting"] == "natural", "natural unless another one is asked for"


_ATTACKED = ["fooled", "iterations used up", "zero gradient"]


def test_a_sample_that_was_not_attacked_has_no_rank(fake: Run) -> None:
    past = fake.rows(setting="paper", outcome="past the threshold before the attack")["sample_id"][0]
    found = find_sample(fake, past, "paper")
    assert found.rank is None and found.row["outcome"] == "past the threshold before the attack"


def test_what_is_not_there(fake: Run, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no frame under the setting 'free'; it has colours-0\.1, natural, paper"):
        find_sample(fake, "1", "free")
    with pytest.raises(DataError, match="no sample 'S9'"):
        find_sample(fake, "S9")
    with pytest.raises(ConfigError, match="number 999, and"):
        find_sample(fake, "#999")
    with pytest.raises(ConfigError, match="number 0, and"):
        find_sample(fake, "0")


def test_the_picture_is_of_codes_or_of_colours(tiny_dataset: Path, tmp_path: Path) -> None:
    layered, network = LayeredDataset(tiny_dataset), ToyNetwork(statistics=ToyStatistics())
    settings = AttackSettings(
        attacks=("paper", "colours-0.1"), iterations=5, colour_iterations=2, draws=2, threshold_mm=60, step_size=1.0
    )
    run = attack_dataset(network, layered, settings, tmp_path / "run", selection=Selection(per_subject=1))
    for setting, generator in (("paper", network), ("colours-0.1", None)):
        file = tmp_path / f"{setting}.png"
        draw_sample(run, find_sample(run, "strongest", setting), Sources(layered, generator, ""), file)
        picture = np.asarray(Image.open(file).convert("RGB")).astype(int)
        assert picture.shape == (1068, 1320, 3)
        grey = (np.abs(picture[130:400, 1010:1290] - 128).max(axis=-1) < 3).mean()
        assert grey > 0.3, "upper right: the difference, mostly none"
        assert (np.abs(picture[450:1060, :990] - 247).max(axis=-1) > 20).mean() > 0.01, "below: skeletons"


def test_weights_and_data_that_are_gone_are_one_sentence(
    fake: Run, tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(fake.folder, tmp_path / "run"))
    info = json.loads((run / "run.json").read_text())
    info["dataset"]["fingerprint"] = "tiny"
    info["generator"] |= {"name": "mine", "path": "weights/mine.safetensors"}
    (run / "run.json").write_text(json.dumps(info))
    assert command("show", run, "1") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "mine was at weights/mine.safetensors" in said and "--weights" in said
    info["dataset"]["folder"] = str(tmp_path / "gone")
    (run / "run.json").write_text(json.dumps(info))
    assert command("show", run, "1") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "which is not there" in said and "--data" in said
    assert command("show", run, "1", "--out", tmp_path / "a.jpg") == 2
    assert "ends in .png" in capsys.readouterr().err
    assert not (run / "show").exists()


def test_runs_are_listed_with_their_success(
    fake: Run, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "runs"
    shutil.copytree(fake.folder, root / "deep" / "first")
    write_fake_run(root / "second", dataset, settings=("natural",), per_subject=3, controls=False, finish=False)
    (root / "training").mkdir()
    (root / "training" / "run.json").write_text('{"kind": "training"}')
    assert command("runs", root, "--json") == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first["folder"] == str(root / "deep" / "first") and first["status"] == "complete"
    assert second["status"] == "not finished" and second["generator"] == "nsd"
    assert first["rows"] == len(fake.table()) and first["frames"] == fake.info["selection"]["frames"]
    rows = fake.rows(attack="appearance", setting="paper", outcome=_ATTACKED)
    share = float((rows["outcome"] == "fooled").mean())
    assert first["settings"]["paper"]["share"] == pytest.approx(share)
    assert list(first["settings"]) == ["paper", "natural", "colours-0.1"]
    lock = RunLock.take(root / "second")
    assert command("runs", root, "--json") == 0
    assert [one["status"] for one in json.loads(capsys.readouterr().out)] == ["complete", "running"]
    lock.release()
    assert command("runs", root) == 0
    printed = capsys.readouterr().out
    assert "complete" in printed and f"paper {share:.0%}" in printed


def test_damaged_runs_are_listed_as_such(fake: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("cut", "lost", "odd", "other", "whole"):
        shutil.copytree(fake.folder, tmp_path / name)
    part = tmp_path / "cut" / "results" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:100])
    (tmp_path / "lost" / "run.json").unlink()
    (tmp_path / "odd" / "run.json").write_text('{"format": 1, "kind": "attack", "status": "complete"}')
    (tmp_path / "other" / "run.json").write_text("{")
    found = {Path(one.folder).name: one for one in list_runs(tmp_path)}
    assert {name: one.status for name, one in found.items()} == {
        "cut": "damaged", "lost": "damaged", "odd": "damaged", "other": "damaged", "whole": "complete",
    }  # fmt: skip
    assert "part-00000.parquet cannot be read" in found["cut"].why and found["cut"].generator == "nsd"
    assert "has no run.json" in found["lost"].why and "cannot be read" in found["other"].why
    assert command("runs", tmp_path) == 1
    captured = capsys.readouterr()
    assert captured.out.count(" damaged ") == 4 and captured.err.count("warning: ") == 4


def test_a_folder_without_runs_and_none_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("runs", tmp_path) == 0
    assert "There are no runs below" in capsys.readouterr().out
    assert command("runs", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert command("runs", tmp_path / "nowhere") == 2
    assert "There is no folder" in capsys.readouterr().err
