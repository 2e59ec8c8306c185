"""Colour jitter of what the encoder sees: the data augmentation of the seed paper's section 6.

Only the crop given to the encoder changes; the picture to be rebuilt does not. The paper does not say how strong its
jitter is; the strengths are [choice] (methods 3.4).
"""

from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from turncoat.kernels.settings import Settings

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""

_TO_YIQ = np.array([LUMA, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135)])


class JitterSettings(Settings):
    """Largest change of each property; 0 leaves it alone.

    brightness, contrast, saturation: factors are uniform in [1 - x, 1 + x].
    hue: turns are uniform in [-x, x], in full circles.
    """

    brightness: float = Field(0.0, ge=0, le=1)
    contrast: float = Field(0.0, ge=0, le=1)
    saturation: float = Field(0.0, ge=0, le=1)
    hue: float = Field(0.0, ge=0, le=0.5)

    @property
    def on(self) -> bool:
        """Whether anything changes."""
        return any((self.brightness, self.contrast, self.saturation, self.hue))


AUGMENTED = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
"""The strengths of CSSL-DA and of the judge. [choice] of methods 3.4."""


class Jitter(NamedTuple):
    """What happens to each of B pictures: ``picture -> matrix @ picture + contrast * mean brightness``, clamped.

    matrix: (B, 3, 3) float32 over RGB. contrast: (B,) float32, how much of the picture's mean brightness is added.
    """

    matrix: Tensor
    contrast: Tensor


def draw_jitter(settings: JitterSettings, random: np.random.Generator, size: int) -> Jitter:
    """Independent changes of `size` pictures. Contrast moves colours away from the mean brightness, saturation away
    from each pixel's own, hue turns the colour plane of YIQ; in that order."""

    def factors(strength: float) -> np.ndarray:
        return 1 + strength * random.uniform(-1, 1, size)

    brightness, contrast = factors(settings.brightness), factors(settings.contrast)
    saturation = factors(settings.saturation)
    angle = 2 * np.pi * settings.hue * random.uniform(-1, 1, size)
    grey = np.repeat(np.array(LUMA)[None], 3, axis=0)
    saturate = saturation[:, None, None] * np.eye(3) + (1 - saturation)[:, None, None] * grey
    turn = np.zeros((size, 3, 3))
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 1, 2], turn[:, 2, 1] = -np.sin(angle), np.sin(angle)
    hue = np.linalg.inv(_TO_YIQ) @ turn @ _TO_YIQ
    matrix = hue @ saturate * (brightness * contrast)[:, None, None]
    return Jitter(
        torch.from_numpy(matrix.astype(np.float32)), torch.from_numpy((brightness * (1 - contrast)).astype(np.float32))
    )


def jitter_colours(pictures: Tensor, jitter: Jitter) -> Tensor:
    """RGB pictures (B, 3, H, W) in [0, 1] with changed colours, clamped to [0, 1]; differentiable."""
    luma = torch.tensor(LUMA, device=pictures.device, dtype=pictures.dtype).view(1, 3, 1, 1)
    mean = (
        (pictures * luma).sum(1).mean((1, 2))
    )  # brightness and contrast act before hue and saturation: both keep grey
    changed = torch.einsum("bij,bjhw->bihw", jitter.matrix.to(pictures), pictures)
    return (changed + (jitter.contrast.to(pictures) * mean).view(-1, 1, 1, 1)).clamp(0, 1)
