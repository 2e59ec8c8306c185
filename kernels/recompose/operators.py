"""Recomposition in CUDA, as PyTorch operators: turncoat::recompose and its gradient. Importing this registers them.

All arguments are float32, or all float64. Every sum has a fixed order.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.kernels.arrays import REALS
from turncoat.kernels.cuda import Kernel, launch

_PIXELS, _GROUP = 2048, 4  # as in recompose.cu


@torch.library.custom_op("turncoat::recompose", mutates_args=())
def recompose(shading: Tensor, colours: Tensor, rest: Tensor, clamp: bool) -> Tensor:
    """See `turncoat.kernels.recompose.recompose`."""
    shading, colours, rest = shading.contiguous(), colours.contiguous(), rest.contiguous()
    frame = torch.empty_like(rest)
    launch(
        _kernel("recompose", rest),
        grid=_grid(rest),
        block=256,
        arguments=(shading, colours, rest, *_sizes(shading), np.int32(clamp), frame),
    )
    return frame


@recompose.register_fake
def _(shading: Tensor, colours: Tensor, rest: Tensor, clamp: bool) -> Tensor:
    return rest.new_empty(rest.shape)


@torch.library.custom_op("turncoat::recompose_backward", mutates_args=())
def recompose_backward(
    grad: Tensor,
    shading: Tensor,
    colours: Tensor,
    rest: Tensor,
    clamp: bool,
    needs_shading: bool,
    needs_colours: bool,
    needs_rest: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of shading, colours and rest (empty where they are not needed)."""
    grad, shading, colours, rest = (tensor.contiguous() for tensor in (grad, shading, colours, rest))
    batch, materials = shading.shape[:2]
    materials_and_pixels = _sizes(shading)
    inside = grad
    if clamp:
        inside = torch.empty_like(grad)
        launch(
            _kernel("recompose_inside", rest),
            grid=_grid(rest),
            block=256,
            arguments=(grad, shading, colours, rest, *materials_and_pixels, inside),
        )
    grad_shading, grad_colours = shading.new_empty(0), colours.new_empty(0)
    if needs_colours:
        parts = -(-rest[0, 0].numel() // _PIXELS) if batch else 1
        partial, grad_colours = colours.new_empty(batch, parts, materials, 3), torch.empty_like(colours)
        launch(
            _kernel("recompose_colours", rest),
            grid=(parts, -(-materials // _GROUP), batch),
            block=256,
            arguments=(inside, shading, *materials_and_pixels, partial),
        )
        launch(
            _kernel("recompose_totals", rest),
            grid=(3 * materials, 1, batch),
            block=256,
            arguments=(partial, np.int32(parts), np.int32(3 * materials), grad_colours),
        )
    if needs_shading:
        grad_shading = torch.empty_like(shading)
        launch(
            _kernel("recompose_shading", rest),
            grid=_grid(rest),
            block=256,
            arguments=(inside, colours, *materials_and_pixels, grad_shading),
        )
    # An operator may not return what it was given.
    grad_rest = (inside if clamp else inside.clone()) if needs_rest else rest.new_empty(0)
    return grad_shading, grad_colours, grad_rest


@recompose_backward.register_fake
def _(
    grad: Tensor,
    shading: Tensor,
    colours: Tensor,
    rest: Tensor,
    clamp: bool,
    needs_shading: bool,
    needs_colours: bool,
    needs_rest: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    wanted = ((shading, needs_shading), (colours, needs_colours), (rest, needs_rest))
    a, b, c = (tensor.new_empty(tensor.shape if need else (0,)) for tensor, need in wanted)
    return a, b, c


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.clamp = inputs
    ctx.save_for_backward(*tensors)
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 4
    needs = ctx.needs_input_grad[:3]
    found = torch.ops.turncoat.recompose_backward(grad, *ctx.saved_tensors, ctx.clamp, *needs)
    return (*(one if need else None for one, need in zip(found, needs, strict=True)), None)


recompose.register_autograd(_differentiate, setup_context=_save)


def _kernel(name: str, rest: Tensor) -> Kernel:
    return Kernel("recompose", name, {"Real": REALS[rest.dtype]})


def _grid(rest: Tensor) -> tuple[int, int, int]:
    return -(-rest.shape[2] * rest.shape[3] // 256), 1, rest.shape[0]


def _sizes(shading: Tensor) -> tuple[np.int32, np.int64]:
    return np.int32(shading.shape[1]), np.int64(shading.shape[2] * shading.shape[3])
