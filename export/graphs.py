"""Which graphs a network is exported as: what each computes, from what, with which sizes.

    predict     frames -> pose                                    encode   frames -> appearance, pose_code, box
    canvas      appearance, pose_code, box, background -> features, mask, base
    decode      appearance, features -> rgb (the crop)            paint    appearance, canvas -> frames
    attack      appearance, canvas, reference, joint_weight, sign -> pose, gradient of the objective
    decode-vjp  appearance, features, rgb_gradient -> gradient with respect to the appearance
    target      frames, reference, joint_weight, sign -> pose, gradient with respect to the frames

The first five take any batch, the last three come as a ladder of fixed batches. `attack` is a network that attacks
itself; for two different ones `decode`, compositing, `target`, the backward of compositing and `decode-vjp` are the
same step in pieces, so that N networks need 2N gradient graphs and not N^2.

A network that is told where the person is (UGAR) takes a box and a mask more; one without decoder has fewer graphs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from turncoat.export.attack_step import IN_GRAPHS, Objective, Unpainted, attack_step
from turncoat.kernels.errors import ConfigError
from turncoat.training.networks import Canvas, Codes, Given

FORWARD = ("predict", "encode", "canvas", "decode", "paint")
LADDERS = ("attack", "target", "decode-vjp")
LOSS_SCALE = {"fp32": 1.0, "fp16": 1024.0}
"""By how much the objective (m^2) is multiplied before it is differentiated, and the gradient divided after."""


@dataclass(frozen=True)
class Graph:
    """One graph of a network, ready to be traced.

    Attributes:
        name: as in the table above.
        function: takes and returns tensors.
        inputs, outputs: names of its arguments and results, in order.
        example: batch size -> arguments.
        shared: inputs that have no batch axis.
    """

    name: str
    function: Callable[..., Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    example: Callable[[int], tuple[Tensor, ...]]
    shared: tuple[str, ...] = ("joint_weight",)

    @property
    def ladder(self) -> bool:
        """Whether it comes in fixed batch sizes."""
        return self.name in LADDERS


def graphs_of(network: Any, *, objective: Objective = "squared", precision: str = "fp32") -> list[Graph]:
    """All graphs that a folded network (`export.fold`) can be exported as.

    Raises:
        ConfigError: an objective that graphs are not written for.
    """
    if objective not in IN_GRAPHS:
        raise ConfigError(
            f"Gradients of the objective {objective!r} are not written into graphs; expected "
            f"{' or '.join(IN_GRAPHS)}, or attack with PyTorch itself, without a backend."
        )
    return _Builder(network, objective, LOSS_SCALE[precision]).graphs()


class _Told:
    """A target that is told where the person is."""

    def __init__(self, network: Any, given: Given | None) -> None:
        self.network, self.given = network, given

    def predict(self, frames: Tensor) -> Tensor:
        return self.network.predict(frames, given=self.given)


class _Builder:
    def __init__(self, network: Any, objective: Objective, loss_scale: float) -> None:
        self.network = network
        self.settings = network.settings
        self.objective, self.loss_scale = objective, loss_scale
        self.told = bool(network.needs_given)

    def graphs(self) -> list[Graph]:
        told = ("box",) if self.told else ()
        mask = ("mask",) if self.told else ()
        found: list[Graph] = []
        if self.network.has_regressor:
            found.append(self._graph("predict", self._predict, ("frames", *told), ("pose",)))
        codes = ("appearance", "pose_code") + (() if self.told else ("box",))
        found.append(self._graph("encode", self._encode, ("frames", *told), codes))
        if self.network.has_decoder:
            made = ("features", "base") if self.told else ("features", "mask", "base")
            codes = ("appearance", "pose_code", "box", "background")
            found.append(self._graph("canvas", self._canvas, (*codes, *mask), made))
            found.append(self._graph("decode", self._decode, ("appearance", "features"), ("rgb",)))
            canvas = ("appearance", "features", "mask", "base", "box")
            found.append(self._graph("paint", self._paint, canvas, ("frames",)))
        aim = ("reference", "joint_weight", "sign")
        if self.network.has_decoder and self.network.has_regressor:
            found.append(self._graph("attack", self._attack, (*canvas, *aim), ("pose", "gradient")))
        if self.network.has_regressor:
            found.append(self._graph("target", self._target, ("frames", *aim, *told), ("pose", "gradient")))
        if self.network.has_decoder:
            inputs = ("appearance", "features", "rgb_gradient")
            found.append(self._graph("decode-vjp", self._decode_vjp, inputs, ("gradient",)))
        return found

    def _graph(
        self, name: str, function: Callable[..., Any], inputs: tuple[str, ...], outputs: tuple[str, ...]
    ) -> Graph:
        return Graph(name, function, inputs, outputs, lambda batch: self._examples(inputs, batch))

    # What the graphs compute

    def _predict(self, frames: Tensor, *box: Tensor) -> Tensor:
        return self._target_of(frames, *box).predict(frames)

    def _encode(self, frames: Tensor, *box: Tensor) -> tuple[Tensor, ...]:
        codes = self.network.encode(frames, given=self._given(frames, *box))
        return tuple(codes[:2]) if self.told else tuple(codes)

    def _canvas(
        self, appearance: Tensor, pose_code: Tensor, box: Tensor, background: Tensor, *mask: Tensor
    ) -> tuple[Tensor, ...]:
        given = Given(box, mask[0]) if self.told else None
        canvas = self.network.canvas(Codes(appearance, pose_code, box), background, given=given)
        return (canvas.features, canvas.base) if self.told else (canvas.features, canvas.mask, canvas.base)

    def _decode(self, appearance: Tensor, features: Tensor) -> Tensor:
        return self.network.decode_colours(appearance, features)

    def _paint(self, appearance: Tensor, *canvas: Tensor) -> Tensor:
        return self.network.paint(appearance, Canvas(*canvas))

    def _attack(
        self,
        appearance: Tensor,
        features: Tensor,
        mask: Tensor,
        base: Tensor,
        box: Tensor,
        reference: Tensor,
        joint_weight: Tensor,
        sign: Tensor,
    ) -> tuple[Tensor, Tensor]:
        canvas = Canvas(features, mask, base, box)
        return self._step(self.network, box, appearance, canvas, reference, joint_weight, sign)

    def _target(
        self, frames: Tensor, reference: Tensor, joint_weight: Tensor, sign: Tensor, *box: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self._step(Unpainted(), box[0] if box else None, frames, None, reference, joint_weight, sign)

    def _step(self, generator: Any, box: Tensor | None, x: Tensor, canvas: Any, *aim: Tensor) -> tuple[Tensor, Tensor]:
        target = self._target_of(x, box) if self.told else self.network
        return attack_step(generator, target, x, canvas, *aim, objective=self.objective, loss_scale=self.loss_scale)

    def _decode_vjp(self, appearance: Tensor, features: Tensor, rgb_gradient: Tensor) -> Tensor:
        with torch.enable_grad():
            code = appearance.detach().requires_grad_(True)
            rgb = self.network.decode_colours(code, features)
            (gradient,) = torch.autograd.grad(rgb, code, rgb_gradient * self.loss_scale)
        return gradient / self.loss_scale

    def _target_of(self, frames: Tensor, box: Tensor | None = None) -> Any:
        return _Told(self.network, self._given(frames, box))

    def _given(self, frames: Tensor, box: Tensor | None = None) -> Given | None:
        return Given(box, frames[:, :1]) if self.told and box is not None else None  # the mask is for painting only

    # What they are traced with

    def _examples(self, inputs: tuple[str, ...], batch: int) -> tuple[Tensor, ...]:
        """Arguments of the right sizes, the same for the same batch."""
        random = torch.Generator().manual_seed(0)
        size, crop = self.settings.frame_size, self.settings.crop_size
        features = (self.network.decoder.feature_channels, crop // 8, crop // 8) if self.network.has_decoder else ()
        shapes: dict[str, tuple[int, ...]] = {
            "frames": (3, size, size),
            "background": (3, size, size),
            "appearance": (self.settings.appearance_size,),
            "pose_code": (self.settings.pose_size,),
            "box": (4,),
            "features": features,
            "mask": (1, size, size),
            "base": (3, size, size),
            "rgb_gradient": (3, crop, crop),
            "reference": (17, 3),
            "sign": (),
        }
        made = []
        for name in inputs:
            if name == "joint_weight":
                made.append(torch.ones(17))
            elif name == "box":
                made.append(torch.tensor([0.45, 0.7, 0.0, 0.1]).repeat(batch, 1))
            elif name == "sign":
                made.append(torch.ones(batch))
            else:
                made.append(torch.rand(batch, *shapes[name], generator=random))
        return tuple(made)
