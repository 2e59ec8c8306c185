"""One gradient of the attack: repaint, predict, compare, differentiate.

There is no second implementation of this path: the eager attack runs this function, the exporter traces it, and the
tests differentiate it numerically.
"""

from typing import Any, Literal, Protocol, get_args

import torch
from torch import Tensor

from turncoat.kernels.errors import ConfigError
from turncoat.kernels.pose_error import procrustes

Objective = Literal["squared", "mpjpe", "n-mpjpe", "pa-mpjpe"]
OBJECTIVES: tuple[str, ...] = get_args(Objective)
IN_GRAPHS: tuple[str, ...] = ("squared", "mpjpe")
"""Objectives that graphs are written for; the others are PyTorch's alone (an alignment wants a decomposition)."""

MILLIMETRES_PER_METRE = 1000.0
_SMALLEST_SQUARE = 1e-12  # m^2; the square root has no gradient at 0, where a joint has not moved yet
_ONE_PLACE = 1e-12  # mm^2; below that, all joints are in one place: slopes of a scale would be as large as floats go


class Painter(Protocol):
    """Whatever turns an appearance into frames while everything else stays: `DisentangledNetwork.paint`."""

    def paint(self, appearance: Tensor, canvas: Any) -> Tensor: ...


class Predictor(Protocol):
    """Whatever predicts a pose from frames: `PoseTarget.predict`."""

    def predict(self, frames: Tensor) -> Tensor: ...


class Unpainted:
    """A generator that paints frames as they are: with it, `attack_step` differentiates by the frames themselves."""

    def paint(self, frames: Tensor, canvas: Any) -> Tensor:
        """The frames."""
        return frames


def attack_step(
    generator: Painter,
    target: Predictor,
    appearance: Tensor,
    canvas: Any,
    reference: Tensor,
    joint_weight: Tensor,
    sign: Tensor | float,
    *,
    objective: Objective = "squared",
    loss_scale: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Predict the pose on the repainted frames, and differentiate the objective with respect to the appearance.

    Args:
        generator: paints `(appearance, canvas) -> frames`, differentiable in its first argument.
        target: predicts `frames -> pose`, differentiable; its detector included.
        appearance: (B, 128) appearance codes, or whatever else `generator` paints from, batch first. Must be finite.
        canvas: all that the repainting keeps, as `generator.canvas` gives it.
        reference: (B, J, 3) pose in mm that the prediction is driven away from (`sign` 1) or towards (`sign` -1).
        joint_weight: (J,) weight of each joint, not negative; ones for the paper's objective.
        sign: a number, or (B,); the gradient always points uphill of `sign * distance`.
        objective: "squared": ``sign * sum_j w_j |p_j - r_j|^2``; "mpjpe": ``sign * sum_j w_j |p_j - r_j| / sum_j w_j``.
            "n-mpjpe", "pa-mpjpe": the same distance after p is laid on r by the best scale, or by the best rotation,
            scale and translation (of all joints alike, w weighs the distances only). All in metres, which fixes the
            scale of the loss for half precision.
        loss_scale: the objective is multiplied by this before it is differentiated and the gradient divided by it, in
            float32: a power of two keeps the gradients of half-precision layers away from zero.

    Returns:
        pose (B, J, 3) in mm, detached; gradient of the objective, shape of `appearance`. Samples do not mix: row b of
        the gradient depends on row b of the arguments only.

    Raises:
        ConfigError: an objective of another name.

    Source: Nakka and Salzmann 2023, Algorithm 1, lines 7 to 10; the objective is line 9's squared L2.
    """
    with torch.enable_grad():
        code = appearance.detach().requires_grad_(True)
        pose = target.predict(generator.paint(code, canvas))
        value = objective_value(pose, reference, joint_weight, sign, objective=objective)
        (gradient,) = torch.autograd.grad(value.sum() * loss_scale if loss_scale != 1 else value.sum(), code)
    return pose.detach(), gradient / loss_scale if loss_scale != 1 else gradient


def objective_value(
    pose: Tensor, reference: Tensor, joint_weight: Tensor, sign: Tensor | float, *, objective: Objective = "squared"
) -> Tensor:
    """What the attack climbs, one number a sample: (B, J, 3) mm twice -> (B,). See `attack_step`."""
    if objective not in OBJECTIVES:
        raise ConfigError(f"The attack's objective is {objective!r}; expected {', '.join(map(repr, OBJECTIVES))}.")
    square = (
        ((_laid(pose, reference, objective) - reference) / MILLIMETRES_PER_METRE).square().sum(dim=-1)
    )  # (B, J), m^2
    if objective == "squared":
        return sign * (square * joint_weight).sum(dim=-1)
    distance = (square + _SMALLEST_SQUARE).sqrt()
    return sign * (distance * joint_weight).sum(dim=-1) / joint_weight.sum()


def _laid(pose: Tensor, reference: Tensor, objective: Objective) -> Tensor:
    """The pose as the objective compares it: as it is, scaled, or aligned; differentiable, (B, J, 3)."""
    if objective == "n-mpjpe":
        square = pose.square().sum(dim=(1, 2), keepdim=True)
        scale: Tensor = (pose * reference).sum(dim=(1, 2), keepdim=True) / torch.where(square < _ONE_PLACE, 1, square)
        return scale * pose
    if objective == "pa-mpjpe":
        mean = reference.mean(dim=1, keepdim=True)
        spread = (pose.detach() - pose.detach().mean(dim=1, keepdim=True)).square().sum(dim=(1, 2), keepdim=True)
        coincide = spread < _ONE_PLACE  # laid on the mean, whatever they do next: no slope
        return torch.where(coincide, mean, procrustes(torch.where(coincide, reference, pose), reference)[0])
    return pose
