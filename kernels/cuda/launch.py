"""Launching kernels on torch's memory and torch's stream, by CuPy."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.kernels.cuda.compile import OPTIONS, Kernel

Argument = Tensor | np.generic | None
"""A tensor's address; a number of exactly the parameter's type, e.g. `np.int32(3)`; None for a null pointer."""
Launcher = Callable[[Kernel, tuple[int, int, int], int, Sequence[Argument]], None]


def launch(kernel: Kernel, *, grid: tuple[int, int, int], block: int, arguments: Sequence[Argument]) -> None:
    """Run a kernel; returns before it is done, as everything on torch's current stream does.

    Args:
        kernel: which, for which types.
        grid: blocks along x, y, z; with none of them nothing is launched.
        block: threads of a block, along x.
        arguments: in the order of the kernel's parameters. Tensors must be contiguous and of the types that it names.

    Raises:
        ValueError: a tensor is not contiguous.
    """
    for place, argument in enumerate(arguments):
        if isinstance(argument, Tensor) and not argument.is_contiguous():
            raise ValueError(
                f"Argument {place} of {kernel.name}, {tuple(argument.shape)} with strides {argument.stride()}, is not "
                "contiguous; kernels expect contiguous tensors: call .contiguous() first."
            )
    if min(grid) > 0:
        _launcher.get()(kernel, grid, block, arguments)


def available(tensor: Tensor) -> bool:
    """Whether kernels can run on this tensor: it lies on a GPU and CuPy works, or a test supplies a launcher."""
    return _launcher.get() is not _by_cupy or (tensor.is_cuda and not why_not())


@cache
def why_not() -> str:
    """Why kernels cannot run on this machine's GPU; empty where they can."""
    if not torch.cuda.is_available():
        return "PyTorch sees no GPU"
    try:
        import cupy
    except ImportError as error:
        return f"CuPy is not here ({error}); pip install cupy-cuda12x or cupy-cuda13x, as CUDA is"
    try:
        if not cupy.cuda.is_available():
            return "CuPy sees no GPU"
    except Exception as error:  # whatever a driver says
        return f"CuPy cannot use the GPU: {error}"
    return ""


@contextmanager
def use_launcher(launcher: Launcher) -> Iterator[None]:
    """Inside, kernels are run by `launcher`, whatever their tensors lie on."""
    token = _launcher.set(launcher)
    try:
        yield
    finally:
        _launcher.reset(token)


def _by_cupy(kernel: Kernel, grid: tuple[int, int, int], block: int, arguments: Sequence[Argument]) -> None:
    import cupy

    index = next(argument.device.index for argument in arguments if isinstance(argument, Tensor))
    with cupy.cuda.Device(index), cupy.cuda.ExternalStream(torch.cuda.current_stream(index).cuda_stream):
        values = tuple(
            argument.data_ptr() if isinstance(argument, Tensor) else 0 if argument is None else argument
            for argument in arguments
        )
        _function(kernel, index)(grid, (block, 1, 1), values)


@cache
def _function(kernel: Kernel, device: int) -> Any:
    return _module(kernel.code, device).get_function(kernel.name)


@cache
def _module(code: str, device: int) -> Any:
    """A compiled source on a device; compiled once a process, kept on disk by CuPy."""
    import cupy

    return cupy.RawModule(code=code, options=OPTIONS, backend="nvrtc")


_launcher: ContextVar[Launcher] = ContextVar("launcher", default=_by_cupy)
