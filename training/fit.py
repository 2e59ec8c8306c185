"""The training loop: any method, any network, killed and resumed without a trace.

All randomness comes from (seed, step), the learning rate from the step alone, so what a run writes to disk is all
that it is: a resumed run equals an undisturbed one bit for bit on the same machine with the same number of threads.

    run/ run.json                   settings, dataset fingerprint, versions
         training.safetensors       network, its average, adversary, optimiser, step; replaced atomically
         network.safetensors        the averaged network, written at the end and with every checkpoint
         snapshots/images-*.safetensors   the averaged network along the way, to show trends
         log.jsonl  events...       the same numbers as lines of JSON and as TensorBoard scalars and pictures

Started by `torchrun`, several processes share every batch (`turncoat.training.distributed`); the first one writes.
"""

import ctypes
import json
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import Field
from torch import nn

from turncoat.kernels import ConfigError, DataError
from turncoat.kernels.device import choose_precision, find_device
from turncoat.kernels.files import check_output_folder, write_json
from turncoat.kernels.machine import machine
from turncoat.kernels.settings import Settings
from turncoat.kernels.version import VERSION
from turncoat.training import distributed
from turncoat.training.batches import Batches
from turncoat.training.checkpoint import find_weights, read_tensors
from turncoat.training.data import Dataset
from turncoat.training.methods import Loss, Method, build_method
from turncoat.training.methods.base import Fact, prepared
from turncoat.training.networks import NetworkSettings
from turncoat.training.recipes import build_settings, recipe
from turncoat.training.training_log import TrainingLog, summary
from turncoat.training.training_state import OptimiserSettings, TrainingState
from turncoat.training.watch import Watch

Progress = Callable[..., None]
PHASE = ("command", "dataset", "method_settings", "machine")
"""What a network remembers of each phase of its training, beside its images and seconds."""


class FitSettings(OptimiserSettings):
    """How a training run goes, beside `OptimiserSettings`. All defaults are [choice].

    threads: of the processor; another number gives other roundings, so resuming keeps it.
    log_every, pictures_every: steps between lines of the log and between picture grids.
    snapshot_images: images between averaged networks that are kept, to show trends.
    checkpoint_minutes: time between checkpoints.
    """

    threads: int = Field(2, ge=1)
    log_every: int = Field(100, ge=1)
    pictures_every: int = Field(2000, ge=1)
    snapshot_images: int = Field(200_000, ge=1)
    checkpoint_minutes: float = Field(5.0, gt=0)


class FitResult(NamedTuple):
    """What a run came to: whether it reached its last step, and how fast it went this time."""

    done: bool
    step: int
    images: int
    seconds: float
    images_per_s: float
    warnings: tuple[str, ...] = ()


