"""Which NVIDIA GPU this machine has, asked of the driver itself: no framework is imported and no context is made."""

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
_KERNEL_MODULE = Path("/sys/module/nvidia/version")


@dataclass(frozen=True)
class Gpu:
    """A GPU, as far as an engine depends on it.

    Attributes:
        name: e.g. "NVIDIA H200".
        capability: "sm90".
        driver: the kernel module's version ("580.82.07"), or the CUDA version that the driver knows ("CUDA 13.0").
    """

    name: str
    capability: str
    driver: str


def find_gpu(index: int = 0, *, library: Any = None) -> Gpu | None:
    """The GPU of this number (CUDA_VISIBLE_DEVICES counts); None if there is no driver or no such GPU.

    library: the driver's library, opened; by default libcuda.
    """
    if library is None:
        try:
            library = ctypes.CDLL("libcuda.so.1")
        except OSError:
            return None
    if library.cuInit(0) != 0:
        return None
    device, count = ctypes.c_int(), ctypes.c_int()
    if library.cuDeviceGetCount(ctypes.byref(count)) != 0 or not 0 <= index < count.value:
        return None
    if library.cuDeviceGet(ctypes.byref(device), index) != 0:
        return None
    name = ctypes.create_string_buffer(128)
    library.cuDeviceGetName(name, len(name), device)
    parts = []
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int()
        library.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        parts.append(value.value)
    return Gpu(name.value.decode(errors="replace"), f"sm{parts[0]}{parts[1]}", _driver(library))


def _driver(library: Any) -> str:
    try:
        return _KERNEL_MODULE.read_text(encoding="utf-8").strip()
    except OSError:
        version = ctypes.c_int()
        library.cuDriverGetVersion(ctypes.byref(version))
        return f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"
