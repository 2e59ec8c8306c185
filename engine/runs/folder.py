"""A run on disk: run.json, results/part-*.parquet, log.jsonl; whole or not there, and resumable.

The plan of a run is a numbered list of parts. A part is written once, atomically, so a part that exists is finished;
a killed run resumes by doing the parts that are missing.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from turncoat.engine.runs.columns import COLUMNS, as_table
from turncoat.engine.runs.lock import NAME as LOCK
from turncoat.engine.runs.lock import RunLock
from turncoat.engine.runs.same import differences, said
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.kernels.files import atomic_path, check_output_folder, write_json

FORMAT = 1
COMPLETE = "complete"


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
        return bool(self.info["status"] == COMPLETE)

    def table(self) -> pa.Table:
        """All rows, in the order of the plan.

        Raises:
            DataError: a part cannot be read.
        """
        if self._table is None:
            parts = sorted((self.folder / "results").glob("part-*.parquet"))
            self._table = pa.concat_tables([read_part(part) for part in parts]) if parts else COLUMNS.empty_table()
        return self._table

    def select(self, **where: Any) -> np.ndarray:
        """Indices, into `table()`, of the rows whose columns have the given values.

        Each value is a value, a list of values, or None for null: ``run.select(attack="appearance", setting="paper")``.

        Raises:
            DataError: a column that runs do not have.
        """
        table = self.table()
        for name in where:
            _check_column(name, table.column_names)
        return np.flatnonzero(_matches(table, where))

    def rows(self, **where: Any) -> dict[str, np.ndarray]:
        """The columns of the rows that `select` finds: numbers as float64 with NaN for null (whole-number columns
        without nulls as int64), text as objects with None for null, lists as objects holding float32 arrays."""
        chosen = self.table().take(pa.array(self.select(**where)))
        return {name: _column(chosen[name].combine_chunks()) for name in chosen.column_names}

    def columns(self, names: Sequence[str], **where: Any) -> dict[str, np.ndarray]:
        """`rows`, of some columns alone: read part by part, so that a run of any length needs no more memory than they.

        Raises:
            DataError: a column that runs do not have, or a part cannot be read.
        """
        read = list(dict.fromkeys([*names, *where]))
        for name in read:
            _check_column(name, COLUMNS.names)
        if self._table is not None:
            found = self._table.select(read)
            found = found.filter(pa.array(_matches(found, where)))
        else:
            parts = sorted((self.folder / "results").glob("part-*.parquet"))
            kept = [table.filter(pa.array(_matches(table, where))) for table in (read_part(one, read) for one in parts)]
            found = pa.concat_tables(kept) if kept else pa.schema([COLUMNS.field(name) for name in read]).empty_table()
        return {name: _column(found[name].combine_chunks()) for name in names}


class Parts:
    """The results of a run folder, by part number; several processes may write different parts.

    Attributes:
        folder: the run's.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def has(self, part: int) -> bool:
        """Whether part number `part` is already there."""
        return self.path(part).exists()

    def write(self, part: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write part number `part` atomically."""
        self.write_table(part, as_table(rows))

    def write_table(self, part: int, table: pa.Table) -> None:
        """Write part number `part` atomically, from a table of `COLUMNS`."""
        with _named(self.path(part)), atomic_path(self.path(part)) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    def log(self, **facts: Any) -> None:
        """Add a line to log.jsonl: facts of progress, with the time."""
        line = json.dumps({"at": _now(), **facts}) + "\n"
        path = self.folder / "log.jsonl"
        with _named(path), open(path, "ab", buffering=0) as file:
            file.write(line.encode())  # one write: lines of several processes do not mix

    def path(self, part: int) -> Path:
        """The file of part number `part`."""
        return self.folder / "results" / f"part-{part:05d}.parquet"


class RunWriter(Parts):
    """A run folder that is being written by this process alone, part by part. A context manager: leaving it lets go."""

    def __init__(self, folder: Path, info: dict[str, Any], lock: RunLock) -> None:
        super().__init__(folder)
        self.info, self._lock = info, lock

    @classmethod
    def open(cls, folder: str | Path, facts: Mapping[str, Any], *, resume: bool = False) -> "RunWriter":
        """Start a run, or go on with one whose facts are the same.

        Args:
            folder: output folder; made if missing.
            facts: what identifies the run (settings, dataset, networks, selection ...), as JSON values.
            resume: go on in `folder` if it holds a run; else it has to be empty.

        Raises:
            ConfigError: the folder is not empty (without `resume`), cannot be written, holds another run, or is being
                written by another process.
        """
        path = check_output_folder(folder, resume or _is_left_over(Path(folder)))
        lock = RunLock.take(path)
        try:
            as_read_back = json.loads(json.dumps(facts))  # tuples are lists
            writer = cls(path, _begin(path, as_read_back, resume), lock)
            writer.save()
            if not lock.real:
                writer.log(warning="this file system knows no locks: another sweep in this folder would go unnoticed")
            return writer
        except BaseException:
            lock.release()
            raise

    def __enter__(self) -> "RunWriter":
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def save(self, **changes: Any) -> None:
        """Change facts in run.json and write it."""
        self.info.update(changes)
        with _named(self.folder / "run.json"):
            write_json(self.folder / "run.json", self.info)

    def finish(self, *, status: str = COMPLETE, **facts: Any) -> Run:
        """Mark the run complete, or say what else it is; let go of the folder and open it for reading."""
        self.save(status=status, finished=_now(), **facts)
        self._lock.release()
        return Run(self.folder, self.info)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Inside, what the system refuses (a full disk) is said of `path`: libraries leave the name out."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


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


def _begin(path: Path, facts: dict[str, Any], resume: bool) -> dict[str, Any]:
    """What run.json holds of the run that is started, or gone on with, in a locked folder."""
    if (path / "run.json").exists():
        if not resume:  # it was begun between the look at the folder and the lock
            raise ConfigError(f"The output folder {path} is not empty; choose another, or resume what is there.")
        info = _load(path)
        _same_run(path, info, facts)
        for name in ("finished", "missing"):
            info.pop(name, None)
    elif not _is_left_over(path):
        raise ConfigError(f"{path} holds no run to resume (it has no run.json); choose another folder.")
    else:
        info = {"format": FORMAT, "kind": "attack", "status": "running", "created": _now(), "wall_s": 0.0, **facts}
    (path / "results").mkdir(exist_ok=True)
    for torn in (*path.glob(".tmp-*"), *(path / "results").glob(".tmp-*")):
        torn.unlink(missing_ok=True)  # of a writer that was killed: nobody else writes here
    return {**info, "status": "running"}


def _is_left_over(path: Path) -> bool:
    """Whether a folder holds nothing but what a writer leaves that was killed before run.json was there."""
    try:
        names = {one.name for one in path.iterdir() if not one.name.startswith(".tmp-")} - {LOCK}
        return not names or (names == {"results"} and not any((path / "results").iterdir()))
    except OSError:
        return False  # there is no such folder, or none that can be read: whoever needs it says so


def _same_run(path: Path, info: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Refuse to mix two runs in one folder."""
    found = differences(info, facts)
    if found:
        raise ConfigError(
            f"{path} holds a run with another {said(found)}; give the same to resume it, or choose another folder."
        )


def read_part(part: Path, columns: Sequence[str] = COLUMNS.names) -> pa.Table:
    """Columns of one part; those that an older version did not write are null.

    Raises:
        DataError: it cannot be read.
    """
    try:
        there = set(pq.read_schema(part).names)
        # As one file: a folder's name may hold an equals sign, which means something to datasets of many files.
        table = pq.read_table(part, columns=[name for name in columns if name in there], partitioning=None)
    except (OSError, ValueError) as error:
        raise DataError(f"{part} cannot be read ({error}); delete it and resume the run.") from error
    for name in columns:
        if name not in there:
            table = table.append_column(COLUMNS.field(name), pa.nulls(len(table), COLUMNS.field(name).type))
    return table.select(columns)


def _check_column(name: str, there: Sequence[str]) -> None:
    if name not in there:
        raise DataError(f"A run has no column {name!r}; it has {', '.join(there)}.")


def _matches(table: pa.Table, where: Mapping[str, Any]) -> np.ndarray:
    """(N,) bool: the rows whose columns have the given values; see `Run.select`."""
    keep = np.ones(len(table), dtype=bool)
    for name, wanted in where.items():
        column = table[name].combine_chunks()
        if wanted is None:
            found = pc.is_null(column)
        else:
            values = list(wanted) if isinstance(wanted, (list, tuple, set, np.ndarray)) else [wanted]
            found = pc.is_in(column, value_set=pa.array(values, type=column.type))
        keep &= found.to_numpy(zero_copy_only=False)
    return keep


def _column(array: pa.Array) -> np.ndarray:
    if pa.types.is_list(array.type):
        out = np.empty(len(array), dtype=object)
        for index, item in enumerate(array):
            out[index] = item.values.to_numpy().copy() if item.is_valid else None
        return out
    if pa.types.is_string(array.type):  # equal texts are one object
        encoded = array.dictionary_encode()
        texts = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
        return texts[encoded.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)]
    if pa.types.is_boolean(array.type):
        return np.array(array.to_pylist() + [None], dtype=object)[:-1]
    if pa.types.is_integer(array.type) and array.null_count == 0:
        return array.to_numpy(zero_copy_only=False).astype(np.int64)
    return array.cast(pa.float64()).to_numpy(zero_copy_only=False)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
