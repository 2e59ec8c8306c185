"""The training loop: any method, any network, killed and resumed without a trace.

All randomness comes from (seed, step), the learning rate from the step alone, so what a run writes to disk is all
that it is: a resumed run equals an undisturbed one bit for bit on the same machine with the same number of threads.

    run/ run.json                   settings, dataset fingerprint, versions
         training.safetensors       network, its average, optimiser, step; replaced atomically
         network.safetensors        the averaged network, written at the end and with every checkpoint
         snapshots/images-*.safetensors   the averaged network along the way, to show trends
         log.jsonl  events...       the same numbers as lines of JSON and as TensorBoard scalars and pictures
"""

import copy
import ctypes
import json
import math
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field

from turncoat.kernels import ConfigError, DataError
from turncoat.kernels.files import atomic_path, check_output_folder, write_json
from turncoat.kernels.settings import Settings
from turncoat.kernels.version import VERSION
from turncoat.training.checkpoint import find_weights, load_state, read_tensors, save_network, write_tensors
from turncoat.training.data import Dataset
from turncoat.training.methods import build_method
from turncoat.training.networks import Disentangled, NetworkSettings

Progress = Callable[..., None]


class FitSettings(Settings):
    """How a network is trained. All defaults are [choice], those of the laptop-size proof; official: methods 1.8.

    images: frames seen in all, drawn with repetition; the learning rate's schedule ends there.
    batch: frames a step; 16 in the official code.
    learning_rate: its peak; AdamW in place of the official Adam at 1e-3 without a schedule.
    weight_decay, clip: of AdamW, and the largest norm of a step's gradient.
    warmup: steps over which the learning rate rises from nothing.
    final_rate: where the cosine ends, as a share of the peak.
    average: decay a step of the averaged weights, which are what is kept.
    precision: "bfloat16" runs the layers in reduced precision.
    threads: of the processor; another number gives other roundings, so resuming keeps it.
    init: weights to start from (a file or a shipped name) instead of random ones.
    """

    images: int = Field(1_000_000, ge=1)
    batch: int = Field(48, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    clip: float = Field(1.0, gt=0)
    warmup: int = Field(200, ge=1)
    final_rate: float = Field(0.01, ge=0, le=1)
    average: float = Field(0.998, ge=0, lt=1)
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    threads: int = Field(2, ge=1)
    seed: int = 0
    init: str | None = None
    log_every: int = Field(100, ge=1)
    pictures_every: int = Field(2000, ge=1)
    snapshot_images: int = Field(200_000, ge=1)
    checkpoint_minutes: float = Field(5.0, gt=0)

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return max(1, self.images // self.batch)


class FitResult(Settings):
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

    resume: go on from the folder's last checkpoint (start, if it has none); settings must be those it was begun with.
    minutes: stop with a checkpoint after this long, wherever training is; the schedule does not depend on it.
    progress: called as ``progress(images, total, **facts)``.

    SIGTERM and Ctrl-C stop after the present step, with a checkpoint.

    Raises:
        ConfigError: the folder is not empty (or holds another run), or settings that do not fit.
        DataError: frames of another size than the network's, or a loss that is not finite.
    """
    settings = settings or FitSettings()
    if dataset.size != network_settings.frame_size:
        raise DataError(
            f"The dataset's frames are {dataset.size} pixels wide and the network's {network_settings.frame_size}; "
            "choose another dataset or preset."
        )
    _prepare_memory()
    torch.set_num_threads(settings.threads)
    folder = check_output_folder(folder, resume)
    learner = build_method(method, method_overrides)
    facts = {
        "format": 1,
        "kind": "training",
        "method": method,
        "method_settings": learner.settings.model_dump(mode="json"),
        "network": network_settings.model_dump(mode="json"),
        "fit": settings.model_dump(mode="json"),
        "dataset": {key: dataset.info.get(key) for key in ("name", "recipe", "preset", "fingerprint")},
    }
    _claim(folder, facts, {"command": command, "version": VERSION, "torch": torch.__version__}, resume)
    state = _State.fresh(network_settings, settings, learner.learning_rates)
    checkpoint = folder / "training.safetensors"
    if resume and checkpoint.exists():
        state.load(checkpoint)
    else:
        state.initialise(settings.init)
    rows = dataset.select(split="train")
    sampler = learner.sampler(dataset, rows, settings.batch, settings.seed)
    examples = learner.load(dataset, sampler.batch(settings.steps + 1)[:16])  # never a training batch
    total, first, started = settings.steps * settings.batch, state.step, time.monotonic()
    saved_at, logged_at, logged_step = started, started, state.step
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def elapsed_images() -> int:
        return (state.step - first) * settings.batch

    with _Log(folder, state.step) as log, _stoppable() as stopped:
        while state.step < settings.steps:
            if stopped() or (minutes is not None and time.monotonic() - started > 60 * minutes):
                break
            batch = learner.load(dataset, sampler.batch(state.step))
            random = np.random.default_rng([settings.seed, state.step, 1])
            torch.manual_seed(int(random.integers(2**62)))  # dropout, where a network has it
            loss, terms = learner.loss(state.network, batch, random, state.step / settings.steps)
            norm = state.update(loss, settings)
            for name, (value, count) in (terms | {"gradient_norm": (norm, 1)}).items():
                sums[name][0] += value
                sums[name][1] += count
            if not math.isfinite(terms["loss"][0]):
                raise DataError(f"The loss is not finite at step {state.step}; lower the learning rate and start again.")
            now, step = time.monotonic(), state.step
            if step % settings.log_every == 0 or step == settings.steps:
                rate = (step - logged_step) * settings.batch / (now - logged_at)
                line = _summary(sums) | {"learning_rate": state.rate(settings), "images_per_s": rate}
                log.scalars(step, step * settings.batch, line)
                if progress is not None:
                    progress(step * settings.batch, total, **line)
                sums.clear()
                logged_at, logged_step = now, step
            if step % settings.pictures_every == 0 or step == settings.steps:
                state.average.eval()
                log.picture(step, learner.pictures(state.average, examples))
            if step * settings.batch // settings.snapshot_images > (step - 1) * settings.batch // settings.snapshot_images:
                state.export(folder / "snapshots" / f"images-{step * settings.batch:08d}.safetensors", facts)
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
        images_per_s=elapsed_images() / max(seconds, 1e-9),
    )


class _State:
    """Everything that training changes."""

    def __init__(self, network: Disentangled, average: Disentangled, optimiser: torch.optim.AdamW) -> None:
        self.network, self.average, self.optimiser, self.step = network, average, optimiser, 0

    @classmethod
    def fresh(cls, shape: NetworkSettings, settings: FitSettings, rates: dict[str, float]) -> "_State":
        torch.manual_seed(settings.seed)
        network = Disentangled(shape)
        network.compute_dtype = getattr(torch, settings.precision)
        groups = []
        for name, part in network.named_children():
            parameters = [parameter for parameter in part.parameters() if parameter.requires_grad]
            groups.append({"params": parameters, "share": rates.get(name, 1.0)})
        optimiser = torch.optim.AdamW(
            groups, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        average = copy.deepcopy(network).requires_grad_(False)
        return cls(network.train(), average, optimiser)

    def initialise(self, source: str | None) -> None:
        """Start from other weights, without their regressor."""
        if source is None:
            return
        path = find_weights(source)
        tensors, header = read_tensors(path, "network")
        if header["settings"]["preset"] != self.network.settings.preset:
            raise ConfigError(
                f"{path} holds weights of preset {header['settings']['preset']!r}, expected "
                f"{self.network.settings.preset!r}; choose other weights or preset."
            )
        own = {name: t for name, t in tensors.items() if not name.startswith(("regressor.", "statistics."))}
        load_state(self.network, own, path)
        load_state(self.average, own, path)

    def rate(self, settings: FitSettings) -> float:
        """The learning rate of the present step."""
        done = self.step / settings.steps
        cosine = settings.final_rate + (1 - settings.final_rate) * 0.5 * (1 + math.cos(math.pi * done))
        return settings.learning_rate * min(1.0, (self.step + 1) / settings.warmup) * cosine

    def update(self, loss: torch.Tensor, settings: FitSettings) -> float:
        """One optimiser step; returns the gradient's norm before clipping."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(settings) * group["share"]
        self.optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip)
        self.optimiser.step()
        self.step += 1
        decay = min(settings.average, self.step / (self.step + 20))  # young averages follow quickly
        with torch.no_grad():
            ours, theirs = self._floats(self.average), self._floats(self.network)
            torch._foreach_lerp_(ours, theirs, 1 - decay)
        return float(norm)

    @staticmethod
    def _floats(network: Disentangled) -> list[torch.Tensor]:
        """Weights and the running statistics of batch norms; counters stay behind, nothing reads them."""
        return [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]

    def save(self, path: Path) -> None:
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        for number, values in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": value for name, value in values.items()}
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        write_tensors(path, tensors, {"format": 1, "kind": "training", "step": self.step})

    def load(self, path: Path) -> None:
        tensors, header = read_tensors(path, "training")
        parts: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        load_state(self.network, parts["network"], path)
        load_state(self.average, parts["average"], path)
        moments: dict[int, dict[str, torch.Tensor]] = defaultdict(dict)
        for name, tensor in parts["optimiser"].items():
            number, _, rest = name.partition(".")
            moments[int(number)][rest] = tensor
        blank = self.optimiser.state_dict()
        self.optimiser.load_state_dict({"state": dict(moments), "param_groups": blank["param_groups"]})
        for parameter, values in self.optimiser.state.items():  # safetensors forgets memory formats; sums depend on them
            for name, value in values.items():
                if value.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter).copy_(value)
        self.step = header["step"]

    def export(self, path: Path, metadata: dict[str, Any]) -> None:
        path.parent.mkdir(exist_ok=True)
        save_network(path, self.average, metadata | {"images": self.step * metadata["fit"]["batch"]})


