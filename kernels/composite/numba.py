"""The compositor on a processor, compiled by numba: one frame after another, row by row, in the cache.

PyTorch's way multiplies whole frames with hat matrices and passes over them twenty times; here a row of the frame takes
two rows of the crop, and only what the mask covers is touched. Numbers are float32, sums over frames float64. Importing
this module imports numba; the first call of a process loads the compiled code from numba's cache, or makes it (some ten
seconds, once a machine).
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from turncoat.kernels.processor import compiled, in_parts


def composite(
    rgb: Tensor, mask: Tensor, box: Tensor, background: Tensor, *, renormalise: bool, clamp: bool
) -> tuple[Tensor, Tensor]:
    """See `turncoat.kernels.composite.composite`: float32 on the CPU, gradients (once) of rgb, mask and box."""
    return _Composite.apply(rgb, mask, box, background, renormalise, clamp)


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *given: Any) -> tuple[Tensor, Tensor]:
        rgb, mask, box, background = (tensor.detach().contiguous() for tensor in given[:4])
        ctx.renormalise, ctx.clamp = given[4:]
        frame, full_mask = torch.empty_like(background), rgb.new_empty(len(rgb), 1, *background.shape[2:])
        peak = rgb.new_empty(len(rgb))
        arrays = [tensor.numpy() for tensor in (rgb, mask, box, background, frame, full_mask, peak)]
        _in_parts(_forward, ctx.renormalise, ctx.clamp, *arrays)
        ctx.save_for_backward(rgb, mask, box, background, peak)
        return frame, full_mask

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_frame: Tensor, grad_full_mask: Tensor) -> tuple[Tensor | None, ...]:
        rgb, mask, box, background, peak = ctx.saved_tensors
        results = [torch.zeros_like(tensor) for tensor in (rgb, mask, box)]
        tensors = (rgb, mask, box, background, peak, grad_frame.contiguous(), grad_full_mask.contiguous(), *results)
        _in_parts(_backward, ctx.renormalise, ctx.clamp, *[tensor.numpy() for tensor in tensors])
        return (*results, None, None, None)


def _in_parts(work: Callable[..., None], renormalise: bool, clamp: bool, *arrays: np.ndarray) -> None:
    """Frames among threads."""
    in_parts(lambda part: work(renormalise, clamp, *[array[part] for array in arrays]), len(arrays[0]))


@numba.njit(error_model="numpy")
def _taps(scale, shift, size, pixels, left, share, along):  # type: ignore[no-untyped-def]  # numba infers them
    """Where a frame's axis reads the crop: first and last + 1 position that touch it, pixel (from -1), share, grid."""
    one, half = np.float32(1), np.float32((pixels - 1) / 2)
    step = np.float32(2 / (size - 1)) if size > 1 else np.float32(0)
    begin, end = size, 0
    for k in range(size):
        grid = step * np.float32(k) - one if size == 1 or 2 * k < size else one - step * np.float32(size - 1 - k)
        at = (scale * grid + shift + one) * half
        if at > -one and at < np.float32(pixels):
            below = np.floor(at)
            left[k], share[k], along[k] = int(below), at - below, grid * half
            begin, end = min(begin, k), k + 1
    return begin, end


@numba.njit(error_model="numpy")
def _line(plane, top, repeated, first, second):  # type: ignore[no-untyped-def]
    """Two rows of a crop from row `top` (from -1) on, with a pixel more at each end: zero, or the border repeated."""
    rows, columns = plane.shape
    for row, out in ((top, first), (top + 1, second)):
        if repeated or (row >= 0 and row < rows):
            source = plane[min(max(row, 0), rows - 1)]
            for k in range(columns):
                out[k + 1] = source[k]
            out[0] = source[0] if repeated else np.float32(0)
            out[columns + 1] = source[columns - 1] if repeated else np.float32(0)
        else:
            for k in range(columns + 2):
                out[k] = np.float32(0)


@numba.njit(error_model="numpy")
def _usable(box):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for k in range(4):
        total += box[k] - box[k]
    return total == 0 and box[0] > 0 and box[1] > 0


