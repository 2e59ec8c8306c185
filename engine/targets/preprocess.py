"""From frames to what a foreign target wants to see, in PyTorch alone, so that gradients flow back."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from turncoat.engine.targets.description import InputSettings
from turncoat.kernels.resample import resample
from turncoat.training.data.boxes import MARGIN
from turncoat.training.networks import Given


class Preprocess(nn.Module):
    """Crop, resize, order of colours, values, layout."""

    mean: Tensor
    std: Tensor

    def __init__(self, settings: InputSettings) -> None:
        super().__init__()
        self.settings = settings
        for name in ("mean", "std"):
            values = torch.tensor(getattr(settings, name), dtype=torch.float32).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, frames: Tensor, given: Given | None = None) -> Tensor:
        """Frames (B, 3, H, W) in [0, 1], and where the people are -> (B, 3, h, w) or (B, h, w, 3)."""
        wanted = self.settings
        pictures = self._sized(frames, given)
        if wanted.colours == "BGR":
            pictures = pictures.flip(1)
        low, high = wanted.range
        pictures = (pictures * (high - low) + low - self.mean) / self.std
        return pictures.permute(0, 2, 3, 1) if wanted.layout == "NHWC" else pictures

    def _sized(self, frames: Tensor, given: Given | None) -> Tensor:
        size = (self.settings.height, self.settings.width)
        if given is not None and self.settings.crop == "box":
            box = square(given.box, self.settings.margin, frames.shape[-2:], size)
            padding = "zeros" if self.settings.padding == "black" else "border"
            return resample(frames, box, *size, padding=padding)  # type: ignore[arg-type]
        if tuple(frames.shape[-2:]) == size:
            return frames
        return functional.interpolate(frames, size, mode="bilinear", antialias=True, align_corners=False)


def square(box: Tensor, margin: float, frame: torch.Size, size: tuple[int, int]) -> Tensor:
    """Boxes (B, 4) around people, made undistorted: `margin` times the longer side of the person's rectangle.

    Args:
        box: as the dataset gives it, `MARGIN` times as large as the person.
        margin: see there.
        frame: height and width of the frames, pixels.
        size: height and width of the pictures that are cut, pixels; their sides keep that ratio.

    Source: MediaPipe cuts its pictures so, apart from turning them upright.
    """
    span = torch.tensor([frame[1] - 1, frame[0] - 1], dtype=box.dtype, device=box.device)  # pixels of scale 1: half
    aspect = torch.tensor([size[1], size[0]], dtype=box.dtype, device=box.device) / max(size)
    side = (box[:, :2] * span / aspect).amax(dim=1, keepdim=True) * (margin / MARGIN)
    return torch.cat([side * aspect / span, box[:, 2:]], dim=1)
