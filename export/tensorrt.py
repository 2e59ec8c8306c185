"""From a bundle's graphs to TensorRT engines, built once and kept in its cache (`export.engine_cache`).

TensorRT-RTX builds for every GPU it knows on a machine without any; TensorRT builds for the GPU it runs on. Precision
is in the graph: networks are strongly typed, which newer versions always are, and float32 is never rounded to TF32.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from turncoat.export.bundle import Bundle, open_bundle
from turncoat.export.engine_cache import EngineRecord, Target, engines_folder, find_engine, profile_of, store_engine
from turncoat.export.gpu import Gpu, find_gpu
from turncoat.export.tensorrt_flavour import TENSORRT_RTX, Flavour, flavour_of, log_of, polygraphy
from turncoat.kernels import ConfigError, EngineError, ExportError
from turncoat.kernels.files import content_hash
from turncoat.kernels.machine import versions

Progress = Callable[..., None]

_REPORT_EVERY = 0.2  # seconds between two reports from inside a build


def build_engines(
    bundle: Bundle,
    flavour: str,
    capabilities: Sequence[str] | None = None,
    graphs: Sequence[str] | None = None,
    *,
    progress: Progress | None = None,
    gpu: Gpu | None = None,
) -> list[EngineRecord]:
    """Build engines of a bundle's graphs; those that are in its cache already are not built again.

    Args:
        bundle: an opened bundle; its files are checked before anything is built.
        flavour: "tensorrt" or "tensorrt-rtx".
        capabilities: what to build for ahead of time, e.g. ["sm89", "sm120"] (TensorRT-RTX alone); None: this
            machine's GPU.
        graphs: names of graphs, e.g. ["predict", "attack-b8"]; None: all.
        progress: called as ``progress(done, total, engine=name, step=what)``; `done` counts engines.
        gpu: this machine's, if known already.

    Returns:
        the engines, for every capability every graph.

    Raises:
        ConfigError: an unknown flavour or capability, or the bundle cannot be written.
        DataError: the bundle is damaged or has no such graph.
        EngineError: the flavour is not installed, or there is no GPU to build for.
        ExportError: a graph cannot be built; the engines finished before stay, nothing half-written does.
    """
    kind = flavour_of(flavour)
    version = kind.version
    targets = targets_of(flavour, capabilities, gpu)
    names = list(bundle.graphs if graphs is None else graphs)
    for name in names:
        bundle.path(name)
    wanted = [(target, name) for target in targets for name in names]
    records = {key: find_engine(bundle, key[1], flavour, version, key[0]) for key in wanted}
    missing = [key for key in wanted if records[key] is None]
    if missing:
        bundle = open_bundle(bundle.folder)  # an engine is found by hashes in bundle.json, so they have to be true
    for done, (target, name) in enumerate(missing):
        report = _Report(progress, done, len(missing), f"{name} {target.capability}")
        report("parsing")
        begin = time.perf_counter()
        plan = _build(bundle, name, kind, target, report)
        records[target, name] = store_engine(
            bundle,
            name,
            flavour,
            version,
            target,
            plan,
            build_seconds=round(time.perf_counter() - begin, 2),
            versions=versions(kind.module, "polygraphy"),
        )
    if progress is not None and missing:
        progress(len(missing), len(missing), engine="all", step="done")
    return [record for record in records.values() if record is not None]


def targets_of(flavour: str, capabilities: Sequence[str] | None = None, gpu: Gpu | None = None) -> list[Target]:
    """What `build_engines` would build for with the same arguments, and the same errors: ask before long work."""
    kind = flavour_of(flavour)
    kind.api()
    if capabilities is None:
        return [target_here(kind, gpu)]
    if kind is not TENSORRT_RTX:
        raise ConfigError(
            f"{kind.title} builds for the GPU of the machine it runs on, not for {', '.join(capabilities)}; "
            "build with tensorrt-rtx, or on the machine that will run it."
        )
    if not capabilities:
        raise ConfigError(f"Name at least one GPU to build for; {kind.title} knows {', '.join(kind.capabilities())}.")
    return [Target.of_capability(name) for name in dict.fromkeys(map(kind.capability, capabilities))]


def target_here(kind: Flavour, gpu: Gpu | None = None) -> Target:
    """What an engine for this machine is built for; EngineError if there is no GPU that the flavour knows."""
    gpu = find_gpu() if gpu is None else gpu
    if gpu is None:
        advice = "; name what to build for, e.g. sm89" if kind is TENSORRT_RTX else " and builds for the one it runs on"
        raise EngineError(f"{kind.title} found no NVIDIA GPU in this machine{advice}.")
    if kind is not TENSORRT_RTX:
        return Target.of_gpu(gpu)
    known = kind.capabilities()
    if gpu.capability not in known:
        raise EngineError(
            f"{kind.title} {kind.version} does not run on {gpu.name} ({gpu.capability}), only on {', '.join(known)}; "
            "use the tensorrt backend."
        )
    return Target.of_capability(gpu.capability)


@dataclass
class _Report:
    """Passes on what a build is doing, now and then."""

    progress: Progress | None
    done: int
    total: int
    engine: str
    last: float = 0.0

    def __call__(self, step: str) -> None:
        now = time.monotonic()
        if self.progress is not None and now - self.last >= _REPORT_EVERY:
            self.last = now
            self.progress(self.done, self.total, engine=self.engine, step=step)


def _build(bundle: Bundle, graph: str, kind: Flavour, target: Target, report: _Report) -> Any:
    api, log = kind.api(), log_of(kind)
    log.problems()
    monitor = _monitor(api, report)
    settings: dict[str, Any] = {"progress_monitor": monitor}
    timing = None
    if kind is TENSORRT_RTX:
        settings["compute_capabilities"] = [(int(target.capability[2:-1]), int(target.capability[-1]))]
    else:  # TensorRT-RTX times nothing when it builds, so it has nothing to remember
        timing = _timing_cache(bundle, kind, target)
        settings["load_timing_cache"] = timing
    # Networks are always strongly typed in TensorRT 11 and TensorRT-RTX; where there is still a choice, it is made.
    typed = hasattr(api.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")
    with polygraphy(kind) as tools:
        profile = _profile(tools, bundle, graph)
        if profile is not None:
            settings["profiles"] = [profile]
        config = tools.trt.PostprocessConfig(
            tools.create_config(**settings), lambda _builder, _network, made: made.clear_flag(api.BuilderFlag.TF32)
        )
        network = tools.trt.NetworkFromOnnxPath(str(bundle.path(graph)), strongly_typed=typed)
        try:
            plan = tools.trt.EngineBytesFromNetwork(network, config, save_timing_cache=timing)()
        except (tools.PolygraphyException, RuntimeError) as error:
            if monitor.stopped_by is not None:
                raise monitor.stopped_by from None
            why = (log.problems() or str(error)).rstrip(".")
            raise ExportError(
                f"{kind.title} {kind.version} cannot build the graph {graph} for {target.capability}: {why}."
            ) from error
    if monitor.stopped_by is not None:
        raise monitor.stopped_by
    return plan


def _profile(tools: Any, bundle: Bundle, graph: str) -> Any:
    """Polygraphy's profile for a graph with a free batch."""
    batches = profile_of(bundle, graph)
    if batches is None:
        return None
    profile = tools.trt.Profile()
    for value in bundle.graphs[graph]["inputs"]:
        sizes = [[batch if isinstance(size, str) else size for size in value["shape"]] for batch in batches]
        profile.add(value["name"], min=sizes[0], opt=sizes[1], max=sizes[2])
    return profile


