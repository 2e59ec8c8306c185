"""Neural scene decomposition: learn pose and appearance codes from several calibrated views, without labels.

A frame is rebuilt from the pose code of another camera at the same instant, turned by the known rotation between the
two cameras, and from the appearance code of another instant of the same sequence. Source: methods section 1, mainly
1.4, 1.7 and 1.8; the weights of preset studio come from the laptop-size proof and are marked [choice].
"""

from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from turncoat.training.data import Dataset
from turncoat.training.data.samplers import ViewPairs
from turncoat.training.data.tensors import as_float
from turncoat.training.jitter import Jitter
from turncoat.training.methods.base import Loss, PaintingMethod, PaintingSettings
from turncoat.training.networks import Disentangled

GROUP = 4
"""Frames of a group: two views at one instant, two at another, one sequence (1.8)."""

__all__ = ["GROUP", "NSD", "NSDSettings", "as_float", "rotate"]


class NSDSettings(PaintingSettings):
    """What NSD minimises, beside `PaintingSettings`; for the official values see `turncoat.training.recipes`.

    view: probability that a pair of views exchanges its pose codes; .5 in the official code, the rest auto-encodes.
    """

    view: float = Field(0.5, ge=0, le=1)


class Batch(NamedTuple):
    """frames, background: (B, 3, H, W); rotation: (B, 3, 3) float32, world to camera."""

    frames: Tensor
    background: Tensor
    rotation: Tensor


class Exchange(NamedTuple):
    """Which frame of the batch gives each frame its pose code and its appearance code: int64 (B,) each; jitter of what
    the encoder sees, or None."""

    pose: Tensor
    appearance: Tensor
    jitter: Jitter | None = None


class NSD(PaintingMethod):
    """The method as the training loop sees it: batches, loss, pictures."""

    name = "nsd"
    group_size = GROUP

    def __init__(self, settings: NSDSettings | None = None) -> None:
        super().__init__(settings or NSDSettings())

    settings: NSDSettings

    def sampler(self, dataset: Dataset, rows: np.ndarray, batch: int, seed: int) -> ViewPairs:
        """Batches of groups of [2 views at t, 2 views at t'] of one sequence, balanced over actions."""
        groups = self.check_batch(batch)
        return ViewPairs(dataset, rows, groups=groups, seed=seed, everyday=self.settings.everyday)

    def load(self, dataset: Dataset, rows: np.ndarray) -> Batch:
        return Batch(
            torch.from_numpy(dataset.read(rows)),
            torch.from_numpy(dataset.background(rows)),
            torch.from_numpy(np.ascontiguousarray(dataset.rotation(rows), dtype=np.float32)),
        )

    def draw(self, random: np.random.Generator, size: int) -> Exchange:
        """Draw the exchanges of a batch of `size` frames (methods 1.4)."""
        own = np.arange(size).reshape(-1, 2)
        pose = np.where(random.random((len(own), 1)) < self.settings.view, own[:, ::-1], own)  # (pairs, 2)
        other = own.reshape(-1, 2, 2)[:, ::-1].copy()  # the pair of the other instant, for each pair
        roll = random.random(other.shape[:2]) < 0.5
        other[roll] = other[roll][:, ::-1]
        swap = np.repeat(random.random(size // GROUP) < self.settings.swap, GROUP)
        appearance = np.where(swap, other.ravel(), pose.ravel())
        return Exchange(
            torch.from_numpy(np.ascontiguousarray(pose).ravel()),
            torch.from_numpy(appearance),
            self.draw_jitter(random, size),
        )

    def loss(self, network: Disentangled, batch: Batch, draw: Exchange, progress: float) -> Loss:
        frames, background, rotation = batch
        codes = network.encode(frames, draw.jitter)
        pose_code = rotate(codes.pose_code[draw.pose], rotation[draw.pose], rotation)
        own = draw.pose == torch.arange(len(frames), device=frames.device)
        same = draw.appearance == draw.pose
        kinds = {"own": own & same, "rotated": ~own & same, "swapped": ~same}
        appearance = codes.appearance[draw.appearance]
        return self.painted(network, frames, background, codes.box, appearance, pose_code, kinds, progress)

    @torch.no_grad()
    def pictures(self, network: Disentangled, batch: Batch) -> Tensor:
        """One column a frame; rows: input and box, same view, appearance of the other instant, mask, turned from the
        other view."""
        frames, background, rotation = batch
        codes = network.encode(frames)
        index = torch.arange(len(frames), device=frames.device)
        partner = index ^ 1
        turned = rotate(codes.pose_code[partner], rotation[partner], rotation)
        rotated, _ = network.synthesise(codes.appearance[partner], turned, codes.box, background)
        rows = self.repaint_rows(network, frames, background, codes, codes.appearance[index ^ 2])
        return self.grid([*rows, rotated])


def rotate(pose_code: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Turn pose codes from one camera to another: (B, 600) and two world-to-camera rotations (B, 3, 3).

    The code is 200 points; each becomes ``R_target R_source^T p``. Rotation only, no translation. Source: methods 1.4.
    """
    turn = target @ source.transpose(1, 2)
    points = pose_code.view(len(pose_code), -1, 3)
    return (points @ turn.transpose(1, 2)).reshape(pose_code.shape)
