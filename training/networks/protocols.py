"""The two faces that every analysis and every attack is written against.

A PyTorch module and an exported bundle are interchangeable behind them wherever no gradient is asked for; a foreign
network needs `predict` alone. Shapes and units: docs/conventions.md.
"""

from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor


class Codes(NamedTuple):
    """What the encoder says about a frame.

    appearance: (B, 128) float32, what a person wears and looks like.
    pose_code: (B, 600) float32, 200 points in three dimensions that turn with the camera.
    box: (B, 4) float32, (scale_x, scale_y, shift_x, shift_y), normalised coordinates, align_corners=True.
    """

    appearance: Tensor
    pose_code: Tensor
    box: Tensor


class Given(NamedTuple):
    """Where the people of a batch are, for networks that do not find out themselves (`networks.given`).

    box: (B, 4) float32, as in `Codes`.
    mask: (B, 1, H, W) float32 in [0, 1], where a person may be repainted.
    """

    box: Tensor
    mask: Tensor


class Canvas(NamedTuple):
    """All of a repainting that does not depend on the appearance code (Algorithm 1 keeps it fixed).

    features: (B, C, h, w) decoder features of the pose code, and of the background where the decoder paints it.
    mask: (B, 1, H, W) in [0, 1], the person's mask at full frame; its maxima are never recomputed.
    base: (B, 3, H, W), ``background * (1 - mask)``.
    box: (B, 4), where the crop lies in the frame.
    """

    features: Tensor
    mask: Tensor
    base: Tensor
    box: Tensor


@runtime_checkable
class PoseTarget(Protocol):
    """Whatever predicts the pose that is attacked."""

    def predict(self, frames: Tensor) -> Tensor:
        """(B, 3, H, W) float32 in [0, 1] -> (B, 17, 3) float32, millimetres, camera axes, relative to joint 0.

        A target of another origin may have fewer joints and another root, and says which (`engine.targets`).
        """
        ...


@runtime_checkable
class DisentangledNetwork(PoseTarget, Protocol):
    """A network that claims to separate appearance from pose. A swap is ``paint(a_of_A, canvas(codes_of_B, ...))``."""

    def encode(self, frames: Tensor) -> Codes:
        """(B, 3, H, W) float32 in [0, 1] -> `Codes`."""
        ...

    def canvas(self, codes: Codes, background: Tensor) -> Canvas:
        """Decode once and fix the mask; `background` is (B, 3, H, W) float32 in [0, 1]."""
        ...

    def paint(self, appearance: Tensor, canvas: Canvas) -> Tensor:
        """(B, 128) and a canvas -> frames (B, 3, H, W) clamped to [0, 1]."""
        ...