def _timing_cache(bundle: Bundle, kind: Flavour, target: Target) -> str:
    """Where the builder keeps how fast each kernel was on this GPU under this version."""
    folder = engines_folder(bundle)
    folder.mkdir(exist_ok=True)
    name = content_hash("\n".join((kind.name, kind.version, target.device, target.driver)).encode())[:16]
    return str(folder / f"timing-{name}.cache")


def _monitor(api: Any, report: _Report) -> Any:
    """TensorRT's progress as ours. An exception must not cross into TensorRT: it is kept, and the build is ended."""

    class Monitor(api.IProgressMonitor):
        def __init__(self) -> None:
            api.IProgressMonitor.__init__(self)
            self.stopped_by: BaseException | None = None
            self.steps: dict[str, int] = {}

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self.steps[phase] = steps
            self._tell(phase)

        def phase_finish(self, phase: str) -> None:
            self.steps.pop(phase, None)

        def step_complete(self, phase: str, step: int) -> bool:
            self._tell(f"{phase} {step + 1}/{self.steps.get(phase, '?')}")
            return self.stopped_by is None

        def _tell(self, step: str) -> None:
            if self.stopped_by is None:
                try:
                    report(step)
                except BaseException as error:  # Ctrl-C arrives here
                    self.stopped_by = error

    return Monitor()
