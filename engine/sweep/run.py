"""Attacking a dataset: from a network and a folder of frames to a run folder."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from turncoat.engine.attack.appearance import space_of
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.attack.step_size import Choice, choose_step_size, known_step_size
from turncoat.engine.runs import Run, RunWriter
from turncoat.engine.sweep.admission import admit_rows
from turncoat.engine.sweep.finish import finish
from turncoat.engine.sweep.jobs import Advance, Job
from turncoat.engine.sweep.networks import pair_of
from turncoat.engine.sweep.plan import Selection, validation_rows
from turncoat.engine.sweep.prepare import Asked, Sweep, prepare
from turncoat.engine.sweep.progress import Bar, Progress, Recorder
from turncoat.engine.sweep.shards import Shard
from turncoat.kernels.device import exact_float32
from turncoat.kernels.errors import ConfigError
from turncoat.training.data import Dataset, open_dataset

Throughput = dict[str, tuple[int, float]]
"""Of every attack: samples really attacked, and the seconds that they took."""


@exact_float32()
def attack_dataset(
    network: Any,
    dataset: Dataset | str | Path,
    settings: AttackSettings | None = None,
    out: str | Path = "runs/attack",
    *,
    target: Any = None,
    judge: Any = None,
    selection: Selection | None = None,
    resume: bool = False,
    shard: Shard | None = None,
    workers: int = 1,
    ray: str | None = None,
    progress: Progress | None = None,
    command: str | None = None,
) -> Run:
    """Attack frames of a dataset and write a run folder.

    Args:
        network: the generator, a `DisentangledNetwork`, or the path or shipped name of one.
        dataset: an open dataset, or its folder.
        settings: of the attack; the defaults are the paper's threshold and iterations, `paper` and `natural`.
        out: the run folder; it must be empty or missing.
        target: the network that is attacked, likewise; None: the generator itself.
        judge: a network that is asked whether it still sees the old pose, likewise; None: what `settings.judge` says.
        selection: which frames; the default is 100 held-out frames of every training subject, everyday and acrobatic.
        resume: go on with a killed run in `out`; it ends with the same table as an undisturbed one.
        shard: do only this shard's parts; `merge_shards` makes one run of all shards.
        workers: processes that share the parts. More than one needs a main module that may be imported again
            (``if __name__ == "__main__"``).
        ray: address of a Ray cluster whose actors share the parts, or `local`: start Ray on this machine.
        progress: called as ``progress(done, total, **facts)`` once the input is found to be good, and after each
            attack on a batch; counts samples, once for every attack on them.
        command: command line to record.

    Raises:
        ConfigError: `out` holds something else or is being written by another process, settings do not fit the
            network, networks cannot be sent to workers.
        DataError: dataset or weights cannot be read, or hold too few frames.
        EngineError: Ray is asked for and cannot be used.
    """
    if workers < 1:
        raise ConfigError(f"The number of workers is {workers}; it has to be at least 1.")
    asked = Asked(network, dataset, settings or AttackSettings(), target, judge, selection or Selection())
    with prepare(asked) as sweep:
        facts, numbers = sweep.described(command), list(sweep.numbers)
        if shard is not None:
            facts, numbers = facts | {"shard": shard.facts()}, shard.numbers(len(numbers))
        with RunWriter.open(out, facts, resume=resume) as writer:
            missing = [number for number in numbers if not writer.has(number)]
            bar = Bar(progress, sweep.steps(numbers))
            bar.skip(sweep.steps(numbers) - sweep.steps(missing))
            if sweep.remark:
                writer.save(backend_remark=sweep.remark)
            choices = _step_sizes(writer, sweep)
            if missing:
                recorder = Recorder(writer)
                done = _spread(writer, recorder, sweep, asked, missing, choices, workers, ray, bar)
                _add_throughput(writer, done)
                recorder.tick(every_s=0)
            return finish(writer, sweep, numbers)


class Sink(Protocol):
    """Where the parts of a sweep go."""

    def write(self, part: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take the rows of part number `part`, which is complete with them."""

    def log(self, **facts: Any) -> None:
        """Take facts of progress."""


