"""Which network an evaluation sets beside another: one rule for `turncoat evaluate` and `turncoat reproduce`."""

import shutil

import pytest
import torch

from turncoat.engine import reproduce
from turncoat.kernels import ConfigError, DataError
from turncoat.training import checkpoint
from turncoat.training.checkpoint import load_network, save_network
from turncoat.training.evaluation import ceiling
from turncoat.training.evaluation.ceiling import find_ceiling
from turncoat.training.networks import Disentangled, preset

SHAPE = preset("studio", frame_size=64, crop_size=32, regressor_hidden=16)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    for seed, name in enumerate(("net", "supervised", "bare")):
        torch.manual_seed(seed)
        network = Disentangled(SHAPE).eval()
        if name != "bare":
            network.add_regressor()
        save_network(folder / f"{name}.safetensors", network.eval())
    shutil.copy(folder / "supervised.safetensors", folder / "copy.safetensors")
    return folder


@pytest.fixture
def shipped(monkeypatch, weights):
    """As if `supervised` were shipped."""
    known = {"supervised": weights / "supervised.safetensors"}
    for module in (ceiling, checkpoint):
        monkeypatch.setattr(module, "shipped_weights", lambda: known)


def test_the_default_is_the_shipped_one_where_there_is_one(weights, monkeypatch, shipped):
    net = load_network(weights / "net.safetensors")
    assert find_ceiling(net).path == weights / "supervised.safetensors"
    monkeypatch.setattr(ceiling, "shipped_weights", dict)
    assert find_ceiling(net) is None


def test_nobody_stands_beside_himself(weights, shipped):
    for name in ("supervised", "copy"):
        assert find_ceiling(load_network(weights / f"{name}.safetensors")) is None
    net = weights / "net.safetensors"
    assert find_ceiling(load_network(net), str(net)) is None


def test_a_file_may_be_named_and_nobody_asked_for(weights, shipped):
    net = load_network(weights / "net.safetensors")
    assert find_ceiling(net, str(weights / "copy.safetensors")).path.name == "copy.safetensors"
    assert find_ceiling(net, "none") is None
    with pytest.raises(DataError, match="no weights at nowhere"):
        find_ceiling(net, "nowhere")
    with pytest.raises(ConfigError, match="no pose regressor"):
        find_ceiling(net, str(weights / "bare.safetensors"))


def test_there_is_one_rule():
    assert reproduce.find_ceiling is find_ceiling
