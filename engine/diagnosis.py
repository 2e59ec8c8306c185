"""What of turncoat's surroundings is installed and works: every piece is tried, not only looked for."""

import importlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

from turncoat.kernels.version import VERSION

# State and the colour it is shown in.
STATES = {"works": "green", "missing": "yellow", "broken": "red"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the table; `needed` marks what turncoat cannot do without."""

    piece: str
    state: str
    found: str
    gives: str
    needed: bool


class Missing(Exception):
    """Raised by a trial whose piece is not there (as opposed to there and failing); says how to get it."""


@dataclass(frozen=True)
class _Piece:
    name: str
    gives: str
    trial: Callable[[], str]
    needed: bool = False


def diagnose() -> list[Finding]:
    """Try every piece. Never raises: whatever a trial raises becomes its finding."""
    return [_try(piece) for piece in _PIECES]


def _try(piece: _Piece) -> Finding:
    try:
        state, found = "works", piece.trial()
    except Missing as error:
        state, found = "missing", str(error)
    except Exception as error:  # a broken driver or wheel may raise anything, and that is the finding
        state, found = "broken", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return Finding(piece=piece.name, state=state, found=found, gives=piece.gives, needed=piece.needed)


def _turncoat() -> str:
    return f"{VERSION}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def _torch() -> str:
    import torch

    torch.nn.functional.conv2d(torch.ones(1, 3, 8, 8), torch.ones(4, 3, 3, 3)).sum().item()
    return f"{torch.__version__}, {torch.get_num_threads()} threads"


def _bfloat16() -> str:
    import torch

    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        raise Missing("this processor multiplies bfloat16 no faster than float32; float32 is used")
    return f"yes ({torch.backends.cpu.get_cpu_capability()})"


def _cuda() -> str:
    import torch

    if not torch.cuda.is_available():
        raise Missing("no CUDA device that this PyTorch can use; everything runs on the CPU")
    torch.ones(8, device="cuda").sum().item()
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    return f"{torch.cuda.get_device_name(0)}, {memory:.0f} GiB, CUDA {torch.version.cuda}"


def _package(module: str, distribution: str, extra: str | None) -> Callable[[], str]:
    """A trial that imports `module` and names the version of its distribution."""

    def trial() -> str:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
                raise  # the package is there, one of its own needs is not
            raise Missing(
                f"pip install 'turncoat[{extra}]'" if extra else "reinstall turncoat: it is a base requirement"
            ) from error
        try:
            return installed_version(distribution)
        except PackageNotFoundError:
            return "version unknown"

    return trial


def _weights() -> str:
    from turncoat.training.checkpoint import load_network, shipped_weights

    names = sorted(shipped_weights())
    if not names:
        raise Missing("none in this installation; train some with 'turncoat train'")
    for name in names:
        load_network(name)
    return ", ".join(names)


def _temporary_folder() -> str:
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(1024))
        free = shutil.disk_usage(file.name).free / 2**30
    return f"{tempfile.gettempdir()}, {free:.1f} GiB free"


def _memory() -> str:
    text = Path("/proc/meminfo").read_text() if sys.platform == "linux" else ""
    available = next((line.split()[1] for line in text.splitlines() if line.startswith("MemAvailable")), None)
    memory = f"{int(available) / 2**20:.1f} GiB of memory available" if available else "memory unknown"
    return f"{os.cpu_count()} processors, {memory}"


_PIECES = (
    _Piece("turncoat", "this program", _turncoat, needed=True),
    _Piece("processors", "data loading and CPU attacks", _memory, needed=True),
    _Piece("temporary folder", "room for intermediate files", _temporary_folder, needed=True),
    _Piece("PyTorch", "networks, training, the reference attack", _torch, needed=True),
    _Piece("bfloat16", "faster training and attack steps on the CPU", _bfloat16),
    _Piece("CUDA", "training and attacks on an NVIDIA GPU", _cuda),
    _Piece("numba", "the studio renderer", _package("numba", "numba", None), needed=True),
    _Piece("pyarrow", "dataset indices and result tables", _package("pyarrow.parquet", "pyarrow", None), needed=True),
    _Piece("shipped weights", "attacking without training first", _weights),
    _Piece("TensorBoard", "curves and pictures of a training run", _package("tensorboard", "tensorboard", None)),
    _Piece("ONNX Runtime", "running exported bundles on CPU or GPU", _package("onnxruntime", "onnxruntime", "cpu")),
    _Piece("TensorRT", "the fastest engines on data-centre GPUs", _package("tensorrt", "tensorrt", "gpu")),
    _Piece("TensorRT-RTX", "engines for GeForce RTX GPUs", _package("tensorrt_rtx", "tensorrt-rtx", "tensorrt-rtx")),
    _Piece("CuPy", "hand-written CUDA kernels", _package("cupy", "cupy-cuda13x", "gpu")),
    _Piece("PyCUDA", "running engines without PyTorch's CUDA", _package("pycuda.driver", "pycuda", "pycuda")),
    _Piece("Ray", "a sweep over several machines", _package("ray", "ray", "ray")),
    _Piece("Rerun", "poses and pictures in a 3D viewer", _package("rerun", "rerun-sdk", "viewer")),
)
