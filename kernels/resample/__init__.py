"""Cropping and uncropping.

A crop box only scales and shifts, so bilinear sampling separates into ``W_y @ image @ W_x^T`` with hat weights
``max(0, 1 - |position - pixel|)``. Zero padding falls out; border padding is a clamp of the positions. This equals
``grid_sample(align_corners=True)`` to rounding, needs no GridSample node in exported graphs, and its gradient with
respect to picture and box is two more products. On a GPU a kernel reads the four neighbours. Conventions:
docs/conventions.md.
"""

from typing import Literal, TypeVar

import numpy as np
from torch import Tensor

from turncoat.kernels.arrays import (
    MOST_PIXELS,
    REALS,
    STORED,
    by_torch,
    check_family,
    check_floating,
    check_scales,
    check_shapes,
    fits,
    is_cupy,
)
from turncoat.kernels.cuda import available
from turncoat.kernels.eager import eager
from turncoat.kernels.errors import DataError
from turncoat.kernels.resample import reference as _reference
from turncoat.kernels.resample import torch as _torch

Array = TypeVar("Array", np.ndarray, Tensor)
Padding = Literal["zeros", "border"]

__all__ = ["Padding", "invert_box", "resample"]


def resample(image: Array, box: Array, height: int, width: int, *, padding: Padding = "zeros") -> Array:
    """Sample `image` on a `height` x `width` grid spread over `box`.

    Args:
        image: (B, C, H, W), floating point.
        box: (B, 4), (scale_x, scale_y, shift_x, shift_y) in normalised coordinates, align_corners=True. Grid position
            u in [-1, 1] reads the image at ``scale * u + shift``; (1, 1, 0, 0) is the whole image, and one that is not
            finite gives NaN. Scales are above 0.
        height: rows of the result.
        width: columns of the result.
        padding: what lies outside the image: zeros, or its border pixel repeated.

    Returns:
        (B, C, height, width): float64 from NumPy arrays (the reference), the dtype of `image` from tensors and CuPy's
        arrays.

    Raises:
        DataError, a ValueError: shapes that do not fit, arrays of two libraries or devices, whole numbers, a scale that
            is not above 0 (on a GPU nobody looks).

    Source: Neural Scene Decomposition's spatial transformer (methods 1.2, steps 5 and 6), with a separable kernel.
    """
    if padding not in ("zeros", "border"):
        raise DataError(f"padding is {padding!r}; expected 'zeros' or 'border'.")
    border = padding == "border"
    if isinstance(image, Tensor) and not eager(image):
        return _torch.resample(image, box, height, width, border=border)
    if is_cupy(image):
        return by_torch(resample, image, box, height=height, width=width, padding=padding)
    _check(image, box, height, width)
    if isinstance(image, np.ndarray):
        return _reference.resample(image, box, height, width, border=border)
    known = image.dtype in STORED and box.dtype in REALS
    if available(image) and known and fits(image) and height * width < MOST_PIXELS:
        from turncoat.kernels.resample import operators

        return operators.resample(image, box, height, width, border)
    return _torch.resample(image, box, height, width, border=border)


def invert_box(box: Array) -> Array:
    """The box that undoes `box`: (B, 4) -> (B, 4).

    Raises:
        DataError, a ValueError: another shape, or a scale that is not above 0 (a network's are at least 0.2); on a
            GPU nobody looks.
    """
    if isinstance(box, Tensor) and not eager(box):
        return _torch.invert_box(box)
    if is_cupy(box):
        return by_torch(invert_box, box)
    check_shapes("The numbers of a box", "box (B, 4)", {"box": (box.shape[0] if box.ndim else -1, 4)}, box)
    check_floating(("box", box))
    check_scales(box)
    return _reference.invert_box(box) if isinstance(box, np.ndarray) else _torch.invert_box(box)


def _check(image: np.ndarray | Tensor, box: np.ndarray | Tensor, height: int, width: int) -> None:
    check_family("image and box", image, box)
    check_shapes(
        "Image and box",
        "image (B, C, H, W) and box (B, 4) with at least one row and column",
        {"image": (image.shape[0] if image.ndim else -1, -1, -1, -1), "box": (image.shape[0] if image.ndim else -1, 4)},
        image,
        box,
    )
    check_floating(("image", image), ("box", box))
    if not all(isinstance(size, int | np.integer) for size in (height, width)):
        raise DataError(f"A crop of {height!r} x {width!r} pixels was asked for; expected whole numbers.")
    if height < 1 or width < 1:
        raise DataError(f"A crop of {height} x {width} pixels was asked for; expected at least 1 x 1.")
    check_scales(box)
