"""A bundle in PyTorch, compiled for this processor."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from turncoat.engine.runtime import inductor
from turncoat.engine.runtime.torch_session import TorchSession
from turncoat.export.bundle import Bundle
from turncoat.kernels import EngineError

COMPILED = ("predict", "decode", "attack", "target", "decode-vjp")
"""The graphs that attacks and evaluations run often; the others run once a sample, eagerly in the same precision."""

LONGEST = 32
"""On a processor a longer batch is no faster a sample, only slower to compile for."""
MOST_PIXELS = 1 << 20
"""Nor is one of more pixels: at 500 x 500, 4 frames at once take 62 ms each, 8 take 67, 32 take 72 (gradient)."""

_log = logging.getLogger("turncoat.runtime")


def rungs_of(batches: Sequence[int], frame_size: int) -> tuple[int, ...]:
    """The batch sizes to compile for frames of `frame_size` squared pixels, ascending.

    Those of the bundle that are not too long; where longer ones were left out, the longest power of two that is not.
    """
    longest = max(1, min(LONGEST, 1 << max(1, MOST_PIXELS // frame_size**2).bit_length() - 1))
    kept = {b for b in batches if b <= longest}
    return tuple(sorted(kept | ({longest} if len(kept) < len(batches) or not kept else set())))


class CompiledSession(TorchSession):
    """See `Session`: every graph that runs often is compiled for this processor on first use, once a batch size.

    Where no C++ compiler works, or PyTorch's compiler fails, everything runs eagerly in the same precision, and
    `remark` says so.

    Args:
        bundle: what to run.
        precision: "bfloat16", or "float32" for processors that multiply nothing faster.
        threads: that it runs with; None: as many as PyTorch uses now.
        folder: where compiled graphs are kept.
        progress: called as ``progress(0, 1, graph=name)`` before a graph is compiled and ``progress(1, 1, ...)`` after.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        precision: str = "bfloat16",
        threads: int | None = None,
        folder: Path,
        progress: Callable[..., None] | None = None,
    ) -> None:
        super().__init__(bundle, precision=precision, backend=f"torch-compiled-{precision}")
        self._threads = torch.get_num_threads() if threads is None else threads
        self._folder, self._progress = folder, progress
        self._runners: dict[tuple[str, int], Callable[..., tuple[Tensor, ...]]] = {}
        self.batches = rungs_of(bundle.batches, int(bundle.info["settings"]["frame_size"]))
        problem = inductor.compiler_problem()
        if problem is not None:
            self._give_up(problem)  # whoever opens the session reads its remark

    @property
    def compiles(self) -> bool:
        """Whether graphs are compiled; False: they run eagerly, and `remark` says why."""
        return self.batches is not None

    def prepare(self, graph: str, batch: int) -> None:
        """Compile or load a graph now, for a batch on the ladder."""
        if self.compiles:
            self._runner(graph, batch, self._example(graph, batch))

    def package(self, graph: str, batch: int) -> Path:
        """Where the compiled graph lies, or will."""
        parts = {
            "graph": graph,
            "batch": batch,
            "precision": self.precision,
            "threads": self._threads,
            "objective": self.bundle.objective,
            "settings": self.bundle.info["settings"],
            "weights": self._weights,
        }
        return self._folder / f"{graph}-b{batch}-{inductor.package_key(parts)}{inductor.SUFFIX}"

    @cached_property
    def _weights(self) -> str:
        """A hash over the weights as they are, whatever file they came from."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().float().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def _rungs(self, graph: str) -> Sequence[int] | None:
        return self.batches if graph in COMPILED else None

    def _run(self, graph: str, batch: int, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        if graph not in COMPILED or not self.compiles:
            return self._eagerly(graph, inputs)
        described = self._graphs[graph]
        arguments = [inputs[name].contiguous() for name in described.inputs]
        runner = self._runner(graph, batch, arguments)
        if runner is None:
            return self._eagerly(graph, inputs)
        return dict(zip(described.outputs, runner(*arguments), strict=True))

    def _runner(self, graph: str, batch: int, example: list[Tensor]) -> Any:
        key = graph, batch
        if key not in self._runners:
            package = self.package(graph, batch)
            try:
                if not package.is_file():
                    self._made(graph, batch, example, package)
                self._runners[key] = self._loaded(graph, batch, example, package)
            except EngineError as error:
                self._give_up(str(error).rstrip("."))
                _log.warning(self.remark)
                return None
        return self._runners[key]

    def _loaded(self, graph: str, batch: int, example: list[Tensor], package: Path) -> Any:
        try:
            return inductor.load_package(package)
        except EngineError:
            package.unlink(missing_ok=True)
            self._made(graph, batch, example, package)
            return inductor.load_package(package)

    def _made(self, graph: str, batch: int, example: list[Tensor], package: Path) -> None:
        name = f"{graph}-b{batch}"
        if self._progress is not None:
            self._progress(0, 1, graph=name)
        inductor.compile_graph(self._graphs[graph].function, example, package, self._threads)
        if self._progress is not None:
            self._progress(1, 1, graph=name)

    def _example(self, graph: str, batch: int) -> list[Tensor]:
        return [tensor.contiguous() for tensor in self._graphs[graph].example(batch)]

    def _give_up(self, reason: str) -> None:
        """Run eagerly from now on."""
        self.batches = None
        self.backend = f"torch-{self.precision}"
        self._runners.clear()
        self.remark = f"Graphs are not compiled, because {reason}; they run eagerly in {self.precision}."

    def close(self) -> None:
        super().close()
        self._runners.clear()
