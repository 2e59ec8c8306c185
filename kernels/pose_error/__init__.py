"""Errors between 3D poses, under the field's own names (methods 5).

Every function takes a prediction and a target pose, (B, J, 3) each, in millimetres, camera axes, relative to joint 0,
and returns one number a pose, (B,). Both are NumPy arrays (results are float64), tensors or CuPy arrays (results have
their type), of one shape, floating-point type and device. `joints` picks the joints that count, as if the others were
not there: None for all, `skeleton.WITHOUT_ROOT` for 16, `skeleton.PCK_JOINTS` for the official 14.

One definition, several backends (`dispatch.py` says which one answers): NumPy in float64 is the reference, PyTorch
runs anywhere, is differentiable and is what graphs are traced from, numba aligns large batches on a processor, CUDA
kernels answer for tensors on a GPU. They agree to 1e-3 mm for poses of two metres, wherever there is one answer.

Poses without a good answer:

- A pose with a NaN or an infinity has NaN for its errors, or infinity for MPJPE; never a finite number, and never for
  its neighbours in the batch. So has, once aligned, a pose of numbers whose products overflow.
- All predicted joints in one place: scale 0, rotation 1, every joint is laid on the target's mean. The same if the
  target's are: PA-MPJPE is then 0. So it is for J = 1. A prediction of zeros has the scale 0 in N-MPJPE.
- Joints on a line or in a plane: where several rotations are equally good in the least squares, one of them. For
  joints on a line or in a plane they all give the same error; they do not if a mirrored pose has its two smaller
  singular values equal: then the squared error is what is defined, and the other errors belong to one such rotation.

Source: Umeyama 1991 (alignment); the metrics as Human3.6M and MPI-INF-3DHP use them.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from turncoat.kernels.errors import DataError
from turncoat.kernels.pose_error import reference as _reference
from turncoat.kernels.pose_error import torch as _torch
from turncoat.kernels.pose_error.checks import check_poses, check_weight, joint_numbers
from turncoat.kernels.pose_error.cupy import is_cupy
from turncoat.kernels.pose_error.dispatch import THRESHOLDS, run, through_tensors
from turncoat.kernels.skeleton import JOINTS, PCK_JOINTS

Array = TypeVar("Array", np.ndarray, Tensor)
Joints = Sequence[int] | None

__all__ = [
    "auc",
    "bone_ratios",
    "joint_errors",
    "mpjpe",
    "mpjpe_with_gradient",
    "n_mpjpe",
    "pa_mpjpe",
    "pck",
    "pose_errors",
    "procrustes",
    "yaw_deg",
]


def joint_errors(prediction: Array, target: Array) -> Array:
    """Distance ``|p_j - g_j|`` of every joint, in mm. (B, J, 3) twice -> (B, J).

    Raises, as all functions here do:
        DataError (a ValueError): the poses differ in kind, shape, type or device or are no poses; `joints` names one
            that is not there, or one twice.
    """
    return _run("joint_errors", prediction, target)


def mpjpe(prediction: Array, target: Array, *, joints: Joints = None) -> Array:
    """Mean per joint position error: mean over joints of ``|p_j - g_j|``, in mm. (B, J, 3) twice -> (B,)."""
    return _run("mpjpe", prediction, target, joints)


def mpjpe_with_gradient(prediction: Array, target: Array, weight: Array | None = None) -> tuple[Array, Array]:
    """Weighted MPJPE, ``sum_j w_j |p_j - g_j| / sum_j w_j``, and its gradient by the prediction, in one go.

    Args:
        prediction: (B, J, 3) mm.
        target: (B, J, 3) mm.
        weight: (J,) of each joint, not negative; None for ones. A joint of weight 0 that is not finite still spoils
            its pose, and weights that are all 0 give NaN.

    Returns:
        error (B,) in mm; gradient (B, J, 3), of each pose's own error: 0 for a joint that is met exactly. Neither
        takes part in automatic differentiation.
    """
    check_poses(prediction, target)
    if weight is not None:
        check_weight(weight, prediction)
        if is_cupy(weight):
            return through_tensors(mpjpe_with_gradient, prediction, target, weight)
    return run("mpjpe_with_gradient", prediction, target, weight=weight)


def n_mpjpe(prediction: Array, target: Array, *, joints: Joints = None) -> Array:
    """MPJPE after the best scale ``s = <p, g> / <p, p>`` of each pose, in mm; s may be negative, 0 if p is all zero."""
    return _run("n_mpjpe", prediction, target, joints)


def pa_mpjpe(prediction: Array, target: Array, *, reflections: bool = False, joints: Joints = None) -> Array:
    """MPJPE after similarity Procrustes alignment of each pose, in mm.

    Reflections are forbidden unless asked for: with them, a pose with its depth flipped counts as right. Papers differ
    on this, so say which one is printed.
    """
    return _run("pa_mpjpe", prediction, target, joints, reflections=bool(reflections))


def procrustes(
    prediction: Array, target: Array, *, reflections: bool = False, joints: Joints = None
) -> tuple[Array, Array, Array]:
    """Least-squares similarity that lays the prediction on the target: ``aligned = scale * R (p - mean p) + mean g``.

    Returns:
        aligned (B, J, 3) in mm, J as many as `joints`, in their order; scale (B,), 0 where all predicted joints
        coincide; rotation R (B, 3, 3), with determinant 1 unless `reflections`.

    Gradients exist wherever the rotation is determined, for repeated singular values too, and are 0 along directions
    in which it is not.
    """
    return _run("procrustes", prediction, target, joints, reflections=bool(reflections))


def yaw_deg(rotation: Array) -> Array:
    """Turn about the vertical axis that comes nearest to `rotation`, (B, 3, 3) -> (B,), degrees in [-180, 180].

    Positive turns the viewing direction (+z) towards the right (+x). It maximises ``trace(R_y(yaw)^T R)``, which is
    the twist of R about the y axis. Give it the rotation of `procrustes`.
    """
    if rotation.ndim != 3 or rotation.shape[1:] != (3, 3):
        raise DataError(f"Rotations have the shape {tuple(rotation.shape)}; expected (batch, 3, 3).")
    if is_cupy(rotation):
        return through_tensors(_torch.yaw_deg, rotation)
    return _reference.yaw_deg(rotation) if isinstance(rotation, np.ndarray) else _torch.yaw_deg(rotation)


def pck(prediction: Array, target: Array, *, threshold: float = 150.0, joints: Joints = None) -> Array:
    """Percentage of joints (0 to 100) whose error is below `threshold` mm.

    MPI-INF-3DHP counts the 14 of `turncoat.kernels.skeleton.PCK_JOINTS`.
    """
    return _run("share_below", prediction, target, joints, first=float(threshold), step=0.0, count=1)


def auc(prediction: Array, target: Array, *, joints: Joints = None) -> Array:
    """Mean PCK (0 to 100) over the 31 thresholds 0, 5, ..., 150 mm."""
    first, step, count = THRESHOLDS
    return _run("share_below", prediction, target, joints, first=first, step=step, count=count)


def pose_errors(prediction: Array, target: Array, *, joints: Joints = None) -> dict[str, Array]:
    """The errors that are reported of poses of 17 joints: name -> (B,).

    mpjpe, n_mpjpe, pa_mpjpe: mm, over `joints`; reflections forbidden.
    pck_150, auc_150: percentages over the 14 official joints; AUC over thresholds 0, 5, ..., 150 mm.
    """
    check_poses(prediction, target, shape=f"(batch, {len(JOINTS)}, 3)", joints=len(JOINTS))
    return {
        "mpjpe": mpjpe(prediction, target, joints=joints),
        "n_mpjpe": n_mpjpe(prediction, target, joints=joints),
        "pa_mpjpe": pa_mpjpe(prediction, target, joints=joints),
        "pck_150": pck(prediction, target, threshold=150.0, joints=PCK_JOINTS),
        "auc_150": auc(prediction, target, joints=PCK_JOINTS),
    }


def bone_ratios(prediction: Array, target: Array) -> Array:
    """Length of each predicted bone over the target's: (B, 17, 3) twice -> (B, 16), in the order of `skeleton.BONES`.

    A bone of length 0 in the target gives infinity (NaN if it is 0 in both), without a warning.
    """
    check_poses(prediction, target, shape=f"(batch, {len(JOINTS)}, 3)", joints=len(JOINTS))
    if is_cupy(prediction):
        return through_tensors(_torch.bone_ratios, prediction, target)
    if isinstance(prediction, np.ndarray):
        return _reference.bone_ratios(prediction, target)
    return _torch.bone_ratios(prediction, target)


def _run(name: str, prediction: Any, target: Any, joints: Joints = None, **options: Any) -> Any:
    check_poses(prediction, target)
    return run(name, prediction, target, joint_numbers(joints, prediction.shape[1]), **options)
