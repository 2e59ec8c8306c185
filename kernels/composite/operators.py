"""The compositor in CUDA, as PyTorch operators: turncoat::composite, turncoat::paint and their gradients.

Importing this registers them. They take tensors wherever kernels can run (`turncoat.kernels.cuda.available`); rgb, mask
and box are all float32, or all float64; a gradient is there with respect to every floating-point argument, once.
Every sum has a fixed order, so results are the same in every run. Where the position of a pixel falls exactly on a
pixel of the crop, the box's gradient is the slope towards the next one, as `grid_sample`'s is.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.kernels.arrays import REALS, STORED
from turncoat.kernels.cuda import Kernel, launch

_TILE, _ROWS, _PARTS = 64, 8, 10  # as in composite_backward.cu and paint_backward.cu


@torch.library.custom_op("turncoat::composite", mutates_args=())
def composite(
    rgb: Tensor, mask: Tensor, box: Tensor, background: Tensor, renormalise: bool, clamp: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """See `turncoat.kernels.composite.composite`; also returns the mask's maximum in every frame, (B,)."""
    rgb, mask, box, background = _contiguous(rgb, mask, box, background)
    (batch, _, rows, columns), (height, width) = rgb.shape, background.shape[-2:]
    frame = torch.empty(background.shape, dtype=dtype, device=rgb.device)
    full_mask, peak = rgb.new_empty(batch, 1, height, width), rgb.new_empty(batch)
    sizes = _int32(height, width, rows, columns)
    types = _types(rgb, background, frame)
    if renormalise:
        parts = _ceil(height * width, 8 * 256)
        partial = rgb.new_empty(batch, parts)
        launch(
            Kernel("composite", "mask_peaks", types),
            grid=(parts, 1, batch),
            block=256,
            arguments=(mask, box, *sizes, partial),
        )
        launch(
            Kernel("composite", "peak_of", types),
            grid=(batch, 1, 1),
            block=256,
            arguments=(partial, np.int32(parts), peak),
        )
    else:
        peak.zero_()
    launch(
        Kernel("composite", "composite", types),
        grid=(_ceil(height * width, 1024), 1, batch),
        block=256,
        arguments=(
            *(rgb, mask, box, background),
            peak if renormalise else None,
            *(*sizes, np.int32(clamp), _aligned(background, frame, full_mask)),
            *(frame, full_mask),
        ),
    )
    return frame, full_mask, peak


