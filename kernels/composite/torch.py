"""PyTorch compositor: differentiable, batched, traced into exported graphs."""

import torch
from torch import Tensor

from turncoat.kernels.arrays import in_unit_range, stored
from turncoat.kernels.resample.torch import invert_box, resample


def composite(
    rgb: Tensor,
    mask: Tensor,
    box: Tensor,
    background: Tensor,
    *,
    renormalise: bool = True,
    clamp: bool = True,
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor]:
    """See `turncoat.kernels.composite.composite`."""
    background = in_unit_range(background, rgb.dtype)
    height, width = background.shape[-2:]
    inverse = invert_box(box)
    full_mask = resample(mask, inverse, height, width)
    if renormalise:
        full_mask = full_mask / (1e-4 + full_mask.amax(dim=(2, 3), keepdim=True))
    frame = blend(resample(rgb, inverse, height, width, border=True), full_mask, background)
    return stored(frame.clamp(0, 1) if clamp else frame, dtype), full_mask


def blend(colours: Tensor, mask: Tensor, background: Tensor) -> Tensor:
    """Pictures of one size laid over each other: ``mask * colours + (1 - mask) * background``, (B, 3, H, W)."""
    return mask * colours + (1 - mask) * background


def paint(rgb: Tensor, box: Tensor, full_mask: Tensor, base: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
    """See `turncoat.kernels.composite.paint`."""
    base = in_unit_range(base, rgb.dtype)
    height, width = base.shape[-2:]
    uncropped = resample(rgb, invert_box(box), height, width, border=True)
    return stored((full_mask * uncropped + base).clamp(0, 1), dtype)