@compiled
def _forward(renormalise, clamp, rgb, mask, box, background, frame, full_mask, peak):  # type: ignore[no-untyped-def]
    batch, _, rows, columns = rgb.shape
    height, width = background.shape[2:]
    zero, one = np.float32(0), np.float32(1)
    left, share, along = np.empty(width, np.int64), np.empty(width, np.float32), np.empty(width, np.float32)
    top, low, along_y = np.empty(height, np.int64), np.empty(height, np.float32), np.empty(height, np.float32)
    first, second = np.empty(columns + 2, np.float32), np.empty(columns + 2, np.float32)
    for b in range(batch):
        if not _usable(box[b]):
            frame[b], full_mask[b], peak[b] = np.nan, np.nan, np.nan
            continue
        x0, x1 = _taps(one / box[b, 0], -box[b, 2] / box[b, 0], width, columns, left, share, along)
        y0, y1 = _taps(one / box[b, 1], -box[b, 3] / box[b, 1], height, rows, top, low, along_y)
        most = -np.float32(np.inf) if x1 - x0 == width and y1 - y0 == height else zero  # zero outside of the box
        full_mask[b] = zero
        for y in range(y0, y1):
            _line(mask[b, 0], top[y], False, first, second)
            for k in range(columns + 2):
                first[k] += low[y] * (second[k] - first[k])
            out = full_mask[b, 0, y]
            for x in range(x0, x1):
                k = left[x] + 1
                value = first[k] + share[x] * (first[k + 1] - first[k])
                out[x] = value
                if value > most or value != value:
                    most = value
        peak[b] = most
        gain = one / (np.float32(1e-4) + most) if renormalise else one
        for y in range(height):
            m = full_mask[b, 0, y]
            inside = y0 <= y < y1
            if inside:
                for x in range(x0, x1):
                    m[x] *= gain
            for c in range(3):
                behind, out = background[b, c, y], frame[b, c, y]
                for x in range(width):
                    out[x] = behind[x]
                if inside:
                    _line(rgb[b, c], top[y], True, first, second)
                    for k in range(columns + 2):
                        first[k] += low[y] * (second[k] - first[k])
                    for x in range(x0, x1):
                        k = left[x] + 1
                        value = first[k] + share[x] * (first[k + 1] - first[k])
                        out[x] = m[x] * value + (one - m[x]) * behind[x]
                if clamp:
                    for x in range(width):
                        value = out[x]
                        value = zero if value < zero else value
                        out[x] = one if value > one else value