def fit(
    dataset: Dataset,
    folder: str | Path,
    network_settings: NetworkSettings,
    settings: FitSettings | None = None,
    *,
    method: str = "nsd",
    method_overrides: dict[str, Any] | None = None,
    resume: bool = False,
    minutes: float | None = None,
    command: str | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> FitResult:
    """Train a network on the training split of `dataset`, writing into `folder`.

    settings: as they are; where None, those of the preset's recipe (`turncoat.training.recipes`).
    method_overrides: laid over the recipe's settings of the method.
    resume: go on from the folder's last checkpoint (start, if it has none); settings must be those it was begun with.
    minutes: stop with a checkpoint after this long, wherever training is; the schedule does not depend on it.
    device: a torch device, or "auto": a GPU where there is one.
    progress: called as ``progress(images, total, **facts)``, first when all that was given has been checked; a fact
        ``warning`` is a sentence about something that looks wrong (`turncoat.training.watch`).

    SIGTERM and Ctrl-C stop after the present step, with a checkpoint.

    Raises:
        ConfigError: the folder is not empty (or holds another run), or settings that do not fit.
        DataError: frames of another size than the network's, too little in the dataset for the method, or a loss that
            is not finite.
    """
    settings = settings or build_settings(FitSettings, recipe(method, network_settings.preset).fit)
    if dataset.size != network_settings.frame_size:
        raise DataError(
            f"The dataset's frames are {dataset.size} pixels wide and the network's {network_settings.frame_size}; "
            "choose another dataset or preset."
        )
    place = find_device(device)
    if settings.precision == "float32":  # by default torch's convolutions on a GPU round to ten bits of mantissa
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    _prepare_memory()
    torch.set_num_threads(settings.threads)
    joined = distributed.begin(place)
    try:
        if distributed.active() and place.type == "cuda":
            place = torch.device("cuda", distributed.rank() % torch.cuda.device_count())
            torch.cuda.set_device(place)
        folder = check_output_folder(folder, resume or distributed.rank() > 0)
        settings = settings.model_copy(update={"precision": _precision(settings, place, folder, resume)})
        learner = build_method(method, recipe(method, network_settings.preset).method, method_overrides or {})
        network_settings = network_settings.model_copy(update={"paints": learner.paints})
        rows = dataset.select(split="train")
        learner.check_batch(settings.batch)
        sampler = learner.sampler(dataset, rows, settings.batch, settings.seed)  # refuses what it cannot draw from
        models = {"method_settings": learner.settings, "network": network_settings, "fit": settings}
        facts: dict[str, Any] = {
            "format": 1,
            "kind": "training",
            "method": method,
            **{name: model.model_dump(mode="json") for name, model in models.items()},
            "dataset": {key: dataset.info.get(key) for key in ("name", "recipe", "preset", "fingerprint")},
        }
        begun = resume and (folder / "run.json").exists()
        if begun:
            _check_same(folder, facts, models)
        state = TrainingState.fresh(network_settings, settings, learner, dataset, rows, place)
        checkpoint = folder / "training.safetensors"
        if resume and checkpoint.exists():
            state.load(checkpoint)
        else:
            state.initialise(settings.init, method, settings.imagenet)
        earlier = earlier_phases(settings.init)
        if not begun and not distributed.rank():
            about = {"command": command, "version": VERSION, "torch": torch.__version__}
            write_json(folder / "run.json", facts | about)
        facts |= {"command": command, "machine": machine(str(place)) | {"processes": distributed.world()}}
        facts |= {"phases": earlier}
        if distributed.active():
            distributed.synchronise_norms(state.network)
        with Batches(learner, dataset, sampler, settings, place) as batches:
            result = _run(state, learner, batches, settings, folder, facts, minutes, progress)
        distributed.wait()
        return result
    finally:
        if joined:
            distributed.end()


class _Step(nn.Module):
    """A method's loss as a module, which is what DistributedDataParallel wraps."""

    def __init__(self, method: Method, state: TrainingState) -> None:
        super().__init__()
        self.method, self.network, self.adversary = method, state.network, state.adversary

    def forward(self, batch: Any, draw: Any, progress: float) -> Loss:
        return self.method.loss(self.network, batch, draw, progress)


def _run(
    state: TrainingState,
    learner: Method,
    batches: Batches,
    settings: FitSettings,
    folder: Path,
    facts: dict[str, Any],
    minutes: float | None,
    progress: Progress | None,
) -> FitResult:
    """The loop itself, from the state's step to the last."""
    chief, total, first = distributed.rank() == 0, settings.steps * settings.batch, state.step
    step_of: Any = _Step(learner, state).train()
    if distributed.active():
        step_of = distributed.parallel(step_of)
    examples = prepared(batches.examples(), batches.device)
    started = time.monotonic()
    saved_at, logged_at, logged_step, counted_at = started, started, state.step, started
    sums: dict[str, list[Fact]] = defaultdict(lambda: [0.0, 0.0])
    healthy = torch.ones((), dtype=torch.bool, device=batches.device)
    watch = Watch(state.network.settings)

    def check() -> None:
        if not bool(healthy):
            raise DataError(
                f"The loss or its gradient is not finite at step {state.step}; the last checkpoint is from before. "
                "Start again at a lower learning rate."
            )

    def save() -> None:
        nonlocal counted_at
        check()
        now = time.monotonic()
        state.seconds, counted_at = state.seconds + now - counted_at, now
        if chief:
            state.save(folder / "training.safetensors")

    def export(path: Path) -> None:
        if chief:
            images = state.step * settings.batch
            before = facts["phases"]
            here = {"images": images, "seconds": state.seconds} | {k: facts[k] for k in PHASE}
            totals = {
                "images": images + sum(phase["images"] for phase in before),
                "training_seconds": state.seconds + sum(phase["seconds"] or 0 for phase in before),
                "phases": [*before, here] if before else [],
            }
            state.export(path, facts | totals)

    def tell(**more: Any) -> None:
        if progress is not None and chief:
            progress(state.step * settings.batch, total, **more)

    tell()  # nothing that was given is refused from here on
    with TrainingLog(folder, state.step) if chief else nullcontext() as log, _stoppable() as stopped:
        while state.step < settings.steps:
            late = minutes is not None and time.monotonic() - started > 60 * minutes
            if distributed.anyone(stopped() or late, batches.device):
                break
            batch, draw = batches.of(state.step)
            loss, terms, adversary_loss = step_of(batch, draw, state.step / settings.steps)
            logging = (state.step + 1) % settings.log_every == 0 or state.step + 1 == settings.steps
            norm = state.update(loss if adversary_loss is None else loss + adversary_loss, settings)
            for name, (value, count) in (terms | {"gradient_norm": (norm, 1)}).items():
                sums[name][0] += value
                sums[name][1] += count
            healthy &= torch.isfinite(loss.detach()) & torch.isfinite(norm)  # of all steps since the last look
            now, step = time.monotonic(), state.step
            if batches.device.type == "cpu" or logging:
                check()
            if logging:
                rate = (step - logged_step) * settings.batch / (now - logged_at)
                line = summary(_everywhere(sums, batches.device))
                line |= {"learning_rate": state.rate(settings), "images_per_s": rate}
                if log is not None:
                    log.scalars(step, step * settings.batch, line)
                tell(**line)
                for sentence in watch.look(step, line):
                    if log is not None:
                        log.warning(step, sentence)
                    tell(warning=sentence)
                sums.clear()
                logged_at, logged_step = now, step
            if log is not None and (step % settings.pictures_every == 0 or step == settings.steps):
                state.average.eval()
                log.picture(step, learner.pictures(state.average, examples).cpu())
            seen = step * settings.batch
            if seen // settings.snapshot_images > (seen - settings.batch) // settings.snapshot_images:
                export(folder / "snapshots" / f"images-{seen:08d}.safetensors")
            if chief and now - saved_at > 60 * settings.checkpoint_minutes:
                save()
                saved_at = now
        save()
        export(folder / "network.safetensors")
    seconds = time.monotonic() - started
    return FitResult(
        done=state.step >= settings.steps,
        step=state.step,
        images=state.step * settings.batch,
        seconds=seconds,
        images_per_s=(state.step - first) * settings.batch / max(seconds, 1e-9),
        warnings=tuple(watch.said.values()),
    )


def _everywhere(sums: dict[str, list[Fact]], device: torch.device) -> dict[str, list[float]]:
    """Sums of facts over all processes, as numbers; all have the same names."""
    names = sorted(sums)
    flat = [sums[name][k] for name in names for k in (0, 1)]
    values = torch.stack([torch.as_tensor(value, dtype=torch.float64, device=device) for value in flat])
    numbers: list[float] = distributed.total(values).tolist()
    return {name: numbers[2 * i : 2 * i + 2] for i, name in enumerate(names)}


def _precision(settings: FitSettings, device: torch.device, folder: Path, resume: bool) -> str:
    """What "auto" means here; a run that is resumed keeps what it was begun with."""
    if settings.precision == "auto" and resume:
        with suppress(OSError, ValueError, KeyError, TypeError):
            return str(json.loads((folder / "run.json").read_text(encoding="utf-8"))["fit"]["precision"])
    return choose_precision(settings.precision, device)


def earlier_phases(init: str | None) -> list[dict[str, Any]]:
    """What the weights that a run starts from went through, a phase a run, oldest first; none for a fresh one."""
    if init is None:
        return []
    _, header = read_tensors(find_weights(init), "network")
    known = header["metadata"]
    if known.get("phases"):
        return list(known["phases"])
    phase = {"images": known.get("images") or 0, "seconds": known.get("training_seconds")}
    return [phase | {name: known.get(name) for name in PHASE}]


def _check_same(folder: Path, facts: dict[str, Any], models: dict[str, Settings]) -> None:
    """Make sure that run.json says the same as what is asked for now; settings it does not know have their defaults."""
    path = folder / "run.json"
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON ({error}); the run cannot be resumed, start another.") from error
    for part, now in facts.items():
        then = before.get(part)
        if part in models:
            then = build_settings(type(models[part]), then or {}).model_dump(mode="json")
            if isinstance(models[part], FitSettings):
                then["checkpoint_minutes"] = now["checkpoint_minutes"]  # changes nothing that is learned
        if then == now:
            continue
        if isinstance(now, dict) and isinstance(then, dict):
            name = next(key for key in sorted(now.keys() | then.keys()) if now.get(key) != then.get(key))
            raise ConfigError(
                f"{folder} was begun with {part} {name} = {then.get(name)!r}, not {now.get(name)!r}; "
                "resume with what it was begun with, or start another run."
            )
        raise ConfigError(f"{folder} was begun with {part} = {then!r}, not {now!r}; start another run.")


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Turn SIGTERM and Ctrl-C into a question that the loop asks; elsewhere than in the main thread, nothing."""
    asked: list[int] = []
    before = {}
    with suppress(ValueError):  # signals can only be caught in the main thread
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, lambda received, _: asked.append(received))
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _prepare_memory() -> None:
    """Keep freed memory instead of giving it back between steps: 26,000 page faults a step otherwise (glibc only)."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL("libc.so.6")
        for option, value in ((-3, 1 << 25), (-1, 2**31 - 1), (-2, 1 << 28)):  # mmap threshold, trim threshold, top pad
            library.mallopt(option, value)
