"""Putting a decoded person back into a scene: uncrop, blend with the background (methods 1.6).

`reference` is NumPy float64 and the oracle of the tests, `torch` is what is traced into exported graphs, `numba` is
faster on a processor, `operators` are the CUDA kernels. The functions here choose by the arrays that they are given.
"""

from typing import Any, TypeVar

import numpy as np
from torch import Tensor, float32, promote_types, uint8
from torch import dtype as Dtype

from turncoat.kernels.arrays import REALS, STORED, by_torch, fits, is_cupy, stored
from turncoat.kernels.composite import reference as _reference
from turncoat.kernels.composite import torch as _torch
from turncoat.kernels.composite.checks import check_composite, check_paint
from turncoat.kernels.composite.torch import blend
from turncoat.kernels.cuda import available
from turncoat.kernels.eager import eager

Array = TypeVar("Array", np.ndarray, Tensor)

__all__ = ["blend", "composite", "paint"]

COMPILED_FROM = 3 << 16
"""Numbers in a batch of frames from which numba takes over: below, loading it takes longer than it saves."""


def composite(
    rgb: Array,
    mask: Array,
    box: Array,
    background: Array,
    *,
    renormalise: bool = True,
    clamp: bool = True,
    dtype: Any = None,
) -> tuple[Array, Array]:
    """Blend a decoded crop into the background: ``frame = m * uncrop(rgb) + (1 - m) * background``.

    Args:
        rgb: (B, 3, R, R) decoded colours of the crop, in the colour space of `background` ([0, 1]).
        mask: (B, 1, R, R) in [0, 1]; sigmoid, bump window and division by its maximum in the crop already applied.
        box: (B, 4) crop box (scale_x, scale_y, shift_x, shift_y), scales above 0. On a GPU nobody looks, since that
            would wait for it: there a sample with another box comes out as NaN.
        background: (B, 3, H, W) in [0, 1], floating point, or uint8 (x is the colour x / 255).
        renormalise: divide the uncropped mask by ``1e-4 + its maximum over the frame`` (the official NSD does).
        clamp: clamp the frame to [0, 1]; training does not, so that gradients outside the range survive.
        dtype: of the frame; uint8 is the nearest of 255 x (and has no gradient). Default: float64 from NumPy arrays,
            what PyTorch promotes `rgb` and `background` to from tensors (`rgb`'s dtype, if `background` is uint8).

    Returns:
        frame (B, 3, H, W) and the mask at full frame (B, 1, H, W), of the dtype of `mask`: 0 outside the box.

    Raises:
        DataError, a ValueError: shapes that do not fit, arrays of two libraries or devices or of wrong types, a scale
            that is not above 0.

    Source: NSD, methods 1.6, one person, depth off. The colours are uncropped with border padding, the mask with zeros.
    """
    options: dict[str, Any] = {"renormalise": renormalise, "clamp": clamp, "dtype": dtype}
    if isinstance(rgb, Tensor) and not eager(rgb):
        return _torch.composite(rgb, mask, box, background, **options)
    if is_cupy(rgb):
        return by_torch(composite, rgb, mask, box, background, **options)
    check_composite(rgb, mask, box, background, dtype)
    if isinstance(rgb, np.ndarray):
        return _reference.composite(rgb, mask, box, background, **options)
    if available(rgb) and _has_kernels(rgb, mask, box, background):
        from turncoat.kernels.composite import operators

        written = dtype or _promoted(rgb, background)
        frame, full_mask, _ = operators.composite(rgb, mask, box, background, renormalise, clamp, written)
        return frame, full_mask
    if _is_worth_compiling(rgb, mask, box, background):
        from turncoat.kernels.composite import numba

        frame, full_mask = numba.composite(rgb, mask, box, background, renormalise=renormalise, clamp=clamp)
        return stored(frame, dtype), full_mask
    return _torch.composite(rgb, mask, box, background, **options)


def paint(rgb: Array, box: Array, full_mask: Array, base: Array, *, dtype: Any = None) -> Array:
    """Repaint a person whose mask is fixed: ``clamp(full_mask * uncrop(rgb) + base)``.

    Args:
        rgb: (B, 3, R, R) decoded colours of the crop.
        box: (B, 4) crop box, as for `composite`.
        full_mask: (B, 1, H, W) mask at full frame, as `composite` returns it.
        base: (B, 3, H, W), ``background * (1 - full_mask)``, floating point, or uint8 (x is the colour x / 255).
        dtype: of the frame, as for `composite`.

    Returns:
        frame (B, 3, H, W) in [0, 1].

    Raises:
        DataError, a ValueError: as `composite`.

    Source: Algorithm 1, line 7: mask and box stay those of the first decoding.
    """
    if isinstance(rgb, Tensor) and not eager(rgb):
        return _torch.paint(rgb, box, full_mask, base, dtype=dtype)
    if is_cupy(rgb):
        return by_torch(paint, rgb, box, full_mask, base, dtype=dtype)
    check_paint(rgb, box, full_mask, base, dtype)
    if isinstance(rgb, np.ndarray):
        return _reference.paint(rgb, box, full_mask, base, dtype=dtype)
    if available(rgb) and _has_kernels(rgb, full_mask, box, base):
        from turncoat.kernels.composite import operators

        return operators.paint(rgb, box, full_mask, base, dtype or _promoted(rgb, base))
    return _torch.paint(rgb, box, full_mask, base, dtype=dtype)


def _has_kernels(rgb: Tensor, mask: Tensor, box: Tensor, background: Tensor) -> bool:
    known = background.dtype in (rgb.dtype, *list(STORED)[:3])
    small = fits(rgb) and fits(background)
    return rgb.dtype in REALS and rgb.dtype == mask.dtype == box.dtype and known and small


def _is_worth_compiling(*tensors: Tensor) -> bool:
    """Float32 on a processor, and large; a background that wants a gradient is PyTorch's."""
    background = tensors[-1]
    plain = all(tensor.dtype is float32 and tensor.device.type == "cpu" for tensor in tensors)
    return plain and background.numel() >= COMPILED_FROM and not background.requires_grad


def _promoted(rgb: Tensor, background: Tensor) -> Dtype:
    is_bytes = background.dtype is uint8
    return rgb.dtype if is_bytes else promote_types(rgb.dtype, background.dtype)
