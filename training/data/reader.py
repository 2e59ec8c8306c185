"""Reading records back: memory-mapped shards, every record checked against its CRC-32 each time it is read.

Plain NumPy on purpose: copying by slices, check included, was faster than a numba kernel (benchmarks/results).
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from turncoat.kernels.errors import DataError
from turncoat.training.data.index import Index
from turncoat.training.data.store import BYTES_PER_PIXEL


class RecordReader:
    """The shards of one dataset. Holds no state but the mappings: threads and forked processes may share it."""

    def __init__(self, folder: Path, shards: list[dict[str, Any]], index: Index, frame_size: int):
        self.folder, self.frame_size = folder, frame_size
        self._files = [folder / shard["file"] for shard in shards]
        self._check_lengths(shards)
        self._lengths = [shard["bytes"] for shard in shards]
        self._maps: list[mmap.mmap | None] = [None] * len(shards)
        self._place = np.stack([index.column(name) for name in ("shard", "offset", "x0", "y0", "x1", "y1", "crc32")], 1)
        self._place = self._place.astype(np.int64)

    def _check_lengths(self, shards: list[dict[str, Any]]) -> None:
        for path, shard in zip(self._files, shards, strict=True):
            if not path.is_file():
                raise DataError(
                    f"{self.folder} is incomplete: {path.name} ({shard['records']} frames) is missing; "
                    "copy the whole folder again or render it again."
                )
            size = path.stat().st_size
            if size != shard["bytes"]:
                raise DataError(
                    f"{path} has {size} bytes, expected {shard['bytes']}; it is truncated or from another dataset: "
                    "copy the whole folder again or render it again."
                )

    def _map(self, shard: int) -> mmap.mmap:
        found = self._maps[shard]
        if found is None:
            with open(self._files[shard], "rb") as file:
                found = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._maps[shard] = found
        return found

    def _announce(self, rows: np.ndarray) -> None:
        """Tell the system which bytes come next, so that what is not in memory is fetched all at once."""
        if not hasattr(mmap, "MADV_WILLNEED"):
            return
        for shard, offset, x0, y0, x1, y1, _ in self._place[rows].tolist():
            start = offset // mmap.PAGESIZE * mmap.PAGESIZE
            size = offset - start + BYTES_PER_PIXEL * (x1 - x0) * (y1 - y0)
            if 0 <= shard < len(self._files) and 0 <= start < start + size <= self._lengths[shard]:
                self._map(shard).madvise(mmap.MADV_WILLNEED, start, size)

    def record(self, row: int) -> tuple[slice, slice, np.ndarray] | None:
        """``(rows, columns, record)`` of one sample: where in the frame it lies, and its bytes uint8 (5 * h * w,).

        None when the record is damaged: it leaves the shard or the frame, or its checksum is wrong.
        """
        shard, offset, x0, y0, x1, y1, checksum = self._place[row].tolist()
        size = BYTES_PER_PIXEL * (x1 - x0) * (y1 - y0)
        inside = 0 <= x0 <= x1 <= self.frame_size and 0 <= y0 <= y1 <= self.frame_size
        if not inside or not 0 <= shard < len(self._files) or not 0 <= offset <= self._lengths[shard] - size:
            return None
        record = np.frombuffer(self._map(shard), np.uint8, size, offset) if size else np.empty(0, np.uint8)
        if zlib.crc32(record.data) != checksum:
            return None
        return slice(y0, y1), slice(x0, x1), record

    def records(self, rows: np.ndarray, bad: list[int]) -> Iterator[tuple[int, slice, slice, np.ndarray]]:
        """``(i, rows, columns, record)`` of every readable sample, i its place in ``rows``; the rest go to ``bad``."""
        self._announce(rows)
        for i, row in enumerate(rows.tolist()):
            found = self.record(row)
            if found is None:
                bad.append(i)
            else:
                yield i, *found


def paste_rgb(frame: np.ndarray, rows: slice, columns: slice, record: np.ndarray) -> None:
    """Write the record's colours into ``frame`` uint8 (H, W, 3)."""
    height, width = rows.stop - rows.start, columns.stop - columns.start
    frame[rows, columns] = record[: 3 * height * width].reshape(height, width, 3)


def paste_plane(plane: np.ndarray, rows: slice, columns: slice, record: np.ndarray, which: int) -> None:
    """Write one plane of the record (3: alpha, 4: labels) into ``plane`` uint8 (H, W)."""
    height, width = rows.stop - rows.start, columns.stop - columns.start
    area = height * width
    plane[rows, columns] = record[which * area : (which + 1) * area].reshape(height, width)
