"""What a picture loss is made of, and the sets of settings that have names."""

from typing import Literal, NamedTuple

from pydantic import Field
from torch import Tensor

from turncoat.kernels import ConfigError
from turncoat.kernels.settings import Settings


class ImageLossSettings(Settings):
    """Weights of the picture loss, in frames of [0, 1]. The defaults are set "studio", all [choice].

    absolute, squared: of the weighted L1 and squared errors. The official loss is squared alone; L1 keeps thin limbs.
    person: extra weight of pixels where the frame differs from the known background; the person is a tenth of a frame.
    person_threshold: how much a channel must differ to count as person.
    edges, coarse_edges: of the L1 error of horizontal and vertical differences, at full and at half resolution.
    align: give the synthesis the mean and deviation of the frame, an image and channel at a time, before comparing
        (official in NSD, absent in UGAR): the loss is blind to lighting and, in part, to the colour of clothes.
    normalised: measure the colour terms in units of ImageNet's standard deviations, as the official code does: squared
        errors count 20 times as much, absolute ones 4.4 times.
    perceptual: weight of the perceptual term. Official: 2.
    features: ResNet-18 weights for the perceptual term, a safetensors file; where None, the term is the structural
        difference (`structure.structure_distance`), which needs no file.
    feature_error: whether features are compared by squares (NSD) or absolutely (UGAR). Without a file, without effect.
    batch_statistics: let the batch norms of the features use each batch's statistics: a quirk of the official code
        (methods 1.7). The term is then no mean over frames: processes that share a batch get another loss.
    """

    absolute: float = Field(2.0, ge=0)
    squared: float = Field(10.0, ge=0)
    person: float = Field(5.0, ge=0)
    person_threshold: float = Field(0.05, ge=0)
    edges: float = Field(2.0, ge=0)
    coarse_edges: float = Field(4.0, ge=0)
    align: bool = False
    normalised: bool = False
    perceptual: float = Field(0.0, ge=0)
    features: str | None = None
    feature_error: Literal["squared", "absolute"] = "squared"
    batch_statistics: bool = False


class ImageLoss(NamedTuple):
    """loss: scalar; squared_error: (B,) mean squared error over the person's pixels; person: (B,) their share.

    The latter two are facts for the log, without gradients, of the synthesis as it is: neither aligned nor normalised.
    Where no background tells the person, they are of all pixels, and the share is 1.
    """

    loss: Tensor
    squared_error: Tensor
    person: Tensor


_OFFICIAL = {"person": 0.0, "edges": 0.0, "coarse_edges": 0.0, "normalised": True, "perceptual": 2.0}

IMAGE_LOSSES = {
    "studio": ImageLossSettings(),
    "official": ImageLossSettings(**_OFFICIAL, absolute=0.0, squared=1.0, align=True),
    "ugar": ImageLossSettings(**_OFFICIAL, absolute=1.0, squared=0.0, feature_error="absolute"),
}
"""Settings by name: preset studio's [choice], NSD's official loss (methods 1.7), UGAR's (methods 2)."""


def named_image_loss(name: str, features: str | None = None) -> ImageLossSettings:
    """The set `name`, its perceptual term with the features of a weights file where one is named.

    Raises:
        ConfigError: no set of that name.
    """
    if name not in IMAGE_LOSSES:
        raise ConfigError(f"There is no picture loss {name!r}; choose one of {', '.join(IMAGE_LOSSES)}.")
    return IMAGE_LOSSES[name].model_copy(update={"features": features})
