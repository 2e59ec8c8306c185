"""How far a synthesised frame is from the real one: weighted colours, and edges at two scales.

The preset studio uses neither the official per-image colour alignment nor the perceptual weights, which cannot be
shipped (methods 1.7); edges at two scales take the place of the perceptual term. Weights are [choice], found by the
laptop-size proof.
"""

from typing import NamedTuple

import numba
import numpy as np
import torch
from numba import njit, prange
from pydantic import Field
from torch import Tensor

from turncoat.kernels.settings import Settings


class ImageLossSettings(Settings):
    """Weights of the picture loss, in frames of [0, 1]. All are [choice]; the official terms are in methods 1.7.

    absolute, squared: of the weighted L1 and squared errors. The official loss is squared alone; L1 keeps thin limbs.
    person: extra weight of pixels where the frame differs from the known background; the person is a tenth of a frame.
    person_threshold: how much a channel must differ to count as person.
    edges, coarse_edges: of the L1 error of horizontal and vertical differences, at full and at half resolution.
    """

    absolute: float = Field(2.0, ge=0)
    squared: float = Field(10.0, ge=0)
    person: float = Field(5.0, ge=0)
    person_threshold: float = Field(0.05, ge=0)
    edges: float = Field(2.0, ge=0)
    coarse_edges: float = Field(4.0, ge=0)


class ImageLoss(NamedTuple):
    """loss: scalar; squared_error: (B,) mean squared error over the person's pixels; person: (B,) their share."""

    loss: Tensor
    squared_error: Tensor
    person: Tensor


def image_loss(synthesis: Tensor, frames: Tensor, background: Tensor, settings: ImageLossSettings) -> ImageLoss:
    """Loss of `synthesis` against `frames`, all (B, 3, H, W) float32 in [0, 1] (synthesis may leave the range).

    H and W are even. Differentiable with respect to `synthesis`. On the CPU one pass of compiled code computes value
    and gradient together, because a dozen passes over full frames cost as much as a third of the network; elsewhere
    `image_loss_reference` does. Both agree (tested).
    """
    if synthesis.device.type != "cpu":
        return image_loss_reference(synthesis, frames, background, settings)
    loss, squared_error, person = _Fused.apply(synthesis.float(), frames, background, settings)
    return ImageLoss(loss, squared_error, person)


def image_loss_reference(
    synthesis: Tensor, frames: Tensor, background: Tensor, settings: ImageLossSettings
) -> ImageLoss:
    """The same, term by term in PyTorch."""
    error = synthesis - frames
    person = ((frames - background).abs().amax(1, keepdim=True) > settings.person_threshold).to(error.dtype)
    weight = 1 + settings.person * person
    coarse = torch.nn.functional.avg_pool2d(error, 2)
    loss = (
        settings.absolute * (weight * error.abs()).mean()
        + settings.squared * (weight * error**2).mean()
        + settings.edges * _edges(error)
        + settings.coarse_edges * _edges(coarse)
    )
    share = person.mean((1, 2, 3))
    squared_error = (error.detach() ** 2 * person).mean((1, 2, 3)) / share.clamp(min=1e-6)
    return ImageLoss(loss, squared_error, share)


