"""What a sweep is asked for, and what follows from it before anything is computed: networks, frames, parts, facts."""

import pickle
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from turncoat.engine.attack.appearance import space_of
from turncoat.engine.attack.goals import find_goal
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.attack.step_size import known_step_size
from turncoat.engine.runs.provenance import machine, versions
from turncoat.engine.sweep.backend import open_backend
from turncoat.engine.sweep.code_job import CodeJob
from turncoat.engine.sweep.jobs import ColourJob, Job
from turncoat.engine.sweep.networks import check_told, find_judge, pair_of
from turncoat.engine.sweep.pixel_job import PixelJob
from turncoat.engine.sweep.plan import Selection, parts_of, validation_rows
from turncoat.kernels.errors import ConfigError
from turncoat.training.checkpoint import shipped_weights
from turncoat.training.data import Dataset, open_dataset
from turncoat.training.encoding import check_frame_size
from turncoat.training.networks import Disentangled


@dataclass(frozen=True)
class Asked:
    """What `attack_dataset` was asked for; see there. Networks and dataset are objects, or where they lie."""

    network: Any
    dataset: Any
    settings: AttackSettings
    target: Any = None
    judge: Any = None
    selection: Selection = field(default_factory=Selection)

    def packed(self) -> bytes:
        """For another process, which may have another working folder: paths in full, objects as they are.

        These bytes go through a pipe and are never written to disk.

        Raises:
            ConfigError: an object that cannot be sent.
        """
        networks = {role: _place(getattr(self, role)) for role in ("network", "target", "judge")}
        light = replace(self, dataset=_place_of_data(self.dataset), **networks)
        try:
            return pickle.dumps(light)
        except Exception as error:
            raise ConfigError(
                f"Networks and dataset have to be sent to other processes and cannot ({error}); give the paths of "
                "their files, or do without workers."
            ) from error


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep that is ready to begin.

    A part is a number: parts 0 .. P-1 are the samples' under the first family of attacks, the next P under the second.

    Attributes:
        pair: the networks, on their device.
        data, settings, selection: as asked.
        rows: of the frames, int64.
        parts: the same, as parts of 32.
        families: of attacks that are asked for.
        facts: what run.json says, but for command, versions and machine.
        remark: a line for a person about the backend; "" if there is nothing to say.
        opened: sessions of a backend, closed with the sweep.
    """

    pair: Pair
    data: Dataset
    settings: AttackSettings
    selection: Selection
    rows: np.ndarray
    parts: Sequence[np.ndarray]
    families: Sequence[type[Job]]
    facts: dict[str, Any]
    remark: str = ""
    opened: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Sweep":
        return self

    def __exit__(self, *error: object) -> None:
        self.opened.close()

    @property
    def subjects(self) -> tuple[str, ...]:
        """Everybody who is attacked, in whichever part."""
        return tuple(sorted(set(self.data.column("subject")[self.rows].tolist())))

    @property
    def numbers(self) -> range:
        """Of all parts."""
        return range(len(self.parts) * len(self.families))

    def family(self, number: int) -> type[Job]:
        """Which attacks are made in part `number`."""
        return self.families[number // len(self.parts)]

    def rows_of(self, number: int) -> np.ndarray:
        """Rows of the samples of part `number`."""
        return self.parts[number % len(self.parts)]

    def steps(self, numbers: Sequence[int]) -> int:
        """How much work parts are, as progress counts it: samples, once for every attack on them."""
        return sum(len(self.rows_of(k)) * len(self.family(k).asked(self.settings)) for k in numbers)

    def described(self, command: str | None) -> dict[str, Any]:
        """`facts`, and where and by what it is computed."""
        return {**self.facts, "command": command, "versions": versions(), "machine": machine(str(self.pair.device))}


def prepare(asked: Asked) -> Sweep:
    """Load, check and plan; nothing is written.

    Raises:
        ConfigError, DataError: as `attack_dataset`.
    """
    settings, selection = asked.settings, asked.selection
    data = asked.dataset if isinstance(asked.dataset, Dataset) else open_dataset(asked.dataset)
    pair, identity = pair_of(asked.network, asked.target, settings)
    for one in (pair.generator, pair.target):
        if isinstance(one, Disentangled):
            check_frame_size(one, data)
    pair, identity["judge"] = find_judge(pair, asked.judge, settings, data)
    check_told(pair, data)
    rows = selection.rows(data, settings.seed)
    if settings.colour_attacks:
        layers = data.layers(rows[:1])
        identity |= {"materials": list(layers.materials), "garments": [bool(is_one) for is_one in layers.garment]}
    for name in settings.appearance_attacks:
        space_of(name, pair.generator, pair.device)  # says at once if the weights lack what it needs
        if known_step_size(name, settings, pair.generator) is None:
            validation_rows(data, settings.step_size_frames, settings.seed, rows)  # likewise, if there are none
    parts = parts_of(rows)
    families: list[type[Job]] = [job for job in (CodeJob, ColourJob, PixelJob) if job.asked(settings)]
    goal = find_goal(pair, data, settings)
    identity |= {"goal": goal.facts()} if goal is not None else {}
    pair, remark, opened = open_backend(pair, settings)
    facts = {
        "settings": settings.model_dump(mode="json"),
        "selection": selection.facts(data, rows),
        "dataset": _dataset_facts(data),
        **identity,
        "backend": pair.backend,
        "parts": len(parts) * len(families),
    }
    return Sweep(
        pair=pair, data=data, settings=settings, selection=selection, rows=rows, parts=parts, families=families,
        facts=facts, remark=remark, opened=opened,
    )  # fmt: skip


def _dataset_facts(data: Dataset) -> dict[str, Any]:
    known = {name: data.info.get(name) for name in ("name", "recipe", "preset", "fingerprint", "bytes_hash")}
    own: dict[str, Any] = {name: data.info[name] for name in ("picture_size", "background") if name in data.info}
    return {"folder": str(data.folder), **known, **own, "frame_size": data.size}


def _place(network: Any) -> Any:
    if not isinstance(network, str | Path) or str(network) in shipped_weights() or not Path(network).exists():
        return network
    return str(Path(network).resolve())


def _place_of_data(data: Any) -> Any:
    if type(data) is Dataset:
        return str(data.folder.resolve())
    return str(Path(data).resolve()) if isinstance(data, str | Path) else data
