"""A rendered picture as a linear function of its materials' colours."""

from typing import TypeVar

import numpy as np
from torch import Tensor

Array = TypeVar("Array", np.ndarray, Tensor)


def recompose(shading: Array, colours: Array, rest: Array, *, clamp: bool = True) -> Array:
    """Colour the layers of a frame: ``clamp(sum_m shading_m * colour_m + rest)``.

    Args:
        shading: (B, M, H, W) how strongly each material shows in each pixel, lit, anti-aliased.
        colours: (B, M, 3) colour of each material, RGB in [0, 1].
        rest: (B, 3, H, W) everything that no material colours: background and fixed terms.
        clamp: clamp to [0, 1].

    Returns:
        frame (B, 3, H, W): float64 from NumPy arrays (the reference), the dtype of the layers from tensors.

    Source: design, section 3 ("the picture is linear in the materials' colours").
    """
    batch, materials, height, width = shading.shape
    if isinstance(shading, np.ndarray):
        frame = np.einsum("bmhw,bmc->bchw", shading.astype(np.float64), colours) + rest
        return frame.clip(0, 1) if clamp else frame
    mixed = colours.transpose(1, 2) @ shading.reshape(batch, materials, height * width)  # (B, 3, H W)
    frame = mixed.reshape(batch, 3, height, width) + rest
    return frame.clamp(0, 1) if clamp else frame
