"""The matrix: every pair attacked through the one sweep there is, every network shown every attack, and the numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from turncoat.engine.analysis.transfer.cells import (
    PAST_MM,
    Average,
    Cell,
    Repaint,
    average,
    cell,
    differs_mm,
    failures,
    repaint,
    share_of_own,
)
from turncoat.engine.analysis.transfer.members import Members, find_members
from turncoat.engine.analysis.transfer.seen import look
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.runs import Run
from turncoat.engine.sweep import Selection, attack_dataset, finished_run
from turncoat.kernels.errors import ConfigError
from turncoat.kernels.files import check_output_folder
from turncoat.training.data import Dataset, open_dataset

SETTINGS = AttackSettings(attacks=("natural",))
"""Of a matrix, unless told otherwise: what networks are compared by."""
SELECTION = Selection(groups=("everyday",))
"""Of a matrix, unless told otherwise; groups are never pooled."""

Key = tuple[str, str]
Notify = Callable[[str, str, Run, bool], None]


@dataclass(frozen=True)
class Transfer:
    """A transfer matrix.

    Attributes:
        generators, targets: names, in the order they were given.
        facts: of every network, as run.json keeps them.
        repaints: a pair and group each. cells: a setting, group, generator, target made for and target each.
        averages: over cells without marks.
        differs_mm: largest difference between an error of a frame painted again and the one that was verified.
        failed: samples that failed in any run.
        runs: (generator, target) -> its run.
    """

    generators: tuple[str, ...]
    targets: tuple[str, ...]
    facts_of: dict[str, dict[str, Any]]
    settings: tuple[str, ...]
    groups: tuple[str, ...]
    threshold_mm: float
    repaints: tuple[Repaint, ...]
    cells: tuple[Cell, ...]
    averages: tuple[Average, ...]
    differs_mm: float
    failed: int
    runs: dict[Key, Run] = field(repr=False)

    def repaint(self, group: str, generator: str, target: str) -> Repaint:
        """What the generator's repainting alone does to the target."""
        wanted = (group, generator, target)
        return next(one for one in self.repaints if (one.group, one.generator, one.target) == wanted)

    def cell(self, setting: str, group: str, generator: str, made_for: str, target: str) -> Cell:
        """Attacks that `generator` painted for `made_for`, looked at by `target`."""
        wanted = (setting, group, generator, made_for, target)
        return next(
            one for one in self.cells if (one.setting, one.group, one.generator, one.made_for, one.target) == wanted
        )

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "kind": "transfer",
            "generators": list(self.generators),
            "targets": list(self.targets),
            "networks": self.facts_of,
            "settings": list(self.settings),
            "groups": list(self.groups),
            "threshold_mm": self.threshold_mm,
            "repaint_past_mm": PAST_MM,
            "differs_mm": self.differs_mm,
            "failed": self.failed,
            "repaints": [one.facts() for one in self.repaints],
            "cells": [one.facts() for one in self.cells],
            "averages": [one.facts() for one in self.averages],
            "runs": [
                {"generator": generator, "target": target, "folder": str(run.folder)}
                for (generator, target), run in self.runs.items()
            ],
        }


def transfer_matrix(
    generators: Sequence[Any],
    targets: Sequence[Any],
    data: Dataset | str | Path,
    out: str | Path,
    settings: AttackSettings = SETTINGS,
    selection: Selection = SELECTION,
    *,
    resume: bool = False,
    progress: Callable[..., None] | None = None,
    notify: Notify | None = None,
    looking: Callable[..., None] | None = None,
    command: str | None = None,
) -> Transfer:
    """Attack every target through every generator, and show every attack to every target.

    The run of a pair is the folder ``OUT/runs/GENERATOR/TARGET``; what each target saw of it lies in
    ``OUT/seen/GENERATOR/TARGET``.

    Args:
        generators, targets: networks, or paths or shipped names: weights, bundles, descriptions of foreign targets
            (targets alone). A network without a decoder may be a target, one without a regressor a generator.
        data: the dataset, open or its folder.
        out: folder of everything; empty or missing, unless `resume`.
        settings, selection: of the attacks, the same for all pairs.
        resume: go on with what is in `out`: pairs that are complete are not attacked again, and further networks may
            be named.
        progress: called as ``progress(done, total, pair="A on B")``; counts samples, once for every attack on them.
        notify: called as ``notify(generator, target, run, there_already)`` when a pair is attacked.
        looking: called as ``looking(done, total)`` while attacks are shown to other targets.
        command: command line to record.

    Raises:
        ConfigError: networks that cannot take part, a folder that is not empty or holds runs with other settings.
        DataError: weights or the dataset cannot be read, or hold too few frames.
    """
    dataset = data if isinstance(data, Dataset) else open_dataset(data)
    members = find_members(generators, targets, settings, dataset)
    selection.rows(dataset, settings.seed)
    folder = check_output_folder(out, resume)
    if (folder / "run.json").exists():
        raise ConfigError(f"{folder} holds a single run, not a transfer matrix; choose another folder.")
    pairs = [(generator, target) for generator in members.generators for target in members.targets]
    runs: dict[Key, Run] = {}
    for number, (generator, target) in enumerate(pairs):
        place = folder / "runs" / generator / target
        there = finished_run(place) is not None
        share = None if progress is None else _share(progress, number, len(pairs), f"{generator} on {target}")
        runs[generator, target] = run = attack_dataset(
            members.generators[generator], dataset, settings, place, target=members.targets[target],
            selection=selection, resume=resume, progress=share, command=command,
        )  # fmt: skip
        if notify is not None:
            notify(generator, target, run, there)
    return _measure(members, runs, _looks(members, runs, dataset, folder, looking), settings, selection)


