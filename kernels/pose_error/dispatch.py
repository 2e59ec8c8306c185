"""Which backend answers: by the kind of array, where it lies, and how many poses there are.

NumPy: the float64 reference; from `MANY` poses of float32 on, alignment is compiled (in float64 too).
PyTorch, on a GPU with CuPy: the CUDA kernels; on a processor, for `MANY` poses or more without gradients: alignment
compiled by numba; anywhere else, and whenever a graph is being written: PyTorch's own operators.
CuPy: as PyTorch on the same memory.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.kernels.cuda import available
from turncoat.kernels.eager import eager
from turncoat.kernels.pose_error import reference
from turncoat.kernels.pose_error import torch as aten
from turncoat.kernels.pose_error.cupy import from_torch, is_cupy, to_torch

MANY = 16384
"""Poses from which loading (rarely: compiling) numba pays off within one call: PyTorch takes a fifth of a second."""
THRESHOLDS = (0.0, 5.0, 31)
"""Of AUC: first, step, count; in mm."""


def through_tensors(function: Callable[..., Any], *arrays: Any) -> Any:
    """Apply a function of tensors to CuPy arrays; results are CuPy arrays."""
    results = function(*[to_torch(one) if is_cupy(one) else one for one in arrays])
    return tuple(map(from_torch, results)) if isinstance(results, tuple) else from_torch(results)


def run(name: str, prediction: Any, target: Any, joints: Sequence[int] | None = None, **options: Any) -> Any:
    """The errors of that name, of poses and joints that have been checked."""
    if is_cupy(prediction):
        return through_tensors(lambda p, g: _on_tensors(name, p, g, joints, **options), prediction, target)
    if isinstance(prediction, np.ndarray):
        return _on_arrays(name, prediction, target, joints, **options)
    return _on_tensors(name, prediction, target, joints, **options)


def _on_arrays(
    name: str, prediction: np.ndarray, target: np.ndarray, joints: Sequence[int] | None, **options: Any
) -> Any:
    if joints is not None:
        prediction, target = prediction[:, list(joints)], target[:, list(joints)]
    if name in ("procrustes", "pa_mpjpe") and prediction.dtype == np.float32 and len(prediction) >= MANY:
        from turncoat.kernels.pose_error import numba as compiled

        return getattr(compiled, name)(prediction.astype(np.float64), target.astype(np.float64), **options)
    return getattr(reference, name)(prediction, target, **options)


def _on_tensors(name: str, prediction: Tensor, target: Tensor, joints: Sequence[int] | None, **options: Any) -> Any:
    is_eager = eager(prediction, target)
    if is_eager and available(prediction):
        from turncoat.kernels.pose_error import operators

        if operators.takes(prediction):
            return _by_operators(operators, name, prediction, target, joints, **options)
    prediction, target = aten.take(prediction, joints), aten.take(target, joints)
    if name in ("procrustes", "pa_mpjpe") and is_eager and _worth_compiling(prediction, target):
        from turncoat.kernels.pose_error import numba as compiled

        results = getattr(compiled, name)(prediction.detach().numpy(), target.detach().numpy(), **options)
        return tuple(map(torch.from_numpy, results)) if isinstance(results, tuple) else torch.from_numpy(results)
    return getattr(aten, name)(prediction, target, **options)


def _worth_compiling(prediction: Tensor, target: Tensor) -> bool:
    wanted = torch.is_grad_enabled() and (prediction.requires_grad or target.requires_grad)
    plain = prediction.device.type == "cpu" and prediction.dtype in (torch.float32, torch.float64)
    return plain and not wanted and len(prediction) >= MANY


def _by_operators(
    operators: Any, name: str, prediction: Tensor, target: Tensor, joints: Sequence[int] | None, **options: Any
) -> Any:
    if name == "joint_errors":
        return operators.joint_errors(prediction, target)
    if name == "procrustes":  # the aligned joints come in the order asked for
        return operators.procrustes(aten.take(prediction, joints), aten.take(target, joints), options["reflections"])
    mask = operators.mask_of(joints, prediction.shape[1])
    if name == "pa_mpjpe":
        return operators.pa_mpjpe(prediction, target, options["reflections"], mask)[0]
    if name == "mpjpe_with_gradient":
        weight = options["weight"]
        weight = None if weight is None else weight.detach()
        return operators.mpjpe_with_gradient(prediction.detach(), target.detach(), weight)
    return getattr(operators, name)(prediction, target, *options.values(), mask)