def _edges(error: Tensor) -> Tensor:
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx, synthesis, frames, background, settings):  # type: ignore[no-untyped-def]
        batch, channels, height, width = synthesis.shape
        gradient = torch.empty(synthesis.shape, dtype=torch.float32)
        facts = np.empty((batch, 3), dtype=np.float64)  # loss, squared error over the person, the person's share
        weights = np.array(
            [
                settings.absolute / synthesis.numel(),
                settings.squared / synthesis.numel(),
                settings.edges / (batch * channels * height * (width - 1)),
                settings.edges / (batch * channels * (height - 1) * width),
                settings.coarse_edges / (batch * channels * (height // 2) * (width // 2 - 1)),
                settings.coarse_edges / (batch * channels * (height // 2 - 1) * (width // 2)),
            ],
            dtype=np.float32,
        )
        threads = torch.get_num_threads()
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        _value_and_gradient(
            synthesis.detach().contiguous().numpy(),
            frames.contiguous().numpy(),
            background.contiguous().numpy(),
            weights,
            np.float32(settings.person),
            np.float32(settings.person_threshold),
            gradient.numpy(),
            facts,
        )
        if torch.get_num_threads() != threads:  # numba's first parallel call resets OpenMP's count, which torch shares
            torch.set_num_threads(threads)
        ctx.save_for_backward(gradient)
        result = torch.from_numpy(facts)
        squared_error, share = result[:, 1].float(), result[:, 2].float()
        ctx.mark_non_differentiable(squared_error, share)
        return result[:, 0].sum().float(), squared_error, share

    @staticmethod
    def backward(ctx, upstream, _squared_error, _share):  # type: ignore[no-untyped-def]
        (gradient,) = ctx.saved_tensors
        return gradient.mul_(upstream), None, None, None


@njit(inline="always")
def _sign(value):  # type: ignore[no-untyped-def]
    """-1, 0 or 1 without a branch, so that loops over it vectorise (np.sign does not)."""
    return np.float32(value > 0) - np.float32(value < 0)


@njit(fastmath={"reassoc", "nsz", "contract"}, cache=True)
def _edge_terms(error, across, down, gradient):  # type: ignore[no-untyped-def]
    """Loss of the differences of one plane (H, W); adds its gradient to `gradient`."""
    height, width = error.shape
    total = np.float32(0)
    for y in range(height):
        row, out = error[y], gradient[y]
        part = np.float32(0)
        for x in range(width - 1):
            difference = row[x + 1] - row[x]
            part += abs(difference)
            out[x] -= across * _sign(difference)
        for x in range(1, width):
            out[x] += across * _sign(row[x] - row[x - 1])
        total += across * part
    for y in range(height - 1):
        above, below, out, next_out = error[y], error[y + 1], gradient[y], gradient[y + 1]
        part = np.float32(0)
        for x in range(width):
            difference = below[x] - above[x]
            part += abs(difference)
            push = down * _sign(difference)
            out[x] -= push
            next_out[x] += push
        total += down * part
    return total


@njit(parallel=True, fastmath={"reassoc", "nsz", "contract"}, cache=True)
def _value_and_gradient(synthesis, frames, background, weights, person, threshold, gradient, facts):  # type: ignore[no-untyped-def]
    batch, channels, height, width = synthesis.shape
    for b in prange(batch):
        inside = np.empty((height, width), np.float32)
        error = np.empty((height, width), np.float32)
        coarse = np.empty((height // 2, width // 2), np.float32)
        coarse_gradient = np.empty((height // 2, width // 2), np.float32)
        pixels = np.float32(0)
        for y in range(height):
            for x in range(width):
                far = np.float32(0)
                for c in range(channels):
                    far = max(far, abs(frames[b, c, y, x] - background[b, c, y, x]))
                inside[y, x] = np.float32(far > threshold)
                pixels += inside[y, x]
        loss = 0.0
        squared_person = 0.0
        for c in range(channels):
            plane = gradient[b, c]
            for y in range(height):
                part = np.float32(0)
                part_person = np.float32(0)
                for x in range(width):
                    e = synthesis[b, c, y, x] - frames[b, c, y, x]
                    w = 1 + person * inside[y, x]
                    error[y, x] = e
                    part += w * (weights[0] * abs(e) + weights[1] * e * e)
                    part_person += inside[y, x] * e * e
                    plane[y, x] = w * (weights[0] * _sign(e) + 2 * weights[1] * e)
                loss += part
                squared_person += part_person
            loss += _edge_terms(error, weights[2], weights[3], plane)
            for y in range(height // 2):
                for x in range(width // 2):
                    above = error[2 * y, 2 * x] + error[2 * y, 2 * x + 1]
                    below = error[2 * y + 1, 2 * x] + error[2 * y + 1, 2 * x + 1]
                    coarse[y, x] = np.float32(0.25) * (above + below)
                    coarse_gradient[y, x] = 0
            loss += _edge_terms(coarse, weights[4], weights[5], coarse_gradient)
            for y in range(height):
                for x in range(width):
                    plane[y, x] += np.float32(0.25) * coarse_gradient[y // 2, x // 2]
        facts[b, 0] = loss
        facts[b, 1] = squared_person / max(channels * pixels, np.float32(1e-6))
        facts[b, 2] = pixels / (height * width)
