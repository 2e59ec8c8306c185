"""Bad input to the commands that make data and networks: one sentence on standard error, no bar, exit code 2."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import torch

from fixtures.tiny import write_tiny_dataset
from turncoat.engine.cli import main
from turncoat.training.checkpoint import save_network, write_tensors
from turncoat.training.networks import Disentangled, preset
from turncoat.training.statistics import AppearanceStatistics

SMALL = ["--set", "network.frame_size=32", "--set", "network.crop_size=16", "--threads", "1"]
LITTLE = ["--images", "8", "--batch", "8", *SMALL]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Untrained networks on disk: `fits` the tiny dataset, `large` has frames of 128, `wild` has codes past float32."""
    torch.manual_seed(2)  # not any network past float32 says so: sigmoids of minus infinity are 0
    folder = tmp_path_factory.mktemp("weights")
    statistics = AppearanceStatistics(torch.zeros(128), torch.eye(128), mean_radius=11.0, radius_p99=14.0)
    shape = {"crop_size": 16, "regressor_hidden": 16}
    for name, changes in (("fits", {"frame_size": 32}), ("large", {"frame_size": 128}), ("wild", {"frame_size": 32})):
        network = Disentangled(preset("studio", **changes, **shape))
        network.add_regressor()
        if name == "wild":
            for module in network.encoder.modules():
                if isinstance(module, torch.nn.Linear):
                    module.weight.data.fill_(3e38)
        save_network(folder / f"{name}.safetensors", network.eval(), {"method": "none"}, statistics=statistics)
    header = {"format": 1, "kind": "network", "settings": preset("paper").model_dump(mode="json"), "regressor": False}
    write_tensors(folder / "paper.safetensors", {"one": torch.zeros(1)}, header | {"metadata": {}})
    return folder


