"""The thin layer under TensorRT: memory at fixed addresses, one stream, captured work. From PyTorch or from CuPy.

Without a GPU nothing here runs; `tests/fixtures/pretended_tensorrt.py` has a device of the same face on the CPU.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.kernels import EngineError


class Device(ABC):
    """Where engines run. A buffer is whatever the layer makes of memory; its address never changes.

    Attributes:
        home: where the caller's tensors lie; results come back there.
        stream: handle of the stream that all work goes to, as TensorRT takes it.
        captures: whether it can record work as a CUDA graph.
    """

    home: torch.device
    stream: int
    captures: bool = True

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """A buffer."""

    @abstractmethod
    def address(self, buffer: Any) -> int:
        """Where a buffer begins, on the GPU."""

    @abstractmethod
    def fill(self, buffer: Any, values: Tensor) -> None:
        """Copy into a buffer, in stream order."""

    @abstractmethod
    def read(self, buffer: Any, count: int) -> Tensor:
        """A copy of the first `count` entries of a buffer, at `home`; whoever reads it next finds it complete."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until all work is done."""

    def capture(self, launch: Callable[[], None]) -> Callable[[], None]:
        """Record what `launch` puts on the stream; returns what repeats it. Only where `captures` says so."""
        raise NotImplementedError

    @contextmanager
    def work(self) -> Iterator[None]:
        """Around fill, launch and read: after what the caller has queued, before what it queues next."""
        yield

    def close(self) -> None:  # noqa: B027 (most have nothing to do)
        """Give back what is not freed by itself."""


class TorchDevice(Device):
    """Memory and streams of PyTorch. Tensors stay on the GPU."""

    def __init__(self, index: int = 0) -> None:
        self.home = torch.device("cuda", index)
        self._stream = torch.cuda.Stream(self.home)
        self._caller = torch.cuda.current_stream(self.home)
        self.stream = self._stream.cuda_stream

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
        return torch.zeros(shape, dtype=torch.from_numpy(np.empty(0, dtype)).dtype, device=self.home)

    def address(self, buffer: Tensor) -> int:
        return buffer.data_ptr()

    def fill(self, buffer: Tensor, values: Tensor) -> None:
        buffer.copy_(values, non_blocking=True)

    def read(self, buffer: Tensor, count: int) -> Tensor:
        copy = buffer[:count].clone()
        copy.record_stream(self._caller)
        return copy

    def synchronize(self) -> None:
        self._stream.synchronize()

    def capture(self, launch: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            launch()
        return graph.replay

    @contextmanager
    def work(self) -> Iterator[None]:
        self._caller = torch.cuda.current_stream(self.home)
        self._stream.wait_stream(self._caller)
        with torch.cuda.stream(self._stream):
            yield
        self._caller.wait_stream(self._stream)


class CupyDevice(Device):
    """Memory and streams of CuPy, for a PyTorch without CUDA: tensors come from the host and go back there."""

    def __init__(self, index: int = 0) -> None:
        import cupy

        self._cupy = cupy
        self._device = cupy.cuda.Device(index)
        self.home = torch.device("cpu")
        with self._device:
            self._stream = cupy.cuda.Stream(non_blocking=True)
        self.stream = self._stream.ptr

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        with self._device:
            return self._cupy.zeros(shape, dtype)

    def address(self, buffer: Any) -> int:
        return buffer.data.ptr

    def fill(self, buffer: Any, values: Tensor) -> None:
        buffer.set(np.ascontiguousarray(values.numpy()), stream=self._stream)

    def read(self, buffer: Any, count: int) -> Tensor:
        return torch.from_numpy(buffer[:count].get(stream=self._stream, blocking=True))

    def synchronize(self) -> None:
        self._stream.synchronize()

    def capture(self, launch: Callable[[], None]) -> Callable[[], None]:
        with self._device, self._stream:
            self._stream.begin_capture()
            try:
                launch()
            finally:
                graph = self._stream.end_capture()
        return lambda: graph.launch(self._stream)

    @contextmanager
    def work(self) -> Iterator[None]:
        with self._device, self._stream:
            yield


def open_device(index: int = 0) -> Device:
    """The first layer that works here: PyTorch's CUDA, CuPy, PyCUDA.

    Raises:
        EngineError: none of them does.
    """
    if torch.cuda.is_available():
        return TorchDevice(index)
    tried = []
    for name in ("cupy", "pycuda"):
        try:
            if name == "cupy":
                return CupyDevice(index)
            from turncoat.engine.runtime.pycuda_device import PycudaDevice

            return PycudaDevice(index)
        except ModuleNotFoundError:
            tried.append(f"{name} is not installed")
        except Exception as error:  # a driver that is too old, no device: each library has its own exception
            tried.append(f"{name} fails ({' '.join(str(error).split())[:120]})")
    raise EngineError(
        f"Nothing here reserves memory on a GPU: this PyTorch has no CUDA, {', '.join(tried)}; "
        "install PyTorch with CUDA, or pip install 'turncoat[gpu]'."
    )
