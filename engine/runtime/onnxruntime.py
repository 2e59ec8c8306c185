"""A bundle on ONNX Runtime, on the CPU or on a GPU."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.runtime.graph_session import SHARED, GraphSession
from turncoat.export.bundle import Bundle
from turncoat.kernels import DataError, EngineError

PRECISIONS = {"fp32": "float32", "fp16": "float16"}
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_SILENT = 4  # log level: what goes wrong comes back as an exception, and is said in one sentence
_FALLBACK = "fallback to CPU EP has been explicitly disabled"


def import_onnxruntime() -> ModuleType:
    """The package; EngineError says how to get it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineError(
            f"ONNX Runtime cannot be imported ({error}); install one of `pip install 'turncoat[cpu]'` and "
            "`pip install 'turncoat[gpu]'`."
        ) from error
    return onnxruntime


def why_not(device: str) -> str | None:
    """Why ONNX Runtime cannot run on "cpu" or "cuda" here, in words; None if it can."""
    try:
        package = import_onnxruntime()
    except EngineError as error:
        return str(error)
    if _PROVIDERS[device] not in package.get_available_providers():
        return "this ONNX Runtime has no CUDA; install `turncoat[gpu]` in an environment without onnxruntime"
    if device == "cuda" and not torch.cuda.is_available():
        return "there is no GPU that PyTorch can use, and its memory is what ONNX Runtime is given"
    return None


