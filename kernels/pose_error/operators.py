"""Pose errors as operators of PyTorch that run `pose_error.cu`: `torch.ops.turncoat.mpjpe` and its neighbours.

Poses are (B, J, 3) of one type and device, J up to 63, checked by whoever calls. `mask` has a bit for each joint that
counts. Every operator has a fake implementation (shapes) and, where it makes sense, a gradient. Nothing waits for the
GPU.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.kernels.cuda import Kernel, launch
from turncoat.kernels.pose_error import gradients as of

TYPES = {
    torch.float16: ("half_t", "float"),
    torch.bfloat16: ("bfloat16_t", "float"),
    torch.float32: ("float", "float"),
    torch.float64: ("double", "double"),
}
"""Types that poses may have: what the source calls them, and what it computes in."""
MOST_JOINTS = 63
_THREADS, _TILE, _SOLVERS, _SOLVED = 256, 3072, 64, 13056  # as in the source; _SOLVED in bytes


def takes(prediction: Tensor) -> bool:
    """Whether the kernels know poses of this type and so many joints."""
    return prediction.dtype in TYPES and prediction.shape[1] <= MOST_JOINTS


def mask_of(joints: Sequence[int] | None, count: int) -> int:
    """The joints that count, as bits; all `count` of them for None."""
    return sum(1 << joint for joint in (range(count) if joints is None else joints))


def kernel(name: str, dtype: torch.dtype) -> Kernel:
    """A function of pose_error.cu, compiled for poses of that type."""
    stored, real = TYPES[dtype]
    return Kernel("pose_error", name, {"Stored": stored, "Real": real})


def _launch(name: str, poses: int, block: int, prediction: Tensor, target: Tensor, *rest: Any) -> None:
    """Launch with blocks of so many poses; Python's ints and floats are the kernel's int and double."""
    types: dict[type, Any] = {int: np.int32, bool: np.int32, float: np.float64}
    arguments = [types[type(one)](one) if type(one) in types else one for one in rest]
    arguments = [one.contiguous() if isinstance(one, Tensor) else one for one in (prediction, target, *arguments)]
    grid = (-(-len(prediction) // poses), 1, 1)
    launch(kernel(name, prediction.dtype), grid=grid, block=block, arguments=arguments)


def _shape(prediction: Tensor, mask: int) -> tuple[np.int64, int, np.int64, int]:
    """What kernels with a mask ask for: numbers in all, joints, the mask, how many joints it has."""
    return np.int64(prediction.numel()), prediction.shape[1], np.int64(mask), mask.bit_count()


def _read(prediction: Tensor) -> int:
    """Poses of a block that only reads and measures."""
    return _TILE // (3 * prediction.shape[1])


def _solved(prediction: Tensor) -> int:
    """Poses of a block in which each thread takes one."""
    numbers = _SOLVED // (8 if prediction.dtype == torch.float64 else 4)
    return min(_SOLVERS, numbers // (3 * prediction.shape[1]))


# ---- distances ------------------------------------------------------------------------------------------------------


@torch.library.custom_op("turncoat::joint_errors", mutates_args=())
def joint_errors(prediction: Tensor, target: Tensor) -> Tensor:
    """Distance of every joint, (B, J)."""
    error = prediction.new_empty(prediction.shape[:2])
    arguments = (prediction.contiguous(), target.contiguous(), np.int64(prediction.numel()), error)
    grid = (-(-prediction.numel() // _TILE), 1, 1)  # blocks may part poses
    launch(kernel("joint_errors", prediction.dtype), grid=grid, block=_THREADS, arguments=arguments)
    return error


@torch.library.custom_op("turncoat::mpjpe", mutates_args=())
def mpjpe(prediction: Tensor, target: Tensor, mask: int) -> Tensor:
    """Mean distance of the joints in the mask, (B,)."""
    error = prediction.new_empty(len(prediction))
    _launch("mpjpe", _read(prediction), _THREADS, prediction, target, *_shape(prediction, mask), error)
    return error


@torch.library.custom_op("turncoat::distance_gradient", mutates_args=())
def distance_gradient(upstream: Tensor, prediction: Tensor, target: Tensor, mask: int) -> Tensor:
    """Gradient (B, J, 3) by the prediction of joint errors, upstream (B, J), or of MPJPE, upstream (B,)."""
    gradient = prediction.new_empty(prediction.shape)
    each = upstream.ndim == 2
    total, joints, bits, counted = _shape(prediction, mask)
    rest = (upstream, total, joints, each, bits, 1 if each else counted, gradient)
    _launch("distance_gradient", _read(prediction), _THREADS, prediction, target, *rest)
    return gradient


@torch.library.custom_op("turncoat::mpjpe_with_gradient", mutates_args=())
def mpjpe_with_gradient(prediction: Tensor, target: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weighted mean distance (B,) and its gradient (B, J, 3) by the prediction, in one pass over memory."""
    error, gradient = prediction.new_empty(len(prediction)), prediction.new_empty(prediction.shape)
    rest = (weight, *_shape(prediction, 0)[:2], error, gradient)
    _launch("mpjpe_with_gradient", _read(prediction), _THREADS, prediction, target, *rest)
    return error, gradient


