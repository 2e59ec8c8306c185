"""Contrastive self-supervised learning from video: a pose code follows time, an appearance code does not.

Within a window of one camera's video the pose codes of near instants are to be alike and those of instants far apart
unlike, with a gradual change between; every frame is rebuilt with the appearance code of another instant. One camera is
enough. Source: methods section 3. There is no official code, and the paper's body was not at hand: what is verified is
that the contrast acts on the time-variant code alone, that the change over time is gradual, and that appearance codes
are exchanged; the form of the terms is [choice] (methods 3.3).
"""

from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from turncoat.training import distributed
from turncoat.training.data import Dataset
from turncoat.training.data.samplers import InstantPairs, TemporalWindows
from turncoat.training.jitter import Jitter
from turncoat.training.methods.base import Facts, Loss, PaintingMethod, PaintingSettings
from turncoat.training.networks import Disentangled, Given


class CSSLSettings(PaintingSettings):
    """What CSSL minimises, beside `PaintingSettings`. All are [choice] (methods 3.3).

    variant: "contrastive": windows of a reference, a near, a middle and away frames; "literal": two frames, the
        distance of whose pose codes is to grow with the time between them, as the seed paper's one sentence says.
    contrast: weight of both time terms. At .1, which methods 3.3 proposes, their gradient in the encoder was three
        times the picture's; .02 balances the two.
    ramp: the share of training over which that weight rises from nothing. Codes that do not say anything yet are short,
        and a cosine of short codes has a steep gradient, which drowns the picture's.
    temperature: of the contrast.
    centred: whether similarities are of codes less the batch's mean code. Raw codes share a large offset (cosines of
        .9 between any two people), in front of which a contrast has nothing to hold on to.
    aways: away frames of a window.
    d_near_s, d_far_s: up to which time two frames are near, and from which on they are away; for the dataset's frame
        rate. .2 and 2 s suit preset studio too, whose training instants come in pairs.
    rebuilt: "pair": only the reference and one other frame are rebuilt, each with the other's appearance; "all": every
        frame of the window, with that of another (preset studio: so that all methods paint equally many frames).
    """

    variant: Literal["contrastive", "literal"] = "contrastive"
    contrast: float = Field(0.02, ge=0)
    ramp: float = Field(0.2, ge=0, le=1)
    temperature: float = Field(0.1, gt=0)
    centred: bool = True
    aways: int = Field(8, ge=1)
    d_near_s: float = Field(0.2, gt=0)
    d_far_s: float = Field(2.0, gt=0)
    rebuilt: Literal["pair", "all"] = "pair"


class Batch(NamedTuple):
    """frames, background: (B, 3, H, W); time_s: (B,) float32, each frame's time in its sequence."""

    frames: Tensor
    background: Tensor
    time_s: Tensor


class Exchange(NamedTuple):
    """appearance: int64 (B,), which frame of its window gives each frame its appearance; jitter, or None."""

    appearance: Tensor
    jitter: Jitter | None = None


