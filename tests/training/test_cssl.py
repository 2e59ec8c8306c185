"""CSSL: pose codes follow time, appearance codes are exchanged within a window."""

import math

import numpy as np
import pytest
import torch

from turncoat.training.data import open_dataset
from turncoat.training.methods import CSSL, CSSLSettings
from turncoat.training.methods.base import prepared
from turncoat.training.methods.cssl import wanted_similarity
from turncoat.training.networks import Disentangled, preset

SHAPE = preset("studio", frame_size=64, crop_size=32)
TINY = {"aways": 2, "d_near_s": 0.4, "d_far_s": 0.9, "everyday": None}
CPU = torch.device("cpu")


def windows(**changes):
    return CSSL(CSSLSettings(**(TINY | changes)))


@pytest.mark.parametrize("rebuilt", ["pair", "all"])
def test_appearance_comes_from_another_frame_of_the_same_window(rebuilt):
    method = windows(rebuilt=rebuilt, swap=1.0)
    drawn = method.draw(np.random.default_rng(0), 500).appearance
    index = torch.arange(500)
    assert (drawn != index).all() and torch.equal(drawn // 5, index // 5)


def test_a_pair_is_the_reference_and_one_other_with_each_others_appearance():
    method = windows(rebuilt="pair", swap=1.0)
    drawn = method.draw(np.random.default_rng(0), 500).appearance
    first, second = method._rebuilt(drawn).view(-1, 2).unbind(1)
    assert (first % 5 == 0).all() and torch.equal(drawn[first], second) and torch.equal(drawn[second], first)
    assert set((second % 5).tolist()) == {1, 2, 3, 4}


def test_without_a_swap_frames_keep_their_appearance():
    drawn = windows(rebuilt="all", swap=0.0).draw(np.random.default_rng(0), 50).appearance
    assert torch.equal(drawn, torch.arange(50))


def test_similarity_is_to_fall_linearly_from_near_to_far():
    apart = torch.tensor([0.0, 0.2, 1.1, 2.0, 5.0])
    assert torch.allclose(wanted_similarity(apart, 0.2, 2.0), torch.tensor([1, 1, 0.5, 0, 0]))


def test_the_terms_over_time_are_their_formulas():
    method = windows(aways=3, centred=False)
    code, time_s = torch.randn(12, 600), torch.tensor([0.0, 0.3, 0.6, 2, 2.5, 3] * 2)
    value, _ = method._over_time(code, time_s)
    expected = 0.0
    for window in code.view(2, 6, 600):
        c = [torch.cosine_similarity(window[0], other, dim=0).item() for other in window[1:]]
        weights = [math.exp(x / 0.1) for x in (c[0], *c[2:])]
        wanted = [1, (0.9 - 0.6) / 0.5, 0, 0, 0]
        gradual = np.mean([((x if s else max(x, 0)) - s) ** 2 for x, s in zip(c, wanted, strict=True)])
        expected += (-math.log(weights[0] / sum(weights)) + gradual) / 2
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_codes_that_follow_time_cost_less_than_codes_that_do_not():
    method = windows(aways=3, centred=False)
    time_s = torch.tensor([0.0, 0.3, 0.6, 2, 2.5, 3])
    angle = (time_s / 3 * math.pi / 2)[:, None]
    follows = torch.cat([angle.cos(), angle.sin(), torch.zeros(6, 598)], dim=1)
    still = follows[:1].expand(6, 600)
    shuffled = follows[[0, 3, 4, 5, 1, 2]]
    cost = [method._over_time(code, time_s)[0].item() for code in (follows, still, shuffled)]
    assert cost[0] < cost[1] and cost[0] < cost[2]


def test_an_offset_that_all_codes_share_is_nothing_to_a_centred_contrast():
    code, time_s = torch.randn(12, 600), torch.tensor([0.0, 0.3, 0.6, 2, 2.5, 3] * 2)
    for centred in (True, False):
        method = windows(aways=3, centred=centred)
        values = [method._over_time(code + offset, time_s)[0].item() for offset in (0.0, 5.0)]
        assert (values[0] == pytest.approx(values[1], rel=1e-4)) is centred


def test_the_literal_variant_wants_distance_to_grow_with_time():
    method = CSSL(CSSLSettings(variant="literal", d_far_s=2.0))
    assert method.group_size == 2
    code = torch.zeros(4, 600)
    code[1], code[3] = 0.5, 1.0  # distances .5 and 1, a coordinate
    right, _ = method._over_time(code, torch.tensor([0.0, 1.0, 0.0, 9.0]))
    wrong, _ = method._over_time(code, torch.tensor([0.0, 9.0, 0.0, 1.0]))
    assert right.item() == pytest.approx(0, abs=1e-6) and wrong.item() == pytest.approx(0.25, abs=1e-4)


@pytest.mark.parametrize("changes", [{}, {"rebuilt": "all"}, {"variant": "literal"}, {"jitter": {"hue": 0.1}}])
def test_every_part_learns(tiny_dataset, changes):
    dataset = open_dataset(tiny_dataset)
    method = windows(**changes)
    size = 4 * method.group_size
    rows = method.sampler(dataset, dataset.select(split="train"), size, seed=0).batch(0)
    batch = prepared(method.load(dataset, rows), CPU)
    torch.manual_seed(0)
    network = Disentangled(SHAPE)
    torch.nn.init.normal_(network.detector.layers.box.weight, std=0.01)
    loss, facts, adversary = method.loss(network, batch, method.draw(np.random.default_rng(0), size), progress=0.7)
    loss.backward()
    assert adversary is None and "cycle" in facts
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())
    grid = method.pictures(network.eval(), batch)
    assert grid.shape == (3, 4 * 64, size * 64)


