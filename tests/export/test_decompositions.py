"""Each decomposition says what PyTorch's own operator says, forward and backward."""

import pytest
import torch
from torch.nn import functional as F

from turncoat.export import decompositions as d
from turncoat.export.decompositions import decompositions

aten = torch.ops.aten


def picture(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "stride, padding, kernel, size",
    [(1, 1, 3, 7), (1, 0, 5, 9), (2, 1, 3, 8), (2, 2, 5, 9), (2, 0, 1, 7), (2, 3, 7, 12)],
)
def test_a_convolution_s_input_gradient_is_a_convolution(stride, padding, kernel, size):
    x, weight = picture(2, 3, size, size).requires_grad_(), picture(5, 3, kernel, kernel, seed=1)
    out = F.conv2d(x, weight, stride=stride, padding=padding)
    (expected,) = torch.autograd.grad(out, x, gradient := picture(*out.shape, seed=2))
    found, *rest = d.convolution_backward(
        gradient, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, [True, False, False]
    )
    assert rest == [None, None]
    torch.testing.assert_close(found, expected)


def test_gradients_of_weights_are_not_exported():
    x, weight = picture(1, 2, 5, 5), picture(2, 2, 3, 3)
    with pytest.raises(NotImplementedError):
        d.convolution_backward(x, x, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, True, False])


@pytest.mark.parametrize(
    "start, end, step", [(0, 7, 1), (2, 5, 1), (1, 7, 2), (0, 6, 3), (3, 9223372036854775807, 2), (-3, 7, 1)]
)
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_a_slice_s_gradient_is_zeros_around_and_between(dim, start, end, step):
    x = picture(7, 7, 7).requires_grad_()
    out = aten.slice.Tensor(x, dim, start, end, step)
    (expected,) = torch.autograd.grad(out, x, gradient := picture(*out.shape, seed=1))
    torch.testing.assert_close(d.slice_backward(gradient, [7, 7, 7], dim, start, end, step), expected)


@pytest.mark.parametrize("index", [0, 2, -1])
def test_a_selection_s_gradient_is_zeros_around(index):
    x = picture(3, 4).requires_grad_()
    (expected,) = torch.autograd.grad(x.select(0, index), x, gradient := picture(4, seed=1))
    torch.testing.assert_close(d.select_backward(gradient, [3, 4], 0, index), expected)
    torch.testing.assert_close(
        d.select_scatter(x.detach(), gradient, 0, index), aten.select_scatter.default(x.detach(), gradient, 0, index)
    )


@pytest.mark.parametrize("start, end", [(0, 4), (1, 3), (None, 2), (2, None)])
def test_a_replaced_slice_is_a_concatenation(start, end):
    x = picture(2, 4)
    source = picture(*x[:, start:end].shape, seed=1)
    expected = aten.slice_scatter.default(x, source, 1, start, end, 1)
    torch.testing.assert_close(d.slice_scatter(x, source, 1, start, end), expected)


@pytest.mark.parametrize("kernel, stride, padding, size", [(3, 2, 1, 9), (3, 2, 1, 8), (2, 2, 0, 6), (3, 1, 1, 5)])
@pytest.mark.parametrize("ties", [False, True])
def test_max_pooling_and_its_gradient_need_no_indices(kernel, stride, padding, size, ties):
    x = picture(2, 3, size, size)
    if ties:
        x = x.round()  # equal neighbours everywhere, below zero too
    x.requires_grad_()
    out, indices = aten.max_pool2d_with_indices.default(x, [kernel] * 2, [stride] * 2, [padding] * 2)
    (expected,) = torch.autograd.grad(out, x, gradient := picture(*out.shape, seed=1))
    found, _ = d.max_pool(x, [kernel] * 2, [stride] * 2, [padding] * 2)
    torch.testing.assert_close(found, out)
    back = d.max_pool_backward(gradient, x, [kernel] * 2, [stride] * 2, [padding] * 2, [1, 1], False, indices)
    torch.testing.assert_close(back, expected)


def test_average_pooling_and_its_gradient_are_blocks():
    x = picture(2, 3, 8, 12).requires_grad_()
    for out, found, back in (
        (
            F.avg_pool2d(x, 4),
            d.average_pool(x, [4, 4], []),
            lambda g: d.average_pool_backward(g, x, [4, 4], [], [0, 0], False, True, None),
        ),
        (
            F.adaptive_avg_pool2d(x, 2),
            d.adaptive_average_pool(x, [2, 2]),
            lambda g: d.adaptive_average_pool_backward(g, x),
        ),
    ):
        torch.testing.assert_close(found, out)
        (expected,) = torch.autograd.grad(out, x, gradient := picture(*out.shape, seed=1))
        torch.testing.assert_close(back(gradient), expected)


def test_pooling_over_blocks_that_do_not_tile_is_refused():
    with pytest.raises(NotImplementedError):
        d.average_pool(picture(1, 1, 7, 8), [2, 2])
    with pytest.raises(NotImplementedError):
        d.adaptive_average_pool(picture(1, 1, 7, 8), [2, 2])


def test_bilinear_enlargement_and_its_gradient_are_products():
    x = picture(2, 3, 5, 4).requires_grad_()
    out = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
    (expected,) = torch.autograd.grad(out, x, gradient := picture(*out.shape, seed=1))
    torch.testing.assert_close(d.upsample_bilinear(x, [10, 8], True), out)
    torch.testing.assert_close(d.upsample_bilinear_vec(x, None, True, [2.0, 2.0]), out)
    torch.testing.assert_close(d.upsample_bilinear_backward(gradient, [10, 8], [2, 3, 5, 4], True), expected)


def test_the_table_holds_every_one_of_them():
    table = decompositions()
    ours = {function for function in table.values() if getattr(function, "__module__", "") == d.__name__}
    public = {
        value
        for name, value in vars(d).items()
        if callable(value) and not name.startswith("_") and getattr(value, "__module__", "") == d.__name__
    }
    assert public - {decompositions} == ours
