"""PyTorch pose errors: batched, differentiable, any device."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from turncoat.kernels.skeleton import BONES


def joint_errors(prediction: Tensor, target: Tensor) -> Tensor:
    """See `turncoat.kernels.pose_error.joint_errors`."""
    return _errors(prediction, target).to(prediction.dtype)


def mpjpe(prediction: Tensor, target: Tensor) -> Tensor:
    """See `turncoat.kernels.pose_error.mpjpe`."""
    return _errors(prediction, target).mean(dim=-1).to(prediction.dtype)


@torch.no_grad()
def mpjpe_with_gradient(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """See `turncoat.kernels.pose_error.mpjpe_with_gradient`."""
    difference = _wide(prediction) - _wide(target)
    share = difference.new_ones(difference.shape[1]) if weight is None else _wide(weight)  # (J,)
    share = share / share.sum()
    error = torch.linalg.vector_norm(difference, dim=-1)
    gradient = difference * (share / torch.where(error == 0, 1, error))[..., None]
    return (error * share).sum(dim=-1).to(prediction.dtype), gradient.to(prediction.dtype)


def n_mpjpe(prediction: Tensor, target: Tensor) -> Tensor:
    """See `turncoat.kernels.pose_error.n_mpjpe`."""
    p, g = _wide(prediction), _wide(target)
    square = p.square().sum(dim=(1, 2), keepdim=True)
    scale = (p * g).sum(dim=(1, 2), keepdim=True) / torch.where(square == 0, 1, square)
    return mpjpe(scale * p, g).to(prediction.dtype)


def pa_mpjpe(prediction: Tensor, target: Tensor, *, reflections: bool = False) -> Tensor:
    """See `turncoat.kernels.pose_error.pa_mpjpe`."""
    return mpjpe(procrustes(prediction, target, reflections=reflections)[0], target)


def procrustes(prediction: Tensor, target: Tensor, *, reflections: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """See `turncoat.kernels.pose_error.procrustes`. Works in float64 inside, returns the dtype of `prediction`."""
    p, g = prediction.double(), target.double()
    centred, spread = _centred(p), _centred(g)
    covariance = spread.transpose(1, 2) @ centred
    square = centred.square().sum(dim=(1, 2))
    finite = covariance.isfinite().all(dim=2).all(dim=1) & square.isfinite()  # (B,): so are all joints
    # The decomposition refuses non-finite input for the whole batch, so those poses see the identity instead.
    eye = torch.eye(3, dtype=p.dtype, device=p.device)
    covariance = torch.where(finite[:, None, None], covariance, eye)
    rotation: Tensor = _NearestRotation.apply(covariance, reflections)
    scale = (rotation * covariance).sum(dim=(1, 2)) / torch.where(square == 0, 1, square)
    scale = torch.where(finite, scale, torch.nan)
    rotation = torch.where(finite[:, None, None], rotation, torch.nan)
    aligned = scale[:, None, None] * centred @ rotation.transpose(1, 2) + g.mean(dim=1, keepdim=True)
    dtype = prediction.dtype
    return aligned.to(dtype), scale.to(dtype), rotation.to(dtype)


def take(poses: Tensor, joints: Sequence[int] | None) -> Tensor:
    """Those joints of (B, J, 3), by slices of neighbours: numbers in a tensor would have to be sent to the device."""
    if joints is None:
        return poses
    starts = [place for place, joint in enumerate(joints) if place == 0 or joint != joints[place - 1] + 1]
    runs = [joints[start:end] for start, end in zip(starts, [*starts[1:], len(joints)], strict=True)]
    return torch.cat([poses[:, run[0] : run[-1] + 1] for run in runs], dim=1)


def _centred(pose: Tensor) -> Tensor:
    """Poses about their means; by way of the first joint, so that joints in one place become exactly 0."""
    pose = pose - pose[:, :1]
    return pose - pose.mean(dim=1, keepdim=True)


def _errors(prediction: Tensor, target: Tensor) -> Tensor:
    return torch.linalg.vector_norm(_wide(prediction) - _wide(target), dim=-1)


def _wide(values: Tensor) -> Tensor:
    """Half-precision numbers as float32: their squares would overflow at 256 mm."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


class _NearestRotation(torch.autograd.Function):
    """The rotation R that maximises ``<R, M>``, with a gradient that survives repeated singular values.

    Automatic differentiation through the SVD divides by differences of singular values, though R does not depend on
    how equal ones are told apart. Differentiating ``M = R P`` (P symmetric) instead gives, with ``M = U S V^T`` and the
    sign of a reflection moved into U and S, ``dR = U w V^T`` where ``w_ij = (A_ij - A_ji) / (s_i + s_j)`` and
    ``A = U^T dM V``: it divides by sums, which vanish only where the rotation is undetermined (gradient 0 there).
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, reflections: bool) -> Tensor:
        u, singular, vt = torch.linalg.svd(matrix)
        if not reflections:
            sign = torch.linalg.det(u @ vt).sign()
            signs = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], dim=-1)
            u, singular = u * signs[:, None, :], singular * signs
        ctx.save_for_backward(u, singular, vt)
        return u @ vt

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        u, singular, vt = ctx.saved_tensors
        inner = u.transpose(1, 2) @ grad @ vt.transpose(1, 2)
        sums = singular[:, :, None] + singular[:, None, :]
        determined = sums.abs() > 1e-12 * singular[:, :1, None].abs()
        skew = (inner - inner.transpose(1, 2)) / torch.where(determined, sums, 1)
        return u @ torch.where(determined, skew, 0) @ vt, None


def yaw_deg(rotation: Tensor) -> Tensor:
    """See `turncoat.kernels.pose_error.yaw_deg`."""
    return torch.rad2deg(torch.atan2(rotation[:, 0, 2] - rotation[:, 2, 0], rotation[:, 0, 0] + rotation[:, 2, 2]))


def share_below(prediction: Tensor, target: Tensor, *, first: float, step: float, count: int) -> Tensor:
    """Mean over thresholds first, first + step, ... of the percentage of joints below each, in mm; see `pck`, `auc`."""
    error = _errors(prediction, target)  # (B, J)
    limits = torch.arange(count, dtype=error.dtype, device=error.device) * step + first
    percentage = 100 * (error[:, :, None] < limits).to(error.dtype).mean(dim=(1, 2))
    return torch.where(error.isfinite().all(dim=1), percentage, torch.nan).to(prediction.dtype)


def bone_ratios(prediction: Tensor, target: Tensor) -> Tensor:
    """See `turncoat.kernels.pose_error.bone_ratios`."""
    parents, children = zip(*BONES, strict=True)

    def lengths(pose: Tensor) -> Tensor:
        return torch.linalg.vector_norm(_wide(take(pose, children) - take(pose, parents)), dim=-1)

    return (lengths(prediction) / lengths(target)).to(prediction.dtype)
