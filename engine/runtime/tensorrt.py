"""A bundle on TensorRT or TensorRT-RTX: engines from the bundle's cache, built when they are first needed.

Every graph runs at the batch sizes of the ladder alone, so that shapes and addresses never change: what is shorter is
padded, what is longer is cut.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from turncoat.engine.runtime.device import Device, open_device
from turncoat.engine.runtime.session import Session
from turncoat.engine.runtime.tensorrt_engine import LoadedEngine
from turncoat.export.bundle import Bundle
from turncoat.export.engine_cache import EngineRecord, find_engine
from turncoat.export.gpu import Gpu, find_gpu
from turncoat.export.tensorrt import build_engines, target_here
from turncoat.export.tensorrt_flavour import FLAVOURS, flavour_of
from turncoat.kernels import ConfigError, DataError, EngineError
from turncoat.training.networks import Canvas, Codes, Given
from turncoat.training.networks.given import NOT_GIVEN

BACKENDS = tuple(FLAVOURS)

_SHARED = ("joint_weight",)  # inputs without a batch axis
_PRECISIONS = {"fp32": "float32", "fp16": "float16"}


def why_not(backend: str, index: int = 0) -> str | None:
    """Why "tensorrt" or "tensorrt-rtx" cannot run here, as one sentence; None if it can."""
    flavour = flavour_of(backend)
    try:
        flavour.api()
        target_here(flavour, find_gpu(index))
        open_device(index).close()
    except EngineError as error:
        return str(error)
    return None


class TensorRTSession(Session):
    """See `Session`. Tensors are on the GPU where PyTorch has CUDA, else on the host.

    Verbs take anything that speaks DLPack (a CuPy array) in place of a tensor, without a copy on the GPU.

    Args:
        bundle: what to run.
        backend: "tensorrt" or "tensorrt-rtx".
        index: number of the GPU.
        progress: as in `export.tensorrt.build_engines`, for engines that are built on first use.
        captured: replay CUDA graphs.
        device, gpu, load: in place of the real ones.

    Raises:
        EngineError: the flavour is not installed, or does not run on this machine.
    """

    def __init__(
        self,
        bundle: Bundle,
        backend: str = "tensorrt",
        *,
        index: int = 0,
        progress: Callable[..., None] | None = None,
        captured: bool = True,
        device: Device | None = None,
        gpu: Gpu | None = None,
        load: Callable[..., LoadedEngine] = LoadedEngine,
    ) -> None:
        self._flavour = flavour_of(backend)
        self._version = self._flavour.version
        self._gpu = find_gpu(index) if gpu is None else gpu
        self._target = target_here(self._flavour, self._gpu)
        self._device = open_device(index) if device is None else device
        self._progress, self._captured, self._load = progress, captured, load
        self._engines: dict[str, LoadedEngine] = {}
        self._closed = False
        self._told = any(value["name"] == "box" for value in bundle.graphs["encode"]["inputs"])
        self.bundle = bundle
        self.backend = backend
        self.precision = _PRECISIONS[bundle.precision]
        self.device = self._device.home
        self.batches = bundle.batches

    def predict(self, frames: Tensor, *, given: Given | None = None) -> Tensor:
        return self._call("predict", frames=frames, **self._box(given))["pose"]

    def encode(self, frames: Tensor, *, given: Given | None = None) -> Codes:
        box = self._box(given)
        found = box | self._call("encode", frames=frames, **box)
        return Codes(found["appearance"], found["pose_code"], found["box"])

    def canvas(self, codes: Codes, background: Tensor, *, given: Given | None = None) -> Canvas:
        if not self._told:
            found = self._call("canvas", **codes._asdict(), background=background)
            return Canvas(found["features"], found["mask"], found["base"], codes.box)
        mask = self._needed(given).mask
        found = self._call("canvas", **codes._asdict(), background=background, mask=mask)
        return Canvas(found["features"], mask, found["base"], codes.box)

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
        """Free engines, buffers and streams; a second time does nothing."""
        if self._closed:
            return
        self._closed = True
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()
        self._device.close()

    def _box(self, given: Given | None) -> dict[str, Tensor]:
        return {"box": self._needed(given).box} if self._told else {}

    def _needed(self, given: Given | None) -> Given:
        if given is None:
            raise ConfigError(NOT_GIVEN)
        return given

    def _call(self, graph: str, **inputs: Any) -> dict[str, Tensor]:
        """A graph, or the ladder of this name, on a whole batch."""
        if self._closed:
            raise EngineError("This session was closed; open a new one.")
        tensors = {name: _tensor(value).detach().to(self.device, torch.float32) for name, value in inputs.items()}
        batch = max(len(tensor) for name, tensor in tensors.items() if name not in _SHARED)
        found: list[dict[str, Tensor]] = []
        for begin, end, rung in _pieces(batch, self.bundle.batches):
            name = f"{graph}-b{rung}" if f"{graph}-b{rung}" in self.bundle.graphs else graph
            self.bundle.path(name)
            for value in self.bundle.graphs[name]["inputs"]:
                _check(name, value, tensors[value["name"]], batch)
            piece = {n: t if n in _SHARED else _padded(t[begin:end], rung) for n, t in tensors.items()}
            found.append(self._engine(name).run(rung, piece, end - begin))
        return {name: torch.cat([part[name] for part in found]) for name in found[0]} if len(found) > 1 else found[0]

    def _engine(self, graph: str) -> LoadedEngine:
        if graph not in self._engines:
            record = find_engine(self.bundle, graph, self.backend, self._version, self._target) or self._built(graph)
            description = self.bundle.graphs[graph]
            self._engines[graph] = self._load(record, description, self._device, captured=self._captured)
        return self._engines[graph]

    def _built(self, graph: str) -> EngineRecord:
        (record,) = build_engines(self.bundle, self.backend, None, [graph], progress=self._progress, gpu=self._gpu)
        return record


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.from_dlpack(value)


def _check(graph: str, value: dict[str, Any], tensor: Tensor, batch: int) -> None:
    """DataError unless `tensor` is what an input wants, for any batch or for the whole one."""
    shared = value["name"] in _SHARED
    wanted = tuple(value["shape"] if shared else (batch, *value["shape"][1:]))
    if tuple(tensor.shape) != wanted:
        raise DataError(f"{graph} takes {value['name']} of shape {wanted}, found {tuple(tensor.shape)}.")


def _pieces(batch: int, rungs: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    """(begin, end, rung): the longest rung as often as it fits, then the shortest that holds the rest."""
    if batch < 1:
        raise DataError("An empty batch was given to a graph; give it at least one sample.")
    begin = 0
    while begin < batch:
        rest = batch - begin
        rung = next((rung for rung in rungs if rung >= rest), rungs[-1])
        yield begin, min(begin + rung, batch), rung
        begin += rung


def _padded(values: Tensor, rung: int) -> Tensor:
    """The last sample again until there are `rung`: whatever is computed of it is as finite as the rest."""
    missing = rung - len(values)
    return values if missing == 0 else torch.cat([values, values[-1:].expand(missing, *values.shape[1:])])
