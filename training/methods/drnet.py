"""DRNet: appearance codes of a video are alike, and nobody can tell from pose codes who moves.

A frame is rebuilt from its own pose code and the appearance code of another instant of the same video. An adversary
looks at pairs of pose codes and says whether they are of one person; the encoder learns to leave it undecided. Source:
methods section 4: the terms are those of the official code (4.1), carried over to the shared backbone as the seed paper
says (4.2). Its two sentences on the adversary differ: one of pairs is the default, one of identities an option.
"""

from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from turncoat.training.data import Dataset
from turncoat.training.data.samplers import SubjectPairs
from turncoat.training.jitter import Jitter
from turncoat.training.methods.base import Facts, Loss, PaintingMethod, PaintingSettings
from turncoat.training.networks import Disentangled


class DRNetSettings(PaintingSettings):
    """What DRNet minimises, beside `PaintingSettings`.

    similarity: weight of the distance between appearance codes of one video; 1 in the official code.
    adversary: "pairs" says whether two pose codes are of one person; "identity" whose a pose code is. [choice]
    adversarial: weight of the encoder's part in the game. [choice]: 600 numbers need more than the official 1e-4.
    adversary_width: of the adversary's two hidden layers; 512 in the official class.
    adversary_rate: its learning rate, as a share of the encoder's. [choice]
    """

    similarity: float = Field(1.0, ge=0)
    adversary: Literal["pairs", "identity"] = "pairs"
    adversarial: float = Field(0.1, ge=0)
    adversary_width: int = Field(512, ge=1)
    adversary_rate: float = Field(1.0, gt=0)


class Batch(NamedTuple):
    """frames, background: (B, 3, H, W); subject: (B,) int64, number of each frame's subject."""

    frames: Tensor
    background: Tensor
    subject: Tensor


class Exchange(NamedTuple):
    """appearance: int64 (B,), which frame of the same video gives each frame its appearance; jitter, or None."""

    appearance: Tensor
    jitter: Jitter | None = None


class Adversary(nn.Module):
    """Codes to logits: linear, ReLU, linear, ReLU, linear. Source: methods 4.1."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
        )

    def forward(self, codes: Tensor) -> Tensor:
        return self.layers(codes)


class DRNet(PaintingMethod):
    """The method as the training loop sees it. A group is two instants each of two videos of one person and of two of
    another's, see `SubjectPairs`."""

    name = "drnet"
    group_size = 8

    def __init__(self, settings: DRNetSettings | None = None) -> None:
        super().__init__(settings or DRNetSettings())
        self.subjects: list[str] = []

    settings: DRNetSettings

    @property
    def learning_rates(self) -> dict[str, float]:
        return super().learning_rates | {"adversary": self.settings.adversary_rate}

    def begin(self, network: Disentangled, dataset: Dataset, rows: np.ndarray) -> None:
        self.subjects = sorted(set(dataset.column("subject")[rows].tolist()))
        size = network.settings.pose_size
        shape = (2 * size, 1) if self.settings.adversary == "pairs" else (size, len(self.subjects))
        self.adversary = Adversary(shape[0], self.settings.adversary_width, shape[1]).to(network.mean.device)

    def sampler(self, dataset: Dataset, rows: np.ndarray, batch: int, seed: int) -> SubjectPairs:
        """Groups of four videos, two people's, balanced over actions."""
        groups = self.check_batch(batch)
        return SubjectPairs(dataset, rows, groups=groups, seed=seed, everyday=self.settings.everyday)

    def load(self, dataset: Dataset, rows: np.ndarray) -> Batch:
        names = self.subjects or sorted(set(dataset.column("subject").tolist()))
        subject = np.searchsorted(names, dataset.column("subject")[rows])
        return Batch(
            torch.from_numpy(dataset.read(rows)), torch.from_numpy(dataset.background(rows)), torch.from_numpy(subject)
        )

    def draw(self, random: np.random.Generator, size: int) -> Exchange:
        """Both frames of a video take the other's appearance, or each (rarely, see `swap`) its own."""
        own = np.arange(size)
        swap = np.repeat(random.random(size // 2) < self.settings.swap, 2)
        return Exchange(torch.from_numpy(np.where(swap, own ^ 1, own)), self.draw_jitter(random, size))

    def loss(self, network: Disentangled, batch: Batch, draw: Exchange, progress: float) -> Loss:
        frames, background, subject = batch
        codes = network.encode(frames, draw.jitter)
        own = draw.appearance == torch.arange(len(frames), device=frames.device)
        appearance = codes.appearance[draw.appearance]
        kinds = {"own": own, "swapped": ~own}
        loss, facts, _ = self.painted(
            network, frames, background, codes.box, appearance, codes.pose_code, kinds, progress
        )
        similarity = (codes.appearance - other_instant(codes.appearance).detach()).square().mean()
        fooled, adversary_loss, right = self._game(codes.pose_code, subject)
        loss = loss + self.settings.similarity * similarity + self.settings.adversarial * fooled
        spread = codes.appearance.detach().var(0).mean()
        more: Facts = {
            "appearance_distance": (similarity.detach(), 1),
            "appearance_variance": (spread, 1),
            "adversary_right": (right.sum(), len(right)),
            "adversary_loss": (adversary_loss.detach(), 1),
        }
        return Loss(loss, facts | more, adversary_loss)

    def _game(self, pose_code: Tensor, subject: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The encoder's loss, the adversary's loss on the same codes, detached, and where the adversary is right.

        Encoder and adversary move at the same time; in the official code the adversary moves first (4.1). [choice]:
        one encoding serves both.
        """
        assert self.adversary is not None, "begin() makes the adversary"
        frozen = {name: value.detach() for name, value in self.adversary.named_parameters()}
        if self.settings.adversary == "identity":
            logits = functional_call(self.adversary, frozen, (pose_code,))
            fooled = -F.log_softmax(logits, dim=1).mean()  # cross entropy to the uniform distribution
            seen = self.adversary(pose_code.detach())
            return fooled, F.cross_entropy(seen, subject), (seen.argmax(1) == subject).float()
        own, other = pose_code, pose_code.detach().view(-1, 2, 2, 2, pose_code.shape[1])  # person, video, instant
        mate, stranger = (other.flip(d).reshape(pose_code.shape) for d in (2, 1))  # other video, other person
        pairs = torch.cat([torch.cat([own, mate], dim=1), torch.cat([own, stranger], dim=1)])
        same = torch.cat([torch.ones(len(own)), torch.zeros(len(own))]).to(pose_code)
        logits = functional_call(self.adversary, frozen, (pairs[: len(own)],))[:, 0]  # officially pairs of one clip
        fooled = F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, 0.5))
        seen = self.adversary(pairs.detach())[:, 0]
        return fooled, F.binary_cross_entropy_with_logits(seen, same), ((seen > 0) == (same > 0.5)).float()

    @torch.no_grad()
    def pictures(self, network: Disentangled, batch: Batch) -> Tensor:
        """One column a frame; rows: input and box, same frame again, appearance of the other person, mask."""
        frames, background, _ = batch
        codes = network.encode(frames)
        other = torch.arange(len(frames), device=frames.device) ^ 4
        return self.grid(self.repaint_rows(network, frames, background, codes, codes.appearance[other]))


def other_instant(codes: Tensor) -> Tensor:
    """Codes (B, C) with the two frames of each video exchanged."""
    return codes.view(-1, 2, codes.shape[1]).flip(1).reshape(codes.shape)
