"""The training loop: any method, any network, killed and resumed without a trace.

All randomness comes from (seed, step), the learning rate from the step alone, so what a run writes to disk is all
that it is: a resumed run equals an undisturbed one bit for bit on the same machine with the same number of threads.

    run/ run.json                   settings, dataset fingerprint, versions
         training.safetensors       network, its average, optimiser, step; replaced atomically
         network.safetensors        the averaged network, written at the end and with every checkpoint
         snapshots/images-*.safetensors   the averaged network along the way, to show trends
         log.jsonl  events...       the same numbers as lines of JSON and as TensorBoard scalars and pictures
"""

import ctypes
import json
import math
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import Field

from turncoat.kernels import ConfigError, DataError
from turncoat.kernels.files import check_output_folder, write_json
from turncoat.kernels.settings import Settings
from turncoat.kernels.version import VERSION
from turncoat.training.data import Dataset
from turncoat.training.methods import build_method
from turncoat.training.networks import NetworkSettings
from turncoat.training.recipes import build_settings, recipe
from turncoat.training.training_log import TrainingLog, summary
from turncoat.training.training_state import OptimiserSettings, TrainingState

Progress = Callable[..., None]


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
    progress: Progress | None = None,
) -> FitResult:
    """Train a network on the training split of `dataset`, writing into `folder`.

    settings: as they are; where None, those of the preset's recipe (`turncoat.training.recipes`).
    method_overrides: laid over the recipe's settings of the method.
    resume: go on from the folder's last checkpoint (start, if it has none); settings must be those it was begun with.
    minutes: stop with a checkpoint after this long, wherever training is; the schedule does not depend on it.
    progress: called as ``progress(images, total, **facts)``, first when all that was given has been checked.

    SIGTERM and Ctrl-C stop after the present step, with a checkpoint.

    Raises:
        ConfigError: the folder is not empty (or holds another run), or settings that do not fit.
        DataError: frames of another size than the network's, or a loss that is not finite.
    """
    settings = settings or build_settings(FitSettings, recipe(method, network_settings.preset).fit)
    if dataset.size != network_settings.frame_size:
        raise DataError(
            f"The dataset's frames are {dataset.size} pixels wide and the network's {network_settings.frame_size}; "
            "choose another dataset or preset."
        )
    _prepare_memory()
    torch.set_num_threads(settings.threads)
    folder = check_output_folder(folder, resume)
    learner = build_method(method, recipe(method, network_settings.preset).method, method_overrides or {})
    models = {"method_settings": learner.settings, "network": network_settings, "fit": settings}
    facts: dict[str, Any] = {
        "format": 1,
        "kind": "training",
        "method": method,
        **{name: model.model_dump(mode="json") for name, model in models.items()},
        "dataset": {key: dataset.info.get(key) for key in ("name", "recipe", "preset", "fingerprint")},
    }
    if resume and (folder / "run.json").exists():
        _check_same(folder, facts, models)
    else:
        write_json(folder / "run.json", facts | {"command": command, "version": VERSION, "torch": torch.__version__})
    state = TrainingState.fresh(network_settings, settings, learner.learning_rates)
    checkpoint = folder / "training.safetensors"
    if resume and checkpoint.exists():
        state.load(checkpoint)
    else:
        state.initialise(settings.init, settings.imagenet)
    rows = dataset.select(split="train")
    sampler = learner.sampler(dataset, rows, settings.batch, settings.seed)
    examples = learner.load(dataset, sampler.batch(settings.steps + 1)[:16])  # never a training batch
    total, first, started = settings.steps * settings.batch, state.step, time.monotonic()
    saved_at, logged_at, logged_step = started, started, state.step
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])

    if progress is not None:
        progress(state.step * settings.batch, total)  # nothing that was given is refused from here on
    with TrainingLog(folder, state.step) as log, _stoppable() as stopped:
        while state.step < settings.steps:
            if stopped() or (minutes is not None and time.monotonic() - started > 60 * minutes):
                break
            batch = learner.load(dataset, sampler.batch(state.step))
            random = np.random.default_rng([settings.seed, state.step, 1])
            torch.manual_seed(int(random.integers(2**62)))  # dropout, where a network has it
            loss, terms = learner.loss(state.network, batch, random, state.step / settings.steps)
            if not math.isfinite(terms["loss"][0]):
                raise DataError(f"The loss is not finite at step {state.step}; start again at a lower learning rate.")
            norm = state.update(loss, settings)
            for name, (value, count) in (terms | {"gradient_norm": (norm, 1)}).items():
                sums[name][0] += value
                sums[name][1] += count
            now, step = time.monotonic(), state.step
            if step % settings.log_every == 0 or step == settings.steps:
                rate = (step - logged_step) * settings.batch / (now - logged_at)
                line = summary(sums) | {"learning_rate": state.rate(settings), "images_per_s": rate}
                log.scalars(step, step * settings.batch, line)
                if progress is not None:
                    progress(step * settings.batch, total, **line)
                sums.clear()
                logged_at, logged_step = now, step
            if step % settings.pictures_every == 0 or step == settings.steps:
                state.average.eval()
                log.picture(step, learner.pictures(state.average, examples))
            seen = step * settings.batch
            if seen // settings.snapshot_images > (seen - settings.batch) // settings.snapshot_images:
                state.export(folder / "snapshots" / f"images-{seen:08d}.safetensors", facts)
            if now - saved_at > 60 * settings.checkpoint_minutes:
                state.save(checkpoint)
                saved_at = now
        state.save(checkpoint)
        state.export(folder / "network.safetensors", facts | {"command": command})
    seconds = time.monotonic() - started
    return FitResult(
        done=state.step >= settings.steps,
        step=state.step,
        images=state.step * settings.batch,
        seconds=seconds,
        images_per_s=(state.step - first) * settings.batch / max(seconds, 1e-9),
    )


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
