"""Putting a decoded person back into a scene: uncrop, blend with the background (methods 1.6).

`reference` is NumPy float64 and the oracle of the tests; `torch` is what runs, is differentiated and is traced into
exported graphs. The functions here choose by the type of their first argument.
"""

from typing import TypeVar

import numpy as np
from torch import Tensor

from turncoat.kernels.composite import reference as _reference
from turncoat.kernels.composite import torch as _torch

Array = TypeVar("Array", np.ndarray, Tensor)

__all__ = ["composite", "paint"]


def composite(
    rgb: Array, mask: Array, box: Array, background: Array, *, renormalise: bool = True, clamp: bool = True
) -> tuple[Array, Array]:
    """Blend a decoded crop into the background: ``frame = m * uncrop(rgb) + (1 - m) * background``.

    Args:
        rgb: (B, 3, R, R) decoded colours of the crop, in the colour space of `background` ([0, 1]).
        mask: (B, 1, R, R) in [0, 1]; sigmoid, bump window and division by its maximum in the crop already applied.
        box: (B, 4) crop box (scale_x, scale_y, shift_x, shift_y).
        background: (B, 3, H, W) in [0, 1].
        renormalise: divide the uncropped mask by ``1e-4 + its maximum over the frame`` (the official NSD does).
        clamp: clamp the frame to [0, 1]; training does not, so that gradients outside the range survive.

    Returns:
        frame (B, 3, H, W) and the mask at full frame (B, 1, H, W): 0 outside the box.

    Source: NSD, methods 1.6, one person, depth off. The colours are uncropped with border padding, the mask with zeros.
    """
    if isinstance(rgb, np.ndarray):
        return _reference.composite(rgb, mask, box, background, renormalise=renormalise, clamp=clamp)
    return _torch.composite(rgb, mask, box, background, renormalise=renormalise, clamp=clamp)


def paint(rgb: Array, box: Array, full_mask: Array, base: Array) -> Array:
    """Repaint a person whose mask is fixed: ``clamp(full_mask * uncrop(rgb) + base)``.

    Args:
        rgb: (B, 3, R, R) decoded colours of the crop.
        box: (B, 4) crop box.
        full_mask: (B, 1, H, W) mask at full frame, as `composite` returns it.
        base: (B, 3, H, W), ``background * (1 - full_mask)``.

    Returns:
        frame (B, 3, H, W) in [0, 1].

    Source: Algorithm 1, line 7: mask and box stay those of the first decoding.
    """
    if isinstance(rgb, np.ndarray):
        return _reference.paint(rgb, box, full_mask, base)
    return _torch.paint(rgb, box, full_mask, base)
