"""A rendered picture as a linear function of its materials' colours."""

from typing import TypeVar

import numpy as np
from torch import Tensor

from turncoat.kernels.arrays import REALS, by_torch, check_family, check_floating, check_shapes, fits, is_cupy
from turncoat.kernels.cuda import available
from turncoat.kernels.eager import eager
from turncoat.kernels.recompose import reference as _reference
from turncoat.kernels.recompose import torch as _torch

Array = TypeVar("Array", np.ndarray, Tensor)

__all__ = ["recompose"]


def recompose(shading: Array, colours: Array, rest: Array, *, clamp: bool = True) -> Array:
    """Colour the layers of a frame: ``clamp(sum_m shading_m * colour_m + rest)``.

    Args:
        shading: (B, M, H, W) how strongly each material shows in each pixel, lit, anti-aliased.
        colours: (B, M, 3) colour of each material, RGB in [0, 1].
        rest: (B, 3, H, W) everything that no material colours: background and fixed terms.
        clamp: clamp to [0, 1].

    Returns:
        frame (B, 3, H, W): float64 from NumPy arrays (the reference), the dtype of the layers from tensors and CuPy's
        arrays.

    Raises:
        DataError, a ValueError: shapes that do not fit, arrays of two libraries or devices, whole numbers.

    Source: design, section 3 ("the picture is linear in the materials' colours").
    """
    if isinstance(shading, Tensor) and not eager(shading):
        return _torch.recompose(shading, colours, rest, clamp=clamp)
    if is_cupy(shading):
        return by_torch(recompose, shading, colours, rest, clamp=clamp)
    _check(shading, colours, rest)
    if isinstance(shading, np.ndarray):
        return _reference.recompose(shading, colours, rest, clamp=clamp)
    known = shading.dtype in REALS and shading.dtype == colours.dtype == rest.dtype
    if available(shading) and known and fits(shading):
        from turncoat.kernels.recompose import operators

        return operators.recompose(shading, colours, rest, clamp)
    return _torch.recompose(shading, colours, rest, clamp=clamp)


def _check(shading: np.ndarray | Tensor, colours: np.ndarray | Tensor, rest: np.ndarray | Tensor) -> None:
    check_family("shading, colours and rest", shading, colours, rest)
    batch, materials, height, width = shading.shape if shading.ndim == 4 else (-1, -1, -1, -1)
    check_shapes(
        "Layers and colours",
        "shading (B, M, H, W), colours (B, M, 3) and rest (B, 3, H, W)",
        {"shading": (batch, materials, height, width), "colours": (batch, materials, 3),
         "rest": (batch, 3, height, width)},
        shading, colours, rest,
    )  # fmt: skip
    check_floating(("shading", shading), ("colours", colours), ("rest", rest))
