"""How operators are written in exported graphs: what an inference engine runs, and runs right.

PyTorch traces a gradient into operators that no inference engine has (`convolution_backward`, `slice_scatter`) or that
engines get wrong or run slowly (GridSample, Resize, scattering). `decompositions` says each of them with matrix
products, convolutions, comparisons and concatenations. Weights are frozen, so only gradients of inputs are needed.

The table serves tracing with `make_fx` and `ExportedProgram.run_decompositions` alike.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions

aten = torch.ops.aten


def decompositions() -> dict[Any, Callable[..., Any]]:
    """PyTorch's own decompositions to its core operators, with ours in their place where an engine needs others."""
    table = dict(core_aten_decompositions())
    table |= {
        aten.convolution_backward.default: convolution_backward,
        aten.slice_backward.default: slice_backward,
        aten.slice_scatter.default: slice_scatter,
        aten.select_backward.default: select_backward,
        aten.select_scatter.default: select_scatter,
        aten.max_pool2d_with_indices.default: max_pool,
        aten.max_pool2d_with_indices_backward.default: max_pool_backward,
        aten.avg_pool2d.default: average_pool,
        aten.avg_pool2d_backward.default: average_pool_backward,
        aten._adaptive_avg_pool2d.default: adaptive_average_pool,
        aten._adaptive_avg_pool2d_backward.default: adaptive_average_pool_backward,
        aten.upsample_bilinear2d.vec: upsample_bilinear_vec,
        aten.upsample_bilinear2d.default: upsample_bilinear,
        aten.upsample_bilinear2d_backward.default: upsample_bilinear_backward,
        aten.threshold_backward.default: threshold_backward,
    }
    return table


def convolution_backward(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    bias_sizes: Any,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
    wanted: list[bool],
) -> tuple[Tensor | None, None, None]:
    """The gradient of a convolution's input, as a convolution: with the flipped weight, or transposed if strided."""
    if transposed or max(dilation) > 1 or groups > 1 or wanted[1] or wanted[2]:
        raise NotImplementedError("only input gradients of plain convolutions are exported")
    if not wanted[0]:
        return None, None, None
    if max(stride) == 1:
        pad = [weight.shape[2 + i] - 1 - padding[i] for i in range(2)]
        flipped = weight.flip(2, 3).transpose(0, 1)
        return aten.convolution.default(gradient, flipped, None, [1, 1], pad, [1, 1], False, [0, 0], 1), None, None
    reached = [(gradient.shape[2 + i] - 1) * stride[i] - 2 * padding[i] + weight.shape[2 + i] for i in range(2)]
    extra = [x.shape[2 + i] - reached[i] for i in range(2)]
    back = aten.convolution.default(gradient, weight, None, stride, padding, [1, 1], True, extra, 1)
    return back, None, None


def slice_backward(gradient: Tensor, sizes: list[int], dim: int, start: int, end: int, step: int) -> Tensor:
    """A slice's gradient: zeros around it, and between its elements where the slice had a step."""
    dim = dim % len(sizes)
    whole = sizes[dim]
    start, end = _bound(start, whole, 0), _bound(end, whole, whole)
    if step > 1:
        stacked = torch.stack([gradient] + [torch.zeros_like(gradient)] * (step - 1), dim + 1)
        shape = list(gradient.shape)
        shape[dim] *= step
        gradient = stacked.reshape(shape).narrow(dim, 0, min(shape[dim], whole - start))
    return _padded(gradient, dim, start, whole - start - gradient.shape[dim])


