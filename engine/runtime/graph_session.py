"""The verbs of a session as graphs with named inputs and outputs: what all backends share."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from turncoat.engine.runtime.ladder import padded, pieces
from turncoat.engine.runtime.session import Session
from turncoat.export.bundle import Bundle
from turncoat.kernels import ConfigError, DataError, EngineError
from turncoat.training.networks import Canvas, Codes, Given
from turncoat.training.networks.given import NOT_GIVEN

Shapes = dict[str, tuple[int, ...]]

SHARED = ("joint_weight",)
"""Inputs without a batch axis."""


class GraphSession(Session):
    """See `Session`. A backend says how one graph runs (`_run`) and at which batch sizes (`_rungs`).

    Everything that comes in is checked against the shapes that the bundle describes, moved to `device`, and brought to
    the sizes of the ladder.

    Raises, from every verb:
        ConfigError: the bundle has no such graph, or the network is told where the person is and was not told.
        DataError: a tensor of another shape, or an empty batch.
        EngineError: the session was closed, or its backend failed.
    """

    def __init__(self, bundle: Bundle, backend: str, precision: str, device: torch.device) -> None:
        self.bundle, self.backend, self.precision, self.device = bundle, backend, precision, device
        self.batches = None
        self._shapes = input_shapes(bundle)
        self._told = told(bundle)
        self._closed = False

    @abstractmethod
    def _run(self, graph: str, batch: int, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Run a graph ("attack", not "attack-b8") on exactly `batch` samples, on `device`."""

    @abstractmethod
    def _rungs(self, graph: str) -> Sequence[int] | None:
        """The batch sizes that a graph runs at; None: any."""

    def predict(self, frames: Tensor, *, given: Given | None = None) -> Tensor:
        return self._call("predict", frames=frames, **self._box(given))["pose"]

    def encode(self, frames: Tensor, *, given: Given | None = None) -> Codes:
        box = self._box(given)
        found = {name: tensor.to(self.device) for name, tensor in box.items()}
        found |= self._call("encode", frames=frames, **box)
        return Codes(found["appearance"], found["pose_code"], found["box"])

    def canvas(self, codes: Codes, background: Tensor, *, given: Given | None = None) -> Canvas:
        told = {"mask": self._needed(given).mask} if self._told else {}
        found = self._call("canvas", **codes._asdict(), background=background, **told)
        mask = found["mask"] if "mask" in found else told["mask"].to(self.device)
        return Canvas(found["features"], mask, found["base"], codes.box.to(self.device))

    def decode(self, appearance: Tensor, features: Tensor) -> Tensor:
        return self._call("decode", appearance=appearance, features=features)["rgb"]

    def paint(self, appearance: Tensor, canvas: Canvas) -> Tensor:
        return self._call("paint", appearance=appearance, **canvas._asdict())["frames"]

    def attack_step(
        self, appearance: Tensor, canvas: Canvas, reference: Tensor, joint_weight: Tensor, sign: Tensor
    ) -> tuple[Tensor, Tensor]:
        aim = {"reference": reference, "joint_weight": joint_weight, "sign": sign}
        found = self._call("attack", appearance=appearance, **canvas._asdict(), **aim)
        return found["pose"], found["gradient"]

    def target_step(
        self, frames: Tensor, reference: Tensor, joint_weight: Tensor, sign: Tensor, *, given: Given | None = None
    ) -> tuple[Tensor, Tensor]:
        aim = {"reference": reference, "joint_weight": joint_weight, "sign": sign}
        found = self._call("target", frames=frames, **aim, **self._box(given))
        return found["pose"], found["gradient"]

    def decode_vjp(self, appearance: Tensor, features: Tensor, rgb_gradient: Tensor) -> Tensor:
        inputs = {"appearance": appearance, "features": features, "rgb_gradient": rgb_gradient}
        return self._call("decode-vjp", **inputs)["gradient"]

    def close(self) -> None:
        """Give memory back; a second time does nothing, and any other verb says that it was closed."""
        self._closed = True

    def _box(self, given: Given | None) -> dict[str, Tensor]:
        return {"box": self._needed(given).box} if self._told else {}

    def _needed(self, given: Given | None) -> Given:
        if given is None:
            raise ConfigError(NOT_GIVEN)
        return given

    def _call(self, graph: str, **inputs: Tensor) -> dict[str, Tensor]:
        """A graph on a batch of any size."""
        if self._closed:
            raise EngineError("This session was closed; open a new one.")
        if graph not in self._shapes:
            raise ConfigError(
                f"{self.bundle.name} has no graph {graph!r}; it has {', '.join(self._shapes)}, because the network has "
                "no decoder or no pose regressor; use another."
            )
        shapes = self._shapes[graph]
        tensors = {name: self._taken(inputs[name]) for name in shapes}
        batch = next(t.shape[0] if t.ndim else 0 for name, t in tensors.items() if name not in SHARED)
        for name, tail in shapes.items():
            wanted = tail if name in SHARED else (batch, *tail)
            if tuple(tensors[name].shape) != wanted:
                found = tuple(tensors[name].shape)
                raise DataError(f"{graph} takes {name} of shape {wanted}, found {found}; frames and codes go together.")
        rungs = self._rungs(graph)
        if rungs is None:
            if batch < 1:
                raise DataError("An empty batch was given to a graph; give it at least one sample.")
            return self._run(graph, batch, tensors)
        found_pieces = []
        for begin, end, rung in pieces(batch, rungs):
            piece = {n: t if n in SHARED else padded(t[begin:end], rung) for n, t in tensors.items()}
            found_pieces.append({n: t[: end - begin] for n, t in self._run(graph, rung, piece).items()})
        if len(found_pieces) == 1:
            return found_pieces[0]
        return {name: torch.cat([piece[name] for piece in found_pieces]) for name in found_pieces[0]}

    def _taken(self, value: Any) -> Tensor:
        """A tensor, or anything that speaks DLPack, as float32 on `device`."""
        tensor = value if isinstance(value, Tensor) else torch.from_dlpack(value)
        return tensor.detach().to(self.device, torch.float32)


def told(bundle: Bundle) -> bool:
    """Whether the network has to be told where the person is."""
    return any(value["name"] == "box" for value in bundle.graphs["encode"]["inputs"])


def input_shapes(bundle: Bundle) -> dict[str, Shapes]:
    """graph ("attack", not "attack-b8") -> input -> shape without the batch axis, in the graph's own order."""
    found: dict[str, Shapes] = {}
    for name, described in bundle.graphs.items():
        graph = name if described["batch"] is None else name.rpartition("-b")[0]
        found[graph] = {
            value["name"]: tuple(value["shape"] if value["name"] in SHARED else value["shape"][1:])
            for value in described["inputs"]
        }
    return found