@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.0), (0.1, 0.5), (0.2, 1.0), (0.9, 1.0)])
def test_the_terms_over_time_gain_weight_as_training_begins(tiny_dataset, progress, share):
    dataset = open_dataset(tiny_dataset)
    losses = []
    for contrast in (0.0, 10.0):
        method = windows(contrast=contrast, cycle=0.0)
        rows = method.sampler(dataset, dataset.select(split="train"), 10, seed=0).batch(0)
        torch.manual_seed(0)
        batch, draw = prepared(method.load(dataset, rows), CPU), method.draw(np.random.default_rng(0), 10)
        loss, facts, _ = method.loss(Disentangled(SHAPE), batch, draw, progress)
        losses.append(loss.item())
    over_time = (facts["contrast"][0] + facts["gradual"][0]).item()
    assert losses[1] - losses[0] == pytest.approx(10 * share * over_time, rel=1e-3, abs=1e-5)


def test_the_terms_over_time_do_not_move_boxes(tiny_dataset):
    dataset = open_dataset(tiny_dataset)
    gradients = []
    for contrast in (0.0, 100.0):
        method = windows(contrast=contrast, cycle=0.0)
        rows = method.sampler(dataset, dataset.select(split="train"), 10, seed=0).batch(0)
        torch.manual_seed(0)
        network = Disentangled(SHAPE)
        torch.nn.init.normal_(network.detector.layers.box.weight, std=0.01)
        batch, draw = prepared(method.load(dataset, rows), CPU), method.draw(np.random.default_rng(0), 10)
        method.loss(network, batch, draw, 0.5).loss.backward()
        gradients.append([[p.grad.clone() for p in part.parameters()] for part in (network.detector, network.encoder)])
    detector, encoder = ([torch.allclose(a, b, rtol=1e-3, atol=1e-5) for a, b in zip(*pair, strict=True)]
                         for pair in zip(*gradients, strict=True))  # fmt: skip
    assert all(detector) and sum(encoder) <= 1  # a shared offset, the last bias, is nothing to centred codes


def test_the_contrast_reaches_pose_codes_and_no_appearance_code(tiny_dataset):
    method = windows()
    codes = torch.randn(5, 728, requires_grad=True)
    value, _ = method._over_time(codes[:, 128:], torch.tensor([0.0, 0.3, 0.6, 1.0, 1.2]))
    value.backward()
    assert (codes.grad[:, :128] == 0).all() and codes.grad[:, 128:].abs().min() > 0
