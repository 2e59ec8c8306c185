"""Where and how precisely something is computed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from turncoat.kernels.errors import ConfigError


def find_device(wanted: str) -> torch.device:
    """The torch device of that name; "auto" is a GPU where there is one.

    Raises:
        ConfigError: torch knows no such device, or this machine has none.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device is {wanted!r}: {str(error).splitlines()[0]}; choose cpu, or cuda where there is a GPU."
        ) from error
    return device


def choose_precision(wanted: str, device: torch.device) -> str:
    """ "float32" or "bfloat16"; "auto" is bfloat16 where the processor multiplies it in hardware."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    probes = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return "bfloat16" if any(probe is not None and probe() for probe in probes) else "float32"


@contextmanager
def exact_float32() -> Iterator[None]:
    """Inside, float32 is float32 on a GPU too: by default its convolutions round to ten bits of mantissa.

    Also a decorator. Layers in reduced precision (autocast) are not touched, and nothing changes on a processor.
    """
    backends: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = False
        yield
    finally:
        for backend, allowed in zip(backends, before, strict=True):
            backend.allow_tf32 = allowed
