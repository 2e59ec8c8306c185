"""From codes back to a picture: a pose code becomes a feature map, which with the appearance code becomes a crop."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.training.networks.layers import ConvNormReLU
from turncoat.training.networks.presets import NetworkSettings


class CompactDecoder(nn.Module):
    """Preset studio: 8x8 to 32x32 by two bilinear steps, then four pixels at once out of every cell. [choice]

    The last step is sub-pixel: at full resolution its convolutions, norms and resampling cost more than all the rest
    of the network, for detail that codes of this size do not carry.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.cells = settings.crop_size // 8
        self.feature_channels = 32
        self.from_pose = nn.Linear(settings.pose_size, 32 * self.cells**2)
        self.mix = nn.Sequential(ConvNormReLU(32 + settings.appearance_size, 128), ConvNormReLU(128, 128))
        self.middle = nn.Sequential(ConvNormReLU(128, 64), ConvNormReLU(64, 64))
        self.fine = nn.Sequential(ConvNormReLU(64, 64), ConvNormReLU(64, 48))
        self.out = nn.Conv2d(48, 4 * 4, 3, 1, 1)

    def features(self, pose_code: Tensor, background: Tensor | None = None) -> Tensor:
        """(B, 600) -> (B, 32, R/8, R/8), all that the pose code says. The background is pasted later."""
        return F.relu(self.from_pose(pose_code)).view(-1, 32, self.cells, self.cells)

    def forward(self, appearance: Tensor, features: Tensor) -> Tensor:
        """(B, 128) and features -> (B, 4, R, R): normalised colours and the mask's logit."""
        x = self.mix(join_codes(appearance, features))
        x = self.middle(double(x))
        x = self.fine(double(x))
        return F.pixel_shuffle(self.out(x), 2)


class OfficialDecoder(nn.Module):
    """Preset paper: three steps of bilinear x2 and three convolutions with ReLU, no batch norm. Source: methods 1.5."""

    widths = (256, 128, 64, 32)

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.cells = settings.crop_size // 8
        self.feature_channels = 128
        self.from_pose = nn.Linear(settings.pose_size, 128 * self.cells**2)
        self.dropout = nn.Dropout(0.3)
        steps = []
        for before, after in zip(self.widths, self.widths[1:], strict=False):
            convolutions: list[nn.Module] = []
            for channels in (before, after, after):
                convolutions += [nn.Conv2d(channels, after, 3, 1, 1), nn.ReLU(inplace=True)]
            steps.append(nn.Sequential(*convolutions))
        self.steps = nn.ModuleList(steps)
        self.out = nn.Conv2d(self.widths[-1], 4, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.xavier_normal_(module.weight)
                nn.init.zeros_(module.bias)

    def features(self, pose_code: Tensor, background: Tensor | None = None) -> Tensor:
        """(B, 600) -> (B, 128, R/8, R/8), all that the pose code says. The background is pasted later."""
        return F.relu(self.dropout(self.from_pose(pose_code))).view(-1, 128, self.cells, self.cells)

    def forward(self, appearance: Tensor, features: Tensor) -> Tensor:
        """(B, 128) and features -> (B, 4, R, R): normalised colours and the mask's logit."""
        x = join_codes(appearance, features)
        for step in self.steps:
            x = step(double(x))
        return self.out(x)


def join_codes(appearance: Tensor, features: Tensor) -> Tensor:
    """The appearance code tiled over the map and put first (1.5)."""
    size = features.shape[-2:]
    tiled = appearance[:, :, None, None].expand(-1, -1, *size).to(features.dtype)
    return torch.cat([tiled, features], dim=1).contiguous(memory_format=torch.channels_last)


def double(x: Tensor) -> Tensor:
    """Twice as high and wide, bilinear."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