class OnnxRuntimeSession(GraphSession):
    """See `Session`: the bundle's graphs, each loaded when it is first used, in the bundle's precision.

    Tensors are handed over by address, without copies: on the CPU the caller's own memory and fresh outputs, on a GPU
    buffers that stay where they are. On a GPU every graph runs at the ladder's sizes, so that what computes shapes
    disappears when a graph is loaded; a node that is left over for the CPU is an error.

    Args:
        bundle: what to run.
        device: "cpu" or a CUDA device.
        threads: on the CPU; None: as many as PyTorch uses now.

    Raises:
        EngineError: ONNX Runtime is missing or cannot use the device; from the verbs: a node does not run there.
        DataError: from the verbs: a graph's file is damaged, or is not the graph that the bundle describes.
    """

    def __init__(self, bundle: Bundle, *, device: torch.device | str = "cpu", threads: int | None = None) -> None:
        device = torch.device(device)
        problem = why_not(device.type)
        if problem is not None:
            raise EngineError(f"ONNX Runtime cannot run on {device.type}: {problem.rstrip('.')}.")
        super().__init__(bundle, f"onnxruntime-{device.type}", PRECISIONS[bundle.precision], device)
        self.batches = bundle.batches
        self._package = import_onnxruntime()
        if device.type == "cuda" and hasattr(self._package, "preload_dlls"):
            self._package.preload_dlls()  # the CUDA libraries that came with PyTorch
        self._threads = torch.get_num_threads() if threads is None else threads
        self._sessions: dict[tuple[str, int | None], Any] = {}
        self._buffers: dict[tuple[str, int], _Buffers] = {}
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def _rungs(self, graph: str) -> Sequence[int] | None:
        if self.device.type == "cuda":
            return self.batches
        return self.bundle.rungs(graph) or None

    def _run(self, graph: str, batch: int, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        if self._stream is not None:
            return self._run_on_gpu(graph, batch, inputs)
        session = self._session(graph, batch)
        values = {name: tensor.contiguous() for name, tensor in inputs.items()}
        outputs = {name: torch.empty(shape) for name, shape in self._output_shapes(graph, batch).items()}
        self._bound(session, values, outputs)
        return outputs

    def _run_on_gpu(self, graph: str, batch: int, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Copy in, run on the session's own stream, copy out; nobody waits on the host."""
        assert self._stream is not None
        with torch.cuda.device(self.device):
            session = self._session(graph, batch)
            if (graph, batch) not in self._buffers:
                self._buffers[graph, batch] = _Buffers(
                    {name: torch.empty_like(t, memory_format=torch.contiguous_format) for name, t in inputs.items()},
                    {n: torch.empty(s, device=self.device) for n, s in self._output_shapes(graph, batch).items()},
                )
            buffers = self._buffers[graph, batch]
            for name, buffer in buffers.inputs.items():
                buffer.copy_(inputs[name])
            self._stream.wait_stream(torch.cuda.current_stream())
            self._bound(session, buffers.inputs, buffers.outputs)
            torch.cuda.current_stream().wait_stream(self._stream)
            return {name: buffer.clone() for name, buffer in buffers.outputs.items()}

    def _bound(self, session: Any, inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> None:
        """Run on memory that is there already."""
        where = self.device.type, self.device.index or 0
        binding = session.io_binding()
        for name, tensor in inputs.items():
            binding.bind_input(name, *where, np.float32, tuple(tensor.shape), tensor.data_ptr())
        for name, tensor in outputs.items():
            binding.bind_output(name, *where, np.float32, tuple(tensor.shape), tensor.data_ptr())
        options = self._package.RunOptions()
        if self._stream is not None:
            options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        try:
            session.run_with_iobinding(binding, options)
        except Exception as error:  # its exceptions share no base
            raise EngineError(f"ONNX Runtime failed while running ({_first(error)}).") from error

    def _session(self, graph: str, batch: int) -> Any:
        """The loaded graph: one a rung for a ladder; on a GPU one a rung for every graph."""
        rung = batch if self.bundle.rungs(graph) or self._stream is not None else None
        if (graph, rung) not in self._sessions:
            name = f"{graph}-b{batch}" if self.bundle.rungs(graph) else graph
            self._sessions[graph, rung] = self._loaded(name, rung)
        return self._sessions[graph, rung]

    def _loaded(self, name: str, rung: int | None) -> Any:
        path = self.bundle.path(name)
        options = self._package.SessionOptions()
        options.log_severity_level = _SILENT
        options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        provider: Any = _PROVIDERS[self.device.type]
        if self._stream is not None:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
            options.add_free_dimension_override_by_name("batch", rung)
            facts = {"device_id": self.device.index or 0, "user_compute_stream": str(self._stream.cuda_stream)}
            provider = (provider, facts | {"use_tf32": "0"})
        try:
            session = self._package.InferenceSession(str(path), options, providers=[provider])
        except Exception as error:
            raise self._explained(error, path) from error
        session.disable_fallback()
        if session.get_providers()[0] != _PROVIDERS[self.device.type]:
            raise EngineError(
                f"ONNX Runtime did not put {path.name} on {self.device.type} but on {session.get_providers()[0]}; its "
                "CUDA libraries do not load, see `turncoat doctor`."
            )
        self._check_names(session, name, path)
        return session

    def _explained(self, error: Exception, path: Path) -> Exception:
        if _FALLBACK in str(error):
            return EngineError(
                f"ONNX Runtime would run parts of {path.name} on the CPU instead of {self.device.type}, slower than "
                "either alone; use another backend, see `turncoat doctor`."
            )
        if not path.is_file():
            return DataError(f"The bundle lacks its file {path}; copy it completely or export it again.")
        return DataError(f"{path} is no graph that ONNX Runtime reads ({_first(error)}); export the network again.")

    def _check_names(self, session: Any, name: str, path: Path) -> None:
        """DataError if a file holds another graph than the bundle says."""
        described = self.bundle.graphs[name]
        for kind, values in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
            wanted = [value["name"] for value in described[kind]]
            found = [value.name for value in values]
            if found != wanted:
                raise DataError(
                    f"{path} is another graph than the bundle describes: its {kind} are {', '.join(found)}, expected "
                    f"{', '.join(wanted)}; export the network again."
                )

    def _output_shapes(self, graph: str, batch: int) -> dict[str, tuple[int, ...]]:
        name = f"{graph}-b{batch}" if self.bundle.rungs(graph) else graph
        return {
            value["name"]: (batch, *value["shape"][1:]) if value["name"] not in SHARED else tuple(value["shape"])
            for value in self.bundle.graphs[name]["outputs"]
        }

    def close(self) -> None:
        super().close()
        self._sessions.clear()
        self._buffers.clear()


@dataclass
class _Buffers:
    """What one graph reads and writes on a GPU, at addresses that stay."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


def _first(error: Exception) -> str:
    """The first line of what ONNX Runtime says, without its prefix."""
    text = " ".join(str(error).split())
    return text.rpartition(" : ")[2][:160] or type(error).__name__
