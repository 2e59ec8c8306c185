"""Attacking a dataset: from a network and a folder of frames to a run folder."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from turncoat.engine.attack.appearance import space_of
from turncoat.engine.attack.goals import find_goal
from turncoat.engine.attack.outcomes import FAILED, Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import AttackSettings, colour_budget, family_of, pixel_budget
from turncoat.engine.attack.step_size import Choice, choose_step_size, known_step_size
from turncoat.engine.runs import Run, RunWriter
from turncoat.engine.runs.provenance import machine, versions
from turncoat.engine.sweep.admission import admit_rows
from turncoat.engine.sweep.code_job import CodeJob
from turncoat.engine.sweep.jobs import ColourJob, Job
from turncoat.engine.sweep.networks import find_judge, pair_of
from turncoat.engine.sweep.pixel_job import PixelJob
from turncoat.engine.sweep.plan import Selection, parts_of, validation_rows
from turncoat.kernels.device import exact_float32
from turncoat.training.data import Dataset, open_dataset
from turncoat.training.encoding import check_frame_size
from turncoat.training.networks import Disentangled

Progress = Callable[..., None]


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
        progress: called as ``progress(done, total, **facts)`` once the input is found to be good, and after each
            attack on a batch; counts samples, once for every attack on them.
        command: command line to record.

    Raises:
        ConfigError: `out` holds something else, settings do not fit the network.
        DataError: dataset or weights cannot be read, or hold too few frames.
    """
    settings = settings or AttackSettings()
    selection = selection or Selection()
    data = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
    pair, identity = pair_of(network, target, settings)
    for one in (pair.generator, pair.target):
        if isinstance(one, Disentangled):
            check_frame_size(one, data)
    pair, identity["judge"] = find_judge(pair, judge, settings, data)
    rows = selection.rows(data, settings.seed)
    if settings.colour_attacks:
        layers = data.layers(rows[:1])
        identity |= {"materials": list(layers.materials), "garments": [bool(is_one) for is_one in layers.garment]}
    for name in settings.appearance_attacks:
        space_of(name, pair.generator, pair.device)  # says at once if the weights lack what it needs
    goal = find_goal(pair, data, settings)
    identity |= {"goal": goal.facts()} if goal is not None else {}
    parts = parts_of(rows)
    families: list[type[Job]] = [job for job in (CodeJob, ColourJob, PixelJob) if job.asked(settings)]
    writer = RunWriter.open(
        out,
        {
            "settings": settings.model_dump(mode="json"),
            "selection": selection.facts(data, rows),
            "dataset": _dataset_facts(data),
            **identity,
            "backend": pair.backend,
            "parts": len(parts) * len(families),
            "command": command,
            "versions": versions(),
            "machine": machine(str(pair.device)),
        },
        resume=resume,
    )
    return _sweep(writer, pair, data, rows, parts, families, settings, progress)


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


def _sweep(
    writer: RunWriter,
    pair: Pair,
    data: Dataset,
    rows: np.ndarray,
    parts: list[np.ndarray],
    families: Sequence[type[Job]],
    settings: AttackSettings,
    progress: Progress | None,
) -> Run:
    """Do the parts that are not there yet."""
    started, before = time.monotonic(), float(writer.info["wall_s"])
    subjects = tuple(sorted(set(data.column("subject")[rows].tolist())))
    bar = _Bar(progress, len(rows) * len(settings.attacks))
    choices = _step_sizes(writer, pair, data, rows, settings)
    for number, family in enumerate(families):
        job: Job | None = None
        missing = [k for k in range(len(parts)) if not writer.has(number * len(parts) + k)]
        bar.skip(sum(len(part) for part in parts) - sum(len(parts[k]) for k in missing), len(family.asked(settings)))
        if missing:
            job, clock = family(pair, data, settings, choices, subjects), time.monotonic()
            for k, found in job.parts(((k, parts[k]) for k in missing), bar.advance):
                writer.write(number * len(parts) + k, found)
                now = time.monotonic()
                writer.log(
                    family=family.name,
                    parts=[number * len(parts) + k],
                    samples=len(parts[k]),
                    seconds=round(now - clock, 3),
                )
                writer.save(wall_s=round(before + now - started, 3))
                clock = now
        if job is not None:
            _add_throughput(writer, job.throughput)
    return _finish(writer, settings, choices, pair)


