"""--device of every command that computes: all layers run there, and a device that is not there is one sentence."""

import json

import pytest
import torch

from fixtures.lively import STEP_SIZES, lively
from fixtures.pretended import PretendedGPU
from fixtures.tiny import write_tiny_dataset
from turncoat.engine import reproduce as reproducing
from turncoat.engine.cli import main
from turncoat.training.checkpoint import save_network
from turncoat.training.data import open_dataset
from turncoat.training.evaluate import EvaluationSettings
from turncoat.training.label_study import LabelStudySettings
from turncoat.training.pose_regressor import RegressorSettings

pytestmark = pytest.mark.usefixtures("quick_probes")

COMMANDS = {
    "fit-regressor": ["NET", "--data", "DATA", "--out", "OUT", "--steps", 2, "--set", "hidden=8", "--set", "batch=16"],
    "evaluate": ["NET", "--data", "DATA", "--split", "held-out", "--poses", 6, "--pictures", 3, "--ceiling", "NET2"],
    "labels": ["NET", "--data", "DATA", "--steps", 2, "--fraction", 1, "--draws", 1, "--frames", 4,
               "--set", "regressor.hidden=8", "--set", "regressor.batch=16", "--set", "intervals=5"],
    "trend": ["RUN", "--data", "DATA", "--frames", 4],
    "step-size": ["NET", "--data", "DATA", "--frames", 2, "--iterations", 2, "--dry-run", "--precision", "float32"],
    "tables": ["NET", "--data", "DATA", "--out", "OUT", "--setting", "paper", "--per-subject", 1, "--iterations", 2,
               "--precision", "float32"],
    "compare": ["NET", "NET3", "--data", "DATA", "--setting", "paper", "--per-subject", 1, "--iterations", 2,
                "--precision", "float32"],
    "reproduce": ["nsd", "--data", "DATA", "--out", "OUT"],
}  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A dataset with enough frames for statistics of codes, two networks, and the folder of a training run."""
    folder = tmp_path_factory.mktemp("places")
    dataset = open_dataset(write_tiny_dataset(folder / "data", instants=12))
    (folder / "run" / "snapshots").mkdir(parents=True)
    for name, paints in (("net", "person"), ("net2", "nothing"), ("net3", "person"), ("run/network", "person")):
        save_network(
            folder / f"{name}.safetensors",
            lively(paints, dataset),
            {"method": "nsd", "images": 10, "attack_step_size": STEP_SIZES},
        )
    return {"DATA": folder / "data", "NET": folder / "net.safetensors", "NET2": folder / "net2.safetensors",
            "NET3": folder / "net3.safetensors", "RUN": folder / "run"}  # fmt: skip


def run(capsys, command, places, tmp_path, *more):
    known = {**places, "OUT": tmp_path / "out"}
    words = [str(known.get(word, word)) for word in COMMANDS[command]]
    threads = [] if command in ("step-size", "tables", "compare") else ["--threads", "1"]
    with pytest.raises(SystemExit) as stop:
        main([command, *words, *threads, *map(str, more)])
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


def numbers(document):
    """What a command measured, one number after the other, without the names of files."""
    if isinstance(document, dict):
        return [number for name in sorted(document.keys() - {"network"}) for number in numbers(document[name])]
    if isinstance(document, list):
        return [number for each in document for number in numbers(each)]
    return [document] if isinstance(document, int | float) else []


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"reproduce", "tables"}))
def test_everything_runs_where_it_is_told_to_and_says_the_same(command, places, tmp_path, capsys):
    code, here, err = run(capsys, command, places, tmp_path, "--json", "--device", "cpu")
    assert code == 0, err
    (tmp_path / "out").unlink(missing_ok=True)
    with PretendedGPU() as gpu:
        code, there, err = run(capsys, command, places, tmp_path, "--json", "--device", "cuda")
    assert code == 0, err
    assert gpu.ran("conv2d") == {"cuda"} and gpu.ran("linear") == {"cuda"}
    here, there = numbers(json.loads(here)), numbers(json.loads(there))
    assert len(here) > 5 and there == pytest.approx(here, rel=1e-5)


def test_reproduce_passes_it_on_to_every_stage(places, tmp_path, capsys, monkeypatch):
    """Training, which reads in threads that are not pretended to, is only asked where it would run."""
    few, asked, fit = {"steps": 2, "batch": 64, "hidden": 8}, [], reproducing.fit
    monkeypatch.setattr(reproducing, "FITTED", RegressorSettings(**few))
    monkeypatch.setattr(reproducing, "MEASURED", EvaluationSettings(poses=6, pictures=3, draws=5))
    monkeypatch.setattr(reproducing, "STUDIED", LabelStudySettings(regressor=few, draws=1, frames=8, intervals=5))
    load, quick = reproducing.AttackSettings.load, {"step_size_frames": 2, "step_size_iterations": 2}
    monkeypatch.setattr(reproducing.AttackSettings, "load", lambda path, given: load(path, {**given, **quick}))

    def trained(*given, device, **more):
        asked.append(device)
        result = fit(*given, device="cpu", **more)
        gpu.work.clear()
        return result

    monkeypatch.setattr(reproducing, "fit", trained)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    weak = reproducing.ATTACKED.model_copy(update={"iterations": 2, "draws": 2, "precision": "float32"})
    monkeypatch.setattr(reproducing, "ATTACKED", weak)
    small = ["--images", 16, "--frames", 2]
    with PretendedGPU() as gpu:
        code, _, err = run(capsys, "reproduce", places, tmp_path, *small, "--device", "cuda")
    assert code == 0, err
    assert asked == ["cuda"] and gpu.ran("conv2d") == gpu.ran("linear") == {"cuda"}
    card = json.loads((tmp_path / "out" / "nsd" / "nsd.json").read_text())
    assert card["evaluation"] and card["labels"] and card["trend"] and len(card["attacks"]) == 2


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_device_that_is_not_there_is_refused_before_any_work(command, places, tmp_path, capsys):
    for device in ("toaster", *(() if torch.cuda.is_available() else ("cuda",))):
        code, out, err = run(capsys, command, places, tmp_path, "--device", device)
        said = " ".join(err.replace("\n", " ").split())
        assert code == 2 and out == "" and f"device is '{device}'" in said and "choose cpu" in said
        assert not (tmp_path / "out").exists()
