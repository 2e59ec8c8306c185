"""Which machine and which versions a number came from."""

import json
import os
import platform
from importlib import metadata
from typing import Any

from turncoat.kernels.files import content_hash

PACKAGES = ("turncoat", "torch", "numpy", "pyarrow", "onnxruntime", "tensorrt")


def versions(*more: str) -> dict[str, str]:
    """Versions of Python and of the packages that decide numbers, and of `more`; those not installed are left out."""
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, *more):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine(device: str = "cpu") -> dict[str, Any]:
    """Processor, usable cores, threads of torch and, for a CUDA device, the GPU. Names no host and no user."""
    import torch

    facts: dict[str, Any] = {
        "system": platform.system(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device,
    }
    if device.startswith("cuda") and torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name(torch.device(device))
    return facts


def fingerprint(*gpu: str) -> str:
    """Sixteen hexadecimal digits that change with the machine or with the packages that compute on it.

    What was measured or verified under one fingerprint holds for no other. Threads, and how many cores this process may
    use, are no part of it: they differ from run to run on one machine (taskset, containers, batch systems).

    gpu: what tells the machine's GPU from others (name, capability, driver), if it has one.
    """
    facts = {name: value for name, value in machine().items() if name not in ("threads", "cores")}
    if gpu:
        facts["gpu"] = list(gpu)
    engines = versions("onnx", "tensorrt_rtx", "tensorrt_rtx_cu13", "onnxruntime-gpu")
    return content_hash(json.dumps([facts, engines], sort_keys=True).encode())[:16]


def _processor() -> str:
    """Model name of the processor, where the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