def slice_scatter(
    x: Tensor, source: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """`x` with a slice of it replaced: what lies before, the source, what lies behind."""
    whole = x.shape[dim]
    first, last = _bound(start, whole, 0), _bound(end, whole, whole)
    if step > 1:
        raise NotImplementedError("slices with a step are not replaced in exported graphs")
    if first == 0 and last == whole:
        return source.clone()
    parts = [x.narrow(dim, 0, first), source, x.narrow(dim, last, whole - last)]
    return torch.cat([part for part in parts if part.shape[dim]], dim)


def select_backward(gradient: Tensor, sizes: list[int], dim: int, index: int) -> Tensor:
    """One entry's gradient, zeros around it."""
    dim = dim % len(sizes)
    index = index % sizes[dim]
    return _padded(gradient.unsqueeze(dim), dim, index, sizes[dim] - index - 1)


def select_scatter(x: Tensor, source: Tensor, dim: int, index: int) -> Tensor:
    """`x` with one entry of an axis replaced."""
    dim = dim % x.ndim
    index = index % x.shape[dim]
    return slice_scatter(x, source.unsqueeze(dim), dim, index, index + 1)


def max_pool(
    x: Tensor,
    kernel: list[int],
    stride: list[int] | None = None,
    padding: int | list[int] = 0,
    dilation: int | list[int] = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """The greatest of shifted views. The indices that PyTorch returns beside it are not needed (see the backward)."""
    views = _windows(_framed(x, padding), x, kernel, stride, padding, dilation, ceil_mode)
    best = views[0]
    for view in views[1:]:
        best = torch.maximum(best, view)
    return best, torch.zeros_like(best, dtype=torch.int64)


def max_pool_backward(
    gradient: Tensor,
    x: Tensor,
    kernel: list[int],
    stride: list[int] | None,
    padding: int | list[int],
    dilation: int | list[int],
    ceil_mode: bool,
    indices: Tensor,
) -> Tensor:
    """Where a pixel is its window's greatest it gets the gradient; the first of equals, as PyTorch does it."""
    framed = _framed(x, padding)
    views = _windows(framed, x, kernel, stride, padding, dilation, ceil_mode)
    best, _ = max_pool(x, kernel, stride, padding, dilation, ceil_mode)
    stride, padding = _pair(stride or kernel), _pair(padding)
    free = torch.ones_like(best)
    total = None
    for (row, column), view in zip(_offsets(kernel), views, strict=True):
        chosen = torch.where(view == best, free, torch.zeros_like(free))
        free = free - chosen
        part = chosen * gradient
        for dim, offset, step in ((2, row, stride[0]), (3, column, stride[1])):
            size = framed.shape[dim]
            sizes = list(part.shape)
            sizes[dim] = size
            part = slice_backward(part, sizes, dim, offset, size, step)
        total = part if total is None else total + part
    assert total is not None
    height, width = x.shape[2:]
    return total.narrow(2, padding[0], height).narrow(3, padding[1], width)


def average_pool(
    x: Tensor,
    kernel: list[int],
    stride: list[int] | None = None,
    padding: int | list[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of blocks that tile the picture."""
    rows, columns = _tiles(x, kernel, stride, padding, divisor_override)
    return _blocks(x, rows, columns).mean(dim=(3, 5))


def average_pool_backward(
    gradient: Tensor,
    x: Tensor,
    kernel: list[int],
    stride: list[int] | None,
    padding: int | list[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """Every pixel of a block gets its share."""
    rows, columns = _tiles(x, kernel, stride, padding, divisor_override)
    return _spread(gradient / (rows * columns), rows, columns)


def adaptive_average_pool(x: Tensor, size: list[int]) -> Tensor:
    """The means of `size` equal blocks."""
    rows, columns = _shares(x, size)
    return _blocks(x, rows, columns).mean(dim=(3, 5))


def adaptive_average_pool_backward(gradient: Tensor, x: Tensor) -> Tensor:
    """Every pixel of a block gets its share."""
    rows, columns = _shares(x, list(gradient.shape[2:]))
    return _spread(gradient / (rows * columns), rows, columns)


def upsample_bilinear(
    x: Tensor, size: list[int], align_corners: bool, scale_h: float | None = None, scale_w: float | None = None
) -> Tensor:
    """Bilinear enlargement as two matrix products, as `kernels.resample` does it."""
    rows, columns = _enlargements(x, list(x.shape[2:]), size, align_corners)
    return _products(x, columns.transpose(0, 1), rows.transpose(0, 1))


def upsample_bilinear_vec(
    x: Tensor, size: list[int] | None, align_corners: bool, factors: list[float] | None
) -> Tensor:
    """`upsample_bilinear` with factors in place of a size."""
    if size is None:
        assert factors is not None
        size = [int(x.shape[2] * factors[0]), int(x.shape[3] * factors[1])]
    return upsample_bilinear(x, size, align_corners)


def upsample_bilinear_backward(
    gradient: Tensor,
    size: list[int],
    input_size: list[int],
    align_corners: bool,
    scale_h: float | None = None,
    scale_w: float | None = None,
) -> Tensor:
    """The same two products, transposed."""
    rows, columns = _enlargements(gradient, input_size[2:], size, align_corners)
    return _products(gradient, columns, rows)


def threshold_backward(gradient: Tensor, x: Tensor, threshold: float) -> Tensor:
    """A ReLU's gradient, as one comparison and one choice."""
    return torch.where(x > threshold, gradient, torch.zeros((), dtype=gradient.dtype, device=gradient.device))


def _bound(index: int | None, size: int, otherwise: int) -> int:
    if index is None:
        return otherwise
    return min(index + size if index < 0 else index, size)


def _padded(x: Tensor, dim: int, before: int, behind: int) -> Tensor:
    if before == behind == 0:
        return x.clone()
    frame = [0, 0] * (x.ndim - 1 - dim) + [before, behind]
    return torch.constant_pad_nd(x, frame)


def _pair(value: int | list[int]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value) * (2 // len(value))


def _offsets(kernel: int | list[int]) -> list[tuple[int, int]]:
    rows, columns = _pair(kernel)
    return list(product(range(rows), range(columns)))


def _framed(x: Tensor, padding: int | list[int]) -> Tensor:
    rows, columns = _pair(padding)
    # Behind a ReLU nothing is below zero; anywhere else the frame has to lose against every number.
    return torch.constant_pad_nd(x, [columns, columns, rows, rows], torch.finfo(x.dtype).min)


def _windows(
    framed: Tensor,
    x: Tensor,
    kernel: int | list[int],
    stride: int | list[int] | None,
    padding: int | list[int],
    dilation: int | list[int],
    ceil_mode: bool,
) -> list[Tensor]:
    if ceil_mode or max(_pair(dilation)) > 1:
        raise NotImplementedError("only plain max pooling is exported")
    size, step, frame = _pair(kernel), _pair(stride or kernel), _pair(padding)
    out = [(x.shape[2 + i] + 2 * frame[i] - size[i]) // step[i] + 1 for i in range(2)]
    reach = [(out[i] - 1) * step[i] + 1 for i in range(2)]
    return [
        framed[:, :, row : row + reach[0] : step[0], column : column + reach[1] : step[1]]
        for row, column in _offsets(kernel)
    ]


def _tiles(x: Tensor, kernel: Any, stride: Any, padding: Any, divisor: int | None) -> tuple[int, int]:
    rows, columns = _pair(kernel)
    if _pair(stride or kernel) != [rows, columns] or max(_pair(padding)) or divisor is not None:
        raise NotImplementedError("only average pooling over blocks that tile the picture is exported")
    if x.shape[2] % rows or x.shape[3] % columns:
        raise NotImplementedError("the blocks of an average pooling have to tile the picture")
    return rows, columns


def _shares(x: Tensor, size: list[int]) -> tuple[int, int]:
    if x.shape[2] % size[0] or x.shape[3] % size[1]:
        raise NotImplementedError("the blocks of an adaptive average pooling have to be equal")
    return x.shape[2] // size[0], x.shape[3] // size[1]


def _blocks(x: Tensor, rows: int, columns: int) -> Tensor:
    batch, channels, height, width = x.shape
    return x.reshape(batch, channels, height // rows, rows, width // columns, columns)


def _spread(x: Tensor, rows: int, columns: int) -> Tensor:
    batch, channels, height, width = x.shape
    spread = x[:, :, :, None, :, None].expand(batch, channels, height, rows, width, columns)
    return spread.reshape(batch, channels, height * rows, width * columns)


def _enlargements(x: Tensor, before: list[int], after: list[int], align_corners: bool) -> tuple[Tensor, Tensor]:
    if not align_corners:
        raise NotImplementedError("only enlargement with align_corners is exported")
    return tuple(_hats(x, before[i], after[i]) for i in range(2))  # type: ignore[return-value]


def _products(x: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """Each axis times a matrix: one product for all maps at once."""

    def last(x: Tensor, matrix: Tensor) -> Tensor:
        return (x.reshape(-1, x.shape[-1]) @ matrix).reshape(*x.shape[:-1], matrix.shape[1])

    return last(last(x, columns).transpose(2, 3), rows).transpose(2, 3)


def _hats(x: Tensor, before: int, after: int) -> Tensor:
    position = torch.linspace(0, before - 1, after, dtype=x.dtype, device=x.device)
    pixel = torch.arange(before, dtype=x.dtype, device=x.device)
    return (1 - (position[:, None] - pixel).abs()).clamp(min=0)
