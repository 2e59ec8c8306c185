"""One file of weights under all graphs of a bundle: safetensors, which ONNX reads as external data.

A safetensors file is a header and the bytes of its tensors one after the other, so a graph can point into it. Every
tensor is stored once, by content: the graphs of a ladder share everything, and a gradient graph adds to the forward
ones no more than the flipped weights of its convolutions.
"""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from turncoat.kernels import DataError, ExportError
from turncoat.kernels.files import readable_by_all

FILE = "weights.safetensors"
_INLINE = 1024  # bytes; engines want the constants of shapes and slices inside the graph


class WeightPool:
    """Tensors by name, each content once."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names: dict[bytes, str] = {}

    def add(self, tensor: Tensor, name: str | None = None) -> str:
        """Keep `tensor` and return the name it is found under; a name given here is kept even if the content is known.

        Raises:
            ExportError: it holds NaN or infinity.
        """
        tensor = tensor.detach().cpu().contiguous()
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ExportError(
                f"A constant of the network is NaN or infinite as {str(tensor.dtype).removeprefix('torch.')} "
                f"({name or 'inside a graph'}); export in fp32, or repair the weights."
            )
        key = hashlib.sha256(_bytes(tensor)).digest() + f"{tensor.dtype} {tuple(tensor.shape)}".encode()
        if name is None:
            name = self._names.get(key) or f"graph.{hashlib.sha256(key).hexdigest()[:16]}"
        self._names.setdefault(key, name)
        self.tensors[name] = tensor
        return name

    def take(self, model: Any) -> None:
        """Move the constants of an `onnx.ModelProto` into the pool, all but the smallest; the graph keeps names.

        Constants that differ by a transposition of two axes only are not told apart from a weight by its content, so
        a graph should transpose itself (see `export.trace`).
        """
        from onnx import numpy_helper

        for tensor in model.graph.initializer:
            if len(tensor.raw_data) < _INLINE:
                continue
            array = numpy_helper.to_array(tensor)
            name = self.add(torch.from_numpy(array.copy()))
            tensor.ClearField("raw_data")
            tensor.data_location = tensor.EXTERNAL
            del tensor.external_data[:]
            tensor.external_data.add(key="location", value=FILE)
            tensor.external_data.add(key="name", value=name)

    def write(self, folder: Path, header: dict[str, str]) -> dict[str, tuple[int, int]]:
        """Write the file; where each tensor lies in it: name -> (offset, length) in bytes."""
        save_file(self.tensors, folder / FILE, metadata=header)
        readable_by_all(folder / FILE)
        return positions(folder / FILE)


def point(model: Any, where: dict[str, tuple[int, int]]) -> None:
    """Write into a graph where the tensors that it names lie."""
    for tensor in model.graph.initializer:
        if tensor.data_location != tensor.EXTERNAL:
            continue
        name = next(entry.value for entry in tensor.external_data if entry.key == "name")
        offset, length = where[name]
        del tensor.external_data[:]
        for key, value in (("location", FILE), ("offset", str(offset)), ("length", str(length))):
            tensor.external_data.add(key=key, value=value)


def positions(path: Path) -> dict[str, tuple[int, int]]:
    """Where the tensors of a safetensors file lie: name -> (offset, length) in bytes from the file's beginning.

    Raises:
        DataError: the file is truncated or something else.
    """
    try:
        with open(path, "rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(size))
    except (OSError, ValueError, struct.error) as error:
        raise DataError(f"{path} is not a safetensors file ({error}); export the bundle again.") from error
    begin = 8 + size
    return {
        name: (begin + entry["data_offsets"][0], entry["data_offsets"][1] - entry["data_offsets"][0])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _bytes(tensor: Tensor) -> bytes:
    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
