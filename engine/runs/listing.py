"""Which runs lie below a folder, and what each is, without reading more of them than that takes."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from turncoat.engine.attack.outcomes import ATTACKED, Outcome
from turncoat.engine.runs.folder import open_run
from turncoat.engine.runs.lock import RunLock
from turncoat.kernels.errors import DataError

COMPLETE, RUNNING, UNFINISHED, DAMAGED = "complete", "running", "not finished", "damaged"
_COLUMNS = ("attack", "setting", "outcome")
_ATTACKED = [outcome.value for outcome in ATTACKED]


@dataclass(frozen=True)
class Success:
    """Of one setting: rows, how many of them were really attacked, and fooled."""

    rows: int
    attacked: int
    fooled: int

    @property
    def share(self) -> float | None:
        """Fooled of the attacked; None where none was."""
        return self.fooled / self.attacked if self.attacked else None


@dataclass(frozen=True)
class Listed:
    """A run folder.

    Attributes:
        folder: where it is.
        status: "complete"; "running": a process is writing it; "not finished": none is (where the file system knows
            locks); "damaged": `why` says what cannot be read.
        created: when it began, ISO 8601 UTC. dataset, frames: what was attacked. generator, target: with what.
        rows: of attacks and controls together. settings: success of each, in the order of the run.
    """

    folder: str
    status: str
    why: str = ""
    created: str = ""
    dataset: str = ""
    frames: int | None = None
    generator: str = ""
    target: str = ""
    rows: int = 0
    settings: dict[str, Success] | None = None

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        shares = {name: {**asdict(one), "share": one.share} for name, one in (self.settings or {}).items()}
        return {**asdict(self), "settings": shares}


def list_runs(folder: str | Path) -> list[Listed]:
    """The runs in and below a folder, by path. Other folders with a run.json (trainings) are passed over.

    Raises:
        DataError: there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"There is no folder {root}; give the one that runs were written below.")
    return [listed for place in _places(root) if (listed := _listed(place)) is not None]


def _places(root: Path) -> Iterator[Path]:
    """Folders that hold, or should hold, a run.json, sorted; links are not followed."""
    for place, folders, files in os.walk(root):
        folders.sort()
        if "run.json" in files or _holds_results(Path(place), folders):
            yield Path(place)
            folders[:] = [name for name in folders if name not in ("results", "report")]


def _holds_results(place: Path, folders: list[str]) -> bool:
    """Results whose run.json was lost."""
    return "results" in folders and next((place / "results").glob("part-*.parquet"), None) is not None


def _listed(place: Path) -> Listed | None:
    file = place / "run.json"
    try:
        info = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"kind": "attack"}
    except (OSError, ValueError):
        info = {"kind": "attack"}  # as `open_run` will say
    if not isinstance(info, dict) or info.get("kind") != "attack":
        return None
    try:
        info = open_run(place).info
        known = _known(place, info)
    except DataError as error:
        return Listed(str(place), DAMAGED, str(error))
    except (KeyError, TypeError, AttributeError) as error:
        return Listed(str(place), DAMAGED, f"{file} lacks what a run says ({error}); the run has to be made again.")
    try:
        rows, settings = _counted(place, info["settings"]["attacks"])
    except DataError as error:
        return Listed(status=DAMAGED, why=str(error), **known)
    status = COMPLETE if info["status"] == "complete" else RUNNING if RunLock.is_held(place) else UNFINISHED
    return Listed(status=status, rows=rows, settings=settings, **known)


def _known(place: Path, info: dict[str, Any]) -> dict[str, Any]:
    data = info["dataset"]
    kind = ", ".join(str(data[name]) for name in ("recipe", "preset") if data.get(name))
    name = f"{data.get('name') or 'dataset'}{f' ({kind})' if kind else ''}"
    return {
        "folder": str(place),
        "created": str(info.get("created", "")),
        "dataset": f"{name} in {data['folder']}" if data.get("folder") else name,
        "frames": (info.get("selection") or {}).get("frames"),
        "generator": str(info["generator"]["name"]),
        "target": str(info["target"]["name"]),
    }


def _counted(place: Path, attacks: list[str]) -> tuple[int, dict[str, Success]]:
    """Rows in all, and the success of every setting."""
    tables = [_columns_of(part) for part in sorted((place / "results").glob("part-*.parquet"))]
    if not tables:
        return 0, {name: Success(0, 0, 0) for name in attacks}
    table = pa.concat_tables(tables)
    attack, setting, outcome = (np.array(table[name].to_pylist(), dtype=object) for name in _COLUMNS)
    found = {}
    for name in attacks:
        mine = outcome[(setting == name) & (attack != "control")]
        fooled = int((mine == Outcome.FOOLED.value).sum())
        found[name] = Success(len(mine), int(np.isin(mine.astype(str), _ATTACKED).sum()), fooled)
    return len(table), found


def _columns_of(part: Path) -> pa.Table:
    try:
        return pq.read_table(part, columns=list(_COLUMNS), partitioning=None)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{part} cannot be read ({reason}); delete it and resume the run.") from error
