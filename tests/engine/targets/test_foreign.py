"""Callables as targets: what they see, what their numbers become, and that gradients flow through both."""

import sys

import numpy as np
import pytest
import torch

from fixtures.foreign import write_target
from turncoat.engine.targets import load_target
from turncoat.export.attack_step import Unpainted, attack_step
from turncoat.kernels.errors import ConfigError, EngineError
from turncoat.training.networks import Given, guide

OURS = {0: 0, 1: 1, 2: 3, 4: 2}  # our number -> the toy's; our 8, the neck, is the mean of 4 and 5


def frames(count=3, size=16):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def expected(pictures):
    """The toy's answer in our joints, relative to the pelvis: (B, 5, 3) in its own unit and axes."""
    mean, k = pictures.mean((2, 3)).numpy(), np.arange(6.0)
    joints = k[None, :, None] * [1, 2, -1] + mean[:, None] * (1 + k)[None, :, None]
    pose = np.stack([*(joints[:, n] for n in OURS.values()), joints[:, 4:].mean(1)], axis=1)
    return pose - joints[:, :1]


def close(found, wanted):
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-4)


@pytest.mark.parametrize("name", ["joints", "flat", "network"])
def test_joints_come_out_in_our_order_relative_to_the_pelvis(loaded, name):
    target = loaded(name)
    assert target.joints == (0, 1, 2, 4, 8) and target.root_joints == (0,) and target.differentiable
    close(target.predict(frames()), expected(frames()))


def test_the_root_may_be_the_mean_of_the_hips(loaded):
    target = loaded("joints", output={"root": "hips", "joints": {"right_hip": 1, "left_hip": 2, "neck": 4, "head": 3}})
    assert target.joints == (1, 4, 8, 9) and target.root_joints == (1, 4)
    pose = target.predict(frames())
    close(pose[:, :2].mean(1), np.zeros((3, 3)))
    assert pose[:, 2:].abs().min() > 0.5


def test_axes_and_units(loaded):
    target = loaded("joints", output={"axes": ("z", "-y", "-x"), "unit": "m"})
    wanted = expected(frames())
    close(target.predict(frames()) / 1000, np.stack([wanted[..., 2], -wanted[..., 1], -wanted[..., 0]], axis=-1))
    close(loaded("joints", output={"unit": 2.5}).predict(frames()), 2.5 * wanted)


def test_a_target_sees_the_colours_the_values_and_the_layout_that_it_wants(loaded):
    wanted = {"layout": "NHWC", "colours": "BGR", "range": (-1, 255), "mean": (1, 2, 3), "std": (4, 5, 6)}
    target = loaded("channels_last", input=wanted)
    seen = sys.modules[target.settings.source.partition(":")[0]].SEEN
    seen.clear()
    target.predict(frames())
    close(seen[0], ((frames().numpy()[:, ::-1].transpose(0, 2, 3, 1) * 256 - 1) - [1, 2, 3]) / [4, 5, 6])


def test_frames_of_another_size_are_resized(loaded):
    target = loaded("joints")
    flat = torch.linspace(0, 1, 9).view(3, 3, 1, 1).expand(3, 3, 50, 50).contiguous()
    close(target.predict(flat), expected(flat))
    assert target.preprocess(frames(2, 40)).shape == (2, 3, 16, 16)


def test_the_picture_is_cut_around_the_person_undistorted(loaded):
    target = loaded("joints", input={"crop": "box", "margin": 1.2, "padding": "border"})
    assert target.needs_given
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64).contiguous()
    box = torch.tensor(
        [[0.25, 0.5, 0.2, 0.0]]
    )  # a person twice as tall as wide: the square is as wide as they are tall
    cut = target.preprocess(ramp, Given(box, torch.ones(1, 1, 64, 64)))
    close(cut[0, 0, 0, [0, -1]], (1 + 0.2 + np.array([-0.5, 0.5])) / 2)
    wide = loaded("joints", input={"crop": "box", "margin": 2.4, "padding": "black"})
    cut = wide.preprocess(torch.ones(1, 3, 64, 64), Given(box, torch.ones(1, 1, 64, 64)))
    assert cut[0, 0, 8, -1] == 0 and cut[0, 0, 8, 8] == 1
    with pytest.raises(ConfigError, match="given where the person is"):
        target.predict(ramp)


