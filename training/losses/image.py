"""How far a synthesised frame is from the real one: one implementation, whatever the method and its settings."""

import torch
from torch import Tensor

from turncoat.kernels import ConfigError
from turncoat.training.losses.colours import colour_loss, with_facts
from turncoat.training.losses.perceptual import FeatureDistance, align_colours
from turncoat.training.losses.settings import ImageLoss, ImageLossSettings
from turncoat.training.losses.structure import structure_distance


class PictureLoss:
    """Colour terms, and a perceptual term where it has a weight. Made once; calling it compares two batches.

    Every term is a mean over frames of a value of each frame (unless `batch_statistics`), so the mean over processes
    that share a batch evenly is the loss of the batch.

    Raises:
        ConfigError: settings that contradict each other.
        DataError: the file `features` is missing or holds other weights than ResNet-18's.
    """

    def __init__(self, settings: ImageLossSettings | None = None) -> None:
        self.settings = settings = settings or ImageLossSettings()
        weights = ("absolute", "squared", "edges", "coarse_edges", "perceptual")
        if not any(getattr(settings, name) for name in weights):
            raise ConfigError(f"The picture loss has no term; give one of {', '.join(weights)} a weight above 0.")
        if settings.features is not None and not settings.perceptual:
            raise ConfigError(
                f"The picture loss names features ({settings.features}) but gives them no weight; "
                "set perceptual above 0 (2 in the official loss) or name no file."
            )
        self.features = None
        if settings.features is not None:
            self.features = FeatureDistance(
                settings.features,
                settings.feature_error,
                align=settings.align,
                batch_statistics=settings.batch_statistics,
            )

    def __call__(self, synthesis: Tensor, frames: Tensor, background: Tensor | None = None) -> ImageLoss:
        """Loss of `synthesis` against `frames`, both (B, 3, H, W) in [0, 1] (the synthesis may leave the range).

        background: the same without the person, (B, 3, H, W): tells which pixels the setting `person` weighs.

        Differentiable with respect to `synthesis`, on any device. Computed in float32 also where
        the tensors are not and inside autocast: the variances of SSIM and the alignment cancel.

        Raises:
            ConfigError: a weight for the person, and no background to tell it by.
        """
        settings = self.settings
        if background is None and settings.person:
            raise ConfigError(
                f"The picture loss weighs the person's pixels (person = {settings.person}) but was given no background "
                "to tell them by; set person to 0 or pass the background."
            )
        with torch.autocast(synthesis.device.type, enabled=False):
            synthesis, frames = _full_precision(synthesis), _full_precision(frames)
            background = None if background is None else _full_precision(background)
            picture = align_colours(synthesis, frames) if settings.align else synthesis
            result = colour_loss(picture, frames, background, settings)
            if settings.align:
                result = with_facts(result.loss, synthesis, frames, background, settings)
            if settings.perceptual:
                term = self._perceptual(picture, frames).mean()
                result = result._replace(loss=result.loss + settings.perceptual * term)
        return result

    def _perceptual(self, picture: Tensor, frames: Tensor) -> Tensor:
        """The perceptual term of each frame, (B,)."""
        if self.features is None:
            return structure_distance(picture, frames)
        return self.features.to(picture)(picture, frames)


def _full_precision(pictures: Tensor) -> Tensor:
    return pictures.float() if pictures.dtype in (torch.bfloat16, torch.float16) else pictures
