"""TensorRT in a process whose PyTorch has no CUDA, through PyCUDA: pinned memory on the host, copies on a stream.

PyCUDA has no captured graphs, so work is launched anew each time (TensorRT-RTX captures by itself).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.runtime.device import Device


class _Buffer(NamedTuple):
    memory: Any  # pycuda.driver.DeviceAllocation
    host: np.ndarray  # pinned, of the buffer's shape


class PycudaDevice(Device):
    """Memory and streams of PyCUDA, in the context that the CUDA runtime (and so TensorRT) uses."""

    captures = False

    def __init__(self, index: int = 0) -> None:
        import pycuda.driver as cuda

        self._cuda = cuda
        cuda.init()
        self.home = torch.device("cpu")
        self._context = cuda.Device(index).retain_primary_context()
        with self.work():
            self._stream = cuda.Stream()
        self.stream = self._stream.handle

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> _Buffer:
        with self.work():
            host = self._cuda.pagelocked_empty(shape, dtype)
            host[...] = 0
            memory = self._cuda.mem_alloc(max(host.nbytes, 1))
            self._cuda.memcpy_htod(memory, host)
        return _Buffer(memory, host)

    def address(self, buffer: _Buffer) -> int:
        return int(buffer.memory)

    def fill(self, buffer: _Buffer, values: Tensor) -> None:
        self._stream.synchronize()  # an earlier copy may still be reading the pinned memory
        buffer.host[...] = values.numpy()
        self._cuda.memcpy_htod_async(buffer.memory, buffer.host, self._stream)

    def read(self, buffer: _Buffer, count: int) -> Tensor:
        self._cuda.memcpy_dtoh_async(buffer.host, buffer.memory, self._stream)
        self._stream.synchronize()
        return torch.from_numpy(buffer.host[:count].copy())

    def synchronize(self) -> None:
        self._stream.synchronize()

    @contextmanager
    def work(self) -> Iterator[None]:
        self._context.push()
        try:
            yield
        finally:
            self._context.pop()

    def close(self) -> None:
        self._context.detach()
