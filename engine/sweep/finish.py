"""Counting what a run holds, part by part, so that memory does not grow with it; and closing it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from turncoat.engine.attack.appearance import space_of
from turncoat.engine.attack.outcomes import FAILED, Outcome
from turncoat.engine.attack.settings import colour_budget, family_of, pixel_budget
from turncoat.engine.runs import Run, RunWriter
from turncoat.engine.runs.folder import COMPLETE, read_part
from turncoat.engine.sweep.prepare import Sweep

_COUNTED = ["sample_id", "attack", "setting", "control", "outcome", "confirmed_first"]
_FAILED = {outcome.value for outcome in FAILED}


@dataclass
class _Count:
    """Of one attack: outcomes, first checks that held and that were made, controls beside it."""

    outcomes: Counter[str] = field(default_factory=Counter)
    held: int = 0
    checked: int = 0
    controls: set[str] = field(default_factory=set)


def finish(writer: RunWriter, sweep: Sweep, numbers: Sequence[int]) -> Run:
    """Count outcomes by attack and close a run that was to hold the parts `numbers`."""
    budgets = {name: _radius(name, sweep) for name in sweep.settings.appearance_attacks}
    return close(writer, sweep.settings.attacks, budgets, numbers)


def close(
    writer: RunWriter, attacks: Sequence[str], budgets: Mapping[str, float | None], numbers: Sequence[int]
) -> Run:
    """`finish` without networks.

    Args:
        attacks: names of the attacks.
        budgets: of the attacks on appearance codes; the others' are in their names.
        numbers: of the parts that the run was to hold; where one is missing, the run is not complete, and says so.

    Raises:
        DataError: a part cannot be read.
    """
    counts, failed = _count(writer, [number for number in numbers if writer.has(number)])
    known = dict(writer.info.get("attacks", {}))
    for name in attacks:
        count = counts.get(name, _Count())
        known[name] = {
            **known.get(name, {}),
            "attack": family_of(name),
            "budget": budgets[name] if name in budgets else _named(name),
            "controls": sorted(count.controls),
            "rows": count.outcomes.total(),
            "outcomes": {one.value: count.outcomes[one.value] for one in Outcome if count.outcomes[one.value]},
            "confirmed_first": count.held / count.checked if count.checked else None,
        }
    facts: dict[str, Any] = {"attacks": known, "failed": len(failed)}
    missing = [number for number in numbers if not writer.has(number)]
    shard = writer.info.get("shard")
    name = COMPLETE if shard is None else f"shard {shard['number']} of {shard['of']} complete"
    if missing:
        return writer.finish(status="parts are missing", missing=missing, **facts)
    return writer.finish(status=name, **facts)


def _count(writer: RunWriter, numbers: Sequence[int]) -> tuple[dict[str, _Count], set[str]]:
    """Counts by attack; the samples that failed under any of them."""
    counts: dict[str, _Count] = {}
    failed: set[str] = set()
    for number in numbers:
        for row in read_part(writer.path(number), _COUNTED).to_pylist():
            count = counts.setdefault(row["setting"], _Count())
            if row["attack"] == "control":
                count.controls.add(row["control"])
                continue
            count.outcomes[row["outcome"]] += 1
            count.checked += row["confirmed_first"] is not None
            count.held += row["confirmed_first"] is True
            if row["outcome"] in _FAILED:
                failed.add(row["sample_id"])
    return counts, failed


def _named(name: str) -> float | None:
    """The budget that the name of an attack on colours or pixels says."""
    return pixel_budget(name) if family_of(name) == "pixels" else colour_budget(name)


def _radius(name: str, sweep: Sweep) -> float | None:
    return space_of(name, sweep.pair.generator, sweep.pair.device, sweep.settings.budget_factor)[1]
