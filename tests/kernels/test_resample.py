"""Cropping by two matrix products is bilinear sampling with aligned corners."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import grid_sample

from turncoat.kernels.resample import invert_box, resample
from turncoat.kernels.resample.reference import resample as sample

BOXES = [
    (1.0, 1.0, 0.0, 0.0),
    (0.5, 0.7, 0.2, -0.1),
    (0.9, 0.2, 0.8, 0.8),
    (1.6, 2.5, -0.3, 0.4),
    (0.6, 0.5, 0.0, 0.1),
]


def by_grid_sample(image, box, height, width, padding):
    x = box[:, 0, None] * torch.linspace(-1, 1, width, dtype=box.dtype) + box[:, 2, None]
    y = box[:, 1, None] * torch.linspace(-1, 1, height, dtype=box.dtype) + box[:, 3, None]
    grid = torch.stack([x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], dim=-1)
    return grid_sample(image, grid, mode="bilinear", padding_mode=padding, align_corners=True)


@pytest.mark.parametrize("padding", ["zeros", "border"])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (23, 9), (1, 5)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_resample_equals_grid_sample(padding, height, width, dtype, tolerance):
    torch.manual_seed(0)
    image = torch.rand(len(BOXES), 3, 13, 17, dtype=dtype)
    box = torch.tensor(BOXES, dtype=dtype)
    expected = by_grid_sample(image, box, height, width, padding)
    torch.testing.assert_close(resample(image, box, height, width, padding=padding), expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("padding", ["zeros", "border"])
def test_resample_equals_the_numpy_reference(padding):
    rng = np.random.default_rng(0)
    image, box = rng.random((len(BOXES), 2, 11, 8)), np.array(BOXES)
    ours = resample(torch.from_numpy(image), torch.from_numpy(box), 7, 12, padding=padding)
    np.testing.assert_allclose(ours.numpy(), sample(image, box, 7, 12, border=padding == "border"), atol=1e-12)


def test_the_identity_box_returns_the_image():
    image = torch.rand(2, 3, 9, 9, dtype=torch.float64)
    box = torch.tensor([[1.0, 1, 0, 0]] * 2, dtype=torch.float64)
    torch.testing.assert_close(resample(image, box, 9, 9), image)


def test_outside_the_image_zeros_and_border_differ_as_named():
    image = torch.full((1, 1, 5, 5), 0.7, dtype=torch.float64)
    box = torch.tensor([[3.0, 3, 0, 0]], dtype=torch.float64)
    assert resample(image, box, 5, 5)[0, 0, 0, 0] == 0
    torch.testing.assert_close(resample(image, box, 5, 5, padding="border"), image)


@pytest.mark.parametrize("padding", ["zeros", "border"])
def test_gradient_with_respect_to_image_and_box(padding):
    torch.manual_seed(1)
    image = torch.rand(2, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    # Positions lie off the pixel centres, where the hat has its kinks.
    box = torch.tensor([[0.53, 0.71, 0.13, -0.17], [0.93, 0.37, 0.41, 0.29]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i, b: resample(i, b, 4, 7, padding=padding), (image, box))


def test_weights_are_computed_in_the_precision_of_the_box_not_of_the_picture():
    """bfloat16 positions would be off by a pixel at 128."""
    image = torch.rand(1, 3, 128, 128)
    box = torch.tensor([[0.6, 0.6, 0.1, 0.1]])
    low = resample(image.bfloat16(), box, 64, 64).float()
    torch.testing.assert_close(low, resample(image, box, 64, 64), atol=0.02, rtol=0)


@given(
    scale=st.tuples(st.floats(0.2, 1.5), st.floats(0.2, 1.5)),
    shift=st.tuples(st.floats(-0.8, 0.8), st.floats(-0.8, 0.8)),
)
@settings(max_examples=50, deadline=None)
def test_a_box_and_its_inverse_compose_to_the_identity(scale, shift):
    box = torch.tensor([[*scale, *shift]], dtype=torch.float64)
    inverse = invert_box(box)
    torch.testing.assert_close(invert_box(inverse), box)
    torch.testing.assert_close(box[:, :2] * inverse[:, :2], torch.ones(1, 2, dtype=torch.float64))
    torch.testing.assert_close(
        box[:, :2] * inverse[:, 2:] + box[:, 2:], torch.zeros(1, 2, dtype=torch.float64), atol=1e-12, rtol=0
    )


def test_uncrop_of_a_crop_is_the_image_inside_the_box():
    """Exact for a picture that is linear in x and y, which bilinear sampling reproduces."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 33), torch.linspace(0, 1, 33), indexing="ij")
    image = torch.stack([x, y, 0.3 * x + 0.5 * y]).double()[None]
    box = torch.tensor([[0.5, 0.5, 0.25, -0.25]], dtype=torch.float64)
    again = resample(resample(image, box, 33, 33), invert_box(box), 33, 33)
    inside = resample(torch.ones_like(image), invert_box(box), 33, 33) > 0.999
    assert inside.double().mean() > 0.2
    torch.testing.assert_close(again[inside], image[inside], atol=1e-9, rtol=0)


@pytest.mark.parametrize("kind", [torch.tensor, np.array])
def test_a_box_that_nothing_undoes_is_refused(kind):
    for box, message in [
        ([[1.0, 1.0, 0.0]], r"box \(1, 3\); expected box \(B, 4\)"),
        ([1.0, 1.0, 0.0, 0.0], r"box \(4,\); expected"),
        ([[1, 1, 0, 0]], r"\(1, 4\); expected floating-point numbers"),
        ([[1.0, 0.0, 0.0, 0.0]], r"Box 0 of \(1, 4\) is \(1, 0, 0, 0\).*scales above 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            invert_box(kind(box))


@pytest.mark.parametrize("scale", [0.0, -1.0])
@pytest.mark.parametrize("kind", [torch.tensor, np.array])
def test_a_crop_needs_scales_above_nothing(kind, scale):
    image, box = kind([[[[0.5, 0.25]]]] * 2), kind([[1.0, 1.0, 0.0, 0.0], [1.0, scale, 0.0, 0.0]])
    with pytest.raises(ValueError, match=rf"Box 1 of \(2, 4\) is \(1, {scale:g}, 0, 0\).*both scales above 0"):
        resample(image, box, 2, 2)


def test_a_box_that_is_not_finite_is_not_a_number_everywhere():
    found = resample(torch.rand(1, 1, 4, 4), torch.tensor([[float("nan"), 1.0, 0.0, 0.0]]), 3, 3)
    assert found.isnan().all()


@pytest.mark.parametrize(
    ("image", "box", "message"),
    [
        (torch.ones(1, 1, 4, 4), np.ones((1, 4)), r"torch.Tensor \(1, 1, 4, 4\), numpy.ndarray \(1, 4\)"),
        (torch.ones(1, 1, 4, 4), torch.ones(1, 4, device="meta"), r"cpu \(1, 1, 4, 4\), meta \(1, 4\)"),
        (torch.ones(1, 1, 4, 4, dtype=torch.int64), torch.ones(1, 4), r"int64 \(1, 1, 4, 4\), box is .* \(1, 4\)"),
    ],
)
def test_what_is_refused_is_named_with_its_shape(image, box, message):
    with pytest.raises(ValueError, match=message):
        resample(image, box, 2, 2)


def test_an_unknown_padding_is_refused():
    with pytest.raises(ValueError, match="'zeros' or 'border'"):
        resample(torch.rand(1, 1, 4, 4), torch.ones(1, 4), 2, 2, padding="reflect")
