"""NumPy float64 compositor: the oracle. Written by gathering the four neighbours, not by the matrix products."""

import numpy as np


def composite(
    rgb: np.ndarray,
    mask: np.ndarray,
    box: np.ndarray,
    background: np.ndarray,
    *,
    renormalise: bool = True,
    clamp: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """See `turncoat.kernels.composite.composite`; returns float64."""
    background = np.asarray(background, np.float64)
    height, width = background.shape[-2:]
    full_mask = uncrop(mask, box, height, width, border=False)
    if renormalise:
        full_mask = full_mask / (1e-4 + full_mask.max(axis=(2, 3), keepdims=True))
    frame = full_mask * uncrop(rgb, box, height, width, border=True) + (1 - full_mask) * background
    return (frame.clip(0, 1) if clamp else frame), full_mask


def paint(rgb: np.ndarray, box: np.ndarray, full_mask: np.ndarray, base: np.ndarray) -> np.ndarray:
    """See `turncoat.kernels.composite.paint`; returns float64."""
    height, width = base.shape[-2:]
    return (full_mask * uncrop(rgb, box, height, width, border=True) + base).clip(0, 1)


def uncrop(crop: np.ndarray, box: np.ndarray, height: int, width: int, *, border: bool) -> np.ndarray:
    """Spread a crop (B, C, R, R) over the frame it was cut from, (B, C, height, width)."""
    box = np.asarray(box, np.float64)
    inverse = np.concatenate([1 / box[:, :2], -box[:, 2:] / box[:, :2]], axis=1)
    return sample(crop, inverse, height, width, border=border)


def sample(image: np.ndarray, box: np.ndarray, height: int, width: int, *, border: bool = False) -> np.ndarray:
    """Bilinear sampling with align_corners=True: (B, C, H, W) and (B, 4) -> (B, C, height, width), float64."""
    image, box = np.asarray(image, np.float64), np.asarray(box, np.float64)
    rows, columns = image.shape[-2:]
    result = np.empty((*image.shape[:2], height, width))
    for index, (scale_x, scale_y, shift_x, shift_y) in enumerate(box):
        x = (scale_x * np.linspace(-1, 1, width) + shift_x + 1) / 2 * (columns - 1)
        y = (scale_y * np.linspace(-1, 1, height) + shift_y + 1) / 2 * (rows - 1)
        if border:
            x, y = x.clip(0, columns - 1), y.clip(0, rows - 1)
        left, top = np.floor(x).astype(int), np.floor(y).astype(int)
        total = np.zeros((image.shape[1], height, width))
        for dy in (0, 1):
            for dx in (0, 1):
                column, row = left + dx, top + dy
                inside = ((row >= 0) & (row < rows))[:, None] & ((column >= 0) & (column < columns))[None, :]
                weight = (1 - np.abs(y - row))[:, None] * (1 - np.abs(x - column))[None, :]
                pixel = image[index][:, row.clip(0, rows - 1)][:, :, column.clip(0, columns - 1)]
                total += np.where(inside, weight, 0) * pixel
        result[index] = total
    return result
