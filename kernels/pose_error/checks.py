"""What can be compared: poses of one shape, type and device, and joints that they have.

Only shapes and names are looked at, never numbers: nothing here waits for a GPU or shows in a traced graph.
"""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from turncoat.kernels.errors import DataError
from turncoat.kernels.pose_error.cupy import is_cupy


def check_poses(prediction: Any, target: Any, *, shape: str = "(batch, joints, 3)", joints: int | None = None) -> None:
    """Refuse a pair that cannot be compared.

    Args:
        prediction: and target; both NumPy arrays, tensors or CuPy arrays.
        shape: what is expected, in words.
        joints: as many of them, if it must be that many.

    Raises:
        DataError: they differ in kind, shape, type or device, or are no poses of floating-point numbers.
    """
    kinds = [_kind(pose) for pose in (prediction, target)]
    if kinds[0] != kinds[1] or not kinds[0]:
        names = " and ".join(type(pose).__name__ for pose in (prediction, target))
        raise DataError(f"Poses of {names} cannot be compared; expected two NumPy arrays, tensors or CuPy arrays.")
    if (
        prediction.shape != target.shape
        or prediction.ndim != 3
        or prediction.shape[2] != 3
        or prediction.shape[1] == 0
        or (joints is not None and prediction.shape[1] != joints)
    ):
        raise DataError(
            f"Poses of shapes {tuple(prediction.shape)} and {tuple(target.shape)} cannot be compared; expected two "
            f"arrays of one shape {shape}."
        )
    floating = prediction.is_floating_point() if kinds[0] == "tensor" else prediction.dtype.kind == "f"
    if prediction.dtype != target.dtype or not floating:
        raise DataError(
            f"Poses of types {prediction.dtype} and {target.dtype}, shapes {tuple(prediction.shape)} and "
            f"{tuple(target.shape)}, cannot be compared; expected one floating-point type: convert one of them."
        )
    if kinds[0] != "array" and prediction.device != target.device:
        raise DataError(
            f"Poses on {prediction.device} and {target.device}, shapes {tuple(prediction.shape)} and "
            f"{tuple(target.shape)}, cannot be compared; expected one device: move one of them."
        )


def check_weight(weight: Any, prediction: Any) -> None:
    """Refuse weights of joints that do not belong to these poses; DataError."""
    expected = (prediction.shape[1],)
    if _kind(weight) != _kind(prediction) or tuple(weight.shape) != expected:
        found = tuple(weight.shape) if _kind(weight) else type(weight).__name__
        raise DataError(
            f"Weights {found} do not fit poses of shape {tuple(prediction.shape)}; expected {expected}, of one kind "
            "with the poses."
        )
    if weight.dtype != prediction.dtype or (_kind(weight) != "array" and weight.device != prediction.device):
        raise DataError(
            f"Weights {tuple(weight.shape)} are {weight.dtype} on {getattr(weight, 'device', 'cpu')}, poses of shape "
            f"{tuple(prediction.shape)} are {prediction.dtype} on {getattr(prediction, 'device', 'cpu')}; expected "
            "one type and device."
        )


def joint_numbers(joints: Sequence[int] | None, count: int) -> tuple[int, ...] | None:
    """The joints that count, checked; None where all `count` of them do, in their order.

    Raises:
        DataError: none, one of them twice, one that is not there, or no numbers.
    """
    if joints is None:
        return None
    expected = f"expected different numbers from 0 to {count - 1}"
    try:
        if isinstance(joints, Tensor):  # may lie on a GPU
            raise TypeError
        numbers = tuple(operator.index(joint) for joint in joints)
        if any(isinstance(joint, (bool, np.bool_)) for joint in joints):
            raise TypeError
    except TypeError:
        raise DataError(f"joints is {joints!r}; {expected} in a sequence.") from None
    if not numbers or len(set(numbers)) != len(numbers) or min(numbers) < 0 or max(numbers) >= count:
        raise DataError(f"joints is {numbers} for poses of {count} joints; {expected}.")
    return None if numbers == tuple(range(count)) else numbers


def _kind(array: Any) -> str:
    if isinstance(array, Tensor):
        return "tensor"
    if isinstance(array, np.ndarray):
        return "array"
    return "cupy" if is_cupy(array) else ""
