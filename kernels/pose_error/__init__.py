"""Errors between 3D poses, under the field's own names (methods 5).

Every function takes a prediction and a target pose, (B, J, 3) each, in millimetres, camera axes, relative to joint 0,
and returns one number a pose, (B,). NumPy arrays go to the float64 reference, tensors to PyTorch; both are
differentially tested against each other. A pose that holds a NaN gives NaN, one that holds an infinity NaN or infinity:
never a finite number, and never for its neighbours in the batch.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from torch import Tensor

from turncoat.kernels.errors import DataError
from turncoat.kernels.pose_error import reference as _reference
from turncoat.kernels.pose_error import torch as _torch

Array = TypeVar("Array", np.ndarray, Tensor)

__all__ = ["auc", "bone_ratios", "mpjpe", "n_mpjpe", "pa_mpjpe", "pck", "procrustes", "yaw_deg"]


def mpjpe(prediction: Array, target: Array) -> Array:
    """Mean per joint position error: mean over joints of ``|p_j - g_j|``, in mm. (B, J, 3) twice -> (B,)."""
    _check(prediction, target)
    if isinstance(prediction, np.ndarray):
        return _reference.mpjpe(prediction, target)
    return _torch.mpjpe(prediction, target)


def n_mpjpe(prediction: Array, target: Array) -> Array:
    """MPJPE after the best scale ``s = <p, g> / <p, p>`` of each pose, in mm; s may be negative, 0 if p is all zero."""
    _check(prediction, target)
    if isinstance(prediction, np.ndarray):
        return _reference.n_mpjpe(prediction, target)
    return _torch.n_mpjpe(prediction, target)


def pa_mpjpe(prediction: Array, target: Array, *, reflections: bool = False) -> Array:
    """MPJPE after similarity Procrustes alignment of each pose, in mm.

    Reflections are forbidden unless asked for: with them, a pose with its depth flipped counts as right. Papers differ
    on this, so say which one is printed.
    """
    return mpjpe(procrustes(prediction, target, reflections=reflections)[0], target)


def procrustes(prediction: Array, target: Array, *, reflections: bool = False) -> tuple[Array, Array, Array]:
    """Least-squares similarity that lays the prediction on the target: ``aligned = scale * R (p - mean p) + mean g``.

    Returns:
        aligned (B, J, 3) in mm; scale (B,), 0 where all predicted joints coincide; rotation R (B, 3, 3), with
        determinant 1 unless `reflections`.
    """
    _check(prediction, target)
    if isinstance(prediction, np.ndarray):
        return _reference.procrustes(prediction, target, reflections=reflections)
    return _torch.procrustes(prediction, target, reflections=reflections)


def yaw_deg(rotation: Array) -> Array:
    """Turn about the vertical axis that comes nearest to `rotation`, (B, 3, 3) -> (B,), degrees in [-180, 180].

    Positive turns the viewing direction (+z) towards the right (+x). It maximises ``trace(R_y(yaw)^T R)``, which is
    the twist of R about the y axis. Give it the rotation of `procrustes`.
    """
    if isinstance(rotation, np.ndarray):
        return _reference.yaw_deg(rotation)
    return _torch.yaw_deg(rotation)


def pck(prediction: Array, target: Array, *, threshold: float = 150.0, joints: Sequence[int] | None = None) -> Array:
    """Percentage of joints (0 to 100) whose error is below `threshold` mm.

    `joints` picks the joints that count: None for all, `turncoat.kernels.skeleton.PCK_JOINTS` for the 14 official ones.
    """
    _check(prediction, target)
    if isinstance(prediction, np.ndarray):
        return _reference.pck(prediction, target, (threshold,), joints)
    return _torch.pck(prediction, target, (threshold,), joints)


def auc(prediction: Array, target: Array, *, joints: Sequence[int] | None = None) -> Array:
    """Mean PCK (0 to 100) over the 31 thresholds 0, 5, ..., 150 mm."""
    _check(prediction, target)
    thresholds = tuple(float(step) for step in range(0, 151, 5))
    if isinstance(prediction, np.ndarray):
        return _reference.pck(prediction, target, thresholds, joints)
    return _torch.pck(prediction, target, thresholds, joints)


def bone_ratios(prediction: Array, target: Array) -> Array:
    """Length of each predicted bone over the target's: (B, 17, 3) twice -> (B, 16), in the order of `skeleton.BONES`.

    A bone of length 0 in the target gives infinity (NaN if it is 0 in both), without a warning.
    """
    _check(prediction, target)
    if isinstance(prediction, np.ndarray):
        return _reference.bone_ratios(prediction, target)
    return _torch.bone_ratios(prediction, target)


def _check(prediction: np.ndarray | Tensor, target: np.ndarray | Tensor) -> None:
    if prediction.shape != target.shape or prediction.ndim != 3 or prediction.shape[-1] != 3:
        raise DataError(
            f"Poses of shapes {tuple(prediction.shape)} and {tuple(target.shape)} cannot be compared; expected two "
            "arrays of one shape (batch, joints, 3)."
        )
