"""From a `.cu` file and its types to machine code, on machines without a GPU too (NVRTC)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from turncoat.kernels.errors import EngineError

FOLDERS = [Path(__file__).resolve().parents[1]]
"""Where sources are looked for, at any depth."""
_HERE = Path(__file__).resolve().parent
OPTIONS = ("--std=c++17",)
_INCLUDE = re.compile(r'^#include "([\w.]+\.cuh)"\s*$', re.MULTILINE)
_ONCE = "#pragma once\n"
_TYPES = '#include "types"'


@dataclass(frozen=True)
class Kernel:
    """One function of one source, for the types it is compiled for.

    Attributes:
        source: name of the file without `.cu`, e.g. "composite".
        name: of the function, `extern "C" __global__`.
        types: what the names of the source stand for, e.g. {"Real": "float"}.
    """

    source: str
    name: str
    types: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The whole source: includes put in, and in place of `#include "types"` what its types stand for."""
        return _with_types(self.source, tuple(sorted(self.types.items())))

    def __hash__(self) -> int:
        return hash((self.source, self.name, tuple(sorted(self.types.items()))))


@dataclass(frozen=True)
class Resources:
    """What one compiled kernel asks of a GPU, as the assembler reports it.

    Attributes:
        registers: of a thread.
        stack: bytes of local memory of a thread.
        spilled: bytes of registers that did not fit, stored and loaded.
        shared: bytes of shared memory of a block.
    """

    registers: int
    stack: int
    spilled: int
    shared: int


@dataclass(frozen=True)
class Compiled:
    """Machine code of a source, and the resources of each of its kernels by name."""

    code: bytes
    resources: Mapping[str, Resources]


@cache
def source_of(name: str) -> str:
    """Text of `kernels/**/NAME.cu` with the files that it includes put in its place.

    Raises:
        EngineError: there is no such source, or one that it includes is missing.
    """
    found = sorted(path for folder in FOLDERS for path in folder.rglob(f"{name}.cu"))
    if len(found) != 1:
        raise EngineError(f"There are {len(found)} CUDA sources called {name}.cu in turncoat; expected one.")

    def insert(match: re.Match[str]) -> str:
        for folder in (found[0].parent, _HERE):
            if (folder / match[1]).is_file():
                return (folder / match[1]).read_text(encoding="utf-8").replace(_ONCE, "")
        raise EngineError(f"{found[0].name} includes {match[1]!r}, which lies neither beside it nor in kernels/cuda.")

    return _INCLUDE.sub(insert, found[0].read_text(encoding="utf-8"))


@cache
def _with_types(source: str, types: tuple[tuple[str, str], ...]) -> str:
    lines = [f"typedef {text} {name};" for name, text in types]
    return source_of(source).replace(_TYPES, "\n".join(lines))


def compile_cubin(kernel: Kernel, architecture: str) -> Compiled:
    """Machine code of a kernel's source for one GPU generation, e.g. "sm_90"; needs no GPU.

    Raises:
        EngineError: cuda-bindings or nvidia-cuda-nvrtc is missing, or the source does not compile (with the compiler's
            words).
    """
    try:
        from cuda.bindings import nvrtc
    except ImportError as error:
        raise EngineError("NVRTC is not here: pip install cuda-bindings nvidia-cuda-nvrtc.") from error

    def call(function: Any, *arguments: Any) -> Any:
        status, *rest = function(*arguments)
        if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise EngineError(f"NVRTC answered {status} to {function.__name__}.")
        return rest[0] if rest else None

    program = call(nvrtc.nvrtcCreateProgram, kernel.code.encode(), f"{kernel.source}.cu".encode(), 0, [], [])
    options = [option.encode() for option in (*OPTIONS, f"-arch={architecture}", "--ptxas-options=-v")]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    log = bytes(call(nvrtc.nvrtcGetProgramLogSize, program))
    call(nvrtc.nvrtcGetProgramLog, program, log)
    words = log.decode(errors="replace").rstrip("\0")
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise EngineError(f"{kernel.source}.cu does not compile for {architecture}:\n{words}")
    code = bytes(call(nvrtc.nvrtcGetCUBINSize, program))
    call(nvrtc.nvrtcGetCUBIN, program, code)
    call(nvrtc.nvrtcDestroyProgram, program)
    return Compiled(code, read_resources(words))


def read_resources(log: str) -> dict[str, Resources]:
    """Resources by kernel from the words of the assembler (`ptxas -v`)."""
    found = {}
    for part in re.split(r"Compiling entry function '", log)[1:]:

        def number(pattern: str, part: str = part) -> int:
            return sum(int(match) for match in re.findall(pattern, part))

        found[part.split("'", 1)[0]] = Resources(
            registers=number(r"Used (\d+) registers"),
            stack=number(r"(\d+) bytes stack frame"),
            spilled=number(r"(\d+) bytes spill"),
            shared=number(r"(\d+) bytes smem"),
        )
    return found
