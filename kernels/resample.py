"""Cropping and uncropping as two matrix products.

A crop box only scales and shifts, so bilinear sampling separates into ``W_y @ image @ W_x^T`` with hat weights
``max(0, 1 - |position - pixel|)``. Zero padding falls out; border padding is a clamp of the positions. This equals
``grid_sample(align_corners=True)`` to rounding, needs no GridSample node in exported graphs, and its gradient with
respect to picture and box is two more products. Conventions: docs/conventions.md.
"""

from typing import Literal

import torch
from torch import Tensor

Padding = Literal["zeros", "border"]


def resample(image: Tensor, box: Tensor, height: int, width: int, *, padding: Padding = "zeros") -> Tensor:
    """Sample `image` on a `height` x `width` grid spread over `box`.

    Args:
        image: (B, C, H, W), floating point.
        box: (B, 4), (scale_x, scale_y, shift_x, shift_y) in normalised coordinates, align_corners=True. Grid position
            u in [-1, 1] reads the image at ``scale * u + shift``; (1, 1, 0, 0) is the whole image.
        height: rows of the result.
        width: columns of the result.
        padding: what lies outside the image: zeros, or its border pixel repeated.

    Returns:
        (B, C, height, width), dtype of `image`.

    Source: Neural Scene Decomposition's spatial transformer (methods 1.2, steps 5 and 6), with a separable kernel.
    """
    if padding not in ("zeros", "border"):
        raise ValueError(f"padding is {padding!r}; expected 'zeros' or 'border'.")
    rows = _weights(box[:, 1], box[:, 3], height, image.shape[2], padding).to(image.dtype)
    columns = _weights(box[:, 0], box[:, 2], width, image.shape[3], padding).to(image.dtype)
    return rows[:, None] @ image @ columns[:, None].transpose(-1, -2)


def invert_box(box: Tensor) -> Tensor:
    """The box that undoes `box`: (B, 4) -> (B, 4). Scales must not be zero (a network's are at least 0.2)."""
    scale, shift = box[:, :2], box[:, 2:]
    return torch.cat([1 / scale, -shift / scale], dim=1)


def _weights(scale: Tensor, shift: Tensor, size: int, pixels: int, padding: Padding) -> Tensor:
    """Hat weights (B, size, pixels) of each grid position over the pixels of one axis."""
    grid = torch.linspace(-1, 1, size, dtype=scale.dtype, device=scale.device)
    position = (scale[:, None] * grid + shift[:, None] + 1) * ((pixels - 1) / 2)  # (B, size), in pixels
    if padding == "border":
        position = position.clamp(0, pixels - 1)
    pixel = torch.arange(pixels, dtype=scale.dtype, device=scale.device)
    return (1 - (position[:, :, None] - pixel).abs()).clamp(min=0)
