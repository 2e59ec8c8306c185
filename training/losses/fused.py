"""The colour terms in one pass of compiled code: value and gradient together.

A dozen passes over full frames cost as much as a third of a small network; this is what preset studio trains with on a
processor. `colours.colour_loss_reference` says the same term by term; both agree (tested).
"""

import numba
import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from turncoat.training.losses.settings import ImageLossSettings


def fused_colour_loss(
    picture: Tensor, frames: Tensor, background: Tensor, settings: ImageLossSettings
) -> tuple[Tensor, Tensor, Tensor]:
    """Scalar loss, squared error over the person (B,) and the person's share (B,), of float32 (B, 3, H, W) on the CPU.

    H and W are even. Differentiable with respect to `picture`, once. `settings.normalised` is not known here.
    """
    return _Fused.apply(picture, frames, background, settings)


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
