"""Frames from disk as tensors."""

import numpy as np
import torch
from torch import Tensor


def as_float(frames: np.ndarray | Tensor, device: torch.device | str | None = None) -> Tensor:
    """uint8 (B, C, H, W) -> float32 in [0, 1], planes after one another (full-frame arithmetic is fastest so).

    device: where they are wanted, moved there as bytes; where they lie, if None.
    """
    pixels = torch.from_numpy(frames) if isinstance(frames, np.ndarray) else frames
    pixels = pixels if device is None else pixels.to(device)
    return pixels.contiguous(memory_format=torch.contiguous_format).float().div_(255)
