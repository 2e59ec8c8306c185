"""A run on disk: run.json, results/part-*.parquet, log.jsonl; whole or not there, and resumable.

The plan of a run is a numbered list of parts. A part is written once, atomically, so a part that exists is finished;
a killed run resumes by doing the parts that are missing.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from turncoat.engine.runs.columns import COLUMNS, as_table
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.kernels.files import atomic_path, check_output_folder, write_json

FORMAT = 1
_MISSING = object()


class Run:
    """A run folder opened for reading.

    Attributes:
        folder: where it is.
        info: run.json.
    """

    def __init__(self, folder: Path, info: dict[str, Any]) -> None:
        self.folder, self.info = folder, info
        self._table: pa.Table | None = None

    @property
    def complete(self) -> bool:
        """Whether every part of the plan was written."""
        return bool(self.info["status"] == "complete")

    def table(self) -> pa.Table:
        """All rows, in the order of the plan.

        Raises:
            DataError: a part cannot be read.
        """
        if self._table is None:
            parts = sorted((self.folder / "results").glob("part-*.parquet"))
            self._table = pa.concat_tables([_read(part) for part in parts]) if parts else COLUMNS.empty_table()
        return self._table

    def select(self, **where: Any) -> np.ndarray:
        """Indices, into `table()`, of the rows whose columns have the given values.

        Each value is a value, a list of values, or None for null: ``run.select(attack="appearance", setting="paper")``.

        Raises:
            DataError: a column that runs do not have.
        """
        table = self.table()
        keep = np.ones(len(table), dtype=bool)
        for name, wanted in where.items():
            if name not in table.column_names:
                raise DataError(f"A run has no column {name!r}; it has {', '.join(table.column_names)}.")
            column = table[name].combine_chunks()
            if wanted is None:
                found = pc.is_null(column)
            else:
                values = list(wanted) if isinstance(wanted, (list, tuple, set, np.ndarray)) else [wanted]
                found = pc.is_in(column, value_set=pa.array(values, type=column.type))
            keep &= found.to_numpy(zero_copy_only=False)
        return np.flatnonzero(keep)

    def rows(self, **where: Any) -> dict[str, np.ndarray]:
        """The columns of the rows that `select` finds: numbers as float64 with NaN for null (whole-number columns
        without nulls as int64), text as objects with None for null, lists as objects holding float32 arrays."""
        chosen = self.table().take(pa.array(self.select(**where)))
        return {name: _column(chosen[name].combine_chunks()) for name in chosen.column_names}


class RunWriter:
    """A run folder that is being written, part by part."""

    def __init__(self, folder: Path, info: dict[str, Any]) -> None:
        self.folder, self.info = folder, info

    @classmethod
    def open(cls, folder: str | Path, facts: Mapping[str, Any], *, resume: bool = False) -> "RunWriter":
        """Start a run, or go on with one whose facts are the same.

        Args:
            folder: output folder; made if missing.
            facts: what identifies the run (settings, dataset, networks, selection ...), as JSON values.
            resume: go on in `folder` if it holds a run; else it has to be empty.

        Raises:
            ConfigError: the folder is not empty (without `resume`), cannot be written, or holds another run.
        """
        path = check_output_folder(folder, resume)
        facts = json.loads(json.dumps(facts))  # as they will be read back: tuples are lists
        there = path / "run.json"
        if resume and there.exists():
            info = _load(path)
            _same_run(path, info, facts)
            info["status"] = "running"
        else:
            if resume and any(path.iterdir()):
                raise ConfigError(f"{path} holds no run to resume (it has no run.json); choose another folder.")
            info = {"format": FORMAT, "kind": "attack", "status": "running", "created": _now(), "wall_s": 0.0, **facts}
        (path / "results").mkdir(exist_ok=True)
        writer = cls(path, info)
        writer.save()
        return writer

    def save(self, **changes: Any) -> None:
        """Change facts in run.json and write it."""
        self.info.update(changes)
        write_json(self.folder / "run.json", self.info)

    def has(self, part: int) -> bool:
        """Whether part number `part` is already there."""
        return self._part(part).exists()

    def write(self, part: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write part number `part` atomically."""
        with atomic_path(self._part(part)) as temporary:
            pq.write_table(as_table(rows), temporary, compression="zstd")

    def log(self, **facts: Any) -> None:
        """Add a line to log.jsonl: facts of progress, with the time."""
        with open(self.folder / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"at": _now(), **facts}) + "\n")

    def finish(self, **facts: Any) -> Run:
        """Mark the run complete and open it for reading."""
        self.save(status="complete", finished=_now(), **facts)
        return Run(self.folder, self.info)

    def _part(self, part: int) -> Path:
        return self.folder / "results" / f"part-{part:05d}.parquet"


