"""What a method minimises: one loss a file."""

from turncoat.training.losses.box import BoxPriorSettings, box_prior
from turncoat.training.losses.image import ImageLoss, ImageLossSettings, image_loss, image_loss_reference
from turncoat.training.losses.official import OfficialImageLoss, align_colours

__all__ = [
    "BoxPriorSettings",
    "ImageLoss",
    "ImageLossSettings",
    "OfficialImageLoss",
    "align_colours",
    "box_prior",
    "image_loss",
    "image_loss_reference",
]
