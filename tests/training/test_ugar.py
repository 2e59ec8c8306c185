"""UGAR sees what it is given, exchanges what NSD exchanges, and learns whole crops."""

import numpy as np
import pytest
import torch

from turncoat.kernels import ConfigError
from turncoat.kernels.resample import resample
from turncoat.training import methods
from turncoat.training.batches import Batches
from turncoat.training.checkpoint import load_network
from turncoat.training.data import open_dataset
from turncoat.training.data.tensors import as_float
from turncoat.training.fit import FitSettings, fit
from turncoat.training.methods.base import prepared
from turncoat.training.methods.nsd import NSD, NSDSettings, rotate
from turncoat.training.methods.ugar import UGAR, UGARSettings
from turncoat.training.networks import Disentangled, Given, given_of, preset

SHAPE = preset("studio", frame_size=64, crop_size=32, paints="crop")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(tiny_dataset):
    return open_dataset(tiny_dataset)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Disentangled(SHAPE)


def batch_of(method, dataset, size=8, step=0):
    rows = method.sampler(dataset, dataset.select(split="train"), size, seed=0).batch(step)
    return prepared(method.load(dataset, rows), CPU), rows


def test_a_batch_holds_the_datasets_boxes_and_masks(dataset):
    batch, rows = batch_of(UGAR(), dataset)
    given = given_of(dataset, rows)
    assert torch.equal(batch.box, given.box) and torch.equal(batch.mask, given.mask)
    assert torch.equal(batch.frames, as_float(dataset.read(rows)))
    assert torch.equal(batch.background, as_float(dataset.background(rows)))


def test_frames_and_exchanges_are_those_of_nsd(dataset):
    ugar, nsd = UGAR(UGARSettings(view=0.3, swap=0.6)), NSD(NSDSettings(view=0.3, swap=0.6))
    rows = dataset.select(split="train")
    assert np.array_equal(ugar.sampler(dataset, rows, 16, 5).batch(7), nsd.sampler(dataset, rows, 16, 5).batch(7))
    ours, theirs = (method.draw(np.random.default_rng(3), 16) for method in (ugar, nsd))
    assert torch.equal(ours.pose, theirs.pose) and torch.equal(ours.appearance, theirs.appearance)


def test_what_is_rebuilt_is_the_crop_of_the_frame_from_the_exchanged_codes(dataset, network):
    """The loss is nothing but that of these crops; here it is put together by hand, L1 alone."""
    settings = UGARSettings(cycle=0, image={"absolute": 1, "person": 0, "edges": 0, "coarse_edges": 0})
    method = UGAR(settings)
    assert method.settings.image.squared == 0
    batch, _ = batch_of(method, dataset)
    draw = method.draw(np.random.default_rng(1), 8)
    network.eval()
    with torch.no_grad():
        loss, facts, _ = method.loss(network, batch, draw, 0.0)
        codes = network.encode(batch.frames, given=Given(batch.box, batch.mask))
        pose_code = rotate(codes.pose_code[draw.pose], batch.rotation[draw.pose], batch.rotation)
        crop = network.decode_crop(codes.appearance[draw.appearance], pose_code, batch.box, batch.background)
        true = resample(batch.frames, batch.box, 32, 32)
    assert loss.item() == pytest.approx((crop - true).abs().mean().item(), rel=1e-4)
    assert float(facts["person_mean"][0]) / 8 > 0.05


def test_every_part_learns_and_the_cycle_term_starts_late(dataset, network):
    method = UGAR(UGARSettings(cycle_from=0.6, cycle_frames=4))
    batch, _ = batch_of(method, dataset)
    draw = method.draw(np.random.default_rng(1), 8)
    early = method.loss(network.train(), batch, draw, 0.59)
    late = method.loss(network, batch, draw, 0.6)
    assert "cycle" not in early.facts and float(late.facts["cycle"][0]) > 0 and network.training
    late.loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_a_frame_without_exchange_is_learned_in_a_few_steps(dataset, network):
    method = UGAR(UGARSettings(view=0, swap=0, cycle=0))
    batch, _ = batch_of(method, dataset)
    draw = method.draw(np.random.default_rng(1), 8)
    optimiser = torch.optim.Adam(network.train().parameters(), 2e-3)
    losses = []
    for _ in range(25):
        loss = method.loss(network, batch, draw, 0.0).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_pictures_show_the_input_three_repaintings_and_the_crop(dataset, network):
    method = UGAR()
    batch, _ = batch_of(method, dataset)
    grid = method.pictures(network.eval(), batch)
    assert grid.shape == (3, 5 * 64, 8 * 64) and grid.min() >= 0 and grid.max() <= 1
    outside = batch.mask[0, 0] == 0
    for row in (1, 2, 3):
        picture = grid[:, row * 64 : (row + 1) * 64, :64]
        assert torch.equal(picture[:, outside], batch.background[0][:, outside])


def test_a_network_that_finds_people_itself_is_refused(dataset):
    with pytest.raises(ConfigError, match="UGAR paints whole crops and this network paints 'person'; set"):
        UGAR().begin(Disentangled(SHAPE.model_copy(update={"paints": "person"})), dataset, np.arange(4))


def test_it_trains_through_the_loop_and_its_network_comes_back(dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(methods.METHODS, "ugar", (UGAR, UGARSettings))
    settings = FitSettings(images=32, batch=8, threads=1, log_every=2, pictures_every=4, precision="float32")
    assert fit(dataset, tmp_path / "run", SHAPE, settings, method="ugar").done
    network = load_network(tmp_path / "run")
    assert network.needs_given and network.metadata["method"] == "ugar"


def test_batches_come_with_boxes_in_every_process(dataset):
    method = UGAR()
    sampler = method.sampler(dataset, dataset.select(split="train"), 8, 0)
    with Batches(method, dataset, sampler, FitSettings(images=64, batch=8), CPU) as batches:
        batch, draw = batches.of(2)
    assert batch.box.shape == (8, 4) and batch.mask.max() == 1 and draw.pose.shape == (8,)
