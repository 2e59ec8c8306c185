"""Every compositor against the NumPy float64 reference, and what a composite must keep."""

import numpy as np
import pytest
import torch

from turncoat.kernels.composite import composite, paint
from turncoat.kernels.recompose import recompose


def scene(seed=0, batch=3, crop=12, height=17, width=20):
    rng = np.random.default_rng(seed)
    box = np.column_stack([rng.uniform(0.2, 1, (batch, 2)), rng.uniform(-0.6, 0.6, (batch, 2))])
    mask = rng.random((batch, 1, crop, crop))
    mask /= mask.max(axis=(2, 3), keepdims=True)
    return rng.uniform(-0.3, 1.3, (batch, 3, crop, crop)), mask, box, rng.random((batch, 3, height, width))


def tensors(arrays, dtype=torch.float64):
    return [torch.from_numpy(array).to(dtype) for array in arrays]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 3e-5)])
@pytest.mark.parametrize("renormalise", [True, False])
@pytest.mark.parametrize("clamp", [True, False])
def test_composite_equals_the_reference(dtype, tolerance, renormalise, clamp):
    arrays = scene()
    expected = composite(*arrays, renormalise=renormalise, clamp=clamp)
    ours = composite(*tensors(arrays, dtype), renormalise=renormalise, clamp=clamp)
    for mine, reference in zip(ours, expected, strict=True):
        assert mine.dtype == dtype
        np.testing.assert_allclose(mine.double().numpy(), reference, atol=tolerance)


def test_paint_equals_the_reference_and_repaints_what_composite_painted():
    rgb, mask, box, background = scene(1)
    frame, full_mask = composite(rgb, mask, box, background)
    base = background * (1 - full_mask)
    np.testing.assert_allclose(paint(rgb, box, full_mask, base), frame, atol=1e-12)
    ours = paint(*tensors([rgb, box, full_mask, base]))
    np.testing.assert_allclose(ours.numpy(), frame, atol=1e-11)


def test_outside_the_box_the_background_is_untouched():
    rgb, mask, _, background = scene(2)
    box = np.tile([0.3, 0.3, 0.2, 0.2], (3, 1))
    frame, full_mask = composite(rgb, mask, box, background)
    outside = (full_mask == 0).repeat(3, axis=1)
    assert outside.mean() > 0.5
    np.testing.assert_array_equal(frame[outside], background[outside])


def test_the_mask_at_full_frame_reaches_one_only_when_renormalised():
    rgb, mask, box, background = tensors(scene(3))
    assert composite(rgb, 0.3 * mask, box, background)[1].amax() > 0.99
    assert composite(rgb, 0.3 * mask, box, background, renormalise=False)[1].amax() <= 0.3


def test_an_empty_mask_gives_the_background():
    rgb, mask, box, background = tensors(scene(4))
    frame, full_mask = composite(rgb, 0 * mask, box, background)
    assert (full_mask == 0).all()
    torch.testing.assert_close(frame, background)


def test_only_the_unclamped_composite_leaves_the_range():
    rgb, mask, box, background = tensors(scene(5))
    clamped, free = (composite(3 * rgb, mask, box, background, clamp=clamp)[0] for clamp in (True, False))
    assert clamped.amin() >= 0 and clamped.amax() <= 1
    assert free.amin() < 0 and free.amax() > 1
    torch.testing.assert_close(free.clamp(0, 1), clamped)


def test_gradients_of_composite_and_paint():
    rgb, mask, box, background = (tensor.requires_grad_() for tensor in tensors(scene(6, 1, 5, 6, 7)))
    assert torch.autograd.gradcheck(lambda *a: composite(*a, clamp=False), (rgb, mask, box, background))
    full_mask, base = torch.rand(1, 1, 6, 7, dtype=torch.float64), torch.rand(1, 3, 6, 7, dtype=torch.float64) / 4
    inner = torch.rand(1, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda r: paint(r, box.detach(), full_mask * 0.5, base), (inner,))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_recompose_equals_the_sum_over_materials(dtype, tolerance):
    rng = np.random.default_rng(7)
    shading, colours, rest = rng.random((2, 5, 6, 4)), rng.random((2, 5, 3)), rng.random((2, 3, 6, 4)) - 0.5
    expected = sum(shading[:, m, None] * colours[:, m, :, None, None] for m in range(5)) + rest
    np.testing.assert_allclose(recompose(shading, colours, rest), expected.clip(0, 1), atol=1e-12)
    ours = recompose(*tensors([shading, colours, rest], dtype), clamp=False)
    np.testing.assert_allclose(ours.double().numpy(), expected, atol=5 * tolerance)


def test_recompose_is_differentiable_in_the_colours():
    shading, rest = torch.rand(1, 3, 4, 4, dtype=torch.float64) / 4, torch.full((1, 3, 4, 4), 0.1, dtype=torch.float64)
    colours = torch.rand(1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: recompose(shading, c, rest), (colours,))
