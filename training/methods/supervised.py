"""The supervised ceiling, and with colour jitter on the recipe `decorrelated` the judge: the same detector, encoder and
regressor as everybody's, trained end to end on all labels, without a decoder.

The ceiling says how well these layers can do on these frames, so how much of a self-supervised network's error is the
method's. The judge is an independent eye that was shown no fixed pairing of clothes and bodies: if it still sees the
old pose in an attacked frame, the attack changed clothes and not the pose. Both are ours, not the paper's. [choice]
"""

from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from turncoat.kernels import ConfigError, DataError
from turncoat.kernels.pose_error import mpjpe
from turncoat.kernels.settings import Settings
from turncoat.training.data import Dataset
from turncoat.training.data.boxes import given_box
from turncoat.training.data.samplers import ViewPairs
from turncoat.training.jitter import Jitter, JitterSettings, draw_jitter
from turncoat.training.methods.base import Facts, Loss, Method, PaintingMethod, with_box
from turncoat.training.methods.nsd import GROUP
from turncoat.training.networks import Disentangled


class SupervisedSettings(Settings):
    """What is minimised. All are [choice].

    box: weight of the distance between the detector's box and the one around the true mask (`data.boxes`), which the
        ceiling may see like any other label. The pose loss reaches the detector too.
    everyday: share of groups drawn from everyday actions, as in `PaintingSettings`.
    jitter: of the colours of the crop that the encoder sees; none for the ceiling, `jitter.AUGMENTED` for the judge.
    detector_rate: its learning rate, as a share of the others'.
    """

    box: float = Field(1.0, ge=0)
    everyday: float | None = Field(0.7, ge=0, le=1)
    jitter: JitterSettings = JitterSettings()
    detector_rate: float = Field(1.0, gt=0)


class Batch(NamedTuple):
    """frames: (B, 3, H, W); pose: (B, 17, 3) float32 mm, camera axes, relative to joint 0; box: (B, 4) float32."""

    frames: Tensor
    pose: Tensor
    box: Tensor


class Changes(NamedTuple):
    """What happens to the colours of a batch, or None."""

    jitter: Jitter | None = None


class Supervised(Method):
    """The method as the training loop sees it. Its frames are those that NSD sees with the same seed."""

    name = "supervised"
    paints = "nothing"
    group_size = GROUP
    uses_labels = True

    def __init__(self, settings: SupervisedSettings | None = None) -> None:
        super().__init__(settings or SupervisedSettings())

    settings: SupervisedSettings

    @property
    def learning_rates(self) -> dict[str, float]:
        return {"detector": self.settings.detector_rate}

    def begin(self, network: Disentangled, dataset: Dataset, rows: np.ndarray) -> None:
        """Give the network a regressor whose targets are in units of the labels' standard deviation.

        Codes are not standardised: they move while the regressor learns, and its first layer can follow.
        """
        if network.settings.paints != self.paints:
            raise ConfigError(
                f"Supervised training has no use for a decoder and this network paints {network.settings.paints!r}; "
                f"set network.paints to {self.paints!r}."
            )
        poses = torch.from_numpy(dataset.pose(rows))
        if not torch.isfinite(poses).all():
            raise DataError("A pose label is NaN or infinite; render the dataset again or leave its sequence out.")
        regressor = network.add_regressor()
        std = poses.std(0)
        regressor.pose_mean.copy_(poses.mean(0))
        regressor.pose_std.copy_(torch.where(std > 1e-3, std, 1.0))  # the root does not move

    def sampler(self, dataset: Dataset, rows: np.ndarray, batch: int, seed: int) -> ViewPairs:
        groups = self.check_batch(batch)
        return ViewPairs(dataset, rows, groups=groups, seed=seed, everyday=self.settings.everyday)

    def load(self, dataset: Dataset, rows: np.ndarray) -> Batch:
        return Batch(
            torch.from_numpy(dataset.read(rows)),
            torch.from_numpy(dataset.pose(rows)),
            torch.from_numpy(given_box(dataset.person_box(rows), dataset.size)),
        )

    def draw(self, random: np.random.Generator, size: int) -> Changes:
        return Changes(draw_jitter(self.settings.jitter, random, size) if self.settings.jitter.on else None)

    def loss(self, network: Disentangled, batch: Batch, draw: Changes, progress: float) -> Loss:
        """Mean squared error of the pose, a coordinate in units of its standard deviation, and of the box in L1."""
        regressor = network.regressor
        assert regressor is not None, "begin() makes the regressor"
        codes = network.encode(batch.frames, draw.jitter)
        predicted = regressor.normalised(codes.pose_code)
        wanted = ((batch.pose - regressor.pose_mean) / regressor.pose_std).flatten(1)
        pose = (predicted - wanted).square().mean()
        box = (codes.box - batch.box).abs().mean()
        loss = pose + self.settings.box * box
        with torch.no_grad():
            error = mpjpe(predicted.view_as(batch.pose) * regressor.pose_std + regressor.pose_mean, batch.pose)
        facts: Facts = {
            "loss": (loss.detach(), 1),
            "pose_loss": (pose.detach(), 1),
            "box_loss": (box.detach(), 1),
            "mpjpe_mm": (error.sum(), len(error)),
        }
        for k, name in enumerate(("box_scale_x", "box_scale_y", "box_shift_x", "box_shift_y")):
            facts[name] = (codes.box[:, k].detach().sum(), len(error))
        return Loss(loss, facts)

    @torch.no_grad()
    def pictures(self, network: Disentangled, batch: Batch) -> Tensor:
        """One column a frame; rows: input with the network's box, input with the labelled one."""
        box = network.encode(batch.frames).box
        return PaintingMethod.grid([with_box(batch.frames, box), with_box(batch.frames, batch.box)])
