"""A network in one piece: detector, encoder, decoder and pose regressor behind the two protocols."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from turncoat.kernels import ConfigError
from turncoat.kernels.composite import composite, paint
from turncoat.kernels.resample import resample
from turncoat.training.networks.decoder import build_decoder
from turncoat.training.networks.detector import Detector
from turncoat.training.networks.encoder import build_encoder
from turncoat.training.networks.layers import bump_window
from turncoat.training.networks.presets import IMAGENET_MEAN, IMAGENET_STD, NetworkSettings
from turncoat.training.networks.protocols import Canvas, Codes
from turncoat.training.networks.regressor import PoseRegressor


class Disentangled(nn.Module):
    """Frames to codes and back (methods section 1), and codes to a pose.

    Frames are RGB float32 in [0, 1] on the outside; colours are normalised inside, before cropping, so that the zero
    padding of the crop is the ImageNet mean. `compute_dtype` torch.bfloat16 runs the layers in reduced precision;
    what comes out is float32 either way. A network has a regressor only once one was fitted (`add_regressor`).
    """

    mean: Tensor
    std: Tensor
    window: Tensor

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        self.compute_dtype = torch.float32
        self.detector = Detector(settings)
        self.encoder = build_encoder(settings)
        self.decoder = build_decoder(settings)
        self.regressor: PoseRegressor | None = None
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("window", bump_window(settings.crop_size, settings.window_gain), persistent=False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs do not know it

    # The protocols

    def encode(self, frames: Tensor) -> Codes:
        """Frames (B, 3, H, W) in [0, 1] -> `Codes`, float32."""
        normalised = self._normalise(frames)
        box = self._detect(normalised)
        crop = resample(normalised, box, self.settings.crop_size, self.settings.crop_size) * self.window
        with self._autocast():
            codes = self.encoder(crop.contiguous(memory_format=torch.channels_last))
        codes = codes.float()
        size = self.settings.appearance_size
        return Codes(codes[:, :size], codes[:, size:], box)

    def canvas(self, codes: Codes, background: Tensor) -> Canvas:
        """Decode once and keep what does not depend on the appearance code; this mask is Algorithm 1's M0."""
        features = self.features(codes.pose_code)
        rgb, mask = self._decode(codes.appearance, features)
        _, full_mask = composite(rgb, mask, codes.box, background, renormalise=self.settings.renormalise_mask)
        return Canvas(features, full_mask, background * (1 - full_mask), codes.box)

    def paint(self, appearance: Tensor, canvas: Canvas) -> Tensor:
        """Decode the colours of `appearance` (B, 128) onto a canvas -> frames (B, 3, H, W) in [0, 1]."""
        rgb, _ = self._decode(appearance, canvas.features)
        return paint(rgb, canvas.box, canvas.mask, canvas.base)

    def predict(self, frames: Tensor) -> Tensor:
        """Frames (B, 3, H, W) in [0, 1] -> poses (B, 17, 3) float32, millimetres, camera axes, relative to joint 0."""
        return self.regress(self.encode(frames).pose_code)

    # Their parts, for training and analysis

    @property
    def has_regressor(self) -> bool:
        """Whether `predict` can answer."""
        return self.regressor is not None

    def add_regressor(self) -> PoseRegressor:
        """A fresh pose regressor in place of the present one."""
        self.regressor = PoseRegressor(self.settings).to(self.mean.device)
        return self.regressor

    def regress(self, pose_code: Tensor) -> Tensor:
        """Pose code (B, 600) -> pose (B, 17, 3) in millimetres."""
        if self.regressor is None:
            raise ConfigError("This network has no pose regressor; run `turncoat fit-regressor` on it first.")
        with self._autocast():
            return self.regressor(pose_code).float()

    def detect(self, frames: Tensor) -> Tensor:
        """Frames (B, 3, H, W) in [0, 1] -> box (B, 4)."""
        return self._detect(self._normalise(frames))

    def features(self, pose_code: Tensor) -> Tensor:
        """Pose code (B, 600) -> decoder features (B, C, R/8, R/8)."""
        with self._autocast():
            return self.decoder.features(pose_code).float()

    def decode(self, appearance: Tensor, pose_code: Tensor) -> tuple[Tensor, Tensor]:
        """Codes -> crop: colours (B, 3, R, R), not clamped, and mask (B, 1, R, R) in [0, 1]."""
        with self._autocast():
            features = self.decoder.features(pose_code)
        return self._decode(appearance, features)

    def synthesise(
        self, appearance: Tensor, pose_code: Tensor, box: Tensor, background: Tensor, *, clamp: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Decode and composite with a mask of its own: frame (B, 3, H, W) and mask at full frame (B, 1, H, W)."""
        rgb, mask = self.decode(appearance, pose_code)
        return composite(rgb, mask, box, background, renormalise=self.settings.renormalise_mask, clamp=clamp)

    def _detect(self, normalised: Tensor) -> Tensor:
        with self._autocast():
            return self.detector(normalised)

    def _decode(self, appearance: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        with self._autocast():
            out = self.decoder(appearance, features)
        out = out.float().contiguous()
        mask = (0.0001 + 0.9999 * torch.sigmoid(out[:, 3:])) * self.window
        mask = mask / (1e-4 + mask.amax(dim=(2, 3), keepdim=True))
        return out[:, :3] * self.std + self.mean, mask

    def _normalise(self, frames: Tensor) -> Tensor:
        return ((frames - self.mean) / self.std).to(self.compute_dtype)

    @contextmanager
    def _autocast(self) -> Iterator[None]:
        if self.compute_dtype == torch.float32:
            yield
        else:
            with torch.autocast(self.mean.device.type, dtype=self.compute_dtype):
                yield
