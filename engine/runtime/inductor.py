"""Graphs of a network as machine code for this processor: PyTorch's compiler, ahead of time, kept on disk.

The attack step is traced with its gradient (`export.trace`), so the compiler sees forward and backward as one function
whose weights are constants: it lays them out for each convolution once (flipped ones for the gradients included), and
fuses everything between the convolutions. What it makes is a package that loads in a tenth of a second; making it takes
half a minute a graph, so packages are kept by what they were made from.
"""

import json
import logging
import os
import platform
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from turncoat.export import decompositions
from turncoat.export.trace import trace
from turncoat.kernels import EngineError
from turncoat.kernels.files import atomic_path, content_hash
from turncoat.kernels.version import VERSION

SUFFIX = ".pt2"
_TRIAL = "#include <omp.h>\n#include <vector>\nint main() { return omp_get_max_threads() < 0; }\n"
_SOURCES = (
    *("kernels/resample", "kernels/composite", "training/networks"),
    *(f"export/{name}.py" for name in ("attack_step", "decompositions", "fold", "graphs", "trace")),
    *(f"engine/runtime/{name}.py" for name in ("inductor", "reduced")),
)


def compiler_problem() -> str | None:
    """Why no C++ compiler works here, in words; None if one does. It is tried, not only looked for."""
    return _compiler_problem(os.environ.get("CXX", ""), os.environ.get("PATH", ""))


@cache
def _compiler_problem(named: str, path: str) -> str | None:
    names = [name for name in (named, "g++", "clang++", "c++") if name]
    compiler = next((name for name in names if shutil.which(name)), None)
    if compiler is None:
        return "there is no C++ compiler (g++ or clang++)"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "trial.cpp"
        source.write_text(_TRIAL)
        command = [compiler, "-fopenmp", str(source), "-o", str(Path(folder) / "trial")]
        try:
            trial = subprocess.run(command, capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"the C++ compiler {compiler} does not run ({error})"
    if trial.returncode:
        return f"the C++ compiler {compiler} fails on a small program ({trial.stderr.strip()[:100]})"
    return None


def package_key(parts: dict[str, Any]) -> str:
    """What a package is found by: `parts` (graph, weights, batch, ...), this processor, PyTorch and turncoat's code."""
    facts = parts | {"torch": torch.__version__, "turncoat": VERSION, "code": _code(), "processor": _instructions()}
    return content_hash(json.dumps(facts, sort_keys=True).encode())[:32]


def compile_graph(function: Callable[..., Any], arguments: Sequence[Tensor], package: Path, threads: int) -> None:
    """Write the package of a function for tensors of these shapes, contiguous.

    Args:
        function: tensors to tensors, a gradient inside it included; its weights are frozen.
        arguments: examples.
        package: path of the package; it appears once it is whole, and one process makes it while others wait.
        threads: that it will run with.

    Raises:
        EngineError: the compiler fails, or the package cannot be written.
    """
    from filelock import FileLock

    try:
        package.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{package}.lock"), _quiet():
            if package.is_file():
                return
            with torch.enable_grad():
                module = trace(function, arguments, _table())
            with torch.no_grad(), atomic_path(package) as path:
                program = torch.export.export(module, tuple(arguments), strict=False)
                torch._inductor.aoti_compile_and_package(
                    program, package_path=str(path), inductor_configs={"freezing": True, "cpp.threads": threads}
                )
    except Exception as error:  # a compiler may raise anything
        reason = " ".join(str(error).split())[:160]
        raise EngineError(f"PyTorch's compiler failed ({type(error).__name__}: {reason}).") from error


def load_package(package: Path) -> Callable[..., tuple[Tensor, ...]]:
    """A compiled function. It takes contiguous tensors of the shapes it was made for, and does not check them.

    Raises:
        EngineError: the package is damaged.
    """
    try:
        with _quiet():
            run = torch._inductor.aoti_load_package(str(package))
    except Exception as error:
        raise EngineError(f"{package} is damaged ({' '.join(str(error).split())[:120]}); delete it.") from error

    def call(*arguments: Tensor) -> tuple[Tensor, ...]:
        found = run(*arguments)
        return (found,) if isinstance(found, Tensor) else tuple(found)

    return call


def _table() -> dict[Any, Callable[..., Any]]:
    """Gradients as operators that the compiler lays out in advance or fuses; the rest stays as PyTorch has it."""
    aten = torch.ops.aten
    return {
        aten.convolution_backward.default: decompositions.convolution_backward,
        aten._adaptive_avg_pool2d_backward.default: decompositions.adaptive_average_pool_backward,
        aten.avg_pool2d_backward.default: decompositions.average_pool_backward,
    }


@cache
def _code() -> str:
    """A hash over the sources that decide what is compiled: a change of turncoat makes new packages."""
    root = Path(__file__).resolve().parents[2]
    found = [root / name for name in _SOURCES]
    files = [file for path in found for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    return content_hash("".join(map(content_hash, files)).encode())


@cache
def _instructions() -> str:
    """What the processor can do: code for one does not run on another."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith(("flags", "Features")):
                    return content_hash(line.encode())
    except OSError:
        pass
    return f"{platform.machine()} {platform.processor()} {torch.backends.cpu.get_cpu_capability()}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the compiler's notes to its authors."""
    logger = logging.getLogger("torch._inductor")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
