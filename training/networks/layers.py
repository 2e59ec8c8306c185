"""Small pieces that several networks are built from."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def bump_window(size: int, gain: float = 1.0) -> Tensor:
    """The window (size, size) that fades a crop to its border, in [0, 1].

    ``b(x, y) = exp(1 - 1 / (1 - sqrt(x^4 + y^4)))`` inside the unit curve and 0 outside, on linspace(-1, 1, size);
    times `gain`, cut at 1. Source: NSD, methods 1.2 step 7.
    """
    axis = torch.linspace(-1, 1, size, dtype=torch.float64)
    radius = (axis[None, :] ** 4 + axis[:, None] ** 4).sqrt()
    inside = radius < 1
    bump = torch.where(inside, torch.exp(1 - 1 / (1 - torch.where(inside, radius, 0.0))), 0.0)
    return (gain * bump).clamp(max=1).float()


def widened(x: Tensor) -> Tensor:
    """Half precision to float32; float32 and float64 as they are."""
    return x if x.dtype == torch.float64 else x.float()


class ConvNormReLU(nn.Sequential):
    """Convolution without bias, batch norm, ReLU; the size stays the same at stride 1."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (ResNet-18's block)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.first = ConvNormReLU(channels_in, channels_out, 3, stride)
        self.second = nn.Sequential(
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False), nn.BatchNorm2d(channels_out)
        )
        same = stride == 1 and channels_in == channels_out
        self.shortcut: nn.Module = (
            nn.Identity()
            if same
            else nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(self.first(x)) + self.shortcut(x))
