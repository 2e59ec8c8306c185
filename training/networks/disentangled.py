"""A network in one piece: detector, encoder, decoder and pose regressor behind the two protocols."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from turncoat.kernels import ConfigError
from turncoat.kernels.composite import composite, paint
from turncoat.kernels.resample import resample
from turncoat.training.jitter import Jitter, jitter_colours
from turncoat.training.networks.crop_decoder import Decoder, build_decoder
from turncoat.training.networks.detector import Detector
from turncoat.training.networks.encoder import build_encoder
from turncoat.training.networks.given import NOT_GIVEN
from turncoat.training.networks.layers import bump_window, widened
from turncoat.training.networks.presets import IMAGENET_MEAN, IMAGENET_STD, NetworkSettings
from turncoat.training.networks.protocols import Canvas, Codes, Given
from turncoat.training.networks.regressor import PoseRegressor


class Disentangled(nn.Module):
    """Frames to codes and back (methods section 1), and codes to a pose.

    Frames are RGB float32 in [0, 1] on the outside; colours are normalised inside, before cropping, so that the zero
    padding of the crop is the ImageNet mean. `compute_dtype` torch.bfloat16 runs the layers in reduced precision;
    what comes out is float32 either way. A network has a regressor only once one was fitted (`add_regressor`).

    What `settings.paints` says decides which parts there are: a network that paints whole crops has no detector and
    `needs_given` boxes and masks (see `networks.given`); one that paints nothing has no decoder.
    """

    mean: Tensor
    std: Tensor
    window: Tensor

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        self.compute_dtype = torch.float32
        self.detector = None if self.needs_given else Detector(settings)
        self.encoder = build_encoder(settings)
        self.decoder: Decoder | None = build_decoder(settings)
        self.regressor: PoseRegressor | None = None
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        # A box that is learned needs a crop that fades, so that its border can be felt; a given one does not.
        window = torch.ones(()) if self.needs_given else bump_window(settings.crop_size, settings.window_gain)
        self.register_buffer("window", window, persistent=False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs do not know it

    # The protocols

    def encode(self, frames: Tensor, jitter: Jitter | None = None, *, given: Given | None = None) -> Codes:
        """Frames (B, 3, H, W) in [0, 1] -> `Codes`, float32.

        jitter: changes the colours of the crops, in training.
        given: where the people are, in place of the detector's boxes (methods 1.2 step 9).
        """
        normalised = self._normalise(frames)
        box = self._detect(normalised) if given is None else given.box
        crop = self._crop(normalised, box)
        if jitter is not None:
            crop = (jitter_colours(crop.float() * self.std + self.mean, jitter) - self.mean) / self.std
        crop = crop * self.window
        with self._autocast():
            codes = self.encoder(crop.contiguous(memory_format=torch.channels_last))
        codes = widened(codes)
        size = self.settings.appearance_size
        return Codes(codes[:, :size], codes[:, size:], box)

    def canvas(self, codes: Codes, background: Tensor, *, given: Given | None = None) -> Canvas:
        """Decode once and keep what does not depend on the appearance code; this mask is Algorithm 1's M0.

        A network that paints whole crops has no mask of its own: it is the given one.
        """
        if self.needs_given:
            if given is None:
                raise ConfigError(NOT_GIVEN)
            features = self.features(codes.pose_code, self._crop(self._normalise(background), codes.box))
            full_mask = given.mask
        else:
            features = self.features(codes.pose_code)
            rgb, mask = self._decode(codes.appearance, features)
            _, full_mask = composite(rgb, mask, codes.box, background, renormalise=self.settings.renormalise_mask)
        return Canvas(features, full_mask, background * (1 - full_mask), codes.box)

    def paint(self, appearance: Tensor, canvas: Canvas) -> Tensor:
        """Decode the colours of `appearance` (B, 128) onto a canvas -> frames (B, 3, H, W) in [0, 1]."""
        rgb = self.decode_colours(appearance, canvas.features)
        return paint(rgb, canvas.box, canvas.mask, canvas.base)

    def predict(self, frames: Tensor, *, given: Given | None = None) -> Tensor:
        """Frames (B, 3, H, W) in [0, 1] -> poses (B, 17, 3) float32, millimetres, camera axes, relative to joint 0."""
        return self.regress(self.encode(frames, given=given).pose_code)

    # Their parts, for training and analysis

    @property
    def device(self) -> torch.device:
        """Where it lies, and its inputs have to."""
        return self.mean.device

    @property
    def needs_given(self) -> bool:
        """Whether it has to be told where the person is."""
        return self.settings.paints == "crop"

    @property
    def has_decoder(self) -> bool:
        """Whether it can repaint."""
        return self.settings.paints != "nothing"

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
            return widened(self.regressor(pose_code))

    def detect(self, frames: Tensor) -> Tensor:
        """Frames (B, 3, H, W) in [0, 1] -> box (B, 4)."""
        return self._detect(self._normalise(frames))

    def features(self, pose_code: Tensor, background: Tensor | None = None) -> Tensor:
        """Pose code (B, 600), and for whole crops the normalised background crop -> features (B, C, R/8, R/8)."""
        decoder = self._painter()
        with self._autocast():
            return widened(decoder.features(pose_code, background))

    def decode(self, appearance: Tensor, pose_code: Tensor) -> tuple[Tensor, Tensor]:
        """Codes -> crop: colours (B, 3, R, R), not clamped, and mask (B, 1, R, R) in [0, 1]."""
        if self.needs_given:
            raise ConfigError("This network paints whole crops without a mask; use canvas and paint, or decode_crop.")
        decoder = self._painter()
        with self._autocast():
            features = decoder.features(pose_code)
        return self._decode(appearance, features)

    def decode_colours(self, appearance: Tensor, features: Tensor) -> Tensor:
        """(B, 128) and a canvas' features -> colours of the crop (B, 3, R, R), not clamped."""
        return self._colours(self._decoded(appearance, features))

    def decode_crop(self, appearance: Tensor, pose_code: Tensor, box: Tensor, background: Tensor) -> Tensor:
        """Codes, box (B, 4), background (B, 3, H, W) -> colours (B, 3, R, R), not clamped, of a whole crop."""
        features = self.features(pose_code, self._crop(self._normalise(background), box))
        return self.decode_colours(appearance, features)

    def synthesise(
        self, appearance: Tensor, pose_code: Tensor, box: Tensor, background: Tensor, *, clamp: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Decode and composite with a mask of its own: frame (B, 3, H, W) and mask at full frame (B, 1, H, W)."""
        rgb, mask = self.decode(appearance, pose_code)
        return composite(rgb, mask, box, background, renormalise=self.settings.renormalise_mask, clamp=clamp)

    def _detect(self, normalised: Tensor) -> Tensor:
        if self.detector is None:
            raise ConfigError(NOT_GIVEN)
        with self._autocast():
            return self.detector(normalised)

    def _crop(self, normalised: Tensor, box: Tensor) -> Tensor:
        return resample(normalised, box, self.settings.crop_size, self.settings.crop_size)

    def _painter(self) -> Decoder:
        if self.decoder is None:
            raise ConfigError(
                "This network has no decoder, it only predicts poses, so it cannot repaint; attack it with another "
                "network as the generator."
            )
        return self.decoder

    def _decoded(self, appearance: Tensor, features: Tensor) -> Tensor:
        decoder = self._painter()
        with self._autocast():
            out = decoder(appearance, features)
        return widened(out).contiguous()

    def _colours(self, out: Tensor) -> Tensor:
        return out[:, :3] * self.std + self.mean

    def _decode(self, appearance: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        out = self._decoded(appearance, features)
        mask = (0.0001 + 0.9999 * torch.sigmoid(out[:, 3:])) * self.window
        mask = mask / (1e-4 + mask.amax(dim=(2, 3), keepdim=True))
        return self._colours(out), mask

    def _normalise(self, frames: Tensor) -> Tensor:
        return ((frames - self.mean) / self.std).to(self.compute_dtype)

    @contextmanager
    def _autocast(self) -> Iterator[None]:
        if self.compute_dtype in (torch.float32, torch.float64):
            yield
        else:
            with torch.autocast(self.mean.device.type, dtype=self.compute_dtype):
                yield
