"""Neural scene decomposition: learn pose and appearance codes from several calibrated views, without labels.

A frame is rebuilt from the pose code of another camera at the same instant, turned by the known rotation between the
two cameras, and from the appearance code of another instant of the same sequence. Source: methods section 1, mainly
1.4, 1.7 and 1.8; the weights of preset studio come from the laptop-size proof and are marked [choice].
"""

from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from turncoat.kernels import ConfigError
from turncoat.kernels.settings import Settings
from turncoat.training.data import Dataset
from turncoat.training.data.samplers import ViewPairs
from turncoat.training.losses import BoxPriorSettings, ImageLossSettings, OfficialImageLoss, box_prior, image_loss
from turncoat.training.networks import Disentangled

GROUP = 4
"""Frames of a group: two views at one instant, two at another, one sequence (1.8)."""


class NSDSettings(Settings):
    """What NSD minimises; for the official values see `turncoat.training.recipes`.

    loss: "studio" (`losses.image`, [choice]) or "official" (`losses.official`: colours aligned, perceptual features).
    perceptual: ResNet-18 weights (a safetensors file) for the official loss's features; no such term where None.
    view: probability that a pair of views exchanges its pose codes; .5 in the official code, the rest auto-encodes.
    swap: probability that a group exchanges its appearance codes between its two instants; always, or never, in the
        official code; .8 [choice], so that a frame's own appearance is seen too.
    image: weights of the studio picture loss, [choice].
    box: the crop prior.
    mask: weight of the mask's mean, which keeps it from growing over background that looks right anyway. [choice]
    cycle: weight of the distance between the pose code that made a synthesis and the one read from it again, in units
        of the code's own variance. [choice] (the proof, .3: median initial error of the attack 33 -> 27 mm)
    cycle_from: the share of training after which the cycle term counts; before, the pictures are too poor. [choice]
    cycle_frames: how many frames of a batch it is computed on, spread evenly; each costs an encoding. [choice]
    everyday: share of groups drawn from everyday actions; None balances over all actions alike. [choice]: the figures
        that networks are compared by are of everyday frames.
    detector_rate, decoder_rate: their learning rates, as shares of the others'. [choice]: a box that moves slowly gives
        the rest of the network time to follow. (The official code slows the decoder alone, by 5, methods 1.8.)
    """

    loss: Literal["studio", "official"] = "studio"
    perceptual: str | None = None
    view: float = Field(0.5, ge=0, le=1)
    swap: float = Field(0.8, ge=0, le=1)
    image: ImageLossSettings = ImageLossSettings()
    box: BoxPriorSettings = BoxPriorSettings()
    mask: float = Field(0.02, ge=0)
    cycle: float = Field(0.3, ge=0)
    cycle_from: float = Field(0.6, ge=0, le=1)
    cycle_frames: int = Field(12, ge=2)
    everyday: float | None = Field(0.7, ge=0, le=1)
    detector_rate: float = Field(0.3, gt=0)
    decoder_rate: float = Field(1.0, gt=0)


class Batch(NamedTuple):
    """frames, background: (B, 3, H, W) float32 in [0, 1]; rotation: (B, 3, 3) float32, world to camera."""

    frames: Tensor
    background: Tensor
    rotation: Tensor


class Exchange(NamedTuple):
    """Which frame of the batch gives each frame its pose code and its appearance code: int64 (B,) each."""

    pose: Tensor
    appearance: Tensor


