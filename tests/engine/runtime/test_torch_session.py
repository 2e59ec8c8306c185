"""The session on PyTorch is the network: every verb, any batch, in float32 and in reduced precision."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import cosine_similarity

from fixtures.lively import lively
from turncoat.engine.runtime.reduced import InFloat32, reduced
from turncoat.engine.runtime.source import bundle_of
from turncoat.engine.runtime.torch_session import TorchSession
from turncoat.export.attack_step import attack_step
from turncoat.kernels import ConfigError, DataError, EngineError
from turncoat.training.data import open_dataset
from turncoat.training.data.tensors import as_float
from turncoat.training.networks import Canvas, given_of, guide


def test_every_verb_gives_what_the_network_gives(bundle, asked):
    network = bundle.network
    with TorchSession(bundle) as session, torch.no_grad():
        assert (session.backend, session.precision, session.batches) == ("torch-float32", "float32", None)
        for mine, other in zip(session.encode(asked.frames), asked.codes, strict=True):
            torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)
        for mine, other in zip(session.canvas(asked.codes, asked.background), asked.canvas, strict=True):
            torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(session.predict(asked.frames), asked.pose, atol=2e-3, rtol=1e-4)  # mm; layouts round
        rgb = network.decode_colours(asked.appearance, asked.canvas.features)
        torch.testing.assert_close(session.decode(asked.appearance, asked.canvas.features), rgb)
        painted = network.paint(asked.appearance, asked.canvas)
        torch.testing.assert_close(session.paint(asked.appearance, asked.canvas), painted)
        for mine, other in zip(
            session.attack_step(asked.appearance, asked.canvas, *asked.aim), asked.step, strict=True
        ):
            torch.testing.assert_close(mine, other, atol=2e-3, rtol=1e-3)
        pose, by_frame = session.target_step(painted, *asked.aim)
        torch.testing.assert_close(pose, asked.step[0], atol=2e-3, rtol=1e-4)
        assert by_frame.shape == painted.shape
        pulled = session.decode_vjp(asked.appearance, asked.canvas.features, torch.ones_like(rgb))
    leaf = asked.appearance.clone().requires_grad_(True)
    (truth,) = torch.autograd.grad(network.decode_colours(leaf, asked.canvas.features).sum(), leaf)
    torch.testing.assert_close(pulled, truth, atol=1e-4, rtol=1e-3)


def test_reduced_precision_is_near_and_keeps_the_two_layers_that_everything_passes_through(bundle, asked):
    network = reduced(bundle.network)
    assert isinstance(network.encoder.head, InFloat32) and isinstance(network.detector.layers.box, InFloat32)
    kinds = {p.dtype for name, p in network.named_parameters() if "head" not in name and ".box." not in name}
    assert torch.bfloat16 in kinds
    assert all(p.dtype == torch.float32 for p in network.encoder.head.parameters())
    assert all(p.dtype == torch.float32 for p in bundle.network.parameters()), "the bundle's own network is untouched"
    with TorchSession(bundle, precision="bfloat16") as session:
        assert (session.backend, session.precision) == ("torch-bfloat16", "bfloat16")
        pose = session.predict(asked.frames)
        assert pose.dtype == torch.float32
        assert (pose - asked.pose).norm(dim=-1).mean() < 0.05 * asked.pose.norm(dim=-1).mean()
        pose, gradient = session.attack_step(asked.appearance, asked.canvas, *asked.aim)
        assert gradient.dtype == torch.float32
        assert cosine_similarity(gradient, asked.step[1]).median() > 0.8


def test_weights_that_were_never_exported_run_too(tiny_dataset, asked):
    source = lively("person", open_dataset(tiny_dataset))
    bundle = bundle_of(source)
    with TorchSession(bundle) as session:
        torch.testing.assert_close(session.predict(asked.frames), source.predict(asked.frames), atol=0.05, rtol=0)
        pose, gradient = session.attack_step(asked.appearance, asked.canvas, *asked.aim)
        truth = attack_step(source, source, asked.appearance, asked.canvas, *asked.aim)
        torch.testing.assert_close(pose, truth[0], atol=0.05, rtol=0)
        assert cosine_similarity(gradient, truth[1]).min() > 0.9999
    with pytest.raises(DataError, match="turncoat export"):
        bundle.path("predict")


def test_a_network_that_is_told_where_people_are_is_told_and_says_so_if_not(tiny_dataset):
    dataset = open_dataset(tiny_dataset)
    source = lively("crop", dataset)
    rows = dataset.select(split="held-out")[:3]
    frames, background, given = (
        as_float(dataset.read(rows)),
        as_float(dataset.background(rows)),
        given_of(dataset, rows),
    )
    with TorchSession(bundle_of(source)) as session, torch.no_grad():
        told = guide(source, given)
        codes, canvas = session.encode(frames, given=given), told.canvas(told.encode(frames), background)
        for mine, other in zip(codes, told.encode(frames), strict=True):
            torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)
        for mine, other in zip(session.canvas(codes, background, given=given), canvas, strict=True):
            torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)
        aim = (told.predict(frames) + 20, torch.ones(17), torch.ones(3))
        truth = attack_step(source, told, codes.appearance, canvas, *aim)
        pose, gradient = session.attack_step(codes.appearance, canvas, *aim)
        torch.testing.assert_close(pose, truth[0], atol=0.05, rtol=0)
        assert cosine_similarity(gradient, truth[1]).min() > 0.9999
        with pytest.raises(ConfigError, match="it is given where the person is"):
            session.predict(frames)


def test_what_does_not_fit_is_one_sentence(bundle, asked, tiny_dataset):
    session = TorchSession(bundle)
    with pytest.raises(DataError, match=r"predict takes frames of shape \(5, 3, 64, 64\), found \(5, 3, 64, 32\)"):
        session.predict(asked.frames[..., :32])
    with pytest.raises(DataError, match=r"attack takes sign of shape \(5,\), found \(4,\)"):
        session.attack_step(asked.appearance, asked.canvas, *asked.aim[:2], torch.ones(4))
    with pytest.raises(DataError, match="at least one sample"):
        session.predict(asked.frames[:0])
    session.close()
    session.close()
    with pytest.raises(EngineError, match="was closed"):
        session.predict(asked.frames)
    with pytest.raises(ConfigError, match="precision is 'int8'"):
        TorchSession(bundle, precision="int8")
    with TorchSession(bundle_of(lively("nothing", open_dataset(tiny_dataset)))) as blind:
        assert blind.predict(asked.frames).shape == (5, 17, 3)
        canvas = Canvas(*asked.canvas)
        with pytest.raises(ConfigError, match="nothing has no graph 'attack'; it has predict, encode, target, because"):
            blind.attack_step(asked.appearance, canvas, *asked.aim)


def test_a_path_to_nothing_is_one_sentence(tmp_path: Path):
    with pytest.raises(DataError, match="There are no weights at"):
        bundle_of(tmp_path / "nothing")