@pytest.fixture
def refused(capsys):
    """Run a command; it must be refused in one sentence, which is returned."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert stop.value.code == 2, err
        assert out == "" and len(err.splitlines()) == 1, err
        return err

    return run


def test_an_unknown_preset_or_recipe_of_a_dataset(refused, tmp_path):
    assert "there is no preset 'huge'" in refused("render", "--out", tmp_path / "data", "--preset", "huge")
    assert "there is no recipe 'odd'" in refused("render", "--out", tmp_path / "data", "--recipe", "odd")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b""])
def test_a_damaged_description_of_a_dataset(refused, tmp_path, content):
    (tmp_path / "dataset.json").write_bytes(content)
    said = refused("render", "--out", tmp_path, "--preset", "demo")
    assert f"{tmp_path / 'dataset.json'} is damaged" in said and "render again" in said
    assert (tmp_path / "dataset.json").read_bytes() == content


def test_weights_for_frames_of_another_size(refused, weights, tiny_dataset, tmp_path):
    large = weights / "large.safetensors"
    for command in (
        ["evaluate", large, "--data", tiny_dataset],
        ["fit-regressor", large, "--data", tiny_dataset, "--out", tmp_path / "net.safetensors"],
        ["attack", tiny_dataset, "--network", large, "--out", tmp_path / "run", "--per-subject", "1"],
    ):
        assert "32 pixels wide and the network's 128" in refused(*command)
    assert not list(tmp_path.iterdir())


def test_training_from_weights_of_another_preset(refused, weights, tiny_dataset, tmp_path):
    start = ["--init", weights / "paper.safetensors"]
    said = refused("train", "nsd", "--data", tiny_dataset, "--out", tmp_path / "run", *LITTLE, *start)
    assert "weights of preset 'paper', expected 'studio'" in said


def test_a_damaged_picture_ends_training_and_is_named(refused, tiny_dataset, tmp_path):
    data = Path(shutil.copytree(tiny_dataset, tmp_path / "data"))
    for part in data.glob("frames-*.bin"):
        part.chmod(0o644)
        part.write_bytes(bytes(byte ^ 0xFF for byte in part.read_bytes()))
    said = refused("train", "nsd", "--data", data, "--out", tmp_path / "run", *LITTLE)
    assert "cannot be read" in said and re.search(r"S[12]-(walk|wave|jump)-a-room-\d{4}-c[0-3]", said)


def test_codes_that_are_not_finite(weights, tmp_path, capsys):
    """Known only once the encoder has run, so there is a bar above the sentence."""
    data = write_tiny_dataset(tmp_path / "longer", instants=12)  # enough frames for statistics of codes
    given = ["--data", data, "--out", tmp_path / "net.safetensors", "--set", "batch=32"]
    with pytest.raises(SystemExit) as stop:
        main(["fit-regressor", str(weights / "wild.safetensors"), *map(str, given)])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and "Traceback" not in said, said
    assert said.splitlines()[-1].startswith("A code is NaN or infinite")
    assert not (tmp_path / "net.safetensors").exists()


@pytest.mark.parametrize("command", ["render", "train", "fit-regressor", "evaluate", "attack"])
def test_an_output_in_what_is_a_file(refused, weights, tiny_dataset, tmp_path, command):
    """Nobody can write there, the superuser neither."""
    (tmp_path / "file").write_text("mine")
    out, fits = tmp_path / "file" / "out", weights / "fits.safetensors"
    arguments = {
        "render": ["--preset", "demo"],
        "train": ["nsd", "--data", tiny_dataset, *LITTLE],
        "fit-regressor": [fits, "--data", tiny_dataset],
        "evaluate": [fits, "--data", tiny_dataset],
        "attack": [tiny_dataset, "--network", fits, "--per-subject", "1"],
    }
    said = refused(command, *arguments[command], "--out", out)
    assert str(out) in said and "cannot be" in said
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("command", ["fit-regressor", "evaluate", "card", "render", "train"])
def test_an_output_without_permission(refused, weights, tiny_dataset, tmp_path, monkeypatch, command):
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    fits = weights / "fits.safetensors"
    arguments = {
        "fit-regressor": ["fit-regressor", fits, "--data", tiny_dataset, "--out", tmp_path / "net.safetensors"],
        "evaluate": ["evaluate", fits, "--data", tiny_dataset, "--out", tmp_path / "numbers.json"],
        "card": ["evaluate", fits, "--data", tiny_dataset, "--card"],
        "render": ["render", "--preset", "demo", "--out", tmp_path / "data"],
        "train": ["train", "nsd", "--data", tiny_dataset, "--out", tmp_path / "run", *LITTLE],
    }
    assert "no permission" in refused(*arguments[command])


def test_a_file_that_is_there_already(refused, weights, tiny_dataset, tmp_path):
    (tmp_path / "net.safetensors").write_text("mine")
    given = ["--data", tiny_dataset, "--out", tmp_path / "net.safetensors"]
    assert "--overwrite" in refused("fit-regressor", weights / "fits.safetensors", *given)
    assert (tmp_path / "net.safetensors").read_text() == "mine"


def test_what_the_dataset_does_not_have(refused, weights, tiny_dataset, tmp_path):
    fits = weights / "fits.safetensors"
    assert "no split 'test'" in refused("evaluate", fits, "--data", tiny_dataset, "--split", "test")
    given = ["--data", tiny_dataset, "--out", tmp_path / "net.safetensors"]
    assert "S9" in refused("fit-regressor", fits, *given, "--subject", "S9")
    assert "labelled frames are too few" in refused("fit-regressor", fits, *given, "--fraction", "0.03")
    assert "too few for a covariance" in refused("fit-regressor", fits, *given)
    assert not list(tmp_path.iterdir())


def test_a_latency_of_a_batch_beyond_the_ladder(refused, tiny_bundle, tmp_path):
    out = tmp_path / "latency"
    error = refused("bench", "latency", tiny_bundle, "--batch", "1,3", "--out", out)
    assert "batch of 3 is longer than the ladder" in error and "--batch 1,2,3" in error
    assert not out.exists() or not list(out.iterdir())


def test_latencies_reach_as_far_as_the_ladder(capsys, tiny_bundle):
    measured = ["--backend", "torch-float32", "--calls", "5", "--seconds", "0.1"]
    with pytest.raises(SystemExit) as stop:
        main(["bench", "latency", str(tiny_bundle), *measured, "--json"])
    assert not stop.value.code
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["case"]["batch"] for row in rows} == {1}