class NSD:
    """The method as the training loop sees it: batches, loss, pictures."""

    name = "nsd"

    def __init__(self, settings: NSDSettings | None = None) -> None:
        self.settings = settings or NSDSettings()
        official = self.settings.loss == "official"
        self.official_loss = OfficialImageLoss(self.settings.perceptual) if official else None

    @property
    def learning_rates(self) -> dict[str, float]:
        """Learning rates of a network's parts, as shares of the setting."""
        return {"detector": self.settings.detector_rate, "decoder": self.settings.decoder_rate}

    def sampler(self, dataset: Dataset, rows: np.ndarray, batch: int, seed: int) -> ViewPairs:
        """Batches of groups of [2 views at t, 2 views at t'] of one sequence, balanced over actions."""
        if batch < GROUP or batch % GROUP:
            raise ConfigError(f"The batch is {batch}; NSD takes groups of {GROUP} frames: use a multiple of {GROUP}.")
        return ViewPairs(dataset, rows, groups=batch // GROUP, seed=seed, everyday=self.settings.everyday)

    def load(self, dataset: Dataset, rows: np.ndarray) -> Batch:
        """Read a batch; a damaged record ends training, since it would change every later batch."""
        return Batch(
            as_float(dataset.read(rows)),
            as_float(dataset.background(rows)),
            torch.from_numpy(np.ascontiguousarray(dataset.rotation(rows), dtype=np.float32)),
        )

    def exchange(self, random: np.random.Generator, size: int) -> Exchange:
        """Draw the exchanges of a batch of `size` frames (methods 1.4)."""
        own = np.arange(size).reshape(-1, 2)
        pose = np.where(random.random((len(own), 1)) < self.settings.view, own[:, ::-1], own)  # (pairs, 2)
        other = own.reshape(-1, 2, 2)[:, ::-1].copy()  # the pair of the other instant, for each pair
        roll = random.random(other.shape[:2]) < 0.5
        other[roll] = other[roll][:, ::-1]
        swap = np.repeat(random.random(size // GROUP) < self.settings.swap, GROUP)
        appearance = np.where(swap, other.ravel(), pose.ravel())
        return Exchange(torch.from_numpy(np.ascontiguousarray(pose).ravel()), torch.from_numpy(appearance))

    def loss(
        self, network: Disentangled, batch: Batch, random: np.random.Generator, progress: float
    ) -> tuple[Tensor, dict[str, tuple[float, float]]]:
        """Loss of a batch, and facts for the log as (sum, count).

        progress: share of training already done, in [0, 1).
        """
        frames, background, rotation = batch
        height, width = frames.shape[-2:]
        codes = network.encode(frames)
        exchange = self.exchange(random, len(frames))
        pose_code = rotate(codes.pose_code[exchange.pose], rotation[exchange.pose], rotation)
        appearance = codes.appearance[exchange.appearance]
        synthesis, mask = network.synthesise(appearance, pose_code, codes.box, background, clamp=False)
        image = image_loss(synthesis, frames, background, self.settings.image)
        painted = image.loss
        if self.official_loss is not None:
            painted = self.official_loss(*((picture - network.mean) / network.std for picture in (synthesis, frames)))
        covered = mask.mean()
        loss = painted + box_prior(codes.box, height, width, self.settings.box) + self.settings.mask * covered
        facts = self._facts(image.squared_error, image.person, exchange)
        facts |= {"loss": (float(loss.detach()), 1), "mask_mean": (float(covered.detach()), 1)}
        facts |= {"person_mean": (float(image.person.sum()), len(frames))}
        for k, name in enumerate(("box_scale_x", "box_scale_y", "box_shift_x", "box_shift_y")):
            facts[name] = (float(codes.box[:, k].detach().sum()), len(frames))
        if self.settings.cycle and progress >= self.settings.cycle_from:
            distance = self._cycle(network, synthesis, pose_code)
            loss = loss + self.settings.cycle * distance
            facts["cycle"] = (float(distance.detach()), 1)
        return loss, facts

    def _cycle(self, network: Disentangled, synthesis: Tensor, pose_code: Tensor) -> Tensor:
        """How far the pose codes of repainted frames are from those that painted them, in units of their variance.

        The encoder works as it will when attacked: batch norms with their running statistics.
        """
        step = max(1, len(synthesis) // self.settings.cycle_frames)
        wanted = pose_code.detach()
        was_training = network.training
        network.eval()
        again = network.encode(synthesis[::step].clamp(0, 1)).pose_code
        network.train(was_training)
        return (again - wanted[::step]).square().mean() / wanted.var(0).mean().clamp(min=1e-6)

    @staticmethod
    def _facts(squared_error: Tensor, person: Tensor, exchange: Exchange) -> dict[str, tuple[float, float]]:
        """Squared error over the person's pixels, by what was exchanged; frames without a person are left out."""
        own = exchange.pose == torch.arange(len(squared_error))
        same = exchange.appearance == exchange.pose
        seen = person > 0
        kinds = {"own": own & same, "rotated": ~own & same, "swapped": ~same}
        return {
            f"person_mse_{kind}": (float(squared_error[chosen & seen].sum()), float((chosen & seen).sum()))
            for kind, chosen in kinds.items()
        }

    @torch.no_grad()
    def pictures(self, network: Disentangled, batch: Batch) -> Tensor:
        """A grid (3, rows, columns) in [0, 1]: one column a frame; rows input, same view, turned from the other view,
        appearance of the other instant, mask."""
        frames, background, rotation = batch
        codes = network.encode(frames)
        index = torch.arange(len(frames))
        partner = index ^ 1
        turned = rotate(codes.pose_code[partner], rotation[partner], rotation)
        own, mask = network.synthesise(codes.appearance, codes.pose_code, codes.box, background)
        rotated, _ = network.synthesise(codes.appearance[partner], turned, codes.box, background)
        swapped, _ = network.synthesise(codes.appearance[index ^ 2], codes.pose_code, codes.box, background)
        rows = [frames, own, rotated, swapped, mask.expand(-1, 3, -1, -1)]
        return torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1).clamp(0, 1)


def as_float(frames: np.ndarray) -> Tensor:
    """uint8 (B, 3, H, W) -> float32 in [0, 1], planes after one another (full-frame arithmetic is fastest so)."""
    return torch.from_numpy(frames).contiguous(memory_format=torch.contiguous_format).float().div_(255)


def rotate(pose_code: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Turn pose codes from one camera to another: (B, 600) and two world-to-camera rotations (B, 3, 3).

    The code is 200 points; each becomes ``R_target R_source^T p``. Rotation only, no translation. Source: methods 1.4.
    """
    turn = target @ source.transpose(1, 2)
    points = pose_code.view(len(pose_code), -1, 3)
    return (points @ turn.transpose(1, 2)).reshape(pose_code.shape)