@pytest.mark.parametrize("changes", [{}, {"input": {"crop": "box"}}, {"input": {"colours": "BGR", "std": (0.5, 1, 2)}}])
def test_gradients_by_the_frames_are_those_of_finite_differences(loaded, changes):
    target = loaded("network", output={"unit": "m"}, **changes)
    picture = frames(1, 24)
    seen = guide(target, Given(torch.tensor([[0.6, 0.7, 0.1, 0.0]]), torch.ones(1, 1, 24, 24)))
    reference, weight = seen.predict(picture) - 40 * frames(1, 16)[:, :, :5, 0].permute(0, 2, 1), torch.ones(5)
    pose, gradient = attack_step(Unpainted(), seen, picture, None, reference, weight, 1.0)
    assert pose.shape == (1, 5, 3) and gradient.abs().max() > 0
    direction = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))

    def value(step):
        moved = seen.predict(picture + step * direction)
        return ((moved - reference) / 1000).double().square().sum().item()

    numeric = (value(0.05) - value(-0.05)) / 0.1
    assert numeric == pytest.approx((gradient * direction).sum().item(), rel=2e-3)


def test_a_joint_that_takes_no_part_spoils_nothing(loaded):
    target = loaded("spoiled", output={"numbers": 4, "joints": {"pelvis": 0, "right_hip": 1, "neck": 4}})
    assert target.predict(frames()).isfinite().all()


def test_the_output_of_several_is_named(loaded):
    close(loaded("several", output={"name": "joints"}).predict(frames()), expected(frames()))
    for name in (None, "pose"):
        with pytest.raises(
            ConfigError, match=r"returns 'score', 'joints', and \[output\] name is .*; name one of them"
        ):
            loaded("several", output={} if name is None else {"name": name})


def test_pictures_are_given_in_batches_of_the_description(loaded):
    one, many = loaded("joints", input={"batch": 2}), loaded("joints")
    torch.testing.assert_close(one.predict(frames(5)), many.predict(frames(5)))


def test_a_callable_that_takes_arrays_is_asked_without_gradients(loaded):
    target = loaded("arrays", input={"kind": "numpy"})
    assert not target.differentiable
    close(target.predict(frames().requires_grad_(True)), expected(frames()))


def test_the_hash_follows_weights_and_description(loaded):
    first, same, other = loaded("network"), loaded("network"), loaded("network", output={"unit": "m"})
    assert first.weights_hash == same.weights_hash != other.weights_hash
    sys.modules[first.settings.source.partition(":")[0]].network.scale.data.fill_(2)
    assert loaded("network").weights_hash != first.weights_hash


@pytest.mark.parametrize(
    "name, error, said",
    [
        ("detached", ConfigError, "is not differentiable: no gradient .* set gradients = false"),
        ("pair_of_joints", ConfigError, r"answered with an array of shape \(2, 6, 2\); expected 6 joints of 3 numbers"),
        ("one_answer", ConfigError, "answered 1 poses to 2 pictures"),
        ("words", ConfigError, "returns a str; expected a tensor or an array"),
        ("fails", EngineError, "failed on pictures of shape .* no such thing"),
        ("missing", ConfigError, "has no 'missing'; correct the source"),
        ("Network", ConfigError, "is a class; expected a function"),
        ("number", ConfigError, "is a int; expected a function"),
    ],
)  # fmt: skip
def test_what_is_no_target_is_refused_in_one_sentence(loaded, name, error, said):
    with pytest.raises(error, match=said) as raised:
        loaded(name)
    assert len(str(raised.value).splitlines()) == 1


def test_without_gradients_a_detached_callable_will_do(loaded):
    assert not loaded("detached", gradients=False).differentiable


def test_joints_that_do_not_match(loaded):
    with pytest.raises(ConfigError, match="expected 7 joints of 3 numbers each"):
        loaded("joints", output={"count": 7})


def test_a_module_that_does_not_import(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be imported .ModuleNotFoundError.* put its module beside"):
        load_target(write_target(tmp_path, "no_such_module:predict"))
    (tmp_path / "broken_toy.py").write_text("1 / 0")
    with pytest.raises(ConfigError, match=r"cannot be imported .ZeroDivisionError"):
        load_target(write_target(tmp_path, "broken_toy:predict"))
    assert str(tmp_path) not in sys.path
