"""DRNet: a game about who moves, and appearance codes that agree within a video."""

import numpy as np
import pytest
import torch

from turncoat.training.data import open_dataset
from turncoat.training.methods import DRNet, DRNetSettings
from turncoat.training.methods.base import prepared
from turncoat.training.networks import Disentangled, preset

SHAPE = preset("studio", frame_size=64, crop_size=32)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(tiny_dataset):
    return open_dataset(tiny_dataset)


def begun(dataset, **changes):
    torch.manual_seed(0)
    network, method = Disentangled(SHAPE), DRNet(DRNetSettings(everyday=None, adversary_width=32, **changes))
    rows = dataset.select(split="train")
    method.begin(network, dataset, rows)
    torch.nn.init.normal_(network.detector.layers.box.weight, std=0.01)
    batch = prepared(method.load(dataset, method.sampler(dataset, rows, 16, seed=0).batch(0)), CPU)
    return network, method, batch


def test_both_frames_of_a_video_exchange_appearance():
    method = DRNet(DRNetSettings(swap=1.0))
    assert method.draw(np.random.default_rng(0), 8).appearance.tolist() == [1, 0, 3, 2, 5, 4, 7, 6]
    assert DRNet(DRNetSettings(swap=0.0)).draw(np.random.default_rng(0), 4).appearance.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", ["pairs", "identity"])
def test_network_and_adversary_learn_from_their_own_losses_only(dataset, kind):
    network, method, batch = begun(dataset, adversary=kind)
    assert len(set(batch.subject.tolist())) == 2
    loss, facts, adversary_loss = method.loss(network, batch, method.draw(np.random.default_rng(0), 16), progress=0.0)
    loss.backward(retain_graph=True)
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())
    assert all(p.grad is None for p in method.adversary.parameters())
    before = [p.grad.clone() for p in network.parameters()]
    adversary_loss.backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in method.adversary.parameters())
    assert all(torch.equal(p.grad, old) for p, old in zip(network.parameters(), before, strict=True))
    assert 0 <= facts["adversary_right"][0] / facts["adversary_right"][1] <= 1


def test_the_adversary_learns_who_is_who_from_codes_that_say_it(dataset):
    _, method, _ = begun(dataset)
    optimiser = torch.optim.Adam(method.adversary.parameters(), 1e-3)
    random = torch.Generator().manual_seed(0)
    people = torch.randn(4, 600, generator=random)
    for _ in range(150):
        pairs = torch.stack([torch.randperm(4, generator=random)[:2] for _ in range(4)])  # the two people of a group
        codes = people[pairs.repeat_interleave(4, dim=1).flatten()] + 0.3 * torch.randn(32, 600, generator=random)
        _, loss, right = method._game(codes, torch.zeros(32, dtype=torch.int64))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert right.mean() > 0.9


def test_the_encoder_is_pulled_towards_an_undecided_adversary(dataset):
    _, method, _ = begun(dataset)
    codes = torch.randn(16, 600)
    with torch.no_grad():
        for p in method.adversary.layers[-1].parameters():
            p.zero_()
        undecided, _, _ = method._game(codes, torch.zeros(16, dtype=torch.int64))
        method.adversary.layers[-1].bias.fill_(3.0)
        sure, _, _ = method._game(codes, torch.zeros(16, dtype=torch.int64))
    assert undecided.item() == pytest.approx(np.log(2), abs=1e-6) and sure > undecided


def test_appearance_codes_of_a_video_are_drawn_together(dataset):
    network, method, batch = begun(dataset, similarity=1.0, adversarial=0.0)
    draw = method.draw(np.random.default_rng(0), 16)
    with torch.no_grad():
        with_term, facts, _ = method.loss(network, batch, draw, progress=0.0)
        without, _, _ = DRNet.loss(_other(method, similarity=0.0), network, batch, draw, 0.0)
    assert (with_term - without).item() == pytest.approx(facts["appearance_distance"][0].item(), rel=1e-3)


def _other(method, **changes):
    other = DRNet(method.settings.model_copy(update=changes))
    other.adversary, other.subjects = method.adversary, method.subjects
    return other


def test_pictures_show_the_other_persons_appearance(dataset):
    network, method, batch = begun(dataset)
    grid = method.pictures(network.eval(), batch)
    assert grid.shape == (3, 4 * 64, 16 * 64)
