"""The index of a dataset: one row a sample, kept in memory as NumPy columns, at rest as Parquet.

Columns are those of docs/formats.md. Unknown values are null at rest; in memory a null text is ``""``, a null
integer -1 and a null number NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from turncoat.kernels.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS = ("train", "validation", "held-out", "unseen motion", "unseen subject", "unseen scene", "crossed")
GROUPS = ("everyday", "acrobatic")

SAMPLE_COLUMNS: dict[str, str] = {
    "sample_id": "string",
    "sequence": "string",
    "instant": "int32",
    "camera": "int32",
    "scene": "string",
    "subject": "string",
    "body": "string",
    "wardrobe": "string",
    "action": "string",
    "group": "string",
    "motion_id": "string",
    "motion_time_s": "float64",
    "mirrored": "bool",
    "time_s": "float64",
    "split": "string",
    "view": "int32",
}
"""What is known about a sample, by column: Arrow type. ``view`` numbers the (scene, camera) pairs."""

CROSSED_COLUMNS: dict[str, str] = {
    "crossed_pose": "string",
    "factor": "string",
    "level": "string",
    "seen": "bool",
}
"""What is known besides in a factorial test set, and only there: which pose and camera are held, what was changed, to
what, and whether training shows that."""

LOCATION_COLUMNS: dict[str, str] = {
    "shard": "int32",
    "offset": "int64",
    "x0": "int16",
    "y0": "int16",
    "x1": "int16",
    "y1": "int16",
    "crc32": "uint32",
    "person_x0": "int16",
    "person_y0": "int16",
    "person_x1": "int16",
    "person_y1": "int16",
}
"""Where its record is (shard, byte offset, stored rectangle, checksum) and the person's own rectangle, in pixels."""

REQUIRED = ("sample_id", "sequence", "instant", "camera", "scene", "subject", "action", "group", "split", "view")
SELECTABLE = (
    "split group subject action camera scene body wardrobe motion_id sequence mirrored view "  # noqa: SIM905
    "crossed_pose factor level seen".split()
)


def arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    """Arrow schema of these columns (name -> type name)."""
    import pyarrow as pa

    return pa.schema([(name, pa.bool_() if kind == "bool" else getattr(pa, kind)()) for name, kind in columns.items()])


def _column(array: pa.ChunkedArray, kind: str) -> np.ndarray:
    if kind == "string":  # by way of its different values: few, in most columns
        encoded = array.fill_null("").combine_chunks().dictionary_encode()
        values = np.array(encoded.dictionary.to_pylist(), dtype=np.str_)
        return values[encoded.indices.to_numpy()]
    if kind == "bool":
        return array.fill_null(False).to_numpy().astype(bool)
    if array.null_count:
        array = array.fill_null(float("nan") if kind.startswith("float") else -1)
    return array.to_numpy()


def known(values: Iterable[Any], most: int = 12) -> str:
    """``"a", "b" and 7 more``: values as an error message lists them."""
    listed = [str(value) for value in values]
    shown = ", ".join(f'"{value}"' for value in listed[:most])
    return shown + (f" and {len(listed) - most} more" if len(listed) > most else "")


class Index:
    """The samples of a dataset as columns of equal length; row numbers are positions in it."""

    def __init__(self, columns: Mapping[str, np.ndarray]):
        self.columns = dict(columns)
        for values in self.columns.values():
            values.flags.writeable = False
        self._order: np.ndarray | None = None
        self._known: dict[str, list[Any]] = {}

    @classmethod
    def read(cls, path: Path) -> Index:
        """Read the Parquet file at ``path``; DataError when it is missing, damaged or lacks a column."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path, partitioning=None)
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"{path} cannot be read as Parquet ({str(error).splitlines()[0]}); "
                "it is damaged: render the dataset again."
            ) from error
        kinds = SAMPLE_COLUMNS | LOCATION_COLUMNS
        missing = [name for name in kinds if name not in table.column_names]
        if missing:
            raise DataError(
                f"{path} has no column {known(missing)}; the dataset is of another format: render it again."
            )
        kinds |= {name: kind for name, kind in CROSSED_COLUMNS.items() if name in table.column_names}
        return cls({name: _column(table.column(name), kind) for name, kind in kinds.items()})

    def __len__(self) -> int:
        return len(self.columns["sample_id"])

    def column(self, name: str) -> np.ndarray:
        """The whole column ``name``, (N,), read-only."""
        if name not in self.columns:
            raise DataError(f'found no index column "{name}"; the columns are {known(self.columns, 99)}.')
        return self.columns[name]

    def known_values(self, name: str) -> list[Any]:
        """The different values of a column, sorted; known splits and groups in their usual order."""
        if name not in self._known:
            values = np.unique(self.column(name)).tolist()
            usual = {"split": SPLITS, "group": GROUPS}.get(name, ())
            self._known[name] = [v for v in usual if v in values] + [v for v in values if v not in usual]
        return self._known[name]

    def rows(self, sample_ids: Sequence[str] | np.ndarray) -> np.ndarray:
        """Row numbers int64 (N,) of sample ids; DataError names the first unknown one."""
        wanted = np.atleast_1d(np.asarray(sample_ids, dtype=np.str_))
        ids = self.column("sample_id")
        if self._order is None:
            self._order = np.argsort(ids, kind="stable")
        if not len(ids):
            raise DataError(f'found the sample id "{wanted[0]}", but the dataset is empty.')
        place = np.minimum(np.searchsorted(ids, wanted, sorter=self._order), len(ids) - 1)
        rows = self._order[place]
        unknown = np.flatnonzero(ids[rows] != wanted)
        if len(unknown):
            others = f" (and {len(unknown) - 1} more unknown ones)" if len(unknown) > 1 else ""
            raise DataError(
                f'found the sample id "{wanted[unknown[0]]}"{others}, which this dataset does not have; '
                f'its ids look like "{ids[0]}".'
            )
        return rows.astype(np.int64)

    def select(self, **criteria: Any) -> np.ndarray:
        """Rows int64, ascending, whose columns have these values.

        Each criterion is ``column=value`` or ``column=[value, ...]`` over the columns of `SELECTABLE`; None means any.
        A value that no sample has raises DataError with the list of known ones.
        """
        keep = np.ones(len(self), dtype=bool)
        for name, wanted in criteria.items():
            if wanted is None:
                continue
            if name not in SELECTABLE:
                raise DataError(f'found "{name}" as a criterion; samples are selected by {known(SELECTABLE, 99)}.')
            values = list(wanted) if isinstance(wanted, (list, tuple, set, frozenset, np.ndarray)) else [wanted]
            existing = self.known_values(name)
            unknown = [value for value in values if value not in existing]
            if unknown:
                raise DataError(
                    f"found the {name} {known(unknown)}, which this dataset does not have; "
                    f"choose from {known(existing, 40)}."
                )
            keep &= np.isin(self.column(name), values)
        return np.flatnonzero(keep)
