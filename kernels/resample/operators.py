"""Resampling in CUDA, as PyTorch operators: turncoat::resample and its gradient. Importing this registers them.

Positions are computed in the box's precision (float32, or float64), pixels may be of any floating-point type. Every sum
has a fixed order. Where a position falls exactly on a pixel the box's gradient is the slope towards the next one, as
`grid_sample`'s is.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.kernels.arrays import REALS, STORED
from turncoat.kernels.cuda import Kernel, launch


@torch.library.custom_op("turncoat::resample", mutates_args=())
def resample(image: Tensor, box: Tensor, height: int, width: int, border: bool) -> Tensor:
    """See `turncoat.kernels.resample.resample`."""
    image, box = image.contiguous(), box.contiguous()
    batch, channels, rows, columns = image.shape
    out = image.new_empty(batch, channels, height, width)
    launch(
        Kernel("resample", "resample", _types(image, box)),
        grid=(_ceil(height * width, 256), 1, batch),
        block=256,
        arguments=(image, box, *_int32(channels, rows, columns, height, width, border), out),
    )
    return out


@resample.register_fake
def _(image: Tensor, box: Tensor, height: int, width: int, border: bool) -> Tensor:
    return image.new_empty(*image.shape[:2], height, width)


@torch.library.custom_op("turncoat::resample_backward", mutates_args=())
def resample_backward(
    grad: Tensor, image: Tensor, box: Tensor, border: bool, needs_image: bool, needs_box: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of image and box (empty where they are not needed)."""
    grad, image, box = grad.contiguous(), image.contiguous(), box.contiguous()
    (batch, channels, rows, columns), (height, width) = image.shape, grad.shape[-2:]
    types = _types(image, box)
    grad_image, grad_box = image.new_empty(0), box.new_empty(0)
    if needs_image:
        across = box.new_empty(batch, channels, height, columns)
        launch(
            Kernel("resample", "gather_rows", types),
            grid=(_ceil(columns, 32), _ceil(channels * height, 4), batch),
            block=256,
            arguments=(grad, box, *_int32(channels * height, width, columns, border), across),
        )
        found = box.new_empty(image.shape)
        launch(
            Kernel("resample", "gather_columns", types),
            grid=(_ceil(columns, 32), rows, batch),
            block=256,
            arguments=(across, box, *_int32(channels, height, rows, columns, border, False), found),
        )
        grad_image = found.to(image.dtype)
    if needs_box:
        parts = _ceil(height * width, 1024)
        partial, grad_box = box.new_empty(batch, parts, 4), torch.empty_like(box)
        launch(
            Kernel("resample", "resample_box", types),
            grid=(parts, 1, batch),
            block=256,
            arguments=(grad, image, box, *_int32(channels, rows, columns, height, width, border), partial),
        )
        launch(
            Kernel("resample", "box_totals", types),
            grid=(batch, 1, 1),
            block=256,
            arguments=(partial, *_int32(parts), box, *_int32(False), grad_box),
        )
    return grad_image, grad_box


@resample_backward.register_fake
def _(
    grad: Tensor, image: Tensor, box: Tensor, border: bool, needs_image: bool, needs_box: bool
) -> tuple[Tensor, Tensor]:
    return image.new_empty(image.shape if needs_image else (0,)), box.new_empty(box.shape if needs_box else (0,))


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    image, box, _, _, ctx.border = inputs
    ctx.save_for_backward(image, box)
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 5
    needs = ctx.needs_input_grad[:2]
    found = torch.ops.turncoat.resample_backward(grad, *ctx.saved_tensors, ctx.border, *needs)
    return (*(one if need else None for one, need in zip(found, needs, strict=True)), None, None, None)


resample.register_autograd(_differentiate, setup_context=_save)


def _types(image: Tensor, box: Tensor) -> dict[str, str]:
    return {"Real": REALS[box.dtype], "Pixel": STORED[image.dtype]}


def _int32(*numbers: int) -> list[np.int32]:
    return [np.int32(number) for number in numbers]


def _ceil(count: int, step: int) -> int:
    return -(-count // step)
