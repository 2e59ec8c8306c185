"""The backends by name: what each needs, and how it is opened."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from turncoat.engine.runtime import inductor, onnxruntime
from turncoat.engine.runtime.compiled import CompiledSession
from turncoat.engine.runtime.cuda_graph import CudaGraphSession
from turncoat.engine.runtime.onnxruntime import OnnxRuntimeSession
from turncoat.engine.runtime.session import Session
from turncoat.engine.runtime.source import Unexported
from turncoat.engine.runtime.torch_session import TorchSession
from turncoat.export.bundle import Bundle
from turncoat.kernels.device import choose_precision, find_device

Progress = Callable[..., None]

_WEIGHTS = "these are weights, not a bundle; run `turncoat export` first"
_SLOW_HALF = "this processor multiplies bfloat16 no faster than float32"


@dataclass(frozen=True)
class Wanted:
    """How a session is to run.

    Attributes:
        device: where its tensors lie.
        threads: of CPU backends; None: as many as PyTorch uses now.
        folder: where compiled graphs are kept.
        progress: called while something is built or compiled, ``progress(done, total, graph=name)``.
    """

    device: torch.device
    threads: int | None
    folder: Path
    progress: Progress | None = None


@dataclass(frozen=True)
class Backend:
    """One backend.

    Attributes:
        open: opens a session.
        problem: why it cannot run there, in words; None: it can.
        pointless: why nobody would want it there; it runs all the same if it is asked for by name.
    """

    name: str
    open: Callable[[Bundle, Wanted], Session]
    problem: Callable[[Bundle, torch.device], str | None]
    pointless: Callable[[torch.device], str | None] = lambda device: None


def backends() -> dict[str, Backend]:
    """All backends by name, plain ones first."""
    found = [
        Backend("torch-float32", _torch("float32"), _anywhere),
        Backend("torch-bfloat16", _torch("bfloat16"), _anywhere, _half_is_slow),
        Backend("torch-compiled-float32", _compiled("float32"), _on_cpu, _compiling(_half_is_fast)),
        Backend("torch-compiled-bfloat16", _compiled("bfloat16"), _on_cpu, _compiling(_half_is_slow)),
        Backend("torch-cuda-graph-bfloat16", _cuda_graph, _on_gpu),
        Backend("onnxruntime-cpu", _onnxruntime, _onnxruntime_on("cpu")),
        Backend("onnxruntime-cuda", _onnxruntime, _onnxruntime_on("cuda")),
        Backend("tensorrt", _tensorrt("tensorrt"), _tensorrt_problem("tensorrt")),
        Backend("tensorrt-rtx", _tensorrt("tensorrt-rtx"), _tensorrt_problem("tensorrt-rtx")),
    ]
    return {backend.name: backend for backend in found}


def available_backends(bundle: Bundle | None = None, device: str = "auto") -> dict[str, str]:
    """Every backend by name, with the reason why it is not used here in a few words; "" where it can be.

    bundle: what would run; None: an exported bundle.
    device: as in `open_session`.
    """
    place = find_device(device)
    asked_for_cpu = device == "cpu"
    found = {}
    for name, backend in backends().items():
        reason = backend.problem(bundle or _ANY, place) or backend.pointless(place)
        if asked_for_cpu and name.startswith("tensorrt"):
            reason = "it needs a GPU, and the CPU was asked for"
        found[name] = (reason or "").rstrip(".")
    return found


_ANY = Bundle(Path(), {})


def _torch(precision: str) -> Callable[[Bundle, Wanted], Session]:
    return lambda bundle, wanted: TorchSession(bundle, precision=precision, device=wanted.device)


def _compiled(precision: str) -> Callable[[Bundle, Wanted], Session]:
    return lambda bundle, wanted: CompiledSession(
        bundle, precision=precision, threads=wanted.threads, folder=wanted.folder, progress=wanted.progress
    )


def _cuda_graph(bundle: Bundle, wanted: Wanted) -> Session:
    return CudaGraphSession(bundle, device=wanted.device)


def _onnxruntime(bundle: Bundle, wanted: Wanted) -> Session:
    return OnnxRuntimeSession(bundle, device=wanted.device, threads=wanted.threads)


def _tensorrt(flavour: str) -> Callable[[Bundle, Wanted], Session]:
    def opened(bundle: Bundle, wanted: Wanted) -> Session:
        from turncoat.engine.runtime.tensorrt import TensorRTSession

        return TensorRTSession(bundle, flavour, index=wanted.device.index or 0, progress=wanted.progress)

    return opened


def _anywhere(bundle: Bundle, device: torch.device) -> str | None:
    return None


def _on_cpu(bundle: Bundle, device: torch.device) -> str | None:
    return None if device.type == "cpu" else "it runs on the CPU, and a GPU was asked for"


def _on_gpu(bundle: Bundle, device: torch.device) -> str | None:
    return None if device.type == "cuda" else "it needs a GPU that PyTorch can use, and runs on no CPU"


def _compiling(pointless: Callable[[torch.device], str | None]) -> Callable[[torch.device], str | None]:
    """Without a compiler it still runs, eagerly: that is another backend."""
    return lambda device: pointless(device) or inductor.compiler_problem()


def _half_is_fast(device: torch.device) -> str | None:
    return "bfloat16 is faster on this processor" if choose_precision("auto", device) == "bfloat16" else None


def _half_is_slow(device: torch.device) -> str | None:
    return None if choose_precision("auto", device) == "bfloat16" else _SLOW_HALF


def _onnxruntime_on(kind: str) -> Callable[[Bundle, torch.device], str | None]:
    def problem(bundle: Bundle, device: torch.device) -> str | None:
        if isinstance(bundle, Unexported):
            return _WEIGHTS
        elsewhere = _on_cpu(bundle, device) if kind == "cpu" else _on_gpu(bundle, device)
        return elsewhere or onnxruntime.why_not(kind)

    return problem


def _tensorrt_problem(flavour: str) -> Callable[[Bundle, torch.device], str | None]:
    def problem(bundle: Bundle, device: torch.device) -> str | None:
        if isinstance(bundle, Unexported):
            return _WEIGHTS
        from turncoat.engine.runtime.tensorrt import why_not

        return why_not(flavour, device.index or 0)

    return problem
