"""NumPy float64 compositor: the oracle. Written by gathering the four neighbours, not by the matrix products."""

from typing import Any

import numpy as np

from turncoat.kernels.arrays import in_unit_range, stored
from turncoat.kernels.resample.reference import invert_box, resample


def composite(
    rgb: np.ndarray,
    mask: np.ndarray,
    box: np.ndarray,
    background: np.ndarray,
    *,
    renormalise: bool = True,
    clamp: bool = True,
    dtype: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """See `turncoat.kernels.composite.composite`; returns float64 unless `dtype` says otherwise."""
    background = in_unit_range(background)
    height, width = background.shape[-2:]
    inverse = invert_box(box)
    full_mask = resample(mask, inverse, height, width)
    if renormalise:
        full_mask = full_mask / (1e-4 + full_mask.max(axis=(2, 3), keepdims=True))
    frame = full_mask * resample(rgb, inverse, height, width, border=True) + (1 - full_mask) * background
    return stored(frame.clip(0, 1) if clamp else frame, dtype), full_mask


def paint(
    rgb: np.ndarray, box: np.ndarray, full_mask: np.ndarray, base: np.ndarray, *, dtype: Any = None
) -> np.ndarray:
    """See `turncoat.kernels.composite.paint`; returns float64 unless `dtype` says otherwise."""
    base = in_unit_range(base)
    height, width = base.shape[-2:]
    uncropped = resample(rgb, invert_box(box), height, width, border=True)
    return stored((full_mask * uncropped + base).clip(0, 1), dtype)