def _looks(
    members: Members, runs: dict[Key, Run], data: Dataset, folder: Path, looking: Callable[..., None] | None
) -> dict[tuple[str, str, str], pa.Table]:
    """(generator, made for, target) -> what the target saw."""
    found: dict[tuple[str, str, str], pa.Table] = {}
    total = len(runs) * len(members.targets)
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if looking is not None:
            looking(done, total)

    for (generator, made_for), run in runs.items():
        own = {target: runs[generator, target] for target in members.targets}
        place = folder / "seen" / generator / made_for
        seen = look(run, members.generators[generator], members.targets, own, data, place, advance)
        found |= {(generator, made_for, target): table for target, table in seen.items()}
    return found


def _measure(
    members: Members,
    runs: dict[Key, Run],
    seen: dict[tuple[str, str, str], pa.Table],
    settings: AttackSettings,
    selection: Selection,
) -> Transfer:
    threshold, groups = settings.threshold_mm, selection.groups
    repaints = {
        (group, *pair): repaint(run, group, threshold, not members.given.isdisjoint(pair))
        for group in groups
        for pair, run in runs.items()
    }
    cells: dict[tuple[str, str, str, str, str], Cell] = {}
    for setting in settings.attacks:
        for group in groups:
            for (generator, made_for, target), table in seen.items():
                both = repaints[group, generator, made_for], repaints[group, generator, target]
                run, own = runs[generator, made_for], runs[generator, target]
                cells[setting, group, generator, made_for, target] = cell(
                    run, own, table, setting, group, both, threshold
                )
    for key, one in cells.items():
        if not one.own:
            own_cell = cells[*key[:3], one.target, one.target]
            cells[key] = replace(one, of_own=share_of_own(one, own_cell))
    averages = [
        found
        for setting in settings.attacks
        for group in groups
        for found in _averages([one for key, one in cells.items() if key[:2] == (setting, group)], members, threshold)
    ]
    differences = [differs_mm(runs[key[:2]], table) for key, table in seen.items() if key[1] == key[2]]
    return Transfer(
        generators=tuple(members.generators),
        targets=tuple(members.targets),
        facts_of=members.facts,
        settings=settings.attacks,
        groups=tuple(groups),
        threshold_mm=threshold,
        repaints=tuple(repaints.values()),
        cells=tuple(cells.values()),
        averages=tuple(averages),
        differs_mm=max((one for one in differences if one == one), default=float("nan")),
        failed=failures(runs.values()),
        runs=runs,
    )


def _averages(cells: Sequence[Cell], members: Members, threshold_mm: float) -> list[Average]:
    """Over kinds of cells, then target by target."""
    own = [one for one in cells if one.own]
    foreign = [one for one in cells if not one.own]
    kinds = [
        ("made for the target, which paints itself", [one for one in own if one.generator == one.target]),
        ("made for the target, another network paints", [one for one in own if one.generator != one.target]),
        ("made for another target", foreign),
        ("· which paints itself", [one for one in foreign if one.generator == one.made_for]),
        ("· the target paints", [one for one in foreign if one.generator == one.target]),
        ("· a third network paints", [one for one in foreign if one.generator not in (one.made_for, one.target)]),
    ]
    for target in members.targets if len(members.targets) > 1 else ():
        kinds.append((f"{target}, made for it", [one for one in own if one.target == target]))
        kinds.append((f"{target}, made for another", [one for one in foreign if one.target == target]))
    found = [average(words, some, threshold_mm) for words, some in kinds]
    return [one for one in found if one is not None]


def _share(progress: Callable[..., None], before: int, parts: int, pair: str) -> Callable[..., None]:
    """Progress of one of several equal parts as progress of the whole."""

    def tell(done: int, total: int, **facts: Any) -> None:
        progress(before * total + done, parts * total, pair=pair, **facts)

    return tell