class _Bar:
    """Counts samples, once for every attack on them, and tells whoever asked."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self._tell()

    def skip(self, samples: int, attacks: int) -> None:
        """Samples that an earlier start of this run has done."""
        self._done += samples * attacks
        self._tell()

    def advance(self, samples: int, attack: str) -> None:
        """So many more samples went through `attack`."""
        self._done += samples
        self._tell(attack=attack)

    def _tell(self, **facts: Any) -> None:
        if self._progress is not None:
            self._progress(self._done, self._total, **facts)


def _finish(writer: RunWriter, settings: AttackSettings, choices: dict[str, Choice], pair: Pair) -> Run:
    """Count outcomes by attack, and close the run."""
    run = Run(writer.folder, writer.info)
    attacks, failed = dict(writer.info.get("attacks", {})), set()  # samples, however many attacks they failed under
    for name in settings.attacks:
        family = family_of(name)
        rows = run.rows(attack=family, setting=name)
        counts = Counter(rows["outcome"].tolist())
        checked = [held for held in rows["confirmed_first"].tolist() if held is not None]
        budget: float | None = pixel_budget(name)
        if family != "pixels":
            budget = colour_budget(name) if family == "colours" else _radius(name, pair, settings)
        attacks[name] = {
            **attacks.get(name, {}),
            "attack": family,
            "budget": budget,
            "controls": sorted(set(run.rows(attack="control", setting=name)["control"].tolist())),
            "rows": len(rows["outcome"]),
            "outcomes": {outcome.value: counts[outcome.value] for outcome in Outcome if counts[outcome.value]},
            "confirmed_first": float(np.mean(checked)) if checked else None,
        }
        lost = np.isin(rows["outcome"], [outcome.value for outcome in FAILED])
        failed |= set(rows["sample_id"][lost].tolist())
    return writer.finish(attacks=attacks, failed=len(failed))


def _radius(name: str, pair: Pair, settings: AttackSettings) -> float | None:
    return space_of(name, pair.generator, pair.device, settings.budget_factor)[1]


def _step_sizes(
    writer: RunWriter, pair: Pair, data: Dataset, rows: np.ndarray, settings: AttackSettings
) -> dict[str, Choice]:
    """Step sizes of the appearance attacks: those of an earlier start of this run, given, recorded, or chosen now."""
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
                chosen, source = validation_rows(data, settings.step_size_frames, settings.seed, rows)
                alone = replace(pair, judge=None)  # nobody asks what the judge sees of these
                admitted = admit_rows(alone, data, chosen, settings.batch)[0]
            writer.log(choosing_step_size_of=name, frames=len(admitted.error_initial))
            choice = choose_step_size(alone, admitted, name, settings, source)
        choices[name] = choice
        attacks[name] = choice.facts()
        writer.save(attacks=attacks)
    return choices


def _add_throughput(writer: RunWriter, throughput: dict[str, tuple[int, float]]) -> None:
    """Note frames a second of every attack: samples really attacked over the seconds they took, in this process."""
    attacks = dict(writer.info.get("attacks", {}))
    for name, (samples, seconds) in throughput.items():
        attacks[name] = {**attacks.get(name, {}), "frames_per_s": round(samples / seconds, 3) if seconds > 0 else None}
    writer.save(attacks=attacks)


def _dataset_facts(data: Dataset) -> dict[str, Any]:
    known = {name: data.info.get(name) for name in ("name", "recipe", "preset", "fingerprint", "bytes_hash")}
    return {"folder": str(data.folder), **known, "frame_size": data.size}
