"""Training, killed and resumed, leaves no trace; a run is only continued as what it was begun as."""

import json
import os
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from turncoat.kernels import ConfigError, DataError
from turncoat.training.checkpoint import load_network, read_tensors
from turncoat.training.data import open_dataset
from turncoat.training.fit import FitSettings, fit
from turncoat.training.networks import preset
from turncoat.training.networks.encoder import OfficialEncoder
from turncoat.training.recipes import build_settings, recipe
from turncoat.training.training_state import TrainingState

SMALL = {"batch": 8, "threads": 1, "log_every": 2, "pictures_every": 4, "snapshot_images": 32}
SHAPE = preset("studio", frame_size=64, crop_size=32)


def settings(**changes):
    return FitSettings(**({"images": 64} | SMALL | changes))


@pytest.fixture(scope="module")
def dataset(tiny_dataset):
    return open_dataset(tiny_dataset)


def interrupt_at(images):
    def progress(done, total, **facts):
        if done >= images:
            os.kill(os.getpid(), signal.SIGTERM)

    return progress


def test_a_killed_and_resumed_run_equals_an_undisturbed_one_bit_for_bit(dataset, tmp_path):
    whole = fit(dataset, tmp_path / "whole", SHAPE, settings())
    first = fit(dataset, tmp_path / "parts", SHAPE, settings(), progress=interrupt_at(32))
    assert whole.done and not first.done and 0 < first.images < 64
    second = fit(dataset, tmp_path / "parts", SHAPE, settings(), resume=True)
    assert second.done and second.images == 64
    for name in ("training", "network"):
        a, _ = read_tensors(tmp_path / "whole" / f"{name}.safetensors", "training" if name == "training" else "network")
        b, _ = read_tensors(tmp_path / "parts" / f"{name}.safetensors", "training" if name == "training" else "network")
        assert a.keys() == b.keys()
        for key in a:
            assert torch.equal(a[key], b[key]), key
    steps = [json.loads(line)["step"] for line in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()]
    assert steps == [2, 4, 6, 8]


def test_a_run_writes_a_network_snapshots_and_its_settings(dataset, tmp_path):
    fit(dataset, tmp_path / "run", SHAPE, settings())
    network = load_network(tmp_path / "run")
    assert network.metadata["images"] == 64 and network.metadata["method"] == "nsd" and not network.has_regressor
    assert len(list((tmp_path / "run" / "snapshots").glob("*.safetensors"))) == 2
    assert list((tmp_path / "run").glob("events.*"))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["fit"]["images"] == 64


def test_the_loss_falls(dataset, tmp_path):
    fit(dataset, tmp_path / "run", SHAPE, settings(images=480, log_every=10, warmup=5))
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert np.mean(losses[-2:]) < 0.8 * losses[0]


def test_a_run_starts_from_other_weights(dataset, tmp_path):
    fit(dataset, tmp_path / "a", SHAPE, settings(images=16))
    start = load_network(tmp_path / "a")
    fit(dataset, tmp_path / "b", SHAPE, settings(images=8, init=str(tmp_path / "a"), learning_rate=1e-9, average=0.0))
    moved = load_network(tmp_path / "b")
    for name, value in start.named_parameters():
        assert torch.allclose(value, moved.get_parameter(name), atol=1e-6), name


def test_a_network_remembers_every_phase_of_its_training(dataset, tmp_path):
    fit(dataset, tmp_path / "a", SHAPE, settings(images=16), command="first")
    assert load_network(tmp_path / "a").metadata["phases"] == []
    fit(dataset, tmp_path / "b", SHAPE, settings(images=32, init=str(tmp_path / "a")), command="second")
    fit(dataset, tmp_path / "c", SHAPE, settings(images=8, init=str(tmp_path / "b")), command="third")
    known = load_network(tmp_path / "c").metadata
    assert [(phase["command"], phase["images"]) for phase in known["phases"]] == [
        ("first", 16),
        ("second", 32),
        ("third", 8),
    ]
    assert known["images"] == 56
    assert known["training_seconds"] == pytest.approx(sum(phase["seconds"] for phase in known["phases"]))


