"""One gradient of an attack on two networks, each on a backend of its own, as one step.

A graph for every pair of generator and target would be N times N of them. The step in pieces needs 2N: the generator's
`decode` and its vector-Jacobian product, the target's step down to the frame, and between them the compositing of
kernels/ with its backward. For a network that attacks itself the pieces and the whole give the same gradient; which is
faster depends on the backend, so it is measured.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from turncoat.engine.runtime.graph_session import told
from turncoat.engine.runtime.session import Session
from turncoat.kernels import ConfigError
from turncoat.kernels.composite import paint
from turncoat.training.networks import Canvas, Given

_ROUNDS = 5

Step = Callable[[Tensor, Canvas, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


class PairStep:
    """The attack step of a generator against a target. Does not close the two sessions: who opened them does.

    Args:
        generator: paints; its bundle has a decoder.
        target: predicts; may be the generator itself, whose fused step is then used where it is faster.

    Attributes:
        backend: "generator's + target's", or one name if it is the same.
        batches: rungs of the ladder that both run at; None: any batch, or none in common.
        fused: whether the whole step of one network is used; None: not decided yet, the first batch decides.

    Raises:
        ConfigError: the generator cannot paint, or the target cannot predict.
    """

    def __init__(self, generator: Session, target: Session) -> None:
        names = [{name.split("-b")[0] for name in session.bundle.graphs} for session in (generator, target)]
        if "decode" not in names[0]:
            raise ConfigError(f"{generator.bundle.name} has no decoder, so it cannot repaint anybody; use another.")
        if "target" not in names[1]:
            raise ConfigError(f"{target.bundle.name} has no pose regressor; run `turncoat fit-regressor` on it first.")
        self.generator, self.target = generator, target
        backends = list(dict.fromkeys((generator.backend, target.backend)))
        self.backend = " + ".join(backends)
        same = generator.bundle.weights_hash == target.bundle.weights_hash and generator.bundle.weights_hash != ""
        self.fused: bool | None = None if generator is target or same else False
        self._guides = told(generator.bundle)
        ladders = [set(session.batches) for session in (generator, target) if session.batches]
        common = set.intersection(*ladders) if ladders else set()
        self.batches: tuple[int, ...] | None = tuple(sorted(common)) or None

    def attack_step(
        self,
        appearance: Tensor,
        canvas: Canvas,
        reference: Tensor,
        joint_weight: Tensor,
        sign: Tensor,
        *,
        given: Given | None = None,
    ) -> tuple[Tensor, Tensor]:
        """See `Session.attack_step`.

        given: where the target is told that the people are, if it has to be; None: where the generator was told.
        """
        if self.fused is None:
            self.fused = self._whole_is_faster(appearance, canvas, reference, joint_weight, sign)
        if self.fused:
            return self.generator.attack_step(appearance, canvas, reference, joint_weight, sign)
        return self.in_pieces(appearance, canvas, reference, joint_weight, sign, given=given)

    def in_pieces(
        self,
        appearance: Tensor,
        canvas: Canvas,
        reference: Tensor,
        joint_weight: Tensor,
        sign: Tensor,
        *,
        given: Given | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Decode, composite, the target's step, and back: what `attack_step` of the two networks computes."""
        if given is None and self._guides:
            given = Given(canvas.box, canvas.mask)
        rgb = self.generator.decode(appearance, canvas.features).requires_grad_(True)
        with torch.enable_grad():
            frames = paint(rgb, canvas.box, canvas.mask, canvas.base)
        pose, frame_gradient = self.target.target_step(
            frames.detach().to(self.target.device), reference, joint_weight, sign, given=given
        )
        (rgb_gradient,) = torch.autograd.grad(frames, rgb, frame_gradient.to(frames.device))
        return pose, self.generator.decode_vjp(appearance, canvas.features, rgb_gradient)

    def _whole_is_faster(self, *arguments: Any) -> bool:
        """Time both in turn on one batch; the best of a few calls each, because other work only ever adds time."""
        if "attack" not in {name.split("-b")[0] for name in self.generator.bundle.graphs}:
            return False
        ways: list[Step] = [self.generator.attack_step, self.in_pieces]
        best = [float("inf")] * len(ways)
        for turn in range(_ROUNDS + 1):
            for index, way in enumerate(ways):
                begin = time.perf_counter()
                way(*arguments)[1].sum().item()  # waits for a GPU
                if turn > 0:  # the first call loads, compiles or captures
                    best[index] = min(best[index], time.perf_counter() - begin)
        return best[0] <= best[1]
