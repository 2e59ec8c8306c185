"""The colour terms of the picture loss: weighted L1 and squared errors, and edges at two scales."""

import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.training.losses.fused import fused_colour_loss
from turncoat.training.losses.settings import ImageLoss, ImageLossSettings
from turncoat.training.networks.presets import IMAGENET_STD


def colour_loss(picture: Tensor, frames: Tensor, background: Tensor | None, settings: ImageLossSettings) -> ImageLoss:
    """Colour terms of `picture` against `frames`, (B, 3, H, W) float32 in [0, 1] (the picture may leave the range).

    background: tells the person's pixels; None: all pixels are alike. Differentiable with respect to `picture`.
    On the CPU compiled code does it; elsewhere, in normalised colours and for odd sizes, `colour_loss_reference`.
    """
    odd = picture.shape[-2] % 2 or picture.shape[-1] % 2
    if picture.device.type != "cpu" or picture.dtype != torch.float32 or settings.normalised or odd:
        return colour_loss_reference(picture, frames, background, settings)
    result = ImageLoss(*fused_colour_loss(picture, frames, frames if background is None else background, settings))
    return result if background is not None else with_facts(result.loss, picture, frames, None, settings)


def colour_loss_reference(
    picture: Tensor, frames: Tensor, background: Tensor | None, settings: ImageLossSettings
) -> ImageLoss:
    """The same, term by term in PyTorch, for any floating dtype and device.

    With the error e = picture - frames (in units of ImageNet's deviations, where normalised) and the person's pixels p:
    ``absolute mean(w |e|) + squared mean(w e^2) + edges E(e) + coarse_edges E(e at half size)``, ``w = 1 + person p``,
    E the mean absolute horizontal plus the mean absolute vertical difference. Means are over frames, channels and
    pixels, so a batch's loss is the mean of its frames' losses.
    """
    error = picture - frames
    if settings.normalised:
        error = error / error.new_tensor(IMAGENET_STD).view(1, 3, 1, 1)
    weight: Tensor | float = 1.0
    if background is not None and settings.person:
        weight = 1 + settings.person * _person(frames, background, settings)
    loss = error.new_zeros(())
    if settings.absolute:
        loss = loss + settings.absolute * (weight * error.abs()).mean()
    if settings.squared:
        loss = loss + settings.squared * (weight * error**2).mean()
    if settings.edges:
        loss = loss + settings.edges * _edges(error)
    if settings.coarse_edges:
        loss = loss + settings.coarse_edges * _edges(F.avg_pool2d(error, 2))
    return with_facts(loss, picture, frames, background, settings)


def with_facts(
    loss: Tensor, picture: Tensor, frames: Tensor, background: Tensor | None, settings: ImageLossSettings
) -> ImageLoss:
    """The loss with what the log wants to know of `picture` as it is; see `ImageLoss`."""
    squared = (picture.detach() - frames) ** 2
    if background is None:
        return ImageLoss(loss, squared.mean((1, 2, 3)), torch.ones_like(squared[:, 0, 0, 0]))
    person = _person(frames, background, settings)
    share = person.mean((1, 2, 3))
    return ImageLoss(loss, (squared * person).mean((1, 2, 3)) / share.clamp(min=1e-6), share)


def _person(frames: Tensor, background: Tensor, settings: ImageLossSettings) -> Tensor:
    """1 where a channel differs from the background by more than the threshold, else 0: (B, 1, H, W)."""
    return ((frames - background).abs().amax(1, keepdim=True) > settings.person_threshold).to(frames.dtype)


def _edges(error: Tensor) -> Tensor:
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
