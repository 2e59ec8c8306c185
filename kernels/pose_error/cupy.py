"""CuPy arrays are tensors under another name: the same memory goes to PyTorch and back (DLPack)."""

from typing import Any

import torch
from torch import Tensor


def is_cupy(array: Any) -> bool:
    """Whether this is a CuPy array; imports nothing to find out."""
    return type(array).__module__.split(".")[0] == "cupy"


def to_torch(array: Any) -> Tensor:
    """The tensor on a CuPy array's memory; PyTorch's current stream waits for CuPy's."""
    return torch.from_dlpack(array)


def from_torch(tensor: Tensor) -> Any:
    """The CuPy array on a tensor's memory; CuPy's current stream waits for PyTorch's."""
    import cupy

    return cupy.from_dlpack(tensor.detach())
