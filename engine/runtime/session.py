"""What every backend can be asked: the verbs of a network, and the gradients of an attack.

with open_session("nsd-bundle", backend="auto") as session:
    codes = session.encode(frames)
    canvas = session.canvas(codes, backgrounds)
    pose, gradient = session.attack_step(codes.appearance, canvas, session.predict(frames), weight, sign)
"""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from turncoat.export.bundle import Bundle
from turncoat.training.networks import Canvas, Codes, Given


class Session(ABC):
    """A network, ready to run on one backend. A context manager; closing it gives its memory back.

    All tensors lie on `device`, are float32 and may have any batch: what is longer than the longest rung of a ladder
    is cut into pieces, what is shorter is padded and cut again. Shapes: docs/conventions.md. Networks that are told
    where the person is (UGAR) want `given`.

    Attributes:
        backend: its name, e.g. "torch-float32", "torch-compiled-bfloat16", "onnxruntime-cpu", "tensorrt-rtx".
        precision: "float32", "bfloat16" or "float16": what the layers compute in.
        device: where its tensors lie.
        batches: rungs of its gradient ladder, ascending; None: any batch runs as it is.
        bundle: what it runs.
        remark: one line for a person: what was chosen and why, or what did not work; "" if there is nothing to say.
    """

    backend: str
    precision: str
    device: torch.device
    batches: tuple[int, ...] | None
    bundle: Bundle
    remark: str = ""

    @abstractmethod
    def predict(self, frames: Tensor, *, given: Given | None = None) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, 17, 3) mm, camera axes, relative to joint 0."""

    @abstractmethod
    def encode(self, frames: Tensor, *, given: Given | None = None) -> Codes:
        """(B, 3, H, W) in [0, 1] -> `Codes`."""

    @abstractmethod
    def canvas(self, codes: Codes, background: Tensor, *, given: Given | None = None) -> Canvas:
        """Decode once and fix the mask; `background` is (B, 3, H, W) in [0, 1]."""

    @abstractmethod
    def decode(self, appearance: Tensor, features: Tensor) -> Tensor:
        """(B, 128) and a canvas' features -> colours of the crop (B, 3, R, R), not clamped."""

    @abstractmethod
    def paint(self, appearance: Tensor, canvas: Canvas) -> Tensor:
        """(B, 128) and a canvas -> frames (B, 3, H, W) in [0, 1]."""

    @abstractmethod
    def attack_step(
        self, appearance: Tensor, canvas: Canvas, reference: Tensor, joint_weight: Tensor, sign: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`export.attack_step` of the network against itself, with the bundle's objective.

        (B, 128), canvas, (B, 17, 3) mm, (17,), (B,) -> pose (B, 17, 3) mm, gradient (B, 128).
        """

    @abstractmethod
    def target_step(
        self, frames: Tensor, reference: Tensor, joint_weight: Tensor, sign: Tensor, *, given: Given | None = None
    ) -> tuple[Tensor, Tensor]:
        """The target's half: (B, 3, H, W), (B, 17, 3), (17,), (B,) -> pose (B, 17, 3) mm, gradient (B, 3, H, W)."""

    @abstractmethod
    def decode_vjp(self, appearance: Tensor, features: Tensor, rgb_gradient: Tensor) -> Tensor:
        """The generator's half: (B, 128), features, (B, 3, R, R) -> gradient (B, 128)."""

    def close(self) -> None:  # noqa: B027 (most backends have nothing to do)
        """Give memory back. What was closed is not used again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
