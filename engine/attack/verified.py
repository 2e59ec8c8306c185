"""What the float32 networks say of an attacked frame: painted in float32, seen as a file of 8-bit channels holds it."""

from typing import Any

import torch
from torch import Tensor

from turncoat.engine.attack.pair import Pair, compute_in
from turncoat.engine.attack.slots import Slots
from turncoat.export.attack_step import Painter
from turncoat.kernels.pose_error import mpjpe


def verified_error(pair: Pair, painter: Painter, slots: Slots, appearance: Tensor) -> Tensor:
    """Error, mm, (S,), of the float32 reference on the 8-bit frames of these slots."""
    painted = reference_paint(pair, painter, appearance, slots.canvas)
    return mpjpe(pair.predict_rounded(painted, slots.given), slots.reference)


def reference_paint(pair: Pair, painter: Painter, appearance: Tensor, canvas: Any) -> Tensor:
    """Frames painted in float32, without gradient."""
    with torch.no_grad(), compute_in(torch.float32, painter):
        return painter.paint(appearance, canvas).float()
