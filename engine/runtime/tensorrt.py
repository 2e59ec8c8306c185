"""A bundle on TensorRT or TensorRT-RTX: engines from the bundle's cache, built when they are first needed.

Every graph runs at the batch sizes of the ladder alone, so that shapes and addresses never change: what is shorter is
padded, what is longer is cut.
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from turncoat.engine.runtime.device import Device, open_device
from turncoat.engine.runtime.graph_session import GraphSession
from turncoat.engine.runtime.tensorrt_engine import LoadedEngine
from turncoat.export.bundle import Bundle
from turncoat.export.engine_cache import EngineRecord, find_engine
from turncoat.export.gpu import Gpu, find_gpu
from turncoat.export.tensorrt import build_engines, target_here
from turncoat.export.tensorrt_flavour import FLAVOURS, flavour_of
from turncoat.kernels import EngineError

BACKENDS = tuple(FLAVOURS)

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


class TensorRTSession(GraphSession):
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
        super().__init__(bundle, backend, _PRECISIONS[bundle.precision], self._device.home)
        self.batches = bundle.batches

    def _rungs(self, graph: str) -> Sequence[int]:
        return self.bundle.batches

    def _run(self, graph: str, batch: int, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        rung = f"{graph}-b{batch}"
        return self._engine(rung if rung in self.bundle.graphs else graph).run(batch, inputs, batch)

    def close(self) -> None:
        """Free engines, buffers and streams; a second time does nothing."""
        if self._closed:
            return
        super().close()
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()
        self._device.close()

    def _engine(self, graph: str) -> LoadedEngine:
        if graph not in self._engines:
            record = find_engine(self.bundle, graph, self.backend, self._version, self._target) or self._built(graph)
            description = self.bundle.graphs[graph]
            self._engines[graph] = self._load(record, description, self._device, captured=self._captured)
        return self._engines[graph]

    def _built(self, graph: str) -> EngineRecord:
        (record,) = build_engines(self.bundle, self.backend, None, [graph], progress=self._progress, gpu=self._gpu)
        return record