@composite.register_fake
def _(
    rgb: Tensor, mask: Tensor, box: Tensor, background: Tensor, renormalise: bool, clamp: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    frame = background.new_empty(background.shape, dtype=dtype)
    return frame, rgb.new_empty(rgb.shape[0], 1, *background.shape[-2:]), rgb.new_empty(rgb.shape[0])


@torch.library.custom_op("turncoat::composite_backward", mutates_args=())
def composite_backward(
    grad_frame: Tensor | None,
    grad_full_mask: Tensor | None,
    rgb: Tensor,
    mask: Tensor,
    box: Tensor,
    background: Tensor,
    peak: Tensor,
    renormalise: bool,
    clamp: bool,
    needs_background: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of rgb, mask, box and background (empty unless it is needed)."""
    rgb, mask, box, background, peak = _contiguous(rgb, mask, box, background, peak)
    grads = [None if grad is None else grad.contiguous() for grad in (grad_frame, grad_full_mask)]
    (batch, _, rows, columns), (height, width) = rgb.shape, background.shape[-2:]
    sizes, peaks = _int32(height, width, rows, columns), peak if renormalise else None
    types = _types(rgb, background, background if grads[0] is None else grads[0])
    tiles, groups = _ceil(columns, _TILE), _ceil(height, _ROWS)
    across = rgb.new_empty(batch, height, 4, columns)
    partial, share = rgb.new_empty(batch, groups * tiles, _PARTS), rgb.new_empty(batch)
    grad_rgb, grad_mask, grad_box = (torch.empty_like(tensor) for tensor in (rgb, mask, box))
    source = "composite_backward"
    launch(
        Kernel(source, "composite_rows", types),
        grid=(tiles, groups, batch),
        block=256,
        arguments=(*grads, rgb, mask, box, background, peaks, *sizes, np.int32(clamp), across, partial),
    )
    launch(
        Kernel(source, "composite_totals", types),
        grid=(batch, 1, 1),
        block=256,
        arguments=(partial, np.int32(groups * tiles), box, peaks, share, grad_box),
    )
    launch(
        Kernel(source, "composite_columns", types),
        grid=(_ceil(columns, 32), rows, batch),
        block=256,
        arguments=(across, partial, share, mask, box, peaks, *sizes, np.int32(tiles), grad_rgb, grad_mask),
    )
    if not needs_background:
        return grad_rgb, grad_mask, grad_box, background.new_empty(0)
    grad_background = torch.zeros_like(background)
    if grads[0] is not None:
        launch(
            Kernel(source, "composite_background", types),
            grid=(_ceil(height * width, 256), 1, batch),
            block=256,
            arguments=(grads[0], rgb, mask, box, background, peaks, *sizes, np.int32(clamp), grad_background),
        )
    return grad_rgb, grad_mask, grad_box, grad_background


@composite_backward.register_fake
def _(
    grad_frame: Tensor | None,
    grad_full_mask: Tensor | None,
    rgb: Tensor,
    mask: Tensor,
    box: Tensor,
    background: Tensor,
    peak: Tensor,
    renormalise: bool,
    clamp: bool,
    needs_background: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    a, b, c = (tensor.new_empty(tensor.shape) for tensor in (rgb, mask, box))
    return a, b, c, background.new_empty(background.shape if needs_background else (0,))


def _save_composite(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    *tensors, ctx.renormalise, ctx.clamp, _ = inputs
    ctx.save_for_backward(*tensors, output[2])
    ctx.mark_non_differentiable(output[2])
    ctx.set_materialize_grads(False)


def _differentiate_composite(
    ctx: Any, grad_frame: Tensor | None, grad_full_mask: Tensor | None, _: Tensor | None
) -> tuple[Tensor | None, ...]:
    if grad_frame is None and grad_full_mask is None:
        return (None,) * 7
    needs = ctx.needs_input_grad[:4]
    flags = (ctx.renormalise, ctx.clamp, needs[3])
    found = torch.ops.turncoat.composite_backward(grad_frame, grad_full_mask, *ctx.saved_tensors, *flags)
    return (*(grad if need else None for grad, need in zip(found, needs, strict=True)), None, None, None)


composite.register_autograd(_differentiate_composite, setup_context=_save_composite)


@torch.library.custom_op("turncoat::paint", mutates_args=())
def paint(rgb: Tensor, box: Tensor, full_mask: Tensor, base: Tensor, dtype: torch.dtype) -> Tensor:
    """See `turncoat.kernels.composite.paint`."""
    rgb, box, full_mask, base = _contiguous(rgb, box, full_mask, base)
    (batch, _, rows, columns), (height, width) = rgb.shape, base.shape[-2:]
    frame = torch.empty(base.shape, dtype=dtype, device=rgb.device)
    launch(
        Kernel("composite", "paint", _types(rgb, base, frame)),
        grid=(_ceil(height * width, 1024), 1, batch),
        block=256,
        arguments=(
            *(rgb, box, full_mask, base),
            *(*_int32(height, width, rows, columns), _aligned(full_mask, base, frame)),
            frame,
        ),
    )
    return frame


@paint.register_fake
def _(rgb: Tensor, box: Tensor, full_mask: Tensor, base: Tensor, dtype: torch.dtype) -> Tensor:
    return base.new_empty(base.shape, dtype=dtype)


@torch.library.custom_op("turncoat::paint_backward", mutates_args=())
def paint_backward(
    grad: Tensor,
    rgb: Tensor,
    box: Tensor,
    full_mask: Tensor,
    base: Tensor,
    needs_box: bool,
    needs_mask: bool,
    needs_base: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of rgb, and of box, full_mask and base where they are needed (empty otherwise)."""
    grad, rgb, box, full_mask, base = _contiguous(grad, rgb, box, full_mask, base)
    (batch, _, rows, columns), (height, width) = rgb.shape, base.shape[-2:]
    sizes, types = _int32(height, width, rows, columns), _types(rgb, base, grad)
    tiles, groups = _ceil(columns, _TILE), _ceil(height, _ROWS)
    across, partial = rgb.new_empty(batch, 3, height, columns), rgb.new_empty(batch, groups * tiles, 4)
    grad_rgb = torch.empty_like(rgb)
    launch(
        Kernel("paint_backward", "paint_rows", types),
        grid=(tiles, groups, batch),
        block=256,
        arguments=(grad, rgb, box, full_mask, base, *sizes, across, partial),
    )
    along = {"Real": types["Real"], "Pixel": types["Real"]}
    launch(
        Kernel("resample", "gather_columns", along),
        grid=(_ceil(columns, 32), rows, batch),
        block=256,
        arguments=(across, box, *_int32(3, height, rows, columns, True, True), grad_rgb),
    )
    grad_box = torch.empty_like(box) if needs_box else box.new_empty(0)
    if needs_box:
        launch(
            Kernel("resample", "box_totals", along),
            grid=(batch, 1, 1),
            block=256,
            arguments=(partial, *_int32(groups * tiles), box, *_int32(True), grad_box),
        )
    grad_mask = torch.empty_like(full_mask) if needs_mask else full_mask.new_empty(0)
    grad_base = torch.empty_like(base) if needs_base else base.new_empty(0)
    if needs_mask or needs_base:
        targets = (grad_mask if needs_mask else None, grad_base if needs_base else None)
        launch(
            Kernel("paint_backward", "paint_layers", types),
            grid=(_ceil(height * width, 256), 1, batch),
            block=256,
            arguments=(grad, rgb, box, full_mask, base, *sizes, *targets),
        )
    return grad_rgb, grad_box, grad_mask, grad_base


@paint_backward.register_fake
def _(
    grad: Tensor,
    rgb: Tensor,
    box: Tensor,
    full_mask: Tensor,
    base: Tensor,
    needs_box: bool,
    needs_mask: bool,
    needs_base: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    wanted = zip((rgb, box, full_mask, base), (True, needs_box, needs_mask, needs_base), strict=True)
    a, b, c, d = (tensor.new_empty(tensor.shape if need else (0,)) for tensor, need in wanted)
    return a, b, c, d


def _save_paint(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.set_materialize_grads(False)


def _differentiate_paint(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 5
    needs = ctx.needs_input_grad[:4]
    found = torch.ops.turncoat.paint_backward(grad, *ctx.saved_tensors, *needs[1:])
    return (*(grad if need else None for grad, need in zip(found, needs, strict=True)), None)


paint.register_autograd(_differentiate_paint, setup_context=_save_paint)


def _contiguous(*tensors: Tensor) -> list[Tensor]:
    return [tensor.contiguous() for tensor in tensors]


def _types(rgb: Tensor, background: Tensor, frame: Tensor) -> dict[str, str]:
    return {"Real": REALS[rgb.dtype], "Background": STORED[background.dtype], "Frame": STORED[frame.dtype]}


def _int32(*numbers: int) -> list[np.int32]:
    return [np.int32(number) for number in numbers]


def _aligned(*frames: Tensor) -> np.int32:
    """Whether four neighbouring pixels of each can be read at once: every plane begins at a multiple of four."""
    pixels = frames[0].shape[-2] * frames[0].shape[-1]
    return np.int32(
        pixels % 4 == 0 and all(frame.data_ptr() % min(16, 4 * frame.element_size()) == 0 for frame in frames)
    )


def _ceil(count: int, step: int) -> int:
    return -(-count // step)
