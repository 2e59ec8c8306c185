"""What a method minimises: `PictureLoss` for pictures, whatever its settings, and a prior for boxes."""

from turncoat.training.losses.box import BoxPriorSettings, box_prior
from turncoat.training.losses.colours import colour_loss_reference as image_loss_reference
from turncoat.training.losses.image import PictureLoss
from turncoat.training.losses.perceptual import align_colours
from turncoat.training.losses.settings import IMAGE_LOSSES, ImageLoss, ImageLossSettings, named_image_loss
from turncoat.training.losses.structure import ms_ssim, structure_distance

__all__ = [
    "IMAGE_LOSSES",
    "BoxPriorSettings",
    "ImageLoss",
    "ImageLossSettings",
    "PictureLoss",
    "align_colours",
    "box_prior",
    "image_loss_reference",
    "ms_ssim",
    "named_image_loss",
    "structure_distance",
]
