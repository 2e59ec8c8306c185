"""What lies in a bundle's engine cache, and of what use it is: listed, verified, cleared."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from turncoat.export.bundle import Bundle
from turncoat.export.engine_cache import (
    SIDECAR,
    TEMPORARY,
    EngineRecord,
    Target,
    engines_folder,
    key_of,
    parts_of,
    read_record,
)
from turncoat.export.gpu import Gpu
from turncoat.export.tensorrt_flavour import FLAVOURS, TENSORRT_RTX
from turncoat.kernels import EngineError


class State(StrEnum):
    """What a thing in the cache is good for."""

    READY = "ready"
    ELSEWHERE = "elsewhere"
    OUTDATED = "outdated"
    DAMAGED = "damaged"
    LEFTOVER = "leftover"
    FOREIGN = "foreign"


WRONG = (State.OUTDATED, State.DAMAGED, State.FOREIGN)
"""States that are a "no" to "is everything here as it should be?"."""

PRUNED = (State.OUTDATED, State.DAMAGED, State.LEFTOVER)
"""States that pruning removes; what is foreign is somebody else's."""

_TIMING = re.compile(r"timing-[0-9a-f]+\.cache(\.lock)?")
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Inspected:
    """One entry of the cache.

    Attributes:
        path: the folder or file.
        state: see `State`.
        sentence: why.
        record: the engine, if its sidecar can be read.
        size: bytes of everything in it.
    """

    path: Path
    state: State
    sentence: str
    record: EngineRecord | None
    size: int


def inspect_engines(bundle: Bundle, gpu: Gpu | None, *, hashes: bool = True) -> list[Inspected]:
    """Every entry of the cache in order of graph and target; `gpu` is this machine's, None if it has none.

    hashes: read every plan and compare its hash, not only its size.
    """
    versions: dict[str, str | None] = {}
    for name, flavour in FLAVOURS.items():
        try:
            versions[name] = flavour.version
        except EngineError:
            versions[name] = None
    found = [_inspect(path, bundle, gpu, versions, hashes) for path in _entries(bundle)]
    order = list(bundle.graphs)

    def place(entry: Inspected) -> tuple[int, int, str]:
        if entry.record is None:
            return len(order) + 1, 0, entry.path.name
        graph, capability = entry.record.graph, "".join(filter(str.isdigit, entry.record.target.capability))
        return order.index(graph) if graph in order else len(order), int(capability or 0), entry.path.name

    return sorted(found, key=place)


def list_engines(bundle: Bundle) -> list[EngineRecord]:
    """The engines whose sidecars can be read, whatever they are good for."""
    records = [read_record(path) for path in _entries(bundle)]
    return [record for record in records if record is not None]


def prune_engines(bundle: Bundle, gpu: Gpu | None, *, dry_run: bool = False) -> list[Inspected]:
    """Remove what is outdated, damaged or left over from an interrupted build, and return it.

    An engine for another GPU stays, and so does one whose TensorRT is not installed here. dry_run: remove nothing.
    """
    found = [entry for entry in inspect_engines(bundle, gpu) if entry.state in PRUNED]
    for entry in found:
        if not dry_run:
            shutil.rmtree(entry.path) if entry.path.is_dir() else entry.path.unlink()
    return found


def _entries(bundle: Bundle) -> Iterator[Path]:
    folder = engines_folder(bundle)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not _TIMING.fullmatch(path.name):
            yield path


def _inspect(path: Path, bundle: Bundle, gpu: Gpu | None, versions: dict[str, str | None], hashes: bool) -> Inspected:
    record = read_record(path)
    state, sentence = _judge(path, record, bundle, gpu, versions, hashes)
    return Inspected(path, state, sentence, record, _size(path))


def _judge(
    path: Path,
    record: EngineRecord | None,
    bundle: Bundle,
    gpu: Gpu | None,
    versions: dict[str, str | None],
    hashes: bool,
) -> tuple[State, str]:
    if path.name.startswith(TEMPORARY):
        if _running(path.name):
            return State.ELSEWHERE, f"{path} is being built just now."
        return State.LEFTOVER, f"{path} is left from an interrupted build; prune removes it."
    if record is None:
        if path.is_dir() and _KEY.fullmatch(path.name):
            return State.DAMAGED, f"The engine {path} has no readable {SIDECAR}; prune removes it."
        return State.FOREIGN, f"{path} is no engine of turncoat; move it out of the cache."
    problem = record.damage(hashes=hashes)
    if problem is not None:
        return State.DAMAGED, problem
    return _use(record, bundle, gpu, versions)


def _use(record: EngineRecord, bundle: Bundle, gpu: Gpu | None, versions: dict[str, str | None]) -> tuple[State, str]:
    """Whether an engine that is whole is of use for this bundle on this machine."""
    what = f"The {record.graph} engine {record.key[:12]}"
    again = "prune removes it, and it will be built again"
    if record.graph not in bundle.graphs:
        return State.OUTDATED, f"{what} is of a graph that the bundle no longer has; prune removes it."
    flavour = FLAVOURS.get(record.flavour)
    expected = parts_of(bundle, record.graph, record.flavour, record.version, record.target)
    if flavour is None or key_of(expected) != record.key:
        differing = ", ".join(name for name, value in expected.items() if record.parts.get(name) != value)
        return State.OUTDATED, f"{what} was built from something else (another {differing}); {again}."
    installed = versions[record.flavour]
    if installed is None:
        return State.ELSEWHERE, f"{what} needs {flavour.title} {record.version}, which is not installed here."
    if installed != record.version:
        return State.OUTDATED, f"{what} was built with {flavour.title} {record.version}, here is {installed}; {again}."
    mismatch = foreign_target(record, gpu)
    if mismatch is not None:
        return State.ELSEWHERE, f"{what} {mismatch}."
    return State.READY, f"{what} runs here."


def foreign_target(record: EngineRecord, gpu: Gpu | None) -> str | None:
    """Why an engine was not built for this machine's GPU, as the end of a sentence; None if it was."""
    target = record.target
    if gpu is None:
        return f"is for {target.device}, and this machine has no NVIDIA GPU"
    if target.capability != gpu.capability:
        return f"is for {target.device}, this machine's {gpu.name} is {gpu.capability}"
    if record.flavour != TENSORRT_RTX.name and target != Target.of_gpu(gpu):
        return f"is for {target.device} with driver {target.driver}, here are {gpu.name} and {gpu.driver}"
    return None


def _running(name: str) -> bool:
    """Whether the process that is writing a temporary folder is still there."""
    try:
        os.kill(int(name.removeprefix(TEMPORARY).split("-")[0]), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
