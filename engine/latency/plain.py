"""The loop that a researcher would write: the network as it was trained, float32, `grid_sample`, no tricks.

Every ratio of a latency table is against this.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.export.attack_step import attack_step
from turncoat.training.networks import Canvas, Disentangled


class PlainSession:
    """A trained network in plain PyTorch, with the verbs of a session that are timed.

    Same arithmetic as the network's own, but crops and uncrops are `affine_grid` and `grid_sample`, batch norms are
    not folded and memory is in PyTorch's default layout.
    """

    backend, precision, batches = "plain PyTorch", "float32", None

    def __init__(self, network: Disentangled, device: torch.device) -> None:
        self.network = network.to(device).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.device = device

    def predict(self, frames: Tensor, *, given: Any = None) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, 17, 3) mm."""
        with torch.no_grad():
            return _Plain(self.network, given).predict(frames)

    def attack_step(self, appearance: Tensor, canvas: Canvas, *aim: Tensor) -> tuple[Tensor, Tensor]:
        """See `Session.attack_step`."""
        plain = _Plain(self.network, canvas if self.network.needs_given else None)
        return attack_step(plain, plain, appearance, canvas, *aim)

    def close(self) -> None:
        """Nothing to do."""


class _Plain:
    def __init__(self, network: Any, given: Any) -> None:
        self.network, self.given = network, given

    def paint(self, appearance: Tensor, canvas: Canvas) -> Tensor:
        rgb = self.network.decode_colours(appearance, canvas.features)
        scale, shift = canvas.box[:, :2], canvas.box[:, 2:]
        size = list(canvas.base.shape[2:])
        uncropped = sample_plainly(rgb, torch.cat([1 / scale, -shift / scale], 1), size, "border")
        return (canvas.mask * uncropped + canvas.base).clamp(0, 1)

    def predict(self, frames: Tensor) -> Tensor:
        network = self.network
        normalised = (frames - network.mean) / network.std
        box = network.detector(normalised) if self.given is None else self.given.box
        crop = sample_plainly(normalised, box, [network.settings.crop_size] * 2, "zeros") * network.window
        return network.regress(network.encoder(crop)[:, network.settings.appearance_size :])


def sample_plainly(image: Tensor, box: Tensor, size: list[int], padding: str) -> Tensor:
    """What `kernels.resample.resample` computes, by `affine_grid` and `grid_sample`: (B, C, H, W), (B, 4) -> size."""
    zero = torch.zeros_like(box[:, 0])
    rows = [torch.stack([box[:, 0], zero, box[:, 2]], 1), torch.stack([zero, box[:, 1], box[:, 3]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), [len(image), image.shape[1], *size], align_corners=True)
    return F.grid_sample(image, grid, padding_mode=padding, align_corners=True)
