"""The perceptual term: features of an ImageNet ResNet-18 whose weights the user names (methods 1.7)."""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from turncoat.training.networks.imagenet import ResNet18Features
from turncoat.training.networks.presets import IMAGENET_MEAN, IMAGENET_STD


def align_colours(picture: Tensor, target: Tensor) -> Tensor:
    """`picture` (B, C, H, W), standardised an image and channel at a time, with the mean and deviation of `target`.

    The gradient flows through. Source: NSD's instance colour alignment, also applied to feature maps.
    """
    standard = (picture - _mean(picture)) / (_std(picture) + 1e-5)
    return standard * _std(target) + _mean(target)


class FeatureDistance(nn.Module):
    """How much the features of two pictures differ, averaged over three feature maps; its weights never train.

    weights: a safetensors file of ResNet-18 under torchvision's names. DataError if it is missing or is not that.
    error: squares or absolute differences.
    align: align each feature map first, as the pictures.
    batch_statistics: batch norms use the batch's statistics instead of the stored ones (the official quirk).
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        weights: str | Path,
        error: Literal["squared", "absolute"] = "squared",
        *,
        align: bool = False,
        batch_statistics: bool = False,
    ) -> None:
        super().__init__()
        self.error = error
        self.align = align
        self.features = ResNet18Features().load(weights)
        for module in self.features.modules():
            if isinstance(module, nn.BatchNorm2d) and batch_statistics:
                module.training, module.momentum = True, 0.0  # the stored statistics stay as they are
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, picture: Tensor, target: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [0, 1] twice -> (B,), 0 for equal ones. Differentiable with respect to `picture`."""
        with torch.no_grad():
            theirs = self.features((target - self.mean) / self.std)
        ours = self.features((picture - self.mean) / self.std)
        return torch.stack([self._distance(a, b) for a, b in zip(ours, theirs, strict=True)]).mean(0)

    def _distance(self, ours: Tensor, theirs: Tensor) -> Tensor:
        error = (align_colours(ours, theirs) if self.align else ours) - theirs
        return (error.square() if self.error == "squared" else error.abs()).mean((1, 2, 3))


def _mean(pictures: Tensor) -> Tensor:
    return pictures.mean((2, 3), keepdim=True)


def _std(pictures: Tensor) -> Tensor:
    return pictures.std((2, 3), keepdim=True)
