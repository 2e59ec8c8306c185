"""One run in several pieces, each in a folder of its own, and the run that they are together."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turncoat.engine.runs import Parts, Run, RunWriter, open_run
from turncoat.engine.runs.folder import read_part
from turncoat.engine.runs.same import differences, said
from turncoat.engine.sweep.finish import close
from turncoat.kernels.errors import ConfigError
from turncoat.kernels.files import atomic_path

# What an attack in run.json says of its results; the rest says how it was made, and is the same in all shards.
_RESULTS = ("rows", "outcomes", "confirmed_first", "controls", "frames_per_s", "ladder")
# What run.json says of the writing, not of the run.
_WRITING = (
    "format",
    "kind",
    "status",
    "created",
    "finished",
    "wall_s",
    "failed",
    "missing",
    "attacks",
    "shard",
    "merged",
)


@dataclass(frozen=True)
class Shard:
    """The `number`-th of `of` shards, counted from 1: it does the parts k with ``k % of == number - 1``."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """``"2/4"``: the second of four.

        Raises:
            ConfigError: it is something else.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise ConfigError(f"The shard is {text!r}; expected number/count with a number from 1 to count, like 2/4.")
        return cls(int(found[1]), int(found[2]))

    def numbers(self, parts: int) -> list[int]:
        """The part numbers, of ``range(parts)``, that this shard does."""
        return list(range(self.number - 1, parts, self.of))

    def facts(self) -> dict[str, int]:
        """As run.json keeps it."""
        return {"number": self.number, "of": self.of}


def merge_shards(out: str | Path, shards: Sequence[str | Path], *, command: str | None = None) -> Run:
    """Make one run of all shards of a sweep: the one that an undivided sweep gives.

    Parts are copied one by one, each atomically; a merge that was killed goes on, and one that is done changes nothing.

    Args:
        out: folder of the run; empty, missing, or this very run.
        shards: folders of all its shards, in any order.
        command: command line to record.

    Raises:
        DataError: a folder is no run, or one of its parts cannot be read.
        ConfigError: they are no shards, or not of one sweep, or not all there, or not complete.
    """
    runs = [open_run(folder) for folder in shards]
    _check_all_there(runs)
    first = runs[0]
    for other in runs[1:]:
        found = differences(_identity(first), _identity(other))
        if found:
            what = said(found, " and ")
            raise ConfigError(
                f"{other.folder} is a shard of another sweep than {first.folder}: they differ in {what}; attack with "
                "the same settings, weights, frames and step sizes (--step-size) in every shard."
            )
    facts = {name: value for name, value in first.info.items() if name not in _WRITING} | {"command": command}
    numbers = list(range(int(first.info["parts"])))
    if (Path(out) / "run.json").is_file():
        there = open_run(out)
        if there.complete and not differences(there.info, facts) and all(Parts(there.folder).has(k) for k in numbers):
            return there
    merged = [{"folder": run.folder.name, "shard": run.info["shard"], "wall_s": run.info["wall_s"],
               "machine": run.info["machine"]} for run in runs]  # fmt: skip
    with RunWriter.open(out, facts, resume=True) as writer:
        for run in runs:
            _copy(run, writer)
        attacks = dict(first.info["attacks"])
        for name in attacks:
            rates = [run.info["attacks"][name].get("frames_per_s") for run in runs]
            known = [rate for rate in rates if rate is not None]
            attacks[name] = {**attacks[name], "frames_per_s": round(sum(known), 3) if known else None}
        budgets = {name: facts["budget"] for name, facts in attacks.items() if facts["attack"] == "appearance"}
        writer.save(attacks=attacks, wall_s=round(sum(run.info["wall_s"] for run in runs), 3), merged=merged)
        return close(writer, list(attacks), budgets, numbers)


def _check_all_there(runs: Sequence[Run]) -> None:
    if not runs:
        raise ConfigError("No shard is given; give the folders of all shards of a sweep.")
    found: dict[int, Path] = {}
    for run in runs:
        shard = run.info.get("shard")
        if shard is None:
            raise ConfigError(f"{run.folder} is a whole run, not a shard; `turncoat attack --shard` makes shards.")
        if shard["of"] != runs[0].info["shard"]["of"]:
            raise ConfigError(
                f"{run.folder} is one of {shard['of']} shards and {runs[0].folder} one of "
                f"{runs[0].info['shard']['of']}; give the shards of one sweep."
            )
        if shard["number"] in found:
            raise ConfigError(
                f"{found[shard['number']]} and {run.folder} are both shard {shard['number']} of {shard['of']}; give "
                "each once."
            )
        found[shard["number"]] = run.folder
    count = int(runs[0].info["shard"]["of"])
    absent = [str(number) for number in range(1, count + 1) if number not in found]
    if absent:
        which = f"Shards {', '.join(absent)} of {count} are" if len(absent) > 1 else f"Shard {absent[0]} of {count} is"
        raise ConfigError(f"{which} not given; all of them make the run.")
    for run in runs:
        numbers = _numbers(run)
        missing = [number for number in numbers if not Parts(run.folder).has(number)]
        if missing or "failed" not in run.info:
            raise ConfigError(
                f"{run.folder} lacks {len(missing)} of its {len(numbers)} parts; go on with it first: turncoat resume "
                f"{run.folder}"
                if missing
                else f"{run.folder} has not finished; go on with it first: turncoat resume {run.folder}"
            )


def _numbers(run: Run) -> list[int]:
    return Shard(**run.info["shard"]).numbers(int(run.info["parts"]))


def _identity(run: Run) -> dict[str, Any]:
    """What has to be the same in all shards."""
    facts = {name: value for name, value in run.info.items() if name not in _WRITING}
    attacks = {
        name: {key: value for key, value in one.items() if key not in _RESULTS}
        for name, one in run.info["attacks"].items()
    }
    return {**facts, "attacks": attacks}


def _copy(run: Run, writer: RunWriter) -> None:
    """Copy the parts of a shard that are not there yet; a damaged one is refused and named."""
    for number in _numbers(run):
        if not writer.has(number):
            source = Parts(run.folder).path(number)
            read_part(source)
            with atomic_path(writer.path(number)) as temporary:
                shutil.copyfile(source, temporary)
