"""What every method is to the training loop, and what the methods that repaint frames share.

A *group* is the smallest set of frames that belong together (two views at two instants, a window of time, two people);
a batch is whole groups, so that several processes can share it. Everything random about a batch is drawn before
(`Method.draw`), for the batch as a whole, so that it does not depend on who computes which part.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from turncoat.kernels import ConfigError
from turncoat.kernels.settings import Settings
from turncoat.training import distributed
from turncoat.training.data import Dataset
from turncoat.training.data.tensors import as_float
from turncoat.training.jitter import Jitter, JitterSettings, draw_jitter
from turncoat.training.losses import BoxPriorSettings, ImageLoss, ImageLossSettings, PictureLoss, box_prior
from turncoat.training.networks import Codes, Disentangled, Given

Fact = float | Tensor
Facts = dict[str, tuple[Fact, Fact]]
"""Name -> (sum, count), numbers or detached scalars: what a step says about itself; the log shows means. Scalars stay
on their device until the log wants them, so that a GPU is not made to wait at every step."""


class Loss(NamedTuple):
    """loss: scalar; facts for the log; adversary_loss: what the method's adversary minimises, on detached codes."""

    loss: Tensor
    facts: Facts
    adversary_loss: Tensor | None = None


class Sampler(Protocol):
    """Whatever answers which frames a step sees; randomness from (seed, step) alone."""

    def batch(self, step: int) -> np.ndarray:
        """Rows int64 of the frames of a step, group after group."""
        ...


class Method(ABC):
    """A way to train a network, as the training loop sees it. Adding one is adding a file and its line in METHODS.

    name: as on the command line.
    paints: what its networks paint, as in `NetworkSettings.paints`.
    group_size: frames of a group.
    uses_labels: whether it sees ground truth.
    adversary: a module that is trained against the network, or None.
    """

    name: ClassVar[str]
    paints: ClassVar[Literal["person", "crop", "nothing"]] = "person"
    group_size: int = 1
    uses_labels: bool = False
    adversary: nn.Module | None = None

    def __init__(self, settings: Any = None) -> None:
        self.settings = settings

    @property
    def learning_rates(self) -> dict[str, float]:
        """Learning rates of a network's parts, as shares of the setting; 1 for those not named."""
        return {}

    def begin(self, network: Disentangled, dataset: Dataset, rows: np.ndarray) -> None:  # noqa: B027 - may do nothing
        """Prepare network and method before the first step: statistics of labels, an adversary.

        Called for fresh and for resumed runs alike, so it depends on its arguments alone; weights that it makes are
        replaced by a checkpoint's. DataError where the dataset lacks what the method needs.
        """

    @abstractmethod
    def sampler(self, dataset: Dataset, rows: np.ndarray, batch: int, seed: int) -> Sampler:
        """The sampler of batches of `batch` frames out of `rows`; ConfigError if a batch is not whole groups."""

    @abstractmethod
    def load(self, dataset: Dataset, rows: np.ndarray) -> Any:
        """Read a batch: a NamedTuple of tensors, frames first in each; uint8 pictures become float in [0, 1] on the
        device that computes (`prepared`). A damaged record ends training, since it would change every later batch."""

    @abstractmethod
    def draw(self, random: np.random.Generator, size: int) -> Any:
        """Everything random about a batch of `size` frames: a NamedTuple of tensors (size, ...), or nested ones.

        Integer tensors are positions of frames in the batch, always within the own group; floating ones are values.
        """

    @abstractmethod
    def loss(self, network: Disentangled, batch: Any, draw: Any, progress: float) -> Loss:
        """Loss of a prepared batch. progress: share of training already done, in [0, 1)."""

    @abstractmethod
    def pictures(self, network: Disentangled, batch: Any) -> Tensor:
        """A grid (3, rows, columns) in [0, 1] that shows what the network does with a prepared batch."""

    def check_batch(self, batch: int) -> int:
        """Number of groups of a batch; ConfigError if some group would be incomplete."""
        if batch < self.group_size or batch % self.group_size:
            raise ConfigError(
                f"The batch is {batch}; {self.name} takes groups of {self.group_size} frames: "
                f"use a multiple of {self.group_size}."
            )
        return batch // self.group_size


Tensors = TypeVar("Tensors", bound=tuple)


