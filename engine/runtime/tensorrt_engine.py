"""One engine, loaded: static buffers and an execution context for every batch size it is asked for.

A captured graph is bound to its context, its shapes and its addresses, so each batch size has its own of all three.
TensorRT-RTX captures by itself (it swaps in specialised kernels later, which a foreign capture would keep out:
pytorch/TensorRT#4187); for TensorRT the work is captured after a first run, which settles what depends on shapes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from turncoat.engine.runtime.device import Device
from turncoat.export.engine_cache import RUNTIME_CACHE, EngineRecord
from turncoat.export.tensorrt_flavour import Flavour, flavour_of, log_of
from turncoat.kernels import EngineError, TurncoatError
from turncoat.kernels.files import atomic_path


class LoadedEngine:
    """A plan that TensorRT has read.

    Args:
        record: the engine in the cache; its plan is compared with its hash.
        description: the graph as bundle.json describes it.
        device: where it runs.
        captured: replay captured work where that is possible.
        api, log: TensorRT's module and logger; by default the flavour's.

    Raises:
        DataError: the plan is not the one that was built.
        EngineError: TensorRT does not take it, or it has other inputs or outputs than the graph.
    """

    def __init__(
        self,
        record: EngineRecord,
        description: Mapping[str, Any],
        device: Device,
        *,
        captured: bool = True,
        api: Any = None,
        log: Any = None,
    ) -> None:
        self.record, self.device = record, device
        self.inputs = {value["name"]: value for value in description["inputs"]}
        self.outputs = {value["name"]: value for value in description["outputs"]}
        flavour = flavour_of(record.flavour)
        self._api = flavour.api() if api is None else api
        self._log = log_of(flavour) if log is None else log
        self._captured = captured
        self._executions: dict[int, _Execution] = {}
        self._cache: Any = None
        self._cached = b""
        plan = record.read()
        with device.work():
            self._runtime = self._api.Runtime(self._log)
            self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineError(_refused(record, flavour, self._log.problems()))
        self._check()

    def run(self, batch: int, values: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
        """Run `batch` samples and return the first `count` of every output, float32, at the device's home.

        values: for every input its whole batch.

        Raises:
            EngineError: TensorRT fails.
        """
        with self.device.work():
            if batch not in self._executions:
                self._executions[batch] = _Execution(self, batch)
            return self._executions[batch].run(values, count)

    def close(self) -> None:
        """Give memory back, and keep what TensorRT-RTX compiled for the next time."""
        if self._engine is None:
            return
        with self.device.work():
            self.device.synchronize()
            if self._cache is not None:
                compiled = bytes(self._cache.serialize())
                if compiled != self._cached:
                    self._keep(compiled)
            self._executions.clear()
            self._cache = self._engine = self._runtime = None

    def failure(self, what: str) -> EngineError:
        """An error with TensorRT's own words behind ours."""
        said = self._log.problems()
        return EngineError(f"The {self.record.graph} engine {what}{f': {said}' if said else ''}.")

    def context(self) -> Any:
        """A new execution context; one that captures by itself where the flavour can."""
        if not hasattr(self._api, "CudaGraphStrategy"):
            context = self._engine.create_execution_context()
        else:
            config = self._engine.create_runtime_config()
            if self._captured:
                config.cuda_graph_strategy = self._api.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
            # Shapes never change here, so kernels for them are worth waiting for.
            strategy = self._api.DynamicShapesKernelSpecializationStrategy.EAGER
            config.dynamic_shapes_kernel_specialization_strategy = strategy
            config.set_runtime_cache(self._compiled(config))
            context = self._engine.create_execution_context(runtime_config=config)
        if context is None:
            raise self.failure("has no room for its working memory")
        return context

    @property
    def captures(self) -> bool:
        """Whether the device is to record the work, TensorRT not doing it itself."""
        return self._captured and self.device.captures and not hasattr(self._api, "CudaGraphStrategy")

    def dtype(self, name: str) -> np.dtype[Any]:
        """The type of an input or output, as NumPy's."""
        return np.dtype(self._api.nptype(self._engine.get_tensor_dtype(name)))

    def _check(self) -> None:
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        taken = {name for name in names if self._engine.get_tensor_mode(name) == self._api.TensorIOMode.INPUT}
        if taken != set(self.inputs) or set(names) - taken != set(self.outputs):
            raise EngineError(
                f"The {self.record.graph} engine takes {_list(taken)} and gives {_list(set(names) - taken)}, the graph "
                f"takes {_list(self.inputs)} and gives {_list(self.outputs)}; remove the engine and build it again."
            )

    def _compiled(self, config: Any) -> Any:
        """TensorRT-RTX's kernels from an earlier run; it refuses those of another GPU, driver or version itself."""
        if self._cache is None:
            self._cache = config.create_runtime_cache()
            try:
                self._cached = (self.record.folder / RUNTIME_CACHE).read_bytes()
            except OSError:
                return self._cache
            if not self._cache.deserialize(self._cached):
                self._log.problems()
        return self._cache

    def _keep(self, compiled: bytes) -> None:
        try:
            with atomic_path(self.record.folder / RUNTIME_CACHE) as path:
                path.write_bytes(compiled)
        except (OSError, TurncoatError):
            pass  # a bundle that cannot be written still runs, it only starts more slowly


class _Execution:
    """Fixed shapes, buffers and context for one batch size."""

    def __init__(self, engine: LoadedEngine, batch: int) -> None:
        self.engine, self.device = engine, engine.device
        self.context = engine.context()
        self.buffers: dict[str, Any] = {}
        for name, value in (engine.inputs | engine.outputs).items():
            shape = tuple(batch if isinstance(size, str) else size for size in value["shape"])
            if name in engine.inputs and not self.context.set_input_shape(name, shape):
                raise engine.failure(f"does not take {name} of shape {shape}")
            made = tuple(self.context.get_tensor_shape(name))
            if made != shape:
                raise engine.failure(f"gives {name} of shape {made} where the graph gives {shape}")
            buffer = self.device.empty(shape, engine.dtype(name))
            if not self.context.set_tensor_address(name, self.device.address(buffer)):
                raise engine.failure(f"does not take memory for {name}")
            self.buffers[name] = buffer
        self.again: Callable[[], None] | None = None

    def run(self, values: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
        for name in self.engine.inputs:
            self.device.fill(self.buffers[name], values[name])
        if self.again is None:
            self.launch()
            if self.engine.captures:
                self.device.synchronize()
                self.again = self.device.capture(self.launch)
            else:
                self.again = self.launch
        else:
            self.again()
        return {name: self.device.read(self.buffers[name], count).float() for name in self.engine.outputs}

    def launch(self) -> None:
        if not self.context.execute_async_v3(self.device.stream):
            raise self.engine.failure("failed while running")


def _refused(record: EngineRecord, flavour: Flavour, said: str) -> str:
    return (
        f"{flavour.title} {flavour.version} does not take the {record.graph} engine {record.key[:12]}, built by "
        f"{record.version} for {record.target.device}{f' ({said})' if said else ''}; build it again on this machine."
    )


def _list(names: Any) -> str:
    return ", ".join(sorted(names)) or "nothing"
