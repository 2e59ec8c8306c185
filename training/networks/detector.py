"""Where the person is: a frame becomes the four raw numbers of a crop box."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.training.networks.layers import BasicBlock, ConvNormReLU, widened
from turncoat.training.networks.presets import NetworkSettings


class CompactDetector(nn.Module):
    """Preset studio: the frame at 32x32, four residual blocks, 2x2 averages, one linear layer. [choice]"""

    size = 32

    def __init__(self, outputs: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNormReLU(3, 16, 5),
            BasicBlock(16, 32, 2),
            BasicBlock(32, 32),
            BasicBlock(32, 48, 2),
            BasicBlock(48, 48, 2),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.box = nn.Linear(192, outputs)

    def forward(self, frames: Tensor) -> Tensor:
        """Normalised frames (B, 3, H, W), H = W a multiple of 32 -> raw box (B, 4)."""
        return self.box(self.body(F.avg_pool2d(frames, frames.shape[-1] // self.size)))


class OfficialDetector(nn.Module):
    """Preset paper: ResNet-18 with layer4 of 256 planes at stride 1 and a two-layer head. Source: methods 1.2."""

    size = 128

    def __init__(self, outputs: int = 4) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        channels = 64
        for planes, stride in ((64, 1), (128, 2), (256, 2), (256, 1)):
            blocks += [BasicBlock(channels, planes, stride), BasicBlock(planes, planes)]
            channels = planes
        self.body = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
            *blocks,
            nn.Conv2d(256, 512, 1),
            nn.BatchNorm2d(512),
            nn.ReLU(inplace=True),
            nn.Conv2d(512, 128, 5, 2, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(inplace=True),
            nn.Flatten(),
        )
        self.box = nn.Linear(512, outputs)
        for module in self.body.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, frames: Tensor) -> Tensor:
        """Normalised frames (B, 3, H, W), any size and aspect -> raw box (B, 4)."""
        small = F.interpolate(frames, size=(self.size, self.size), mode="bilinear", align_corners=True)
        return self.box(self.body(small))


class Detector(nn.Module):
    """The raw numbers of a preset's detector, brought into bounds.

    The last layer starts at weight zero and the bias of the settings, so training starts from one centred box.
    The official code predicts a fifth number, the depth of each person, which one person does not need (1.6).
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.layers = CompactDetector() if settings.preset == "studio" else OfficialDetector()
        self.scale = (settings.scale_minimum, settings.scale_maximum)
        self.shift_limit = settings.shift_limit
        nn.init.zeros_(self.layers.box.weight)
        with torch.no_grad():
            self.layers.box.bias.copy_(torch.tensor(settings.box_bias))

    def forward(self, frames: Tensor) -> Tensor:
        """Normalised frames (B, 3, H, W) -> box (B, 4) float32. Source: methods 1.2 step 4."""
        raw = widened(self.layers(frames))
        low, high = self.scale
        scale = low + (high - low) * torch.sigmoid(raw[:, :2])
        return torch.cat([scale, self.shift_limit * torch.tanh(raw[:, 2:])], dim=1)
