"""The crop prior: on average a box lies in the middle and has a person's size."""

import torch
from pydantic import Field
from torch import Tensor

from turncoat.kernels.settings import Settings


class BoxPriorSettings(Settings):
    """The official weight is .1, its target .4 and its stretch 1.5 (methods 1.7): people who fill little of a frame.

    Studio frames are closer up: weight .2, scales of .75 high and .53 wide (stretch 1.42). [choice]
    """

    weight: float = Field(0.2, ge=0)
    target: float = Field(0.75, gt=0)
    stretch: float = Field(1.42, gt=0)


def box_prior(box: Tensor, height: int, width: int, settings: BoxPriorSettings) -> Tensor:
    """Scalar loss of a batch of boxes (B, 4); only the batch means are held, single boxes move freely.

    With means t of the shifts and s of the scales and ``r = (width, height) / min(width, height)``, r_x stretched:
    ``weight * (mean((t r)^2) + mean((s r - target)^2))``. Source: NSD, methods 1.7.
    """
    shorter = min(height, width)
    ratio = torch.tensor([settings.stretch * width / shorter, height / shorter], device=box.device)
    centre = (box[:, 2:].mean(0) * ratio).square().mean()
    size = (box[:, :2].mean(0) * ratio - settings.target).square().mean()
    return settings.weight * (centre + size)