class _Log:
    """Numbers and pictures of a run, as JSON lines and for TensorBoard; what lies past `step` is forgotten."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # half a second, only when training

        self.path = folder / "log.jsonl"
        self._forget(step)
        self.board = SummaryWriter(str(folder), purge_step=step + 1)

    def __enter__(self) -> "_Log":
        return self

    def __exit__(self, *_: object) -> None:
        self.board.close()

    def _forget(self, step: int) -> None:
        if not self.path.exists():
            return
        kept = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError, KeyError):  # a line cut off by a crash
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
        with atomic_path(self.path) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")

    def scalars(self, step: int, images: int, values: dict[str, float]) -> None:
        line = {"step": step, "images": images} | {name: round(value, 6) for name, value in values.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in values.items():
            self.board.add_scalar(name, value, step)

    def picture(self, step: int, grid: torch.Tensor) -> None:
        self.board.add_image("input, same view, turned, other appearance, mask", grid, step)
        self.board.flush()


def _summary(sums: dict[str, list[float]]) -> dict[str, float]:
    """Means of the facts; squared errors over the person's pixels become decibels."""
    result = {}
    for name, (total, count) in sums.items():
        if not count:
            continue
        mean = total / count
        if name.startswith("person_mse_"):
            result["person_db_" + name.removeprefix("person_mse_")] = -10 * math.log10(mean + 1e-9)
        else:
            result[name] = mean
    return result


def _claim(folder: Path, facts: dict[str, Any], extra: dict[str, Any], resume: bool) -> None:
    """Write run.json, or make sure that it says the same as what is asked for now."""
    path = folder / "run.json"
    if resume and path.exists():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{path} is not JSON ({error}); the run cannot be resumed, start another.") from error
        for part, now in facts.items():
            then = before.get(part)
            if then == now:
                continue
            if isinstance(now, dict) and isinstance(then, dict):
                name = next(key for key in sorted(now.keys() | then.keys()) if now.get(key) != then.get(key))
                raise ConfigError(
                    f"{folder} was begun with {part} {name} = {then.get(name)!r}, not {now.get(name)!r}; "
                    "resume with what it was begun with, or start another run."
                )
            raise ConfigError(f"{folder} was begun with {part} = {then!r}, not {now!r}; start another run.")
        return
    write_json(path, facts | extra)


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