@compiled
def _backward(  # type: ignore[no-untyped-def]
    renormalise, clamp, rgb, mask, box, background, peak, grad_frame, grad_full, grad_rgb, grad_mask, grad_box
):
    batch, _, rows, columns = rgb.shape
    height, width = background.shape[2:]
    zero, one = np.float32(0), np.float32(1)
    left, share, along = np.empty(width, np.int64), np.empty(width, np.float32), np.empty(width, np.float32)
    top, low, along_y = np.empty(height, np.int64), np.empty(height, np.float32), np.empty(height, np.float32)
    line, change = np.empty((4, columns + 2), np.float32), np.empty((4, columns + 2), np.float32)  # value, along y
    flow = np.empty((4, width), np.float32)
    m, u, to_mask = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    flow_x, flow_y = np.empty(width, np.float32), np.empty(width, np.float32)
    across = np.empty((4, columns + 2), np.float32)
    crop, ties = np.empty((4, rows + 2, columns + 2), np.float32), np.empty((rows + 2, columns + 2), np.float32)
    for b in range(batch):
        if not _usable(box[b]):
            grad_rgb[b], grad_mask[b], grad_box[b] = np.nan, np.nan, np.nan
            continue
        scale_x, shift_x = one / box[b, 0], -box[b, 2] / box[b, 0]
        scale_y, shift_y = one / box[b, 1], -box[b, 3] / box[b, 1]
        x0, x1 = _taps(scale_x, shift_x, width, columns, left, share, along)
        y0, y1 = _taps(scale_y, shift_y, height, rows, top, low, along_y)
        gain = one / (np.float32(1e-4) + peak[b]) if renormalise else one
        half_x, half_y = (columns - 1) / 2, (rows - 1) / 2
        by_scale_x = by_shift_x = by_scale_y = by_shift_y = total = 0.0
        tie_scale_x = tie_shift_x = tie_scale_y = tie_shift_y = tied = 0.0
        crop[:], ties[:] = zero, zero
        for y in range(y0, y1):
            f = low[y]
            for c in range(4):
                _line(rgb[b, c] if c < 3 else mask[b, 0], top[y], c < 3, line[c], change[c])
                for k in range(columns + 2):
                    change[c, k] -= line[c, k]
                    line[c, k] += f * change[c, k]
            grad_m = grad_full[b, 0, y]
            for x in range(x0, x1):
                k = left[x] + 1
                u[x] = line[3, k] + share[x] * (line[3, k + 1] - line[3, k])
                m[x] = u[x] * gain
                to_mask[x], flow_x[x], flow_y[x] = grad_m[x], zero, zero
            for c in range(3):
                behind, grad, colour, steep, out = background[b, c, y], grad_frame[b, c, y], line[c], change[c], flow[c]
                for x in range(x0, x1):
                    k, s = left[x] + 1, share[x]
                    slope = colour[k + 1] - colour[k]
                    value = colour[k] + s * slope
                    blended = m[x] * value + (one - m[x]) * behind[x]
                    g = grad[x] if not clamp or (blended >= zero and blended <= one) else zero
                    to_mask[x] += g * (value - behind[x])
                    g *= m[x]
                    out[x] = g
                    flow_x[x] += g * slope
                    flow_y[x] += g * (steep[k] + s * (steep[k + 1] - steep[k]))
            sum_x = sum_grid = sum_y = 0.0
            for x in range(x0, x1):
                k, s = left[x] + 1, share[x]
                slope, steep = line[3, k + 1] - line[3, k], change[3, k] + s * (change[3, k + 1] - change[3, k])
                g = to_mask[x] * gain
                flow[3, x] = g
                total += to_mask[x] * m[x]
                sum_grid += (flow_x[x] + g * slope) * along[x]
                sum_x += flow_x[x] + g * slope
                sum_y += flow_y[x] + g * steep
                if renormalise and u[x] == peak[b]:
                    tied += 1
                    tie_scale_x += slope * along[x]
                    tie_shift_x += slope * half_x
                    tie_scale_y += steep * along_y[y]
                    tie_shift_y += steep * half_y
                    row = top[y] + 1
                    ties[row, k] += (one - f) * (one - s)
                    ties[row, k + 1] += (one - f) * s
                    ties[row + 1, k] += f * (one - s)
                    ties[row + 1, k + 1] += f * s
            by_scale_x += sum_grid
            by_shift_x += sum_x * half_x
            by_scale_y += sum_y * along_y[y]
            by_shift_y += sum_y * half_y
            across[:] = zero
            for c in range(4):
                x = x0
                while x < x1:  # all positions between two pixels of the crop, then the next two
                    k, near, far = left[x], zero, zero
                    while x < x1 and left[x] == k:
                        near += flow[c, x] * (one - share[x])
                        far += flow[c, x] * share[x]
                        x += 1
                    across[c, k + 1] += near
                    across[c, k + 2] += far
                row = top[y] + 1
                for k in range(columns + 2):
                    crop[c, row, k] += (one - f) * across[c, k]
                    crop[c, row + 1, k] += f * across[c, k]
        each = np.float32(0)
        if renormalise and peak[b] > 0 and tied > 0:
            each = np.float32(-total * gain / tied)
        by_scale_x, by_shift_x = by_scale_x + each * tie_scale_x, by_shift_x + each * tie_shift_x
        by_scale_y, by_shift_y = by_scale_y + each * tie_scale_y, by_shift_y + each * tie_shift_y
        grad_box[b, 0] = -scale_x * (by_scale_x * scale_x + by_shift_x * shift_x)
        grad_box[b, 1] = -scale_y * (by_scale_y * scale_y + by_shift_y * shift_y)
        grad_box[b, 2] = -by_shift_x * scale_x
        grad_box[b, 3] = -by_shift_y * scale_y
        for c in range(3):  # a repeated border is the crop's own
            for row in range(rows + 2):
                for k in range(columns + 2):
                    grad_rgb[b, c, min(max(row - 1, 0), rows - 1), min(max(k - 1, 0), columns - 1)] += crop[c, row, k]
        for row in range(rows):
            for k in range(columns):
                grad_mask[b, 0, row, k] = crop[3, row + 1, k + 1] + each * ties[row + 1, k + 1]
