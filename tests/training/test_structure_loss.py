"""Multi-scale SSIM is the published one; the structural term sees blur and forgives light."""

import pytest
import torch
from torch.nn import functional as F
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image import MultiScaleStructuralSimilarityIndexMeasure

from turncoat.kernels import DataError
from turncoat.training.losses import ms_ssim, structure_distance
from turncoat.training.losses.structure import EXPONENTS, WINDOW, scales_of


def smooth(seed, size=(128, 128), frames=3, channels=3):
    """Pictures with structure at every scale, colours in [0, 1]."""
    g = torch.Generator().manual_seed(seed)
    layers = [torch.rand(frames, channels, -(-size[0] // k), -(-size[1] // k), generator=g) for k in (1, 4, 16, 32)]
    return torch.stack([F.interpolate(layer, size, mode="bilinear") for layer in layers]).mean(0)


def blur(pictures, radius):
    return F.avg_pool2d(F.pad(pictures, (radius,) * 4, mode="replicate"), 2 * radius + 1, 1)


def exponents(scales):
    return [exponent / sum(EXPONENTS[:scales]) for exponent in EXPONENTS[:scales]]


PAIRS = {
    "noise": lambda x: x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(9)),
    "blur": lambda x: blur(x, 2),
    "gain and offset": lambda x: 0.7 * x + 0.2,
    "another picture": lambda x: smooth(7, x.shape[-2:]),
}

SAME = {"data_range": 1.0, "reduction": "none"}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("size", [(128, 128), (64, 96)])
def test_ms_ssim_is_the_product_of_torchmetrics_factors_inside_the_picture(pair, size):
    """The same windows and constants, scale by scale; at the coarsest, its SSIM map without the padded border."""
    target = smooth(1, size)
    x, y = PAIRS[pair](target), target
    expected = torch.ones(len(x))
    scales, edge = scales_of(*size), WINDOW // 2
    for k, exponent in enumerate(exponents(scales)):
        _, factor = structural_similarity_index_measure(x, y, return_contrast_sensitivity=True, **SAME)
        if k == scales - 1:
            _, ssim = structural_similarity_index_measure(x, y, return_full_image=True, **SAME)
            factor = ssim[..., edge:-edge, edge:-edge].mean((1, 2, 3))
        expected *= factor.clamp(min=1e-3) ** exponent
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    assert torch.allclose(ms_ssim(PAIRS[pair](target), target, step=1), expected, atol=2e-5)


@pytest.mark.parametrize("pair", PAIRS)
def test_ms_ssim_is_torchmetrics_but_for_the_border_of_the_coarsest_scale(pair):
    target = smooth(2)
    metric = MultiScaleStructuralSimilarityIndexMeasure(data_range=1.0, betas=tuple(exponents(3)))
    assert ms_ssim(PAIRS[pair](target), target, step=1).mean().item() == pytest.approx(
        metric(PAIRS[pair](target), target).item(), abs=0.02
    )


@pytest.mark.parametrize("pair", PAIRS)
def test_windows_two_pixels_apart_say_the_same(pair):
    target = smooth(3)
    assert torch.allclose(ms_ssim(PAIRS[pair](target), target), ms_ssim(PAIRS[pair](target), target, step=1), atol=5e-3)


@pytest.mark.parametrize(
    ("size", "scales"), [((500, 500), 5), ((128, 128), 3), ((128, 64), 2), ((64, 64), 2), ((43, 99), 1), ((11, 11), 1)]
)
def test_the_size_limits_the_scales(size, scales):
    assert scales_of(*size) == scales
    same = smooth(4, size, frames=1)
    assert ms_ssim(same, same).tolist() == [1.0]


def test_pictures_smaller_than_a_window_are_refused():
    small = torch.rand(1, 3, 10, 40)
    with pytest.raises(DataError, match=r"are 40 x 10 pixels; multi-scale SSIM takes at least 11 x 11"):
        structure_distance(small, small)


def test_the_gradient_is_the_derivative():
    g = torch.Generator().manual_seed(0)
    target = torch.rand(2, 3, 44, 46, generator=g, dtype=torch.float64)
    picture = (target + 0.1 * torch.randn(target.shape, generator=g, dtype=torch.float64)).requires_grad_()
    assert scales_of(44, 46) == 2
    assert torch.autograd.gradcheck(lambda p: structure_distance(p, target), picture, fast_mode=True)
    assert torch.autograd.gradcheck(lambda p: ms_ssim(p, target), picture, fast_mode=True)


def test_equal_pictures_differ_by_exactly_nothing_and_push_nowhere():
    target = smooth(5)
    picture = target.clone().requires_grad_()
    distance = structure_distance(picture, target)
    distance.sum().backward()
    assert distance.tolist() == [0, 0, 0] and picture.grad.abs().max() == 0


def test_the_distance_is_ssim_and_gradients_of_the_brightness():
    target, picture = smooth(12, (64, 64)), smooth(13, (64, 64))
    grey = [
        (each * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True) for each in (picture, target)
    ]
    gradients = torch.zeros(3)
    for pool in (1, 2):
        error = F.avg_pool2d(grey[0] - grey[1], pool).squeeze(1)
        for axis in (1, 2):
            gradients += error.diff(dim=axis).abs().mean((1, 2)) / 2
    expected = 1 - ms_ssim(*grey) + 3 * gradients
    assert torch.allclose(structure_distance(picture, target), expected, atol=1e-5)


def test_a_look_without_gradients_does_not_spoil_later_training():
    target = smooth(14, (47, 47))
    with torch.inference_mode():
        ms_ssim(target, target)
    picture = blur(target, 1).requires_grad_()
    ms_ssim(picture, target).sum().backward()
    assert picture.grad.abs().max() > 0


def test_the_distance_grows_with_blur():
    target = smooth(6)
    distances = torch.stack([structure_distance(blur(target, radius), target) for radius in (0, 1, 2, 4, 8)])
    assert (distances.diff(dim=0) > 0.01).all()


def test_light_is_forgiven_and_blur_is_not():
    """At the same squared error."""
    target = smooth(6)
    blurred = blur(target, 3)
    lighter = target + (blurred - target).square().mean().sqrt()
    assert (structure_distance(lighter, target) < 0.1 * structure_distance(blurred, target)).all()


def test_the_distance_is_of_brightness():
    """Colours that turn with their brightness kept are no change of structure; the same change of brightness is."""
    target = smooth(8)
    wave = 0.1 * torch.sin(torch.arange(128) / 3).expand(3, 1, 128, 128)
    colour = wave * torch.tensor([0.587, -0.299, 0.0]).view(1, 3, 1, 1)
    assert structure_distance(target + colour, target).max() < 1e-5
    assert structure_distance(target + wave, target).min() > 0.01


def test_pictures_of_opposite_structure_have_a_finite_gradient():
    """A negative similarity has no power: the floor keeps it from becoming not a number."""
    target = smooth(9)
    picture = (1 - target).requires_grad_()
    distance = structure_distance(picture, target)
    distance.sum().backward()
    assert torch.isfinite(distance).all() and torch.isfinite(picture.grad).all()
    assert (distance > structure_distance(blur(target, 4), target)).all()


def test_one_frame_does_not_change_anothers_distance():
    target, picture = smooth(10), smooth(11)
    together = structure_distance(picture, target)
    alone = torch.cat([structure_distance(picture[k : k + 1], target[k : k + 1]) for k in range(3)])
    assert torch.allclose(together, alone, atol=1e-6)
