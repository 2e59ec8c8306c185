"""How far a backend's answers are from the right ones, output by output, sample by sample."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from turncoat.engine.verification.truth import Truth
from turncoat.export.attack_step import Unpainted, attack_step
from turncoat.training.networks import Given, guide

KINDS = {
    "pose": "pose",
    "frames": "picture",
    "rgb": "picture",
    "mask": "picture",
    "base": "picture",
    "gradient": "gradient",
    "appearance": "code",
    "pose_code": "code",
    "features": "code",
    "box": "box",
}
LADDERS = ("attack", "target", "decode-vjp")
_SHORT = 4  # batches of a shorter rung that a quick look runs; the longest rung sees every frame

Key = tuple[str, str, str, int]
"""(graph, output, where, rung), rung 0 for graphs of any batch."""


@dataclass
class Measured:
    """Errors of one backend, one number a sample: key -> name -> list of (B,) tensors.

    Names by kind of output: poses `largest` and `mean` (mm, over coordinates); pictures `largest` (of 1) and `psnr`
    (dB); codes and boxes `largest` (codes relative to their standard deviation); gradients `cosine`, `relative` error.
    """

    errors: dict[Key, dict[str, list[Tensor]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def add(self, graph: str, where: str, rung: int, answer: dict[str, Tensor], truth: dict[str, Tensor]) -> None:
        """Compare outputs with the truth of the same samples."""
        for name, right in truth.items():
            for fact, value in _errors(KINDS[name], answer[name], right).items():
                self.errors[graph, name, where, rung][fact].append(value)

    def get(self, key: Key, fact: str) -> Tensor:
        """(N,) all samples of one fact."""
        return torch.cat(self.errors[key][fact])


def measure(asked: Any, truth: Truth, into: Measured, *, quick: bool = False) -> None:
    """Ask a session (or anything with its verbs) everything, and note its errors.

    quick: run the shorter rungs on a few batches only; otherwise every rung sees every frame.
    """
    device = getattr(asked, "device", torch.device("cpu"))
    count = len(truth.frames)
    rungs = asked.batches or (0,)

    def here(tensor: Tensor, rows: slice) -> Tensor:
        return tensor[rows].to(device)

    def given(rows: slice) -> Given | None:
        return None if truth.given is None else Given(*(here(t, rows) for t in truth.given))

    def canvas(rows: slice) -> Any:
        assert truth.canvas is not None
        return type(truth.canvas)(*(here(t, rows) for t in truth.canvas))

    def codes(rows: slice) -> Any:
        return type(truth.codes)(*(here(t, rows) for t in truth.codes))

    def ask(graph: str, where: str, rows: slice) -> dict[str, Tensor]:
        aim = (here(truth.reference, rows), truth.weight.to(device), here(truth.sign, rows))
        code = here(truth.appearance[where], rows) if where in truth.appearance else None
        if graph == "predict":
            painted = where.removeprefix("painted ")
            frames = truth.frames if painted == where else truth.answers["paint", painted]["frames"]
            return {"pose": asked.predict(here(frames, rows).float(), given=given(rows))}
        if graph == "encode":
            return asked.encode(here(truth.frames, rows), given=given(rows))._asdict()
        if graph == "canvas":
            return asked.canvas(codes(rows), here(truth.background, rows), given=given(rows))._asdict()
        if graph == "target":
            found = asked.target_step(here(truth.frames, rows), *aim, given=given(rows))
        elif graph == "attack":
            found = asked.attack_step(code, canvas(rows), *aim)
        elif graph == "decode":
            return {"rgb": asked.decode(code, canvas(rows).features)}
        elif graph == "paint":
            return {"frames": asked.paint(code, canvas(rows))}
        else:
            assert truth.rgb_gradient is not None
            gradient = here(truth.rgb_gradient, rows)
            return {"gradient": asked.decode_vjp(code, canvas(rows).features, gradient)}
        return {"pose": found[0], "gradient": found[1]}

    for (graph, where), right in truth.answers.items():
        for rung in rungs if graph in LADDERS else (0,):
            size = rung or count
            reach = min(count, _SHORT * size) if quick and rung != rungs[-1] else count
            for start in range(0, reach, size):
                rows = slice(start, min(start + size, reach))
                answer = {name: tensor.cpu() for name, tensor in ask(graph, where, rows).items()}
                into.add(graph, where, rung, answer, {name: tensor[rows] for name, tensor in right.items()})


class Eager:
    """A PyTorch network asked as a session is: the float32 that other float32 backends are compared with."""

    batches = None

    def __init__(self, network: Any, objective: Any = "squared") -> None:
        self.network, self.objective = network, objective
        self.device = network.mean.device

    def predict(self, frames: Tensor, *, given: Given | None = None) -> Tensor:
        """See `Session`."""
        with torch.no_grad():
            return self.network.predict(frames, given=given)

    def encode(self, frames: Tensor, *, given: Given | None = None) -> Any:
        """See `Session`."""
        with torch.no_grad():
            return self.network.encode(frames, given=given)

    def canvas(self, codes: Any, background: Tensor, *, given: Given | None = None) -> Any:
        """See `Session`."""
        with torch.no_grad():
            return self.network.canvas(codes, background, given=given)

    def decode(self, appearance: Tensor, features: Tensor) -> Tensor:
        """See `Session`."""
        with torch.no_grad():
            return self.network.decode_colours(appearance, features)

    def paint(self, appearance: Tensor, canvas: Any) -> Tensor:
        """See `Session`."""
        with torch.no_grad():
            return self.network.paint(appearance, canvas)

    def attack_step(self, appearance: Tensor, canvas: Any, *aim: Tensor) -> tuple[Tensor, Tensor]:
        """See `Session`."""
        return self._attacked(self.network, appearance, canvas, aim, canvas.box)

    def target_step(self, frames: Tensor, *aim: Tensor, given: Given | None = None) -> tuple[Tensor, Tensor]:
        """See `Session`."""
        return self._attacked(Unpainted(), frames, None, aim, None if given is None else given.box)

    def decode_vjp(self, appearance: Tensor, features: Tensor, rgb_gradient: Tensor) -> Tensor:
        """See `Session`."""
        with torch.enable_grad():
            leaf = appearance.detach().requires_grad_(True)
            return torch.autograd.grad(self.network.decode_colours(leaf, features), leaf, rgb_gradient)[0]

    def _attacked(self, generator: Any, x: Tensor, canvas: Any, aim: Any, box: Tensor | None) -> tuple[Tensor, Tensor]:
        given = Given(box, box) if self.network.needs_given and box is not None else None
        return attack_step(generator, guide(self.network, given), x, canvas, *aim, objective=self.objective)


def _errors(kind: str, answer: Tensor, right: Tensor) -> dict[str, Tensor]:
    answer, right = answer.double().flatten(1), right.flatten(1)
    off = (answer - right).abs()
    if kind == "gradient":
        size = right.norm(dim=1).clamp(min=1e-300)
        cosine = torch.nn.functional.cosine_similarity(answer, right, dim=1, eps=1e-300)
        return {"cosine": cosine, "relative": (answer - right).norm(dim=1) / size}
    if kind == "picture":
        mse = (answer - right).square().mean(dim=1).clamp(min=1e-20)
        return {"largest": off.amax(dim=1), "psnr": -10 * mse.log10()}
    if kind == "code":
        off = off / right.std().clamp(min=1e-12)
    return {"largest": off.amax(dim=1), "mean": off.mean(dim=1)}
