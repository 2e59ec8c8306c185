"""Arrays of three libraries behind one function: which one they are of, and what their numbers are called in CUDA."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.kernels.errors import DataError

REALS = {torch.float32: "float", torch.float64: "double"}
"""Types that kernels compute in."""
STORED = {torch.uint8: "uint8", torch.float16: "half_t", torch.bfloat16: "bfloat16_t", **REALS}
"""Types that pixels may have; a uint8 x is the colour x / 255."""

MOST_SAMPLES, MOST_PIXELS = 65535, 1 << 28
"""What one launch takes: samples of a batch (blocks along z) and pixels of a plane (counted in 32 bits)."""


def fits(planes: Tensor) -> bool:
    """Whether kernels can take planes (B, C, H, W); PyTorch does the others."""
    batch, channels, height, width = planes.shape
    return batch <= MOST_SAMPLES and height * width < MOST_PIXELS and channels * height <= 4 * MOST_SAMPLES


def is_cupy(array: Any) -> bool:
    """Whether it is an array of CuPy's, found out without importing it."""
    return type(array).__module__.partition(".")[0] == "cupy"


def by_torch(function: Callable[..., Any], *arrays: Any, **options: Any) -> Any:
    """Call a function of tensors on arrays of CuPy's: in and out through DLPack, on the same memory."""
    import cupy

    tensors = [torch.from_dlpack(array) if is_cupy(array) else array for array in arrays]
    result = function(*tensors, **options)
    if isinstance(result, Tensor):
        return cupy.from_dlpack(result.detach())
    return tuple(cupy.from_dlpack(one.detach()) for one in result)


def check_family(names: str, *arrays: Any) -> None:
    """Raise DataError unless all are NumPy arrays, or all are tensors of one device; `names` says what they are."""
    kinds = {np.ndarray if isinstance(one, np.ndarray) else Tensor if isinstance(one, Tensor) else type(one)
             for one in arrays}  # fmt: skip
    if kinds != {np.ndarray} and kinds != {Tensor}:
        found = ", ".join(f"{type(one).__module__.partition('.')[0]}.{type(one).__qualname__}{_shape(one)}"
                          for one in arrays)  # fmt: skip
        raise DataError(f"{names} are {found}; expected all NumPy arrays, or all tensors; convert them first.")
    if kinds == {Tensor} and len(devices := {one.device for one in arrays}) > 1:
        where = ", ".join(f"{one.device}{_shape(one)}" for one in arrays)
        raise DataError(f"{names} lie on {where}; expected one device, not {len(devices)}; move them to one.")


def check_shapes(names: str, shapes: str, expected: dict[str, tuple[int, ...]], *arrays: Any) -> None:
    """Raise DataError unless each array has its expected shape (-1: any size of at least 1).

    Args:
        names: of the arrays, for the message.
        shapes: what is expected, in words.
        expected: shape by name, in the order of `arrays`.
        arrays: of any library.
    """
    for shape, array in zip(expected.values(), arrays, strict=True):
        if len(array.shape) != len(shape) or any(
            (have != want) if want >= 0 else have < 1 for have, want in zip(array.shape, shape, strict=True)
        ):
            found = ", ".join(f"{name} {tuple(one.shape)}" for name, one in zip(expected, arrays, strict=True))
            raise DataError(f"{names} do not fit together: {found}; expected {shapes}.")


def check_floating(*named: tuple[str, Any]) -> None:
    """Raise DataError unless each (name, array) holds floating-point numbers."""
    wrong = [name for name, array in named if not _is_floating(array)]
    if wrong:
        found = ", ".join(f"{name} is {array.dtype}{_shape(array)}" for name, array in named)
        raise DataError(f"{found}; expected floating-point numbers; convert {' and '.join(wrong)} first.")


def check_colours(name: str, array: Any) -> None:
    """Raise DataError unless the array holds colours: uint8 (x / 255) or floating-point numbers."""
    if array.dtype not in (torch.uint8, np.uint8) and not _is_floating(array):
        raise DataError(
            f"{name} is {array.dtype}{_shape(array)}; expected uint8 (0 to 255) or floating-point colours (0 to 1); "
            "convert it."
        )


def check_scales(box: np.ndarray | Tensor) -> None:
    """Raise DataError if a scale is zero or negative; NaN passes (and gives NaN). Boxes on a GPU are not looked at."""
    if isinstance(box, Tensor) and box.device.type != "cpu":
        return
    wrong: Any = (box[:, :2] <= 0).any(1)
    if bool(wrong.any()):
        row = wrong.tolist().index(True)
        found = ", ".join(f"{float(number):g}" for number in box[row])
        raise DataError(
            f"Box {row} of {tuple(box.shape)} is ({found}); expected (scale_x, scale_y, shift_x, shift_y) with both "
            "scales above 0, as a detector gives them."
        )


def in_unit_range(colours: Any, dtype: Any = None) -> Any:
    """Colours as floating-point numbers: uint8 x becomes x / 255 of type `dtype`, anything else stays as it is."""
    if isinstance(colours, Tensor):
        return colours.to(dtype or torch.float32) / 255 if colours.dtype is torch.uint8 else colours
    return np.asarray(colours, np.float64) / (255 if colours.dtype == np.uint8 else 1)


def stored(colours: Any, dtype: Any) -> Any:
    """Colours as type `dtype` (None: as they are); uint8 is the nearest of 255 x, ties to even, NaN 0."""
    if dtype is None:
        return colours
    if isinstance(colours, Tensor):
        if dtype is torch.uint8:
            return (colours.nan_to_num(nan=0.0).clamp(0, 1) * 255).round().to(torch.uint8)
        return colours.to(dtype)
    if np.dtype(dtype) == np.uint8:
        return np.rint(np.nan_to_num(colours, nan=0.0).clip(0, 1) * 255).astype(np.uint8)
    return colours.astype(dtype)


def check_dtype(dtype: Any, example: Any) -> None:
    """Raise DataError unless `dtype` is one that frames may have, of the library that `example` is of."""
    if dtype is None:
        return
    if isinstance(example, Tensor):
        if dtype not in STORED:
            raise DataError(f"dtype is {dtype}; expected None or one of {', '.join(map(str, STORED))}.")
        return
    try:
        fine = np.dtype(dtype) in (np.dtype(np.uint8), np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64))
    except TypeError:
        fine = False
    if not fine:
        raise DataError(f"dtype is {dtype}; expected None or NumPy's uint8, float16, float32 or float64.")


def _is_floating(array: Any) -> bool:
    return bool(array.dtype.is_floating_point if isinstance(array, Tensor) else array.dtype.kind == "f")


def _shape(array: Any) -> str:
    """Its shape for a message, with a space before it; nothing where it has none."""
    shape = getattr(array, "shape", None)
    return f" {tuple(shape)}" if isinstance(shape, list | tuple) else ""