@torch.library.custom_op("turncoat::share_below", mutates_args=())
def share_below(prediction: Tensor, target: Tensor, first: float, step: float, count: int, mask: int) -> Tensor:
    """Percentage of joints in the mask below thresholds first, first + step, ..., (B,)."""
    share = prediction.new_empty(len(prediction))
    rest = (*_shape(prediction, mask), float(first), float(step), count, share)
    _launch("share_below", _read(prediction), _THREADS, prediction, target, *rest)
    return share


@torch.library.custom_op("turncoat::n_mpjpe", mutates_args=())
def n_mpjpe(prediction: Tensor, target: Tensor, mask: int) -> Tensor:
    """MPJPE after the best scale, over the joints in the mask, (B,)."""
    error = prediction.new_empty(len(prediction))
    _launch("n_mpjpe", _solved(prediction), _SOLVERS, prediction, target, *_shape(prediction, mask), error)
    return error


# ---- alignment ------------------------------------------------------------------------------------------------------


@torch.library.custom_op("turncoat::procrustes", mutates_args=())
def procrustes(prediction: Tensor, target: Tensor, reflections: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Similarity Procrustes: aligned (B, J, 3), scale (B,), rotation (B, 3, 3)."""
    aligned, scale, rotation = _empty_alignment(prediction, target, reflections)
    shape = _shape(prediction, mask_of(None, prediction.shape[1]))
    rest = (*shape, reflections, aligned, scale, rotation, None)
    _launch("procrustes", _solved(prediction), _SOLVERS, prediction, target, *rest)
    return aligned, scale, rotation


@torch.library.custom_op("turncoat::pa_mpjpe", mutates_args=())
def pa_mpjpe(prediction: Tensor, target: Tensor, reflections: bool, mask: int) -> tuple[Tensor, Tensor, Tensor]:
    """MPJPE after alignment, over the joints in the mask, (B,); beside it the scale (B,) and rotation (B, 3, 3)."""
    error, scale, rotation = _empty_error(prediction, target, reflections, mask)
    rest = (*_shape(prediction, mask), reflections, None, scale, rotation, error)
    _launch("procrustes", _solved(prediction), _SOLVERS, prediction, target, *rest)
    return error, scale, rotation


@torch.library.custom_op("turncoat::rotation_gradient", mutates_args=())
def rotation_gradient(matrix: Tensor, upstream: Tensor, reflections: bool) -> Tensor:
    """Gradient (B, 3, 3) by M of <upstream, R(M)>, R the rotation nearest to M; all float64."""
    gradient = matrix.new_empty(matrix.shape)
    _launch("rotation_gradient", _SOLVERS, _SOLVERS, matrix, upstream, np.int64(len(matrix)), reflections, gradient)
    return gradient


# ---- shapes and gradients -------------------------------------------------------------------------------------------


def _one_a_pose(prediction: Tensor, *rest: Any) -> Tensor:
    return prediction.new_empty(prediction.shape[0])


def _one_a_joint(prediction: Tensor, target: Tensor) -> Tensor:
    return prediction.new_empty(prediction.shape[:2])


def _empty_alignment(prediction: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    count = prediction.shape[0]
    return prediction.new_empty(prediction.shape), prediction.new_empty(count), prediction.new_empty((count, 3, 3))


def _empty_error(prediction: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    count = prediction.shape[0]
    return prediction.new_empty(count), prediction.new_empty(count), prediction.new_empty((count, 3, 3))


mpjpe.register_fake(_one_a_pose)
n_mpjpe.register_fake(_one_a_pose)
share_below.register_fake(_one_a_pose)
joint_errors.register_fake(_one_a_joint)
procrustes.register_fake(_empty_alignment)
pa_mpjpe.register_fake(_empty_error)
distance_gradient.register_fake(lambda upstream, prediction, target, mask: prediction.new_empty(prediction.shape))
rotation_gradient.register_fake(lambda matrix, upstream, reflections: matrix.new_empty(matrix.shape))
mpjpe_with_gradient.register_fake(
    lambda prediction, target, weight: (_one_a_pose(prediction), prediction.new_empty(prediction.shape))
)

joint_errors.register_autograd(of.gradient_of_joint_errors, setup_context=of.remember_joint_errors)
mpjpe.register_autograd(of.gradient_of_mpjpe, setup_context=of.remember_joint_errors)
n_mpjpe.register_autograd(of.gradient_of_n_mpjpe, setup_context=of.remember_joint_errors)
procrustes.register_autograd(of.gradient_of_procrustes, setup_context=of.remember_procrustes)
pa_mpjpe.register_autograd(of.gradient_of_pa_mpjpe, setup_context=of.remember_procrustes)
