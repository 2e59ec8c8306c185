"""The memory layers, on libraries that only pretend to have a GPU: what goes in comes out, and in which order."""

import contextlib
import sys
import types
from typing import Any

import numpy as np
import pytest
import torch

from turncoat.engine.runtime.device import CupyDevice, TorchDevice, open_device
from turncoat.engine.runtime.pycuda_device import PycudaDevice


@pytest.fixture
def pycuda(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """PyCUDA on the host: memory is an array, a stream does what it is given at once, and all of it is written down."""
    story: list[str] = []
    depth = [0]

    class Memory:
        def __init__(self, size: int) -> None:
            assert depth[0], "memory is reserved in a context"
            self.data = np.zeros(size, np.uint8)

        def __int__(self) -> int:
            return int(self.data.ctypes.data)

    class Context:
        def push(self) -> None:
            depth[0] += 1

        def pop(self) -> None:
            depth[0] -= 1

        def detach(self) -> None:
            story.append(f"detach at depth {depth[0]}")

    class Stream:
        handle = 4321

        def synchronize(self) -> None:
            story.append("synchronize")

    def to_device(memory: Memory, host: np.ndarray, stream: Stream | None = None) -> None:
        story.append("to device")
        memory.data[: host.nbytes] = np.frombuffer(host.tobytes(), np.uint8)

    def to_host(host: np.ndarray, memory: Memory, stream: Stream) -> None:
        story.append("to host")
        host[...] = memory.data[: host.nbytes].view(host.dtype).reshape(host.shape)

    driver: Any = types.ModuleType("pycuda.driver")
    driver.init = lambda: None
    driver.Device = lambda index: types.SimpleNamespace(retain_primary_context=Context)
    driver.Stream, driver.mem_alloc, driver.pagelocked_empty = Stream, Memory, np.empty
    driver.memcpy_htod = driver.memcpy_htod_async = to_device
    driver.memcpy_dtoh_async = to_host
    package: Any = types.ModuleType("pycuda")
    package.driver = driver
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    return story


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """CuPy on the host."""
    story: list[str] = []

    class Array(np.ndarray):
        @property
        def data(self) -> Any:
            return types.SimpleNamespace(ptr=self.__array_interface__["data"][0])

        def set(self, values: np.ndarray, stream: Any) -> None:
            story.append("set")
            self[...] = values

        def get(self, stream: Any, blocking: bool) -> np.ndarray:
            assert blocking
            story.append("get")
            return np.array(self)

    class Stream(contextlib.AbstractContextManager):
        ptr = 99

        def __init__(self, non_blocking: bool) -> None:
            assert non_blocking, "TensorRT synchronises the default stream"

        def __exit__(self, *error: object) -> None: ...

        def synchronize(self) -> None:
            story.append("synchronize")

        def begin_capture(self) -> None:
            story.append("begin")

        def end_capture(self) -> Any:
            story.append("end")
            return types.SimpleNamespace(launch=lambda stream: story.append(f"launch on {stream.ptr}"))

    class Device(contextlib.AbstractContextManager):
        def __init__(self, index: int) -> None: ...

        def __exit__(self, *error: object) -> None: ...

    module: Any = types.ModuleType("cupy")
    module.cuda = types.SimpleNamespace(Stream=Stream, Device=Device)
    module.zeros = lambda shape, dtype: np.zeros(shape, dtype).view(Array)
    monkeypatch.setitem(sys.modules, "cupy", module)
    return story


@pytest.mark.parametrize("library", ["pycuda", "cupy"])
def test_what_is_filled_in_is_read_back_from_the_same_address(library, request):
    story = request.getfixturevalue(library)
    device = PycudaDevice() if library == "pycuda" else CupyDevice()
    assert device.home == torch.device("cpu") and device.stream in (4321, 99)
    values = torch.arange(12.0).reshape(4, 3)
    with device.work():
        buffer, other = (device.empty((4, 3), np.dtype(np.float32)) for _ in range(2))
        address = device.address(buffer)
        device.fill(buffer, values.t().contiguous().t())  # not contiguous in memory
        device.fill(other, -values)
        assert torch.equal(device.read(buffer, 3), values[:3])
        assert torch.equal(device.read(other, 4), -values)
        assert device.address(buffer) == address != device.address(other)
        first = device.read(buffer, 4)
        device.fill(buffer, values + 1)
        assert torch.equal(first, values), "what was read is a copy"
    device.synchronize()
    assert story[-1] == "synchronize"


def test_pycuda_leaves_the_context_as_it_was(pycuda):
    device = PycudaDevice()
    assert not device.captures
    with pytest.raises(KeyError), device.work():
        raise KeyError
    device.close()
    assert pycuda[-1] == "detach at depth 0"


def test_cupy_captures_on_its_own_stream(cupy):
    device = CupyDevice()
    again = device.capture(lambda: cupy.append("work"))
    again()
    again()
    assert cupy == ["begin", "work", "end", "launch on 99", "launch on 99"]
    with pytest.raises(ZeroDivisionError):
        device.capture(lambda: 1 / 0)
    assert cupy[-1] == "end", "a stream is not left capturing"


def test_without_cuda_in_pytorch_cupy_comes_before_pycuda(cupy, pycuda, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert isinstance(open_device(), CupyDevice)
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert isinstance(open_device(), PycudaDevice)


@pytest.mark.gpu
def test_on_a_gpu_pytorch_keeps_the_order_of_the_caller_and_replays():
    device = TorchDevice()
    big = torch.randn(4096, 4096, device=device.home)
    with device.work():
        source = device.empty((4096, 4096), np.dtype(np.float32))
        target = device.empty((4096, 4096), np.dtype(np.float32))
        again = device.capture(lambda: target.copy_(source * 2))
    for step in range(5):
        values = big + step  # queued on the caller's stream, not waited for
        with device.work():
            device.fill(source, values)
            again()
            found = device.read(target, 10)
        assert torch.equal(found, (big[:10] + step) * 2)