def do_parts(
    sweep: Sweep, choices: dict[str, Choice], jobs: dict[str, Job], numbers: Sequence[int], sink: Sink, advance: Advance
) -> None:
    """Do the parts of these numbers. Samples of several parts share the slots, and a part goes out once it is complete.

    Args:
        choices: step sizes of the appearance attacks.
        jobs: families that were set up already, by name; those that are needed are added.
        sink: gets every part as soon as it is complete.
        advance: called after each attack on samples.
    """
    for number, family in enumerate(sweep.families):
        first = number * len(sweep.parts)
        missing = [k for k in numbers if k // len(sweep.parts) == number]
        if not missing:
            continue
        job = jobs.get(family.name) or family(sweep.pair, sweep.data, sweep.settings, choices, sweep.subjects)
        jobs[family.name], clock = job, time.monotonic()
        for k, found in job.parts(((k, sweep.parts[k - first]) for k in missing), advance):
            sink.write(k, found)
            now = time.monotonic()
            sink.log(family=family.name, parts=[k], samples=len(sweep.rows_of(k)), seconds=round(now - clock, 3))
            clock = now


def throughput_of(jobs: Iterable[Job]) -> Throughput:
    """What the jobs of one process have measured so far."""
    return {name: found for job in jobs for name, found in job.throughput.items()}


def _spread(
    writer: RunWriter,
    recorder: Recorder,
    sweep: Sweep,
    asked: Asked,
    missing: list[int],
    choices: dict[str, Choice],
    workers: int,
    ray: str | None,
    bar: Bar,
) -> list[Throughput]:
    """Do the missing parts, here or in other processes; one throughput a process."""
    if ray is not None:
        from turncoat.engine.sweep.ray_pool import run_on_ray

        return run_on_ray(ray, writer, recorder, sweep, asked, missing, choices, workers if workers > 1 else None, bar)
    if workers > 1:
        from turncoat.engine.sweep.workers import run_workers

        return run_workers(writer, recorder, sweep, asked, missing, choices, workers, bar)
    jobs: dict[str, Job] = {}
    do_parts(sweep, choices, jobs, missing, recorder, bar.advance)
    return [throughput_of(jobs.values())]


@exact_float32()
def step_sizes_of(
    network: Any, dataset: Dataset | str | Path, settings: AttackSettings, *, progress: Progress | None = None
) -> dict[str, Choice]:
    """Choose the step sizes of a network's appearance attacks on validation frames, for its weights to keep.

    Args:
        network: a `DisentangledNetwork` with a regressor, or the path or shipped name of one.
        dataset: an open dataset, or its folder.
        settings: `attacks` says which; those of colours are passed over. Given step sizes are not used.
        progress: called as ``progress(done, total, attack=name)``.
    """
    data = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
    pair, _ = pair_of(network, None, settings)
    for name in settings.appearance_attacks:
        space_of(name, pair.generator, pair.device)
    rows, source = validation_rows(data, settings.step_size_frames, settings.seed, np.zeros(0, dtype=np.int64))
    admitted, _ = admit_rows(pair, data, rows, settings.batch)
    choices: dict[str, Choice] = {}
    for done, name in enumerate(settings.appearance_attacks):
        if progress is not None:
            progress(done, len(settings.appearance_attacks), attack=name)
        choices[name] = choose_step_size(pair, admitted, name, settings, source)
    return choices


def _step_sizes(writer: RunWriter, sweep: Sweep) -> dict[str, Choice]:
    """Step sizes of the appearance attacks: those of an earlier start of this run, given, recorded, or chosen now."""
    settings, pair, data = sweep.settings, sweep.pair, sweep.data
    choices, admitted, source, alone = {}, None, "", pair
    attacks = dict(writer.info.get("attacks", {}))
    for name in settings.appearance_attacks:
        earlier = attacks.get(name, {})
        if "step_size" in earlier:
            optimiser = settings.optimiser_of(name)
            choices[name] = Choice(earlier["step_size"], earlier["step_size_from"], optimiser=optimiser)
            continue
        choice = known_step_size(name, settings, pair.generator)
        if choice is None:
            if admitted is None:
                chosen, source = validation_rows(data, settings.step_size_frames, settings.seed, sweep.rows)
                alone = replace(pair, judge=None)  # nobody asks what the judge sees of these
                admitted = admit_rows(alone, data, chosen, settings.batch)[0]
            writer.log(choosing_step_size_of=name, frames=len(admitted.error_initial))
            choice = choose_step_size(alone, admitted, name, settings, source)
        choices[name] = choice
        attacks[name] = choice.facts()
        writer.save(attacks=attacks)
    return choices


def _add_throughput(writer: RunWriter, processes: Sequence[Throughput]) -> None:
    """Note frames a second of every attack: samples really attacked over seconds they took, added over processes."""
    attacks = dict(writer.info.get("attacks", {}))
    for name in {name: None for process in processes for name in process}:
        rates = [process[name][0] / process[name][1] for process in processes if process.get(name, (0, 0.0))[1] > 0]
        attacks[name] = {**attacks.get(name, {}), "frames_per_s": round(sum(rates), 3) if rates else None}
    writer.save(attacks=attacks)
