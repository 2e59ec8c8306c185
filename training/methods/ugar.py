"""UGAR, NSD's predecessor: crops are given, whole crops are painted, and the decoder is shown the background.

As in NSD, a frame is rebuilt from the pose code of another camera at the same instant, turned by the rotation between
the two, and from the appearance code of another instant of the sequence. There is no detector and no mask. Source:
methods section 2. Given crops are the dataset's boxes; they are not turned towards the person, and rotations are those
of the real cameras, as in NSD (the official crops are corrected for perspective). [choice]
"""

from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from turncoat.kernels import ConfigError
from turncoat.kernels.composite import paint
from turncoat.kernels.resample import invert_box, resample
from turncoat.kernels.settings import Settings
from turncoat.training.data import Dataset
from turncoat.training.data.samplers import ViewPairs
from turncoat.training.jitter import JitterSettings
from turncoat.training.losses import ImageLossSettings, PictureLoss
from turncoat.training.methods.base import (
    Facts,
    Loss,
    Method,
    PaintingMethod,
    cycle_distance,
    cycle_frames,
    errors_by_kind,
    with_box,
)
from turncoat.training.methods.nsd import GROUP, NSD, Exchange, NSDSettings, rotate
from turncoat.training.networks import Disentangled, Given, given_of


class CropLossSettings(ImageLossSettings):
    """`ImageLossSettings` of the crop: L1 alone, as in the official code. absolute: about what both terms of the
    others weigh together. [choice]"""

    absolute: float = Field(3.0, ge=0)
    squared: float = Field(0.0, ge=0)


class UGARSettings(Settings):
    """What UGAR minimises; the words mean what they mean in `PaintingSettings` and `NSDSettings`.

    decoder_rate: 1 in the official code (methods section 2).
    """

    view: float = Field(0.5, ge=0, le=1)
    swap: float = Field(0.8, ge=0, le=1)
    image: CropLossSettings = CropLossSettings()
    cycle: float = Field(0.1, ge=0)
    cycle_from: float = Field(0.6, ge=0, le=1)
    cycle_frames: int = Field(12, ge=2)
    everyday: float | None = Field(0.7, ge=0, le=1)
    jitter: JitterSettings = JitterSettings()
    decoder_rate: float = Field(1.0, gt=0)


class Batch(NamedTuple):
    """frames, background: (B, 3, H, W); rotation: (B, 3, 3), world to camera; box, mask: the dataset's (`Given`)."""

    frames: Tensor
    background: Tensor
    rotation: Tensor
    box: Tensor
    mask: Tensor


class UGAR(Method):
    """The method as the training loop sees it; batches and exchanges are NSD's."""

    name = "ugar"
    paints = "crop"
    group_size = GROUP

    def __init__(self, settings: UGARSettings | None = None) -> None:
        super().__init__(settings or UGARSettings())
        shared = {name: getattr(self.settings, name) for name in ("view", "swap", "everyday", "jitter")}
        self._views = NSD(NSDSettings(**shared))
        self.picture_loss = PictureLoss(self.settings.image)

    settings: UGARSettings

    @property
    def learning_rates(self) -> dict[str, float]:
        return {"decoder": self.settings.decoder_rate}

    def begin(self, network: Disentangled, dataset: Dataset, rows: np.ndarray) -> None:
        if network.settings.paints != self.paints:
            raise ConfigError(
                f"UGAR paints whole crops and this network paints {network.settings.paints!r}; set network.paints to "
                f"{self.paints!r}."
            )

    def sampler(self, dataset: Dataset, rows: np.ndarray, batch: int, seed: int) -> ViewPairs:
        self.check_batch(batch)
        return self._views.sampler(dataset, rows, batch, seed)

    def load(self, dataset: Dataset, rows: np.ndarray) -> Batch:
        return Batch(*self._views.load(dataset, rows), *given_of(dataset, rows))

    def draw(self, random: np.random.Generator, size: int) -> Exchange:
        return self._views.draw(random, size)

    def loss(self, network: Disentangled, batch: Batch, draw: Exchange, progress: float) -> Loss:
        given = Given(batch.box, batch.mask)
        codes = network.encode(batch.frames, draw.jitter, given=given)
        pose_code = rotate(codes.pose_code[draw.pose], batch.rotation[draw.pose], batch.rotation)
        appearance = codes.appearance[draw.appearance]
        crop = network.decode_crop(appearance, pose_code, batch.box, batch.background)
        frames, background = (self._crop(network, pictures, batch.box) for pictures in (batch.frames, batch.background))
        image = self.picture_loss(crop, frames, background)
        loss = image.loss
        own = draw.pose == torch.arange(len(crop), device=crop.device)
        same = draw.appearance == draw.pose
        facts: Facts = {"person_mean": (image.person.sum(), len(crop))}
        facts |= errors_by_kind(image, {"own": own & same, "rotated": ~own & same, "swapped": ~same})
        if self.settings.cycle and progress >= self.settings.cycle_from:
            distance = self._cycle(network, crop, batch, pose_code)
            loss = loss + self.settings.cycle * distance
            facts["cycle"] = (distance.detach(), 1)
        return Loss(loss, facts | {"loss": (loss.detach(), 1)})

    def _cycle(self, network: Disentangled, crop: Tensor, batch: Batch, pose_code: Tensor) -> Tensor:
        """`PaintingMethod._cycle` of crops, pasted as an attack pastes them."""
        some = cycle_frames(self.settings.cycle_frames, len(crop))
        given = Given(batch.box[some], batch.mask[some])
        return cycle_distance(network, pose_code, some, _paste(crop[some], given, batch.background[some]), given)

    @staticmethod
    def _crop(network: Disentangled, pictures: Tensor, box: Tensor) -> Tensor:
        size = network.settings.crop_size
        return resample(pictures, box, size, size).contiguous()

    @torch.no_grad()
    def pictures(self, network: Disentangled, batch: Batch) -> Tensor:
        """One column a frame; rows: input and box, then pasted through the mask: same view, appearance of the other
        instant, turned from the other view; the first of them as the whole crop."""
        given = Given(batch.box, batch.mask)
        codes = network.encode(batch.frames, given=given)
        index = torch.arange(len(batch.frames), device=batch.frames.device)
        partner = index ^ 1
        turned = rotate(codes.pose_code[partner], batch.rotation[partner], batch.rotation)
        pairs = [
            (codes.appearance, codes.pose_code),
            (codes.appearance[index ^ 2], codes.pose_code),
            (codes.appearance[partner], turned),
        ]
        crops = [network.decode_crop(*pair, batch.box, batch.background) for pair in pairs]
        rows = [_paste(crop, given, batch.background) for crop in crops]
        whole = resample(crops[0], invert_box(batch.box), *batch.frames.shape[-2:])
        return PaintingMethod.grid([with_box(batch.frames, batch.box), *rows, whole])


def _paste(crop: Tensor, given: Given, background: Tensor) -> Tensor:
    """Crops (B, 3, R, R) over their backgrounds (B, 3, H, W), through the given masks -> frames in [0, 1]."""
    return paint(crop, given.box, given.mask, background * (1 - given.mask))
