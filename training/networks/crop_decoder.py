"""UGAR's decoders: a whole crop with its background, which the decoder is shown, and no mask (methods section 2).

The background crop passes a few convolutions and joins at the last step, a UNet's skip. Its maps do not depend on the
appearance code, so they travel with the features: folded to the features' size, one tensor for both.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.kernels import ConfigError
from turncoat.training.networks.decoder import CompactDecoder, OfficialDecoder, double, join_codes
from turncoat.training.networks.layers import ConvNormReLU
from turncoat.training.networks.presets import NetworkSettings

SKIP = 32
"""Channels of the background's maps (methods section 2: 3 -> 32 -> 32)."""

Decoder = CompactDecoder | OfficialDecoder


class CompactCropDecoder(CompactDecoder):
    """Preset studio: `CompactDecoder` with the background joining at the last, sub-pixel step. [choice]"""

    folding = 4  # the background's maps are half the crop's size, the features an eighth

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        self.feature_channels += SKIP * self.folding**2
        self.fine = ConvNormReLU(64, 48)
        self.background = nn.Sequential(ConvNormReLU(3 * 4, SKIP), ConvNormReLU(SKIP, SKIP))
        self.joined = nn.Sequential(ConvNormReLU(48 + SKIP, 64), ConvNormReLU(64, 48))
        self.out = nn.Conv2d(48, 3 * 4, 3, 1, 1)

    def features(self, pose_code: Tensor, background: Tensor | None = None) -> Tensor:
        """(B, 600) and the normalised background crop (B, 3, R, R) -> (B, 32 + 512, R/8, R/8)."""
        skip = self.background(F.pixel_unshuffle(_shown(background), 2))
        return fold(super().features(pose_code), skip, self.folding)

    def forward(self, appearance: Tensor, features: Tensor) -> Tensor:
        """(B, 128) and features -> (B, 3, R, R): normalised colours."""
        maps, skip = unfold(features, SKIP, self.folding)
        x = self.middle(double(self.mix(join_codes(appearance, maps))))
        x = self.joined(torch.cat([self.fine(double(x)), skip], dim=1))
        return F.pixel_shuffle(self.out(x), 2)


class OfficialCropDecoder(OfficialDecoder):
    """Preset paper: batch norm after each step's first convolution, PyTorch's own initial weights; the background's
    maps join after the last step's first convolution. Source: methods section 2 (where they join: [choice])."""

    folding = 8

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        self.feature_channels += SKIP * self.folding**2
        widths = self.widths
        self.rises = nn.ModuleList(ConvNormReLU(a, b) for a, b in pairwise(widths))
        joined = (*widths[1:-1], widths[-1] + SKIP)
        self.steps = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(a, b, 3, 1, 1), nn.ReLU(inplace=True), nn.Conv2d(b, b, 3, 1, 1), nn.ReLU(inplace=True)
            )
            for a, b in zip(joined, widths[1:], strict=True)
        )
        self.background = nn.Sequential(ConvNormReLU(3, SKIP), ConvNormReLU(SKIP, SKIP))
        self.out = nn.Conv2d(widths[-1], 3, 1)

    def features(self, pose_code: Tensor, background: Tensor | None = None) -> Tensor:
        """(B, 600) and the normalised background crop (B, 3, R, R) -> (B, 128 + 2048, R/8, R/8)."""
        return fold(super().features(pose_code), self.background(_shown(background)), self.folding)

    def forward(self, appearance: Tensor, features: Tensor) -> Tensor:
        """(B, 128) and features -> (B, 3, R, R): normalised colours."""
        maps, skip = unfold(features, SKIP, self.folding)
        x = join_codes(appearance, maps)
        for number, (rise, step) in enumerate(zip(self.rises, self.steps, strict=True), start=1):
            x = rise(double(x))
            x = step(torch.cat([x, skip], dim=1) if number == len(self.steps) else x)
        return self.out(x)


def build_decoder(settings: NetworkSettings) -> Decoder | None:
    """The decoder of a preset; None where the network paints nothing."""
    if settings.paints == "nothing":
        return None
    if settings.paints == "crop":
        return CompactCropDecoder(settings) if settings.preset == "studio" else OfficialCropDecoder(settings)
    return CompactDecoder(settings) if settings.preset == "studio" else OfficialDecoder(settings)


def fold(maps: Tensor, skip: Tensor, factor: int) -> Tensor:
    """Maps (B, C, h, w) and a skip (B, S, factor h, factor w) in one tensor (B, C + S factor^2, h, w)."""
    return torch.cat([maps, F.pixel_unshuffle(skip, factor).to(maps.dtype)], dim=1)


def unfold(features: Tensor, channels: int, factor: int) -> tuple[Tensor, Tensor]:
    """What `fold` put together, with a skip of so many channels."""
    folded = channels * factor**2
    maps, skip = features.split([features.shape[1] - folded, folded], dim=1)
    return maps, F.pixel_shuffle(skip, factor)


def _shown(background: Tensor | None) -> Tensor:
    if background is None:
        raise ConfigError("This decoder paints a crop with its background and was shown none; give the background.")
    return background
