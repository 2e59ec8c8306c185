"""Which GPU is here, asked of a driver's library that only pretends."""

import ctypes
from typing import Any

import pytest

from turncoat.export import gpu
from turncoat.export.gpu import Gpu, find_gpu


class Driver:
    """libcuda with two GPUs, as ctypes calls it."""

    names = (b"NVIDIA GeForce RTX 5090", b"NVIDIA H200")
    capabilities = ({75: 12, 76: 0}, {75: 9, 76: 0})

    def __init__(self, refuses: int = 0) -> None:
        self.refuses = refuses

    def cuInit(self, flags: int) -> int:
        return self.refuses

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = len(self.names)
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:
        device._obj.value = 100 + index
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: ctypes.c_int) -> int:
        name.value = self.names[device.value - 100]
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: ctypes.c_int) -> int:
        value._obj.value = self.capabilities[device.value - 100][attribute]
        return 0

    def cuDriverGetVersion(self, version: Any) -> int:
        version._obj.value = 13010
        return 0


@pytest.fixture(autouse=True)
def kernel_module(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "_KERNEL_MODULE", tmp_path / "version")
    return tmp_path / "version"


def test_a_gpu_has_a_name_a_capability_and_a_driver(kernel_module):
    assert find_gpu(library=Driver()) == Gpu("NVIDIA GeForce RTX 5090", "sm120", "CUDA 13.1")
    kernel_module.write_text("580.82.07\n")
    assert find_gpu(1, library=Driver()) == Gpu("NVIDIA H200", "sm90", "580.82.07")


def test_no_such_gpu_and_a_driver_without_any_are_none(monkeypatch):
    assert find_gpu(2, library=Driver()) is None
    assert find_gpu(library=Driver(refuses=100)) is None  # CUDA_ERROR_NO_DEVICE

    def missing(name: str) -> None:
        raise OSError("libcuda.so.1: cannot open shared object file")

    monkeypatch.setattr(gpu.ctypes, "CDLL", missing)
    assert find_gpu() is None
