"""PyTorch: cropping as two matrix products, differentiable, batched, traced into exported graphs."""

import torch
from torch import Tensor


def resample(image: Tensor, box: Tensor, height: int, width: int, *, border: bool = False) -> Tensor:
    """See `turncoat.kernels.resample.resample`."""
    rows = _weights(box[:, 1], box[:, 3], height, image.shape[2], border).to(image.dtype)
    columns = _weights(box[:, 0], box[:, 2], width, image.shape[3], border).to(image.dtype)
    return rows[:, None] @ image @ columns[:, None].transpose(-1, -2)


def invert_box(box: Tensor) -> Tensor:
    """See `turncoat.kernels.resample.invert_box`."""
    scale, shift = box[:, :2], box[:, 2:]
    return torch.cat([1 / scale, -shift / scale], dim=1)


def _weights(scale: Tensor, shift: Tensor, size: int, pixels: int, border: bool) -> Tensor:
    """Hat weights (B, size, pixels) of each grid position over the pixels of one axis."""
    grid = torch.linspace(-1, 1, size, dtype=scale.dtype, device=scale.device)
    position = (scale[:, None] * grid + shift[:, None] + 1) * ((pixels - 1) / 2)  # (B, size), in pixels
    if border:
        position = position.clamp(0, pixels - 1)
    pixel = torch.arange(pixels, dtype=scale.dtype, device=scale.device)
    return (1 - (position[:, :, None] - pixel).abs()).clamp(min=0)
