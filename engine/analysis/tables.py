"""Tables 1, 2 and 4 of the paper for a family of networks that were attacked on the same frames.

Everything comes from the rows of finished runs, one run a network; what compares two networks is paired by sample.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from turncoat.engine.analysis import paper_values
from turncoat.engine.analysis.compare import Comparison, compare_runs
from turncoat.engine.analysis.members import Member, in_order, members_of, one_a_method
from turncoat.engine.analysis.rows import ErrorRow, PictureRow, counts, error_rows, picture_row
from turncoat.engine.analysis.seeds import Spread, spread_of
from turncoat.engine.attack.settings import APPEARANCE_ATTACKS
from turncoat.engine.runs import Run
from turncoat.kernels.errors import ConfigError, DataError

Cell = tuple[str, str]
"""A setting and a group of actions."""


@dataclass(frozen=True)
class Average:
    """Means over the networks that stand together. No interval: networks were not drawn from anything."""

    networks: tuple[str, ...]
    initial_mm: float
    final_mm: float
    success: float


@dataclass(frozen=True)
class FamilyTables:
    """What `make_tables` found.

    Attributes:
        members: the networks, in the order of all tables.
        settings, groups: of the rows. threshold_mm, iterations: of all attacks.
        frames: group -> how many frames, sequences and recordings were attacked.
        table_1, table_2: rows of every network, setting and group.
        averages: over the networks that stand together, by cell; none for fewer than two.
        table_4: CSSL (A) against CSSL-DA (B) by cell; where one is missing it is empty and `table_4_missing` says so.
        reference: the network that `differences` are against (A), by cell: one for every other network.
        spreads: over seeds, one a method.
        dataset, selection: as run.json has them. failed: samples that came to no result, over all runs.
    """

    members: tuple[Member, ...]
    settings: tuple[str, ...]
    groups: tuple[str, ...]
    threshold_mm: float
    iterations: int
    frames: dict[str, tuple[int, int, int]]
    table_1: tuple[ErrorRow, ...]
    table_2: tuple[PictureRow, ...]
    averages: dict[Cell, Average]
    table_4: dict[Cell, Comparison]
    table_4_missing: str
    reference: str
    differences: dict[Cell, tuple[Comparison, ...]]
    spreads: tuple[Spread, ...]
    dataset: dict[str, Any]
    selection: dict[str, Any]
    failed: int

    @property
    def cells(self) -> list[Cell]:
        """Every setting and group, groups first."""
        return [(setting, group) for group in self.groups for setting in self.settings]

    @property
    def subjects(self) -> list[str]:
        """All subjects, sorted."""
        return sorted({row.subject for row in self.table_1 if row.subject is not None})

    def errors(self, setting: str, group: str, subject: str | None = None) -> list[ErrorRow]:
        """Rows of Table 1, a network each; `subject` None: over all subjects."""
        wanted = (setting, group, subject)
        return [row for row in self.table_1 if (row.setting, row.group, row.subject) == wanted]

    def pictures(self, setting: str, group: str) -> list[PictureRow]:
        """Rows of Table 2, a network each."""
        return [row for row in self.table_2 if (row.setting, row.group) == (setting, group)]

    def member(self, name: str) -> Member:
        """The network of that name."""
        return next(member for member in self.members if member.name == name)

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON. Where something is by cell, its key is "setting, group"."""
        names = ("frames", "sequences", "recordings")
        plain = ("settings", "threshold_mm", "iterations", "dataset", "selection", "failed", "reference")
        return {
            "networks": [member.facts() for member in self.members],
            **{name: getattr(self, name) for name in plain},
            "groups": {group: dict(zip(names, found, strict=True)) for group, found in self.frames.items()},
            "table_1": [row.facts() for row in self.table_1],
            "averages": {", ".join(cell): vars(one) for cell, one in self.averages.items()},
            "table_2": [row.facts() for row in self.table_2],
            "table_4": {", ".join(cell): one.facts() for cell, one in self.table_4.items()},
            "table_4_missing": self.table_4_missing or None,
            "differences": {", ".join(cell): [one.facts() for one in all_] for cell, all_ in self.differences.items()},
            "seeds": [spread.facts() for spread in self.spreads],
            "paper": paper_values.facts(),
        }


