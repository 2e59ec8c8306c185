"""The supervised ceiling and the judge: labels in their own units, no decoder, the regressor trained with the rest."""

import numpy as np
import pytest
import torch

from turncoat.kernels import ConfigError, DataError
from turncoat.training import methods
from turncoat.training.checkpoint import load_network, read_tensors
from turncoat.training.data import open_dataset
from turncoat.training.data.boxes import given_box
from turncoat.training.fit import FitSettings, fit
from turncoat.training.jitter import AUGMENTED
from turncoat.training.methods.base import part_of, prepared
from turncoat.training.methods.nsd import NSD
from turncoat.training.methods.supervised import Supervised, SupervisedSettings
from turncoat.training.networks import Disentangled, preset

SHAPE = preset("studio", frame_size=64, crop_size=32, paints="nothing", regressor_hidden=256)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(tiny_dataset):
    return open_dataset(tiny_dataset)


def begun(dataset, settings=None, rows=None, shape=SHAPE):
    torch.manual_seed(0)
    method, network = Supervised(settings), Disentangled(shape)
    method.begin(network, dataset, dataset.select(split="train") if rows is None else rows)
    return method, network


def batch_of(method, dataset, size=8):
    rows = method.sampler(dataset, dataset.select(split="train"), size, seed=0).batch(0)
    return prepared(method.load(dataset, rows), CPU), rows


def test_labels_are_measured_in_their_own_spread(dataset):
    _, network = begun(dataset)
    poses = dataset.pose(dataset.select(split="train"))
    np.testing.assert_allclose(network.regressor.pose_mean, poses.mean(0), atol=1e-2)
    np.testing.assert_allclose(network.regressor.pose_std[1:], poses.std(0, ddof=1)[1:], rtol=1e-3)
    assert (network.regressor.pose_std[0] == 1).all(), "the root does not move"


def test_the_loss_is_that_of_pose_and_box_and_both_reach_the_detector(dataset):
    method, network = begun(dataset, SupervisedSettings(box=2.0))
    batch, rows = batch_of(method, dataset)
    network.eval()
    loss, facts, _ = method.loss(network, batch, method.draw(np.random.default_rng(0), 8), 0.0)
    truth = torch.from_numpy(dataset.pose(rows))
    pose = ((network.predict(batch.frames) - truth) / network.regressor.pose_std).square().mean()
    box = (network.detect(batch.frames) - torch.from_numpy(given_box(dataset.person_box(rows), 64))).abs().mean()
    assert loss.item() == pytest.approx((pose + 2 * box).item(), rel=1e-4)
    error = (network.predict(batch.frames) - truth).norm(dim=-1).mean()
    assert float(facts["mpjpe_mm"][0]) / 8 == pytest.approx(error.item(), rel=1e-4)
    for term in (pose, box):
        (gradient,) = torch.autograd.grad(term, network.detector.layers.box.bias, retain_graph=True)
        assert gradient.abs().max() > 0


PAPER = preset("paper", frame_size=64, paints="nothing", regressor_hidden=64)


@pytest.mark.parametrize(("shape", "size"), [(SHAPE, 8), (PAPER, 4)], ids=["studio", "paper"])
def test_every_parameter_learns(dataset, shape, size):
    method, network = begun(dataset, shape=shape)
    batch, _ = batch_of(method, dataset, size)
    network.train()
    torch.nn.init.normal_(network.detector.layers.box.weight, std=0.01)  # starts at 0, which shields the layers below
    method.loss(network, batch, method.draw(np.random.default_rng(0), size), 0.0).loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_it_sees_the_frames_that_nsd_sees(dataset):
    rows = dataset.select(split="train")
    ours, theirs = (method.sampler(dataset, rows, 16, 4).batch(3) for method in (Supervised(), NSD()))
    assert np.array_equal(ours, theirs)


def test_the_judges_jitter_changes_what_the_encoder_sees_and_nothing_else(dataset):
    method, network = begun(dataset, SupervisedSettings(jitter=AUGMENTED))
    plain = Supervised()
    batch, _ = batch_of(method, dataset)
    network.eval()
    draw = method.draw(np.random.default_rng(0), 8)
    assert plain.draw(np.random.default_rng(0), 8).jitter is None
    half = part_of(draw, slice(4, 8), CPU)
    assert torch.equal(half.jitter.matrix, draw.jitter.matrix[4:])
    with torch.no_grad():
        one, other = (
            method.loss(network, batch, d, 0.0).facts for d in (draw, plain.draw(np.random.default_rng(0), 8))
        )
    assert float(one["box_loss"][0]) == float(other["box_loss"][0])
    assert float(one["pose_loss"][0]) != float(other["pose_loss"][0])


def test_killed_and_resumed_training_keeps_its_regressor(dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(methods.METHODS, "supervised", (Supervised, SupervisedSettings))
    settings = FitSettings(images=64, batch=8, threads=1, log_every=2, pictures_every=4, precision="float32")

    def run(name, **more):
        return fit(dataset, tmp_path / name, SHAPE, settings, method="supervised", **more)

    whole = run("whole")
    first = run("parts", minutes=1e-9)
    second = run("parts", resume=True)
    assert whole.done and not first.done and second.done
    for file, kind in (("training", "training"), ("network", "network")):
        a, _ = read_tensors(tmp_path / "whole" / f"{file}.safetensors", kind)
        b, _ = read_tensors(tmp_path / "parts" / f"{file}.safetensors", kind)
        assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
        assert any("regressor.layers.0.weight" in name for name in a)
    network = load_network(tmp_path / "whole", regressor=True, preset="studio")
    assert not network.has_decoder and network.predict(torch.rand(2, 3, 64, 64)).shape == (2, 17, 3)


def test_a_batch_is_learned_in_a_few_steps(dataset):
    method, network = begun(dataset)
    batch, _ = batch_of(method, dataset, 16)
    optimiser = torch.optim.Adam(network.train().parameters(), 2e-3)
    errors = []
    for _ in range(40):
        loss, facts, _ = method.loss(network, batch, method.draw(np.random.default_rng(0), 16), 0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        errors.append(float(facts["mpjpe_mm"][0]) / 16)
    assert errors[-1] < 0.5 * errors[0]


def test_a_network_with_a_decoder_and_broken_labels_are_refused(dataset):
    rows = dataset.select(split="train")[:8]
    with pytest.raises(ConfigError, match=r"no use for a decoder and this network paints 'person'; set network.paints"):
        Supervised().begin(Disentangled(SHAPE.model_copy(update={"paints": "person"})), dataset, rows)

    class Broken:
        def pose(self, rows):
            return np.full((len(rows), 17, 3), np.nan, np.float32)

    with pytest.raises(DataError, match="A pose label is NaN or infinite"):
        Supervised().begin(Disentangled(SHAPE), Broken(), rows)