class CSSL(PaintingMethod):
    """The method as the training loop sees it. A window is [reference, near, middle, away ...]."""

    name = "cssl"

    def __init__(self, settings: CSSLSettings | None = None) -> None:
        super().__init__(settings or CSSLSettings())
        self.group_size = 2 if self.settings.variant == "literal" else 3 + self.settings.aways

    settings: CSSLSettings

    def sampler(self, dataset: Dataset, rows: np.ndarray, batch: int, seed: int) -> TemporalWindows | InstantPairs:
        """Windows, or pairs, of one camera's view of a sequence, balanced over actions."""
        groups, settings = self.check_batch(batch), self.settings
        if settings.variant == "literal":
            return InstantPairs(dataset, rows, groups=groups, seed=seed, everyday=settings.everyday)
        return TemporalWindows(
            dataset,
            rows,
            groups=groups,
            aways=settings.aways,
            near_s=settings.d_near_s,
            far_s=settings.d_far_s,
            seed=seed,
            everyday=settings.everyday,
        )

    def load(self, dataset: Dataset, rows: np.ndarray) -> Batch:
        time_s = dataset.column("time_s")[rows].astype(np.float32)
        return Batch(
            torch.from_numpy(dataset.read(rows)), torch.from_numpy(dataset.background(rows)), torch.from_numpy(time_s)
        )

    def draw(self, random: np.random.Generator, size: int) -> Exchange:
        """Each frame takes the appearance of another frame of its window, or (rarely, see `swap`) its own."""
        own, group = np.arange(size), self.group_size
        first = own - own % group
        if self.settings.rebuilt == "pair" and self.settings.variant == "contrastive":
            partner = np.repeat(1 + random.integers(group - 1, size=size // group), group)
            other = first + np.where(own % group == 0, partner, 0)
        else:
            other = first + (own % group + np.repeat(1 + random.integers(group - 1, size=size // group), group)) % group
        swap = np.repeat(random.random(size // group) < self.settings.swap, group)
        return Exchange(torch.from_numpy(np.where(swap, other, own)), self.draw_jitter(random, size))

    def loss(self, network: Disentangled, batch: Batch, draw: Exchange, progress: float) -> Loss:
        frames, background, time_s = batch
        codes = network.encode(frames, draw.jitter)
        # The time terms are the encoder's alone: through the crop they would move boxes to satisfy the contrast.
        fixed = network.encode(frames, draw.jitter, given=Given(codes.box.detach(), frames[:, :1]))
        over_time, more = self._over_time(fixed.pose_code, time_s)
        where = self._rebuilt(draw.appearance)
        source = draw.appearance[where]
        kinds = {"own": source == where, "swapped": source != where}
        loss, facts, _ = self.painted(
            network,
            frames[where],
            background[where],
            codes.box[where],
            codes.appearance[source],
            codes.pose_code[where],
            kinds,
            progress,
        )
        weight = self.settings.contrast * min(1.0, progress / max(self.settings.ramp, 1e-9))
        return Loss(loss + weight * over_time, facts | more)

    def _rebuilt(self, appearance: Tensor) -> Tensor:
        """Positions of the frames that are rebuilt: all, or the reference and its partner of each window."""
        index = torch.arange(len(appearance), device=appearance.device)
        if self.settings.rebuilt == "all" or self.settings.variant == "literal":
            return index
        reference = index[:: self.group_size]
        partner = appearance[reference]
        partner = torch.where(partner == reference, reference + 1, partner)  # nothing exchanged: reference and near
        return torch.stack([reference, partner], dim=1).flatten()

    def _over_time(self, pose_code: Tensor, time_s: Tensor) -> tuple[Tensor, Facts]:
        """The terms on pose codes (B, 600); codes are centred and normalised only here (methods 3.3)."""
        settings = self.settings
        apart = (time_s.view(-1, self.group_size) - time_s.view(-1, self.group_size)[:, :1]).abs()[:, 1:]
        if settings.variant == "literal":
            first, second = pose_code.view(-1, 2, pose_code.shape[1]).unbind(1)
            distance = ((first - second).square().mean(1) + 1e-12).sqrt()
            gap = (distance - (apart[:, 0] / settings.d_far_s).clamp(max=1)).square().mean()
            return gap, {"time_gap": (gap.detach(), 1)}
        if settings.centred:
            pose_code = pose_code - distributed.gather(pose_code).mean(0)
        unit = F.normalize(pose_code.view(-1, self.group_size, pose_code.shape[1]), dim=2)
        similarity = (unit[:, 1:] * unit[:, :1]).sum(2)  # (windows, near + middle + aways), to the reference
        logits = torch.cat([similarity[:, :1], similarity[:, 2:]], dim=1) / settings.temperature
        contrast = -F.log_softmax(logits, dim=1)[:, 0].mean()
        wanted = wanted_similarity(apart, settings.d_near_s, settings.d_far_s)
        reached = torch.where(wanted == 0, similarity.clamp(min=0), similarity)  # unlike is as good as opposite
        gradual = (reached - wanted).square()
        right = (logits.argmax(1) == 0).float()
        facts: Facts = {
            "contrast": (contrast.detach(), 1),
            "gradual": (gradual.detach().mean(), 1),
            "near_first": (right.sum(), len(right)),
            "similarity_near": (similarity.detach()[:, 0].sum(), len(right)),
            "similarity_away": (similarity.detach()[:, 2:].mean(1).sum(), len(right)),
        }
        return contrast + gradual.mean(), facts

    @torch.no_grad()
    def pictures(self, network: Disentangled, batch: Batch) -> Tensor:
        """One column a frame; rows: input and box, same frame again, appearance of the window's next frame, mask."""
        frames, background, _ = batch
        codes = network.encode(frames)
        index = np.arange(len(frames))
        first = index - index % self.group_size
        following = first + (index - first + 1) % np.minimum(self.group_size, len(frames) - first)
        appearance = codes.appearance[torch.from_numpy(following).to(frames.device)]
        return self.grid(self.repaint_rows(network, frames, background, codes, appearance))


def wanted_similarity(apart_s: Tensor, near_s: float, far_s: float) -> Tensor:
    """Cosine similarity that two pose codes so far apart in time should have: 1 up to `near_s`, 0 from `far_s` on,
    linear between. [choice] of methods 3.3."""
    return ((far_s - apart_s) / max(far_s - near_s, 1e-6)).clamp(0, 1)