def prepared(batch: Tensors, device: torch.device) -> Tensors:
    """A loaded batch on a device, pictures as float32 in [0, 1]."""
    return type(batch)(*(_prepare(tensor, device) for tensor in batch))


def _prepare(tensor: Any, device: torch.device) -> Any:
    if not isinstance(tensor, Tensor):
        return tensor
    moved = tensor.to(device, non_blocking=True)
    return as_float(moved) if moved.dtype == torch.uint8 else moved


def part_of(draw: Any, part: slice, device: torch.device) -> Any:
    """The part of a draw that belongs to the frames `part` of the batch, positions counted from its start."""
    if isinstance(draw, Tensor):
        cut = draw[part]
        return (cut if cut.is_floating_point() else cut - part.start).to(device)
    if isinstance(draw, tuple):
        return type(draw)(*(part_of(each, part, device) for each in draw))
    return draw


class PaintingSettings(Settings):
    """What the methods that repaint whole frames have in common.

    swap: probability that a group exchanges its appearance codes; always, or never, in the official code; .8 [choice],
        so that a frame's own appearance is seen too.
    image: the picture loss: colour terms, alignment, perceptual term (`losses.IMAGE_LOSSES` names whole sets).
    box: the crop prior.
    mask: weight of the mask's mean, which keeps it from growing over background that looks right anyway. [choice]
    cycle: weight of the distance between the pose code that made a synthesis and the one read from it again, in units
        of the code's own variance. [choice]: it lowers the error that a repainting alone makes (at .3, nsd's from 33 to
        27 mm), and holds pictures and masks back (at .3, nsd's stopped improving).
    cycle_from: the share of training after which the cycle term counts; before, the pictures are too poor. [choice]
    cycle_frames: how many frames of a batch it is computed on, spread evenly; each costs an encoding. [choice]
    everyday: share of groups drawn from everyday actions; None balances over all actions alike. [choice]: the figures
        that networks are compared by are of everyday frames.
    jitter: of the colours of the crop that the encoder sees; none by default.
    detector_rate, decoder_rate: their learning rates, as shares of the others'. [choice]: a box that moves slowly gives
        the rest of the network time to follow. (The official code slows the decoder alone, by 5, methods 1.8.)
    """

    swap: float = Field(0.8, ge=0, le=1)
    image: ImageLossSettings = ImageLossSettings()
    box: BoxPriorSettings = BoxPriorSettings()
    mask: float = Field(0.02, ge=0)
    cycle: float = Field(0.1, ge=0)
    cycle_from: float = Field(0.6, ge=0, le=1)
    cycle_frames: int = Field(12, ge=2)
    everyday: float | None = Field(0.7, ge=0, le=1)
    jitter: JitterSettings = JitterSettings()
    detector_rate: float = Field(0.3, gt=0)
    decoder_rate: float = Field(1.0, gt=0)


