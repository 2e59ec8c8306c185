"""Gradients of the operators of pose errors, written in PyTorch's operators and ours (`operators.py` registers them).

In `remember_X(ctx, inputs, output)` an operator keeps what `gradient_of_X(ctx, *upstream)` needs.
"""

from typing import Any

import torch
from torch import Tensor

Grads = tuple[Tensor | None, ...]


def remember_joint_errors(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    """Prediction, target, and the mask if there is one."""
    prediction, target, *rest = inputs
    ctx.save_for_backward(prediction, target)
    ctx.mask = int(rest[0] if rest else (1 << prediction.shape[1]) - 1)  # a number in graphs too


def gradient_of_joint_errors(ctx: Any, upstream: Tensor) -> Grads:
    """Of (B, J) distances: unit vectors, 0 where there is no distance."""
    prediction, target = ctx.saved_tensors
    gradient = torch.ops.turncoat.distance_gradient(upstream, prediction, target, ctx.mask)
    return gradient, -gradient


def gradient_of_mpjpe(ctx: Any, upstream: Tensor) -> Grads:
    """Of their mean over a mask, (B,)."""
    return *gradient_of_joint_errors(ctx, upstream), None


def gradient_of_n_mpjpe(ctx: Any, upstream: Tensor) -> Grads:
    """With E the mean of ``|e_j|``, ``e_j = s p_j - g_j``, ``u_j = e_j / |e_j|`` and ``c = sum_j <u_j, p_j>``:
    ``dE/dp_j = (s u_j + c (g_j - 2 s p_j) / <p, p>) / n``, ``dE/dg_j = (-u_j + c p_j / <p, p>) / n``.
    """
    prediction, target = ctx.saved_tensors
    p, g, counted = _counting(prediction, target, ctx.mask)
    square = p.square().sum(dim=(1, 2), keepdim=True)
    square = torch.where(square == 0, 1, square)
    scale = (p * g).sum(dim=(1, 2), keepdim=True) / square
    unit = _unit(scale * p - g)
    slope = (unit * p).sum(dim=(1, 2), keepdim=True) / square
    upstream = upstream[:, None, None].to(p.dtype) / counted
    by_p = upstream * (scale * unit + slope * (g - 2 * scale * p))
    by_g = upstream * (slope * p - unit)
    return by_p.to(prediction.dtype), by_g.to(prediction.dtype), None


def remember_procrustes(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    """Prediction, target, and what was found."""
    prediction, target, ctx.reflections, *rest = inputs
    ctx.save_for_backward(prediction, target, *output[1:])
    ctx.mask = int(rest[0] if rest else (1 << prediction.shape[1]) - 1)  # a number in graphs too


def gradient_of_procrustes(ctx: Any, aligned: Tensor, scale: Tensor, rotation: Tensor) -> Grads:
    """From upstream gradients of the aligned poses, scales and rotations."""
    prediction, target, *found = ctx.saved_tensors
    p, g, counted = _counting(prediction.double(), target.double(), ctx.mask)
    by_p, by_g = _through_alignment(ctx, p, g, counted, found, aligned, scale, rotation)
    return by_p.to(prediction.dtype), by_g.to(prediction.dtype), None


def gradient_of_pa_mpjpe(ctx: Any, error: Tensor, scale: Tensor, rotation: Tensor) -> Grads:
    """The same, from the distances of aligned poses, whose gradient falls on the target too."""
    prediction, target, *found = ctx.saved_tensors
    p, g, counted = _counting(prediction.double(), target.double(), ctx.mask)
    by, turn = found[0].double()[:, None, None], found[1].double()
    laid = by * (p - _mean(p, counted)) @ turn.transpose(1, 2) + _mean(g, counted)
    keep = _keep(ctx.mask, p)
    aligned = torch.where(keep, _unit(laid - g), 0) * (error.double()[:, None, None] / counted)
    by_p, by_g = _through_alignment(ctx, p, g, counted, found, aligned, scale, rotation)
    return by_p.to(prediction.dtype), (by_g - aligned).to(prediction.dtype), None, None


def _through_alignment(
    ctx: Any,
    p: Tensor,
    g: Tensor,
    counted: int,
    found: list[Tensor],
    aligned: Tensor,
    scale: Tensor,
    rotation: Tensor,
) -> tuple[Tensor, Tensor]:
    """Gradients (B, J, 3) by both poses in float64, 0 for joints that do not count.

    With C, T the centred poses, ``M = T^T C``, R the rotation nearest to M, ``q = |C|^2``, ``s = <R, M> / q`` and
    aligned ``= s C R^T + mean g``. `<R, M>` does not change with R to first order, since R maximises it.
    """
    by, turn = found[0].double()[:, None, None], found[1].double()
    aligned, scale, rotation = aligned.double(), scale.double()[:, None, None], rotation.double()
    keep = _keep(ctx.mask, p)
    centred = torch.where(keep, p - _mean(p, counted), 0)
    spread = torch.where(keep, g - _mean(g, counted), 0)
    square = centred.square().sum(dim=(1, 2), keepdim=True)
    square = torch.where(square == 0, 1, square)
    scale = scale + (aligned * (centred @ turn.transpose(1, 2))).sum(dim=(1, 2), keepdim=True)
    rotation = rotation + by * aligned.transpose(1, 2) @ centred
    matrix = torch.ops.turncoat.rotation_gradient(spread.transpose(1, 2) @ centred, rotation, ctx.reflections)
    matrix = matrix + scale / square * turn
    by_centred = by * aligned @ turn + spread @ matrix - 2 * scale * by / square * centred
    by_spread = centred @ matrix.transpose(1, 2)
    by_p = by_centred - _mean(torch.where(keep, by_centred, 0), counted)
    by_g = by_spread - _mean(torch.where(keep, by_spread, 0), counted) + _mean(aligned, counted)
    return torch.where(keep, by_p, 0), torch.where(keep, by_g, 0)


def _counting(prediction: Tensor, target: Tensor, mask: int) -> tuple[Tensor, Tensor, int]:
    """Poses with joints that do not count at 0, half precision as float32; and how many count."""
    keep = _keep(mask, prediction)
    dtype = torch.promote_types(prediction.dtype, torch.float32)
    p, g = (torch.where(keep, pose, 0).to(dtype) for pose in (prediction, target))
    return p, g, mask.bit_count()


def _keep(mask: int, poses: Tensor) -> Tensor:
    """(J, 1) bool, made on the device."""
    places = torch.arange(poses.shape[1], device=poses.device)
    return (torch.bitwise_right_shift(mask, places) & 1).bool()[:, None]


def _mean(values: Tensor, counted: int) -> Tensor:
    return values.sum(dim=1, keepdim=True) / counted


def _unit(vectors: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / torch.where(length == 0, 1, length)
