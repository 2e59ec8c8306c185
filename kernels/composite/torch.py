"""PyTorch compositor: differentiable, batched, traced into exported graphs."""

from torch import Tensor

from turncoat.kernels.resample import invert_box, resample


def composite(
    rgb: Tensor, mask: Tensor, box: Tensor, background: Tensor, *, renormalise: bool = True, clamp: bool = True
) -> tuple[Tensor, Tensor]:
    """See `turncoat.kernels.composite.composite`."""
    height, width = background.shape[-2:]
    inverse = invert_box(box)
    full_mask = resample(mask, inverse, height, width)
    if renormalise:
        full_mask = full_mask / (1e-4 + full_mask.amax(dim=(2, 3), keepdim=True))
    frame = full_mask * resample(rgb, inverse, height, width, padding="border") + (1 - full_mask) * background
    return (frame.clamp(0, 1) if clamp else frame), full_mask


def paint(rgb: Tensor, box: Tensor, full_mask: Tensor, base: Tensor) -> Tensor:
    """See `turncoat.kernels.composite.paint`."""
    height, width = base.shape[-2:]
    return (full_mask * resample(rgb, invert_box(box), height, width, padding="border") + base).clamp(0, 1)
