"""A run is gone on with from its folder alone: same networks, frames and settings, or a sentence that says why not."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from fixtures.lively import lively
from fixtures.sweeps import QUICK, assert_same_run
from fixtures.toys import ToyNetwork, ToyStatistics
from turncoat.engine import AttackSettings, attack_dataset, open_run
from turncoat.engine.cli import main
from turncoat.engine.runs import Run
from turncoat.engine.sweep import Selection, resume_run
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.checkpoint import load_network, save_network
from turncoat.training.data import open_dataset


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def made(long_dataset: Path, small_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of dataset and weights, and a run of two parts on them, of one subject and with a target and a judge."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(long_dataset, folder / "data")
    shutil.copy(small_weights, folder / "small.safetensors")
    other = lively("person", open_dataset(long_dataset), seed=1)
    save_network(folder / "other.safetensors", other, {"name": "other"}, statistics=other.statistics)
    quick = QUICK[: QUICK.index("--judge")] + QUICK[QUICK.index("--judge") + 2 :]
    code = command(
        "attack", folder / "data", "--network", folder / "small.safetensors", "--target", folder / "other.safetensors",
        "--judge", folder / "small.safetensors", "--out", folder / "run", "--subject", "S2", "--per-subject", 40,
        *quick, "--group", "everyday",
    )  # fmt: skip
    assert code == 0 and open_run(folder / "run").info["parts"] == 2
    return folder


@pytest.fixture
def killed(made: Path, tmp_path: Path) -> Path:
    """The run without its last part, as if it had been killed, beside copies of all that it needs."""
    folder = Path(shutil.copytree(made, tmp_path / "made"))
    text = (folder / "run" / "run.json").read_text().replace(str(made), str(folder))
    (folder / "run" / "run.json").write_text(text.replace('"complete"', '"running"'))
    (folder / "run" / "results" / "part-00001.parquet").unlink()
    return folder


def test_a_killed_run_is_gone_on_with_from_its_folder_alone(
    killed: Path, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("resume", killed / "run", "--device", "cpu", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["status"] == "complete" and document["attacks"]["natural"]["rows"] == 40
    assert_same_run(open_run(killed / "run"), open_run(made / "run"))
    said = open_run(killed / "run").info
    assert said["selection"] == open_run(made / "run").info["selection"] and said["target"]["name"] == "other"


def refused(folder: Path, **options: Any) -> str:
    before = (folder / "run.json").read_bytes()
    with pytest.raises((ConfigError, DataError)) as caught:
        resume_run(folder, **options)
    assert (folder / "run.json").read_bytes() == before
    return str(caught.value)


@pytest.mark.parametrize("role, name", [("generator", "small"), ("target", "other")])
def test_weights_that_have_changed_are_refused(killed: Path, role: str, name: str) -> None:
    path = killed / f"{name}.safetensors"
    network = load_network(path)
    with torch.no_grad():
        next(network.parameters()).add_(1)
    save_network(path, network, network.metadata, statistics=network.statistics)
    assert f"The weights of the {role} at {path} have changed" in refused(killed / "run")
    os.rename(path, killed / "elsewhere.safetensors")
    assert str(path) in refused(killed / "run")


def test_a_dataset_that_has_moved_is_asked_for_and_another_one_refused(
    killed: Path, made: Path, tiny_dataset: Path
) -> None:
    os.rename(killed / "data", killed / "moved")
    assert "say where it is with --data" in refused(killed / "run")
    info = killed / "moved" / "dataset.json"
    text = info.read_text()
    info.write_text(text.replace('"fingerprint": "tiny"', '"fingerprint": "torn"'))
    assert "dataset fingerprint ('tiny', now 'torn')" in refused(killed / "run", data=killed / "moved")
    info.write_text(text)
    assert_same_run(resume_run(killed / "run", data=killed / "moved"), open_run(made / "run"))


def test_settings_that_were_edited_are_refused_where_this_version_knows_them_not(killed: Path) -> None:
    file = killed / "run" / "run.json"
    info = json.loads(file.read_text())
    info["settings"]["colour_of_the_sky"] = 3
    file.write_text(json.dumps(info))
    assert "colour_of_the_sky" in refused(killed / "run")
    info["settings"] = None
    del info["settings"]
    file.write_text(json.dumps(info))
    assert "does not say how it was made" in refused(killed / "run")


def test_a_run_of_networks_that_lie_in_no_file_cannot_be_found_again(long_dataset: Path, tmp_path: Path) -> None:
    settings = AttackSettings(attacks=("paper",), iterations=1, step_size=1.0, controls=False, judge=None)
    toy = ToyNetwork(statistics=ToyStatistics())
    attack_dataset(toy, long_dataset, settings, tmp_path / "run", selection=Selection(per_subject=1))
    assert "came from no file" in refused(tmp_path / "run")


def test_a_shard_is_gone_on_with_as_that_shard(
    long_dataset: Path, small_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["attack", long_dataset, "--network", small_weights, "--per-subject", "20", *QUICK]
    assert command(*given, "--out", tmp_path / "shard", "--shard", "1/2") == 0
    done: Run = open_run(tmp_path / "shard")
    expected = done.table()
    sorted((tmp_path / "shard" / "results").iterdir())[-1].unlink()
    assert command("resume", tmp_path / "shard") == 0
    assert "shard 1 of 2 complete" in capsys.readouterr().out
    again = open_run(tmp_path / "shard").table()
    assert again["sample_id"].to_pylist() == expected["sample_id"].to_pylist()
    assert again["outcome"].to_pylist() == expected["outcome"].to_pylist()


def test_what_is_no_run_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("resume", tmp_path) == 2
    said = capsys.readouterr().err
    assert "not a run" in said and said.count("\n") == 1
