"""What compositors refuse, in a sentence."""

from typing import Any

import numpy as np
from torch import Tensor

from turncoat.kernels.arrays import check_colours, check_dtype, check_family, check_floating, check_scales, check_shapes

Given = np.ndarray | Tensor


def check_composite(rgb: Given, mask: Given, box: Given, background: Given, dtype: Any) -> None:
    """Raise DataError unless `composite` can work with these."""
    check_family("rgb, mask, box and background", rgb, mask, box, background)
    batch, rows, columns = (rgb.shape[0], *rgb.shape[2:]) if rgb.ndim == 4 else (-1, -1, -1)
    check_shapes(
        "Crop and frame",
        "rgb (B, 3, R, R), mask (B, 1, R, R), box (B, 4) and background (B, 3, H, W)",
        {
            "rgb": (batch, 3, rows or -1, columns or -1),
            "mask": (batch, 1, rows, columns),
            "box": (batch, 4),
            "background": (batch, 3, -1, -1),
        },
        *(rgb, mask, box, background),
    )
    check_floating(("rgb", rgb), ("mask", mask), ("box", box))
    check_colours("background", background)
    check_dtype(dtype, rgb)
    check_scales(box)


def check_paint(rgb: Given, box: Given, full_mask: Given, base: Given, dtype: Any) -> None:
    """Raise DataError unless `paint` can work with these."""
    check_family("rgb, box, full_mask and base", rgb, box, full_mask, base)
    batch = rgb.shape[0] if rgb.ndim == 4 else -1
    height, width = base.shape[2:] if base.ndim == 4 else (-1, -1)
    check_shapes(
        "Crop and frame",
        "rgb (B, 3, R, R), box (B, 4), full_mask (B, 1, H, W) and base (B, 3, H, W)",
        {
            "rgb": (batch, 3, -1, -1),
            "box": (batch, 4),
            "full_mask": (batch, 1, height, width),
            "base": (batch, 3, height or -1, width or -1),
        },
        *(rgb, box, full_mask, base),
    )
    check_floating(("rgb", rgb), ("box", box), ("full_mask", full_mask))
    check_colours("base", base)
    check_dtype(dtype, rgb)
    check_scales(box)
