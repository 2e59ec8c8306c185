"""What the person is: a crop becomes 728 numbers, the appearance code and the pose code."""

from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.training.networks.layers import BasicBlock, ConvNormReLU
from turncoat.training.networks.presets import NetworkSettings

SIGMOIDS = 128
"""Width of the official head's bottleneck (methods 1.3)."""


class SigmoidHead(nn.Module):
    """The official head's end: batch norm, 128 sigmoids, one linear layer to all codes.

    The whole code is an affine map of one vector of 128 sigmoids: pose and appearance are told apart only by what
    the decoder does with them, and the pose code determines the appearance code linearly. Source: methods 1.3.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(SIGMOIDS)
        self.codes = nn.Linear(SIGMOIDS, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 128) -> (B, outputs)"""
        return self.codes(self.norm(x).sigmoid())


class CompactEncoder(nn.Module):
    """Preset studio: a small residual trunk from 64x64 to 192 channels at 4x4, then the head. [choice]"""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        outputs = settings.appearance_size + settings.pose_size
        self.trunk = nn.Sequential(
            ConvNormReLU(3, 32, 5, 2),
            BasicBlock(32, 32),
            BasicBlock(32, 64, 2),
            BasicBlock(64, 64),
            BasicBlock(64, 128, 2),
            BasicBlock(128, 128),
            BasicBlock(128, 192, 2),
            nn.Conv2d(192, 48, 1),
            nn.Flatten(),
        )
        cells = 48 * (settings.crop_size // 16) ** 2
        self.head: nn.Module = (
            nn.Sequential(nn.Linear(cells, SIGMOIDS, bias=False), SigmoidHead(outputs))
            if settings.head == "official"
            else nn.Linear(cells, outputs)
        )

    def forward(self, crop: Tensor) -> Tensor:
        """Normalised crop (B, 3, R, R) -> codes (B, 728), appearance first."""
        return self.head(self.trunk(crop))


class Bottleneck(nn.Module):
    """ResNet-50's block: 1x1, 3x3 and 1x1 convolutions, four times the planes out."""

    def __init__(self, channels_in: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        out = 4 * planes
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, planes, 1, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(inplace=True),
            nn.Conv2d(planes, planes, 3, stride, 1, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(inplace=True),
            nn.Conv2d(planes, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        same = stride == 1 and channels_in == out
        self.shortcut: nn.Module = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(channels_in, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


class OfficialEncoder(nn.Module):
    """Preset paper: ResNet-50 to layer3, a layer4 of three bottlenecks at stride 1, and the head of methods 1.3.

    ImageNet weights are the official start; without them (they cannot be shipped) training starts at random.
    The wide head replaces the sigmoids with a linear layer from the last 1x1 map's 1152 inputs. [choice]
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        outputs = settings.appearance_size + settings.pose_size
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        )
        self.layer1 = _stage(64, 64, 3, 1)
        self.layer2 = _stage(256, 128, 4, 2)
        self.layer3 = _stage(512, 256, 6, 2)
        self.layer4 = _stage(1024, 256, 3, 1)
        self.squeeze = nn.Sequential(nn.Conv2d(1024, 512, 3), nn.BatchNorm2d(512), nn.ReLU(inplace=True))
        last: nn.Module = (
            nn.Sequential(nn.Conv2d(512, SIGMOIDS, 5, 2, bias=False), nn.Flatten(), SigmoidHead(outputs))
            if settings.head == "official"
            else nn.Sequential(nn.Conv2d(512, 32, 1), nn.Flatten(), nn.Linear(32 * 36, outputs))
        )
        self.head = last

    def forward(self, crop: Tensor) -> Tensor:
        """Normalised crop (B, 3, 128, 128) -> codes (B, 728), appearance first."""
        x = self.layer3(self.layer2(self.layer1(self.stem(crop))))  # (B, 1024, 8, 8)
        return self.head(self.squeeze(self.layer4(x)))

    def frozen(self) -> list[nn.Module]:
        """The parts that the official training leaves as ImageNet made them (1.3); their running statistics move."""
        return [self.stem, self.layer1, self.layer2]


def _stage(channels_in: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        Bottleneck(channels_in, planes, stride), *(Bottleneck(4 * planes, planes) for _ in range(blocks - 1))
    )


def build_encoder(settings: NetworkSettings) -> CompactEncoder | OfficialEncoder:
    """The encoder of a preset."""
    return CompactEncoder(settings) if settings.preset == "studio" else OfficialEncoder(settings)