def test_a_gradient_that_is_not_finite_ends_training_and_spoils_no_checkpoint(dataset, tmp_path, monkeypatch):
    fit(dataset, tmp_path / "run", SHAPE, settings(images=64), progress=interrupt_at(16))
    before = read_tensors(tmp_path / "run" / "training.safetensors", "training")[0]
    update = TrainingState.update

    def poisoned(self, loss, chosen):
        norm = update(self, loss, chosen)
        with torch.no_grad():
            next(iter(self.network.parameters())).fill_(float("nan"))
        return norm * float("nan")

    monkeypatch.setattr(TrainingState, "update", poisoned)
    with pytest.raises(DataError, match="loss or its gradient is not finite"):
        fit(dataset, tmp_path / "run", SHAPE, settings(images=64), resume=True)
    after = read_tensors(tmp_path / "run" / "training.safetensors", "training")[0]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_resuming_with_other_settings_is_refused(dataset, tmp_path):
    fit(dataset, tmp_path / "run", SHAPE, settings(images=8))
    with pytest.raises(ConfigError, match=r"begun with fit images = 8, not 16"):
        fit(dataset, tmp_path / "run", SHAPE, settings(images=16), resume=True)
    with pytest.raises(ConfigError, match="begun with method_settings swap"):
        fit(dataset, tmp_path / "run", SHAPE, settings(images=8), resume=True, method_overrides={"swap": 0.1})
    more_often = fit(dataset, tmp_path / "run", SHAPE, settings(images=8, checkpoint_minutes=1), resume=True)
    assert more_often.done, "how often it is saved changes nothing that is learned"


def test_an_occupied_folder_is_refused(dataset, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        fit(dataset, tmp_path, SHAPE, settings())
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("batch", [2, 6])
def test_a_batch_of_incomplete_groups_is_refused(dataset, tmp_path, batch):
    with pytest.raises(ConfigError, match="multiple of 4"):
        fit(dataset, tmp_path / "run", SHAPE, settings(batch=batch))


def test_frames_of_another_size_are_refused(dataset, tmp_path):
    with pytest.raises(DataError, match="64 pixels wide and the network's 128"):
        fit(dataset, tmp_path / "run", preset("studio"), settings())


def test_an_unknown_method_is_refused(dataset, tmp_path):
    with pytest.raises(ConfigError, match="no method 'nds'; choose one of nsd"):
        fit(dataset, tmp_path / "run", SHAPE, settings(), method="nds")


def test_settings_that_came_later_have_their_defaults_in_older_runs(dataset, tmp_path):
    fit(
        dataset,
        tmp_path / "run",
        SHAPE,
        settings(images=16),
        progress=interrupt_at(8),
        method_overrides={"everyday": None},
    )
    path = tmp_path / "run" / "run.json"
    document = json.loads(path.read_text())
    del document["method_settings"]["cycle_frames"]
    path.write_text(json.dumps(document))
    assert fit(
        dataset, tmp_path / "run", SHAPE, settings(images=16), resume=True, method_overrides={"everyday": None}
    ).done


def test_the_paper_preset_trains_by_the_official_recipe(dataset, tmp_path):
    shape = preset("paper", frame_size=64)
    chosen = build_settings(FitSettings, recipe("nsd", "paper").fit, {"images": 4, "batch": 4, "threads": 1})
    assert fit(dataset, tmp_path / "run", shape, chosen).done
    document = json.loads((tmp_path / "run" / "run.json").read_text())
    assert document["method_settings"]["image"]["align"] and document["method_settings"]["decoder_rate"] == 0.2
    assert document["fit"]["clip"] is None and document["fit"]["final_rate"] == 1.0
    assert load_network(tmp_path / "run").settings == shape


def test_imagenet_weights_start_the_official_encoder_and_stay(dataset, tmp_path):
    torch.manual_seed(5)
    start = OfficialEncoder(preset("paper"))
    names = {"body.0": "conv1", "body.1": "bn1", "body.3": "conv2", "body.4": "bn2", "body.6": "conv3", "body.7": "bn3"}
    names |= {"shortcut": "downsample", "stem.0": "conv1", "stem.1": "bn1"}
    weights = {}
    for name, tensor in start.state_dict().items():
        if name.startswith(("stem", "layer1", "layer2", "layer3")):
            for ours, theirs in names.items():
                name = name.replace(ours, theirs)
            weights[name] = tensor.contiguous()
    save_file(weights, tmp_path / "resnet50.safetensors")
    chosen = {"images": 4, "batch": 4, "threads": 1, "imagenet": str(tmp_path / "resnet50.safetensors")}
    shape = preset("paper", frame_size=64)
    fit(dataset, tmp_path / "run", shape, build_settings(FitSettings, recipe("nsd", "paper").fit, chosen))
    encoder = load_network(tmp_path / "run").encoder
    assert torch.equal(encoder.layer2[1].body[3].weight, start.layer2[1].body[3].weight)
    assert torch.equal(encoder.stem[0].weight, start.stem[0].weight)
    moved = (encoder.layer3[1].body[3].weight - start.layer3[1].body[3].weight).abs().max()
    assert 0 < moved < 0.01  # one step
    with pytest.raises(ConfigError, match="ImageNet weights are for preset 'paper', not 'studio'"):
        fit(dataset, tmp_path / "other", SHAPE, settings(imagenet=chosen["imagenet"]))


def test_a_truncated_checkpoint_is_named(dataset, tmp_path):
    fit(dataset, tmp_path / "run", SHAPE, settings(images=8))
    file = tmp_path / "run" / "training.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"training.safetensors is truncated"):
        fit(dataset, tmp_path / "run", SHAPE, settings(images=8), resume=True)
