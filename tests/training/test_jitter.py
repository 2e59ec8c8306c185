"""Colour jitter changes colours as it says, and only of what the encoder sees."""

import numpy as np
import pytest
import torch

from turncoat.training.jitter import AUGMENTED, LUMA, JitterSettings, draw_jitter, jitter_colours
from turncoat.training.networks import Disentangled, preset


def draw(size=64, **strengths):
    return draw_jitter(JitterSettings(**strengths), np.random.default_rng(0), size)


def luma(pictures):
    return (pictures * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1)


def pictures(size=64):
    return 0.3 + 0.2 * torch.rand(size, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_no_strength_changes_nothing():
    assert not JitterSettings().on
    assert torch.allclose(jitter_colours(pictures(), draw()), pictures(), atol=1e-6)


def test_brightness_multiplies():
    before, after = pictures(), jitter_colours(pictures(), draw(brightness=0.4))
    factor = (after / before).flatten(1)
    assert torch.allclose(factor, factor[:, :1].expand_as(factor), atol=1e-5)
    assert factor.min() >= 0.6 - 1e-5 and factor.max() <= 1.4 + 1e-5 and factor[:, 0].std() > 0.1


def test_contrast_keeps_the_mean_brightness_and_saturation_each_pixels():
    before = pictures()
    contrast, saturation = (jitter_colours(before, draw(**{name: 0.4})) for name in ("contrast", "saturation"))
    assert torch.allclose(luma(contrast).mean((1, 2)), luma(before).mean((1, 2)), atol=1e-5)
    assert not torch.allclose(luma(contrast), luma(before), atol=1e-3)
    assert torch.allclose(luma(saturation), luma(before), atol=1e-5) and not torch.allclose(saturation, before)


def test_hue_turns_colours_and_leaves_grey():
    grey = torch.full((64, 3, 2, 2), 0.5)
    assert torch.allclose(jitter_colours(grey, draw(hue=0.1)), grey, atol=1e-5)
    turned = jitter_colours(pictures(), draw(hue=0.1))
    assert torch.allclose(luma(turned), luma(pictures()), atol=1e-4) and not torch.allclose(
        turned, pictures(), atol=0.01
    )


def test_frames_of_a_batch_change_independently_and_stay_in_range():
    jitter = draw(**AUGMENTED)
    assert len(torch.unique(jitter.matrix[:, 0, 0])) == 64
    wild = jitter_colours(torch.rand(64, 3, 4, 4), jitter)
    assert wild.min() >= 0 and wild.max() <= 1


def test_the_encoder_sees_other_colours_and_the_detector_the_same():
    network = Disentangled(preset("studio", frame_size=64, crop_size=32)).eval()
    frames = torch.rand(4, 3, 64, 64)
    plain, changed = network.encode(frames), network.encode(frames, draw(4, **AUGMENTED))
    assert torch.equal(plain.box, changed.box) and not torch.allclose(plain.pose_code, changed.pose_code, atol=1e-4)
    same = network.encode(frames, draw(4))
    assert torch.allclose(plain.pose_code, same.pose_code, atol=1e-3)


@pytest.mark.parametrize("name", ["brightness", "hue"])
def test_strengths_out_of_range_are_refused(name):
    with pytest.raises(ValueError):
        JitterSettings(**{name: 1.5})
