"""NumPy float64: the oracle. Written by gathering the four neighbours, not by matrix products."""

import numpy as np


def resample(image: np.ndarray, box: np.ndarray, height: int, width: int, *, border: bool = False) -> np.ndarray:
    """See `turncoat.kernels.resample.resample`; returns float64."""
    image, box = np.asarray(image, np.float64), np.asarray(box, np.float64)
    rows, columns = image.shape[-2:]
    result = np.empty((*image.shape[:2], height, width))
    for index, (scale_x, scale_y, shift_x, shift_y) in enumerate(box):
        x = (scale_x * np.linspace(-1, 1, width) + shift_x + 1) / 2 * (columns - 1)
        y = (scale_y * np.linspace(-1, 1, height) + shift_y + 1) / 2 * (rows - 1)
        if not np.isfinite(box[index]).all():
            result[index] = np.nan
            continue
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


def invert_box(box: np.ndarray) -> np.ndarray:
    """See `turncoat.kernels.resample.invert_box`; returns float64."""
    box = np.asarray(box, np.float64)
    return np.concatenate([1 / box[:, :2], -box[:, 2:] / box[:, :2]], axis=1)
