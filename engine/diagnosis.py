"""What of turncoat's surroundings is installed and works: every piece is tried, not only looked for."""

import importlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

from turncoat.kernels.version import VERSION

# State and the colour it is shown in.
STATES = {"works": "green", "missing": "yellow", "conflict": "red", "broken": "red"}


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


class Conflict(Exception):
    """Raised by a trial whose pieces cannot work beside each other; says which, and what to do."""


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
    except Conflict as error:
        state, found = "conflict", str(error)
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


def _export() -> str:
    found = [_package(module, module, "cpu")() for module in ("onnx", "onnxscript")]
    return f"onnx {found[0]}, onnxscript {found[1]}"


def _onnxruntime() -> str:
    version = _package("onnxruntime", "onnxruntime", "cpu")()
    import onnxruntime

    if version == "version unknown":
        version = onnxruntime.__version__
    providers = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    cuda = "graphs, gradients included, on CPU and GPU" if "CUDA" in providers else "graphs, gradients included, on CPU"
    return f"{version}: {cuda}"


def _compiler() -> str:
    """torch.compile on a CPU writes C++ and needs somebody to translate it."""
    names = [os.environ.get("CXX", ""), "g++", "clang++", "c++"]
    compiler = next((name for name in names if name and shutil.which(name)), None)
    if compiler is None:
        raise Missing("no C++ compiler (g++ or clang++); reduced precision runs without compilation")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "trial.cpp"
        source.write_text("int main() { return 0; }\n")
        command = [compiler, str(source), "-o", str(Path(folder) / "trial")]
        trial = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if trial.returncode:
        raise RuntimeError(f"{compiler} fails: {trial.stderr.strip()[:120]}")
    return compiler


def _tensorrt(flavour: str, extra: str) -> Callable[[], str]:
    """A trial of one flavour of TensorRT, and what it can do on this machine."""

    def trial() -> str:
        version = _package(flavour.replace("-", "_"), flavour, extra)()
        try:
            polygraphy = installed_version("polygraphy")
        except PackageNotFoundError:
            raise Missing(f"{version}, but not Polygraphy, which builds engines: pip install polygraphy") from None
        import torch

        runs = "builds and runs engines" if torch.cuda.is_available() else "no GPU to run engines on"
        ahead = "; builds them ahead of time for other GPUs" if flavour == "tensorrt-rtx" else ""
        return f"{version} with Polygraphy {polygraphy}: {runs}{ahead}"

    return trial


def _versions() -> str:
    """What is installed side by side and gets in each other's way."""
    found = {}
    for name in ("onnxruntime", "onnxruntime-gpu", "tensorrt"):
        try:
            found[name] = installed_version(name)
        except PackageNotFoundError:
            continue
    if {"onnxruntime", "onnxruntime-gpu"} <= set(found):
        raise Conflict(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files; uninstall both, "
            "then install one of turncoat's extras, cpu or gpu"
        )
    if "onnxruntime-gpu" in found and int(found.get("tensorrt", "0").split(".")[0]) >= 11:
        return (
            f"onnxruntime-gpu {found['onnxruntime-gpu']}'s own TensorRT provider wants TensorRT 10 and does not load "
            f"beside {found['tensorrt']} (microsoft/onnxruntime#32278); turncoat uses TensorRT directly"
        )
    return "no two packages that get in each other's way"


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
    _Piece("C++ compiler", "compiled attack steps on the CPU", _compiler),
    _Piece("ONNX export", "turncoat export: bundles for inference engines", _export),
    _Piece("ONNX Runtime", "running exported bundles on CPU or GPU", _onnxruntime),
    _Piece("TensorRT", "the fastest engines on data-centre GPUs", _tensorrt("tensorrt", "gpu")),
    _Piece("TensorRT-RTX", "engines for GeForce RTX GPUs", _tensorrt("tensorrt-rtx", "tensorrt-rtx")),
    _Piece("versions", "packages that do not work beside each other", _versions),
    _Piece("CuPy", "hand-written CUDA kernels", _package("cupy", "cupy-cuda13x", "gpu")),
    _Piece("PyCUDA", "running engines without PyTorch's CUDA", _package("pycuda.driver", "pycuda", "pycuda")),
    _Piece("Ray", "a sweep over several machines", _package("ray", "ray", "ray")),
    _Piece("LiteRT", "attacks on .tflite networks", _package("ai_edge_litert", "ai-edge-litert", "tflite")),
    _Piece("Rerun", "poses and pictures in a 3D viewer", _package("rerun", "rerun-sdk", "viewer")),
)
