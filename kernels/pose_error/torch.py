"""PyTorch pose errors: batched, differentiable, any device."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from turncoat.kernels.skeleton import BONES


def mpjpe(prediction: Tensor, target: Tensor) -> Tensor:
    """See `turncoat.kernels.pose_error.mpjpe`."""
    return torch.linalg.vector_norm(prediction - target, dim=-1).mean(dim=-1)


def n_mpjpe(prediction: Tensor, target: Tensor) -> Tensor:
    """See `turncoat.kernels.pose_error.n_mpjpe`."""
    square = prediction.square().sum(dim=(1, 2), keepdim=True)
    scale = (prediction * target).sum(dim=(1, 2), keepdim=True) / torch.where(square == 0, 1, square)
    return mpjpe(scale * prediction, target)


def procrustes(prediction: Tensor, target: Tensor, *, reflections: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """See `turncoat.kernels.pose_error.procrustes`. Works in float64 inside, returns the dtype of `prediction`."""
    p, g = prediction.double(), target.double()
    finite = (p.isfinite().all(dim=2) & g.isfinite().all(dim=2)).all(dim=1)  # (B,)
    mean = g.mean(dim=1, keepdim=True)
    centred = p - p.mean(dim=1, keepdim=True)
    # The decomposition refuses non-finite input for the whole batch, so those poses see the identity instead.
    eye = torch.eye(3, dtype=p.dtype, device=p.device)
    covariance = torch.where(finite[:, None, None], (g - mean).transpose(1, 2) @ centred, eye)
    rotation: Tensor = _NearestRotation.apply(covariance, reflections)
    square = centred.square().sum(dim=(1, 2))
    scale = (rotation * covariance).sum(dim=(1, 2)) / torch.where(square == 0, 1, square)
    scale = torch.where(finite, scale, torch.nan)
    rotation = torch.where(finite[:, None, None], rotation, torch.nan)
    aligned = scale[:, None, None] * centred @ rotation.transpose(1, 2) + mean
    dtype = prediction.dtype
    return aligned.to(dtype), scale.to(dtype), rotation.to(dtype)


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


def pck(prediction: Tensor, target: Tensor, thresholds: Sequence[float], joints: Sequence[int] | None) -> Tensor:
    """Mean over `thresholds` (mm) of the percentage of joints below each."""
    error = torch.linalg.vector_norm(prediction - target, dim=-1)  # (B, J)
    if joints is not None:
        error = error[:, list(joints)]
    limits = torch.tensor(list(thresholds), dtype=error.dtype, device=error.device)
    percentage = 100 * (error[:, :, None] < limits).to(error.dtype).mean(dim=(1, 2))
    return torch.where(error.isfinite().all(dim=1), percentage, torch.nan)


def bone_ratios(prediction: Tensor, target: Tensor) -> Tensor:
    """See `turncoat.kernels.pose_error.bone_ratios`."""
    parents, children = [parent for parent, _ in BONES], [child for _, child in BONES]

    def lengths(pose: Tensor) -> Tensor:
        return torch.linalg.vector_norm(pose[:, children] - pose[:, parents], dim=-1)

    return lengths(prediction) / lengths(target)
