"""The step of two networks in pieces is the step of the whole, and the faster of the two is used."""

import time

import pytest
import torch
from torch.nn.functional import cosine_similarity

from fixtures.lively import lively
from turncoat.engine.runtime import PairStep
from turncoat.engine.runtime.source import bundle_of
from turncoat.engine.runtime.torch_session import TorchSession
from turncoat.export.attack_step import attack_step
from turncoat.kernels import ConfigError
from turncoat.training.data import open_dataset
from turncoat.training.networks import given_of, guide


def test_in_pieces_a_network_gives_its_own_fused_gradient(bundle, asked):
    session = TorchSession(bundle)
    pose, gradient = PairStep(session, session).in_pieces(asked.appearance, asked.canvas, *asked.aim)
    torch.testing.assert_close(pose, asked.step[0], atol=0.01, rtol=1e-5)
    assert cosine_similarity(gradient, asked.step[1]).min() > 0.99999
    torch.testing.assert_close(gradient, asked.step[1], rtol=1e-3, atol=1e-5 * float(asked.step[1].abs().max()))


@pytest.mark.parametrize("paints", ["person", "crop", "nothing"])
def test_two_networks_give_the_gradient_of_the_pair(bundle, asked, tiny_dataset, paints):
    dataset = open_dataset(tiny_dataset)
    target = lively(paints, dataset, seed=5)
    given = given_of(dataset, dataset.select(split="held-out")[:5])
    pair = PairStep(TorchSession(bundle), TorchSession(bundle_of(target)))
    assert (pair.backend, pair.fused) == ("torch-float32", False)
    told = guide(target, given if paints == "crop" else None)
    truth = attack_step(bundle.network, told, asked.appearance, asked.canvas, *asked.aim)
    pose, gradient = pair.attack_step(asked.appearance, asked.canvas, *asked.aim, given=given)
    torch.testing.assert_close(pose, truth[0], atol=0.05, rtol=1e-4)
    assert cosine_similarity(gradient, truth[1]).min() > 0.9999
    if paints == "crop":
        with pytest.raises(ConfigError, match="it is given where the person is"):
            pair.attack_step(asked.appearance, asked.canvas, *asked.aim)


@pytest.mark.parametrize("slow", ["attack_step", "target_step"])
def test_a_network_against_itself_takes_the_faster_way(bundle, asked, monkeypatch, slow):
    session = TorchSession(bundle)
    quick = getattr(session, slow)

    def slowed(*arguments, **named):
        time.sleep(0.2)
        return quick(*arguments, **named)

    monkeypatch.setattr(session, slow, slowed)
    few = asked.rows(1)
    pair = PairStep(session, session)
    assert pair.fused is None
    _, gradient = pair.attack_step(few.appearance, few.canvas, *few.aim)
    assert pair.fused is (slow == "target_step")
    assert cosine_similarity(gradient, few.step[1]).min() > 0.9999


def test_a_generator_that_cannot_paint_and_a_target_that_cannot_predict_are_sentences(bundle, tiny_dataset):
    session = TorchSession(bundle)
    blind = TorchSession(bundle_of(lively("nothing", open_dataset(tiny_dataset))))
    with pytest.raises(ConfigError, match="nothing has no decoder"):
        PairStep(blind, session)
    mute = lively("person", open_dataset(tiny_dataset))
    mute.regressor = None
    with pytest.raises(ConfigError, match="turncoat fit-regressor"):
        PairStep(session, TorchSession(bundle_of(mute)))