def open_run(folder: str | Path) -> Run:
    """Open a run folder for reading.

    Raises:
        DataError: there is no run, its run.json is damaged, or it is of a format this version does not read.
    """
    path = Path(folder)
    return Run(path, _load(path))


def _load(path: Path) -> dict[str, Any]:
    file = path / "run.json"
    if not file.is_file():
        raise DataError(f"{path} is not a run: it has no run.json; give the folder that `turncoat attack` wrote.")
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read ({error}); the run has to be made again.") from error
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        found = info.get("format") if isinstance(info, dict) else type(info).__name__
        raise DataError(f"{file} is of format {found}; this version reads format {FORMAT}.")
    return info


def _same_run(path: Path, info: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Refuse to mix two runs in one folder."""
    for name, value in facts.items():
        there = info.get(name, _MISSING)
        if there == value or name in ("command", "versions", "machine"):
            continue
        if isinstance(value, dict) and isinstance(there, dict):
            keys = [key for key in {**value, **there} if value.get(key, _MISSING) != there.get(key, _MISSING)]
            keys = [key for key in keys if (name, key) not in _MAY_DIFFER]
            if not keys:
                continue
            key = keys[0]
            raise ConfigError(
                f"{path} holds a run with another {name} {key} ({there.get(key)!r}, now "
                f"{value.get(key)!r}); give the same one to resume, or another folder."
            )
        raise ConfigError(
            f"{path} holds a run with another {name} ({_shown(there)}, now {_shown(value)}); give the same one to "
            "resume, or another folder."
        )


def _shown(value: Any) -> str:
    """A fact as a sentence shows it; of a network, its name."""
    if value is _MISSING:
        return "none"
    return repr(value["name"]) if isinstance(value, dict) and "name" in value else repr(value)


# These change how fast a run goes, or where things lie, not what comes out.
_MAY_DIFFER = {
    ("settings", "batch"),
    ("settings", "device"),
    ("dataset", "folder"),
    ("dataset", "background"),  # its bytes are in the fingerprint
    ("generator", "path"),
    ("target", "path"),
    ("judge", "path"),
}


def _read(part: Path) -> pa.Table:
    try:
        table = pq.read_table(part)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{part} cannot be read ({error}); delete it and resume the run.") from error
    missing = [name for name in COLUMNS.names if name not in table.column_names]
    for name in missing:
        table = table.append_column(COLUMNS.field(name), pa.nulls(len(table), COLUMNS.field(name).type))
    return table.select(COLUMNS.names)


def _column(array: pa.Array) -> np.ndarray:
    if pa.types.is_list(array.type):
        out = np.empty(len(array), dtype=object)
        for index, item in enumerate(array):
            out[index] = item.values.to_numpy().copy() if item.is_valid else None
        return out
    if pa.types.is_string(array.type) or pa.types.is_boolean(array.type):
        return np.array(array.to_pylist() + [None], dtype=object)[:-1]
    if pa.types.is_integer(array.type) and array.null_count == 0:
        return array.to_numpy(zero_copy_only=False).astype(np.int64)
    return array.cast(pa.float64()).to_numpy(zero_copy_only=False)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
