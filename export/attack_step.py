"""One gradient of the attack: repaint, predict, compare, differentiate.

There is no second implementation of this path: the eager attack runs this function, the exporter traces it, and the
tests differentiate it numerically.
"""

from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from turncoat.kernels.errors import ConfigError

Objective = Literal["squared", "mpjpe"]

MILLIMETRES_PER_METRE = 1000.0
_SMALLEST_SQUARE = 1e-12  # m^2; the square root has no gradient at 0, where a joint has not moved yet


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
            Both in metres, which fixes the scale of the loss for half precision.
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
    square = ((pose - reference) / MILLIMETRES_PER_METRE).square().sum(dim=-1)  # (B, J), m^2
    if objective == "squared":
        return sign * (square * joint_weight).sum(dim=-1)
    if objective == "mpjpe":
        distance = (square + _SMALLEST_SQUARE).sqrt()
        return sign * (distance * joint_weight).sum(dim=-1) / joint_weight.sum()
    raise ConfigError(f"The attack's objective is {objective!r}; expected 'squared' or 'mpjpe'.")
