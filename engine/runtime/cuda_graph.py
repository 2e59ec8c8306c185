"""A bundle in PyTorch on a GPU, with every graph that runs often captured once and replayed."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.engine.runtime.compiled import COMPILED
from turncoat.engine.runtime.torch_session import TorchSession
from turncoat.export.bundle import Bundle
from turncoat.kernels import EngineError

_WARM_UP = 3
"""Calls before a capture: they allocate memory and let cuDNN choose, neither of which a capture may do."""


@dataclass
class _Captured:
    """A graph with the buffers that it reads and writes: the same addresses in every replay."""

    graph: torch.cuda.CUDAGraph
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


class CudaGraphSession(TorchSession):
    """See `Session`: layers in reduced precision, channels last; a batch size is captured when it is first used.

    A replay has no Python and no launches in it, which is what small batches wait for. All captures share one pool of
    memory: they never run at the same time, and what comes back is a copy.

    Args:
        bundle: what to run.
        precision: "bfloat16", or "float16" on GPUs without it, or "float32".
        device: a CUDA device.

    Raises:
        EngineError: PyTorch has no such device.
    """

    def __init__(self, bundle: Bundle, *, precision: str = "bfloat16", device: torch.device | str = "cuda") -> None:
        device = torch.device(device)
        if device.type != "cuda" or not torch.cuda.is_available():
            raise EngineError(f"CUDA graphs need a GPU that PyTorch can use, and {device} is none; use device cuda.")
        super().__init__(bundle, precision=precision, device=device, backend=f"torch-cuda-graph-{precision}")
        self.batches = bundle.batches
        self._captures: dict[tuple[str, int], _Captured] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def _rungs(self, graph: str) -> Sequence[int] | None:
        return self.batches if graph in COMPILED else None

    def _run(self, graph: str, batch: int, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        if graph not in COMPILED:
            return self._eagerly(graph, inputs)
        with torch.cuda.device(self.device):
            if (graph, batch) not in self._captures:
                self._captures[graph, batch] = self._captured(graph, inputs)
            captured = self._captures[graph, batch]
            for name, buffer in captured.inputs.items():
                buffer.copy_(inputs[name])
            captured.graph.replay()
            return {name: buffer.clone() for name, buffer in captured.outputs.items()}

    def _captured(self, graph: str, inputs: dict[str, Tensor]) -> _Captured:
        buffers = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in inputs.items()}
        own = torch.cuda.CUDAGraph()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            with torch.cuda.stream(aside):
                for _ in range(_WARM_UP):
                    self._eagerly(graph, buffers)
            torch.cuda.current_stream().wait_stream(aside)
            with torch.cuda.graph(own, pool=self._pool):
                outputs = self._eagerly(graph, buffers)
        return _Captured(own, buffers, outputs)

    def close(self) -> None:
        super().close()
        self._captures.clear()