class PaintingMethod(Method):
    """Methods whose synthesis is pasted into the frame by the network's own box and mask: NSD, CSSL, DRNet."""

    settings: PaintingSettings

    def __init__(self, settings: PaintingSettings) -> None:
        super().__init__(settings)
        self.picture_loss = PictureLoss(settings.image)

    @property
    def learning_rates(self) -> dict[str, float]:
        return {"detector": self.settings.detector_rate, "decoder": self.settings.decoder_rate}

    def draw_jitter(self, random: np.random.Generator, size: int) -> Jitter | None:
        """Colour changes of a batch, or None where the settings ask for none."""
        return draw_jitter(self.settings.jitter, random, size) if self.settings.jitter.on else None

    def painted(
        self,
        network: Disentangled,
        frames: Tensor,
        background: Tensor,
        box: Tensor,
        appearance: Tensor,
        pose_code: Tensor,
        kinds: dict[str, Tensor],
        progress: float,
    ) -> Loss:
        """Synthesise `frames` from codes and compare: picture loss, crop prior, mask and cycle terms.

        frames, background: (B, 3, H, W) in [0, 1]; box (B, 4), appearance (B, 128), pose_code (B, 600).
        kinds: name -> (B,) bool, the frames whose squared error is reported as ``person_mse_<name>``.
        """
        settings = self.settings
        height, width = frames.shape[-2:]
        synthesis, mask = network.synthesise(appearance, pose_code, box, background, clamp=False)
        image = self.picture_loss(synthesis, frames, background)
        covered = mask.mean()
        loss = image.loss + box_prior(distributed.gather(box), height, width, settings.box) + settings.mask * covered
        facts: Facts = {
            "loss": (loss.detach(), 1),
            "mask_mean": (covered.detach(), 1),
            "mask_full": ((mask.detach() > 0.5).float().mean(), 1),
            "person_mean": (image.person.sum(), len(frames)),
        }
        facts |= errors_by_kind(image, kinds)
        for k, name in enumerate(("box_scale_x", "box_scale_y", "box_shift_x", "box_shift_y")):
            facts[name] = (box[:, k].detach().sum(), len(frames))
        if settings.cycle and progress >= settings.cycle_from:
            distance = self._cycle(network, synthesis.clamp(0, 1), pose_code)
            loss = loss + settings.cycle * distance
            facts["cycle"] = (distance.detach(), 1)
        return Loss(loss, facts)

    def _cycle(self, network: Disentangled, synthesis: Tensor, pose_code: Tensor) -> Tensor:
        some = cycle_frames(self.settings.cycle_frames, len(synthesis))
        return cycle_distance(network, pose_code, some, synthesis[some])

    @staticmethod
    def grid(rows: list[Tensor]) -> Tensor:
        """Pictures (N, 3 or 1, H, W) a row -> one (3, rows * H, N * W) in [0, 1]."""
        return torch.cat([torch.cat(list(row.expand(-1, 3, -1, -1)), dim=2) for row in rows], dim=1).clamp(0, 1)

    @staticmethod
    def repaint_rows(
        network: Disentangled, frames: Tensor, background: Tensor, codes: Codes, appearance: Tensor
    ) -> list[Tensor]:
        """Rows of a grid that every method shows: input with its box, same frame again, with `appearance`, mask."""
        own, mask = network.synthesise(codes.appearance, codes.pose_code, codes.box, background)
        swapped, _ = network.synthesise(appearance, codes.pose_code, codes.box, background)
        return [with_box(frames, codes.box), own, swapped, mask]


def errors_by_kind(image: ImageLoss, kinds: dict[str, Tensor]) -> Facts:
    """``person_mse_<kind>``: squared error over the person, of the frames (B,) bool of each kind; frames without a
    person are left out."""
    seen = image.person > 0
    counted = {name: (chosen & seen).float() for name, chosen in kinds.items()}
    return {f"person_mse_{name}": ((image.squared_error * each).sum(), each.sum()) for name, each in counted.items()}


def cycle_frames(wanted: int, size: int) -> slice:
    """About `wanted` frames of a batch shared by all processes, spread evenly over this process's `size`."""
    return slice(None, None, max(1, size // max(2, wanted // distributed.world())))


def cycle_distance(
    network: Disentangled, pose_code: Tensor, some: slice, repainted: Tensor, given: Given | None = None
) -> Tensor:
    """How far the pose codes of repainted frames are from those that painted them, in units of their variance.

    pose_code: (B, 600), that painted; repainted: the frames `some` of them, in [0, 1]; given: where the people are in
    those. The encoder works as it will when attacked: batch norms with their running statistics.
    """
    wanted = pose_code.detach()
    was_training = network.training
    network.eval()
    again = network.encode(repainted, given=given).pose_code
    network.train(was_training)
    return (again - wanted[some]).square().mean() / distributed.gather(wanted).var(0).mean().clamp(min=1e-6)


def with_box(frames: Tensor, box: Tensor) -> Tensor:
    """Frames (B, 3, H, W) with the outline of their box (B, 4) in yellow, one pixel wide."""
    shown = frames.clone()
    height, width = frames.shape[-2:]
    colour = torch.tensor((1.0, 0.85, 0.0), device=frames.device).view(3, 1)
    for picture, (scale_x, scale_y, shift_x, shift_y) in zip(shown, box.tolist(), strict=True):
        left, right = (round((shift_x + side * scale_x + 1) / 2 * (width - 1)) for side in (-1, 1))
        top, bottom = (round((shift_y + side * scale_y + 1) / 2 * (height - 1)) for side in (-1, 1))
        across, down = slice(max(left, 0), max(right + 1, 0)), slice(max(top, 0), max(bottom + 1, 0))
        for y in {top, bottom} & set(range(height)):
            picture[:, y, across] = colour
        for x in {left, right} & set(range(width)):
            picture[:, down, x] = colour
    return shown
