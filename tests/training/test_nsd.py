"""NSD exchanges what it says it exchanges."""

import numpy as np
import pytest
import torch

from turncoat.training.data import open_dataset
from turncoat.training.methods import NSD, NSDSettings
from turncoat.training.methods.base import part_of, prepared
from turncoat.training.methods.nsd import GROUP, rotate
from turncoat.training.networks import Disentangled, preset

SHAPE = preset("studio", frame_size=64, crop_size=32)


def batch_of(method, dataset, size):
    rows = method.sampler(dataset, dataset.select(split="train"), size, seed=0).batch(0)
    return prepared(method.load(dataset, rows), torch.device("cpu"))


def rotation(seed):
    matrix = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return torch.tensor(matrix * np.sign(np.linalg.det(matrix)), dtype=torch.float64)[None]


def test_turning_a_code_there_and_back_gives_it_back():
    code = torch.randn(1, 600, dtype=torch.float64)
    there = rotate(code, rotation(1), rotation(2))
    assert torch.allclose(rotate(there, rotation(2), rotation(1)), code)
    assert torch.allclose(rotate(there, rotation(2), rotation(3)), rotate(code, rotation(1), rotation(3)))
    assert torch.allclose(rotate(code, rotation(1), rotation(1)), code)


def test_codes_turn_as_points_seen_by_the_two_cameras():
    world = torch.randn(1, 200, 3, dtype=torch.float64)
    seen = [(world @ rotation(seed).transpose(1, 2)).reshape(1, 600) for seed in (1, 2)]
    assert torch.allclose(rotate(seen[0], rotation(1), rotation(2)), seen[1])


def test_exchanges_stay_within_a_pair_and_within_a_group():
    drawn = NSD().draw(np.random.default_rng(0), 4000)
    index = torch.arange(4000)
    assert torch.equal(drawn.pose // 2, index // 2)
    assert torch.equal(drawn.appearance // GROUP, index // GROUP)
    assert torch.equal(drawn.pose.sort().values, index) and torch.equal(drawn.appearance.sort().values, index)


@pytest.mark.parametrize("view", [0.0, 0.5, 1.0])
def test_pairs_exchange_pose_codes_as_often_as_asked(view):
    drawn = NSD(NSDSettings(view=view)).draw(np.random.default_rng(0), 4000)
    assert (drawn.pose != torch.arange(4000)).double().mean().item() == pytest.approx(view, abs=0.04)


@pytest.mark.parametrize("swap", [0.0, 0.8, 1.0])
def test_appearance_comes_from_the_other_instant_as_often_as_asked(swap):
    drawn = NSD(NSDSettings(swap=swap)).draw(np.random.default_rng(0), 4000)
    other = drawn.appearance // 2 != torch.arange(4000) // 2
    assert other.double().mean().item() == pytest.approx(swap, abs=0.05)
    assert torch.equal(drawn.appearance[~other], drawn.pose[~other])


def test_exchanged_frames_are_of_one_sequence_and_pairs_of_one_instant(tiny_dataset):
    dataset = open_dataset(tiny_dataset)
    method = NSD(NSDSettings(everyday=None))
    rows = method.sampler(dataset, dataset.select(split="train"), 32, seed=0).batch(3)
    drawn = method.draw(np.random.default_rng(0), len(rows))
    sequence, instant, camera = (dataset.column(name)[rows] for name in ("sequence", "instant", "camera"))
    assert (sequence[drawn.appearance] == sequence).all()
    assert (instant[drawn.pose] == instant).all()
    turned = (drawn.pose != torch.arange(32)).numpy()
    assert (camera[drawn.pose][turned] != camera[turned]).all() and turned.any()


def test_a_batch_has_frames_in_zero_to_one_and_true_rotations(tiny_dataset):
    dataset = open_dataset(tiny_dataset)
    rows = dataset.select(split="train")[:8]
    batch = prepared(NSD().load(dataset, rows), torch.device("cpu"))
    assert batch.frames.dtype == torch.float32 and batch.frames.min() >= 0 and batch.frames.max() <= 1
    assert batch.frames.shape == batch.background.shape == (8, 3, 64, 64)
    assert torch.allclose(batch.rotation @ batch.rotation.transpose(1, 2), torch.eye(3).expand(8, 3, 3), atol=1e-5)
    assert np.array_equal((batch.frames * 255).round().byte().numpy(), dataset.read(rows))


def test_every_part_learns_and_the_cycle_term_starts_late(tiny_dataset):
    dataset = open_dataset(tiny_dataset)
    method = NSD(NSDSettings(cycle=0.3, cycle_from=0.6, cycle_frames=4))
    batch = batch_of(method, dataset, 8)
    torch.manual_seed(0)
    network = Disentangled(SHAPE)
    torch.nn.init.normal_(network.detector.layers.box.weight, std=0.01)
    before = {name: value.clone() for name, value in network.named_buffers()}
    draw = method.draw(np.random.default_rng(0), 8)
    loss, facts, _ = method.loss(network, batch, draw, progress=0.1)
    loss.backward()
    assert "cycle" not in facts
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())
    after_one = {name: value.clone() for name, value in network.named_buffers()}
    assert any(not torch.equal(before[name], after_one[name]) for name in before)
    late, facts, _ = method.loss(network, batch, draw, progress=0.7)
    assert "cycle" in facts and late > loss and network.training


def test_the_cycle_term_is_zero_for_a_perfect_cycle():
    class Perfect(torch.nn.Module):
        def encode(self, frames, given=None):
            return type("Codes", (), {"pose_code": wanted[:: len(wanted) // 4]})

    wanted = torch.randn(8, 600)
    method = NSD(NSDSettings(cycle_frames=4))
    assert method._cycle(Perfect(), torch.rand(8, 3, 4, 4), wanted) == 0


def test_a_part_of_a_draw_is_the_draw_of_that_part():
    method = NSD(NSDSettings(jitter={"hue": 0.1}))
    whole = method.draw(np.random.default_rng(0), 16)
    second = part_of(whole, slice(8, 16), torch.device("cpu"))
    assert torch.equal(second.pose, whole.pose[8:] - 8) and torch.equal(second.appearance, whole.appearance[8:] - 8)
    assert torch.equal(second.jitter.matrix, whole.jitter.matrix[8:])
    assert second.pose.min() >= 0 and second.pose.max() < 8


def test_pictures_are_one_grid_of_five_rows(tiny_dataset):
    dataset = open_dataset(tiny_dataset)
    method = NSD()
    batch = batch_of(method, dataset, 8)
    grid = method.pictures(Disentangled(SHAPE).eval(), batch)
    assert grid.shape == (3, 5 * 64, 8 * 64) and grid.min() >= 0 and grid.max() <= 1
    shown, frame = grid[:, :64, :64], batch.frames[0]
    outline = (shown != frame).any(0)  # the box, drawn over the input
    assert 0 < outline.float().mean() < 0.1 and torch.equal(shown[:, ~outline], frame[:, ~outline])
