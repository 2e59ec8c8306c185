"""The official picture loss: colours aligned an image at a time, squared errors, perceptual features (methods 1.7)."""

from pathlib import Path

from torch import Tensor

from turncoat.training.losses.perceptual import align_colours
from turncoat.training.networks.imagenet import ResNet18Features

RGB_WEIGHT = 1.0
PERCEPTUAL_WEIGHT = 2.0


class OfficialImageLoss:
    """``1 * MSE + 2 * mean over feature maps of MSE``, everything aligned first, in ImageNet-normalised colours.

    Without weights for the features their term is left out.
    """

    def __init__(self, perceptual: str | Path | None = None) -> None:
        self.features = ResNet18Features().load(perceptual) if perceptual is not None else None

    def __call__(self, synthesis: Tensor, frames: Tensor) -> Tensor:
        """Normalised pictures (B, 3, H, W) twice -> scalar."""
        aligned = align_colours(synthesis, frames)
        loss = RGB_WEIGHT * (aligned - frames).square().mean()
        if self.features is not None:
            ours, theirs = self.features(aligned), self.features(frames)
            terms = [(align_colours(a, b) - b).square().mean() for a, b in zip(ours, theirs, strict=True)]
            loss = loss + PERCEPTUAL_WEIGHT * sum(terms) / len(terms)
        return loss