def make_tables(runs: Sequence[Run], *, seeds: Mapping[str, Sequence[Run]] | None = None) -> FamilyTables:
    """Tables 1, 2 and 4 from finished runs, one a network.

    Args:
        runs: over the same frames, with the same settings.
        seeds: method -> runs of its networks that differ in their seed alone, at least two; they are in no other table.

    Raises:
        ConfigError: no run, or runs that differ in frames, threshold or iterations; two networks of one name.
        DataError: a run is not finished, or holds no appearance attack.
    """
    if not runs:
        raise ConfigError("There is no run to make tables of; attack at least one network first.")
    seeds = seeds or {}
    settings = _check_alike([*runs, *(run for some in seeds.values() for run in some)])
    described = one_a_method(members_of(runs))
    named = {member.name: (member, run) for member, run in zip(described, runs, strict=True)}
    ordered = [named[name] for name in in_order(list(named))]
    members, runs = tuple(member for member, _ in ordered), [run for _, run in ordered]
    first = runs[0]
    groups = tuple(group for group in first.info["selection"]["groups"] if counts(first, settings[0], group)[0])
    cells = [(setting, group) for group in groups for setting in settings]
    table_1 = tuple(row for run in runs for cell in cells for row in error_rows(run, *cell))
    reference = "nsd" if "nsd" in named else members[0].name
    others = [run for member, run in ordered if member.name != reference]
    table_4, missing = _table_4({member.name: run for member, run in ordered}, cells)
    return FamilyTables(
        members=members,
        settings=settings,
        groups=groups,
        threshold_mm=float(first.info["settings"]["threshold_mm"]),
        iterations=int(first.info["settings"]["iterations"]),
        frames={group: counts(first, settings[0], group) for group in groups},
        table_1=table_1,
        table_2=tuple(picture_row(run, *cell) for run in runs for cell in cells),
        averages=_averages(table_1, cells, tuple(member.name for member in members if not member.apart)),
        table_4=table_4,
        table_4_missing=missing,
        reference=reference,
        differences={cell: _against(named[reference][1], others, cell) for cell in cells},
        spreads=tuple(spread_of(method, some, cells) for method, some in seeds.items()),
        dataset=dict(first.info["dataset"]),
        selection=dict(first.info["selection"]),
        failed=sum(int(run.info.get("failed") or 0) for run in runs),
    )


def _check_alike(runs: Sequence[Run]) -> tuple[str, ...]:
    """Refuse runs that are not of the same frames and settings; returns the appearance attacks that all have."""
    first = runs[0]
    for run in runs:
        if not run.complete:
            raise DataError(f"The run {run.folder} is not finished; resume it, then make the tables.")
        for part, name in _ALIKE:
            one, other = first.info[part].get(name), run.info[part].get(name)
            if one != other:
                raise ConfigError(
                    f"{first.folder} and {run.folder} differ in {part} {name} ({one}, {other}); tables need runs over "
                    "the same frames with the same settings."
                )
    of_all = set.intersection(*(set(run.info["settings"]["attacks"]) for run in runs))
    shared = [name for name in APPEARANCE_ATTACKS if name in of_all]
    if not shared:
        raise DataError(f"The runs share no attack on the appearance code ({', '.join(APPEARANCE_ATTACKS)}); attack "
                        "all networks under the same one.")  # fmt: skip
    return tuple(shared)


_ALIKE = (
    ("dataset", "fingerprint"),
    ("selection", "sample_ids_hash"),
    ("settings", "threshold_mm"),
    ("settings", "iterations"),
    ("settings", "objective"),
)


def _averages(rows: Sequence[ErrorRow], cells: Sequence[Cell], together: tuple[str, ...]) -> dict[Cell, Average]:
    found = {}
    for setting, group in cells:
        some = [row for row in rows if row.subject is None and row.network in together]
        some = [row for row in some if (row.setting, row.group) == (setting, group) and row.attacked]
        if len(some) > 1:
            initial, final, success = (
                float(np.mean([getattr(row, name).value for row in some]))
                for name in ("initial_mm", "final_mm", "success")
            )
            found[setting, group] = Average(tuple(row.network for row in some), initial, final, success)
    return found


def _against(reference: Run, others: Sequence[Run], cell: Cell) -> tuple[Comparison, ...]:
    """Every other network against the reference; those of which no frame was attacked under both are left out."""
    found = []
    for run in others:
        try:
            found.append(compare_runs(reference, run, setting=cell[0], group=cell[1]))
        except DataError:
            continue
    return tuple(found)


def _table_4(runs: Mapping[str, Run], cells: Sequence[Cell]) -> tuple[dict[Cell, Comparison], str]:
    """CSSL against CSSL-DA, or why there is no such table."""
    missing = [name for name in ("cssl", "cssl-da") if name not in runs]
    if missing:
        return {}, f"Table 4 compares cssl with cssl-da; {' and '.join(missing)} {_were(missing)} not attacked."
    found = {cell: one for cell in cells for one in _against(runs["cssl"], [runs["cssl-da"]], cell)}
    return found, "" if found else "Table 4 is empty: no frame was attacked under both cssl and cssl-da."


def _were(names: Sequence[str]) -> str:
    return "were" if len(names) > 1 else "was"
