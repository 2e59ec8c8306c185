"""Records on disk: what a frame adds to its background.

Outside a rectangle around the person a frame is its background, byte for byte, so a record holds the rectangle only:
``rgb (h, w, 3)``, ``alpha (h, w)``, ``labels (h, w)``, uint8, one after the other, C order. A label's low nibble is
material + 1, its high nibble the body part, 0 = background. Records lie back to back in shards (``frames-000.bin``);
place, rectangle and CRC-32 of each are in the index. See docs/formats.md.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from turncoat.kernels.errors import DataError
from turncoat.kernels.files import atomic_path, write_json
from turncoat.training.data.index import LOCATION_COLUMNS, REQUIRED, SAMPLE_COLUMNS, arrow_schema, known

FORMAT = 1
BYTES_PER_PIXEL = 5
JOINTS = 17


def shard_name(shard: int) -> str:
    """File name of the records of a shard."""
    return f"frames-{shard:03d}.bin"


def part_name(shard: int) -> str:
    """File name of the index part of a shard; it is written after the records and says that the shard is finished."""
    return f"index-{shard:03d}.parquet"


def tight_rectangle(alpha: np.ndarray, labels: np.ndarray | None = None) -> tuple[int, int, int, int]:
    """Smallest rectangle that holds every pixel with alpha or a label.

    ``alpha`` and ``labels``: uint8 (H, W). Returns ``(x0, y0, x1, y1)`` in pixels, x1 and y1 exclusive; 0s when empty.
    """
    filled = alpha if labels is None else alpha | labels
    across = np.flatnonzero(filled.any(axis=0))
    if not len(across):
        return 0, 0, 0, 0
    down = np.flatnonzero(filled.any(axis=1))
    return int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1


class ShardWriter:
    """Writes one shard: the unit that an interrupted rendering repeats.

    A context manager. Records go to a temporary name; on a clean exit the file is fsynced and renamed, then its index
    part is written the same way. After an exception nothing is left. ``fingerprint`` (recipe and assets) is kept in the
    part, so that shards of different renderings cannot be mixed. ``more``: columns beside `SAMPLE_COLUMNS`, by Arrow
    type.
    """

    def __init__(self, folder: Path | str, shard: int, *, fingerprint: str = "", more: Mapping[str, str] | None = None):
        self.folder, self.shard, self.fingerprint = Path(folder), shard, fingerprint
        self._known = SAMPLE_COLUMNS | dict(more or {})
        self._columns: dict[str, list[Any]] = {name: [] for name in self._known | LOCATION_COLUMNS}
        self._joints: list[np.ndarray] = []
        self._bytes = 0
        self._hash = hashlib.sha256()
        self._stack = ExitStack()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> ShardWriter:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / part_name(self.shard)).unlink(missing_ok=True)
        path = self._stack.enter_context(atomic_path(self.folder / shard_name(self.shard)))
        self._file = self._stack.enter_context(open(path, "wb", buffering=1 << 20))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file = None
        self._stack.__exit__(kind, error, trace)
        if kind is None:
            self._write_part()

    def __len__(self) -> int:
        return len(self._joints)

    def add(
        self,
        rgb: np.ndarray,
        alpha: np.ndarray,
        labels: np.ndarray,
        x0: int,
        y0: int,
        *,
        joints_world: np.ndarray,
        **sample: Any,
    ) -> int:
        """Append one record and its index row; returns its byte offset.

        ``rgb`` (h, w, 3), ``alpha`` (h, w), ``labels`` (h, w): uint8, the rectangle whose upper left pixel is (x0, y0).
        ``joints_world``: (17, 3) mm, Y up. ``sample``: the columns of `SAMPLE_COLUMNS` and ``more``; those of
        `REQUIRED` always.
        """
        if self._file is None:
            raise DataError(f"shard {self.shard} is not open; use ShardWriter in a with statement.")
        height, width = alpha.shape
        for name, array, shape in (
            ("rgb", rgb, (height, width, 3)),
            ("alpha", alpha, (height, width)),
            ("labels", labels, (height, width)),
        ):
            if array.dtype != np.uint8 or array.shape != shape:
                raise DataError(f"{name} is {array.dtype} {array.shape}; a record needs uint8 {shape}.")
        self._check(sample, joints_world)
        record = b"".join((rgb.tobytes(), alpha.tobytes(), labels.tobytes()))
        px0, py0, px1, py1 = tight_rectangle(alpha, labels)
        location = {
            "shard": self.shard,
            "offset": self._bytes,
            "x0": x0,
            "y0": y0,
            "x1": x0 + width,
            "y1": y0 + height,
            "crc32": zlib.crc32(record),
            "person_x0": x0 + px0,
            "person_y0": y0 + py0,
            "person_x1": x0 + px1,
            "person_y1": y0 + py1,
        }
        for name, values in self._columns.items():
            values.append(location[name] if name in location else sample.get(name))
        self._joints.append(np.array(joints_world, dtype=np.float32))
        self._file.write(record)
        self._hash.update(record)
        self._bytes += len(record)
        return self._bytes - len(record)

    def add_frame(
        self,
        frame: np.ndarray,
        alpha: np.ndarray,
        labels: np.ndarray,
        *,
        rectangle: tuple[int, int, int, int] | None = None,
        joints_world: np.ndarray,
        **sample: Any,
    ) -> int:
        """`add` for whole frames: ``frame`` (H, W, 3), ``alpha`` and ``labels`` (H, W), uint8.

        ``rectangle`` (x0, y0, x1, y1) is everything that differs from the background; by default the person's.
        """
        x0, y0, x1, y1 = tight_rectangle(alpha, labels) if rectangle is None else rectangle
        cut = (slice(y0, y1), slice(x0, x1))
        return self.add(frame[cut], alpha[cut], labels[cut], x0, y0, joints_world=joints_world, **sample)

    def _check(self, sample: Mapping[str, Any], joints_world: np.ndarray) -> None:
        unknown = [name for name in sample if name not in self._known]
        missing = [name for name in REQUIRED if sample.get(name) is None]
        if unknown or missing:
            raise DataError(
                f"a sample came with unknown columns ({known(unknown) or 'none'}) or without required ones "
                f"({known(missing) or 'none'}); the columns are {known(self._known, 99)}."
            )
        if np.shape(joints_world) != (JOINTS, 3) or not np.isfinite(joints_world).all():
            raise DataError(
                f"joints_world has shape {np.shape(joints_world)}; a record needs {JOINTS} x 3 finite numbers."
            )

    def _write_part(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        facts = {
            "format": FORMAT,
            "shard": self.shard,
            "records": len(self),
            "bytes": self._bytes,
            "sha256": self._hash.hexdigest(),
            "fingerprint": self.fingerprint,
        }
        joints = np.asarray(self._joints, dtype=np.float32).reshape(-1)
        schema = arrow_schema(self._known | LOCATION_COLUMNS)
        table = pa.table({name: pa.array(self._columns[name], schema.field(name).type) for name in schema.names})
        table = table.append_column("joints_world", pa.FixedSizeListArray.from_arrays(pa.array(joints), JOINTS * 3))
        with atomic_path(self.folder / part_name(self.shard)) as path:
            pq.write_table(table.replace_schema_metadata({"turncoat": json.dumps(facts)}), path, compression="zstd")


def read_part_facts(folder: Path | str, shard: int) -> dict[str, Any] | None:
    """What the index part of a shard says (records, bytes, sha256, fingerprint); None when it is missing or damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(Path(folder) / part_name(shard)).metadata or {}
        facts = json.loads(metadata[b"turncoat"])
    except (OSError, KeyError, ValueError, pa.ArrowException):
        return None
    return facts if facts.get("format") == FORMAT else None


def shard_is_finished(folder: Path | str, shard: int, *, fingerprint: str = "") -> bool:
    """Whether a resumed rendering may skip this shard: its index part is whole and the records have their full length.

    A shard of another rendering (its fingerprint differs) raises DataError, so that nothing is overwritten or mixed.
    """
    facts = read_part_facts(folder, shard)
    if facts is None:
        return False
    if facts["fingerprint"] != fingerprint:
        raise DataError(
            f"{Path(folder) / part_name(shard)} belongs to another rendering "
            f"(fingerprint {facts['fingerprint'][:12]!r}, expected {fingerprint[:12]!r}); "
            "choose another output folder or delete this one."
        )
    records = Path(folder) / shard_name(shard)
    return records.is_file() and records.stat().st_size == facts["bytes"]


def finish_dataset(
    folder: Path | str,
    info: Mapping[str, Any],
    backgrounds: np.ndarray,
    cameras: Mapping[str, Any],
    *,
    shards: int,
    fingerprint: str = "",
) -> dict[str, Any]:
    """Join the index parts of finished shards 0 .. shards-1 into a dataset; returns the written dataset.json.

    ``info``: facts of the renderer (name, recipe, preset, fingerprint, ...), kept as they are. ``backgrounds``: uint8
    (V, H, W, 3), one a view. ``cameras``: ``scene`` (V names), ``camera`` (V ints), ``rotation`` (V, 3, 3) world to
    camera, ``translation`` (V, 3) mm, ``intrinsics`` (V, 3, 3) pixels. dataset.json is written last: without it there
    is no dataset.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = Path(folder)
    unfinished = [shard for shard in range(shards) if not shard_is_finished(folder, shard, fingerprint=fingerprint)]
    if unfinished:
        raise DataError(
            f"{folder} lacks {len(unfinished)} of {shards} shards (the first is {shard_name(unfinished[0])}); "
            "render them before the dataset is finished."
        )
    facts = [read_part_facts(folder, shard) or {} for shard in range(shards)]
    table = pa.concat_tables([pq.read_table(folder / part_name(s), partitioning=None) for s in range(shards)])
    joints = table.column("joints_world").combine_chunks().flatten().to_numpy().reshape(-1, JOINTS, 3)
    table = table.drop_columns(["joints_world"]).replace_schema_metadata(None)
    ids = table.column("sample_id").to_pylist()
    if len(set(ids)) != len(ids):
        raise DataError(f"{len(ids) - len(set(ids))} sample ids of {folder} occur twice; they must be unique.")
    described = _describe(table, backgrounds, cameras)

    with atomic_path(folder / "index.parquet") as path:
        pq.write_table(table, path, compression="zstd")
    for name, array in (("joints_world.npy", joints), ("backgrounds.npy", backgrounds)):
        with atomic_path(folder / name) as path, open(path, "wb") as file:
            np.save(file, np.ascontiguousarray(array))
    written = {
        **described,
        **info,
        "format": FORMAT,
        "frames": len(ids),
        "frame_size": int(backgrounds.shape[1]),
        "bytes_hash": _bytes_hash(table, joints, backgrounds, [fact["sha256"] for fact in facts]),
        "shards": [
            {"file": shard_name(s), "records": fact["records"], "bytes": fact["bytes"], "sha256": fact["sha256"]}
            for s, fact in enumerate(facts)
        ],
    }
    write_json(folder / "dataset.json", written)
    leftovers = [folder / part_name(shard) for shard in range(shards)] + list(folder.glob(".tmp-*"))  # killed writers'
    for path in leftovers:
        path.unlink(missing_ok=True)
    return written


def _describe(table: Any, backgrounds: np.ndarray, cameras: Mapping[str, Any]) -> dict[str, Any]:
    """The part of dataset.json that follows from the index and the cameras; checks that they agree."""
    views = len(backgrounds)
    if backgrounds.dtype != np.uint8 or backgrounds.ndim != 4 or backgrounds.shape[3] != 3:
        raise DataError(f"backgrounds are {backgrounds.dtype} {backgrounds.shape}; expected uint8 (views, H, W, 3).")
    if backgrounds.shape[1] != backgrounds.shape[2]:
        raise DataError(
            f"backgrounds are {backgrounds.shape[1]} x {backgrounds.shape[2]} pixels; frames must be square."
        )
    expected = {"scene": (views,), "camera": (views,), "translation": (views, 3)}
    expected |= {name: (views, 3, 3) for name in ("rotation", "intrinsics")}
    for name, shape in expected.items():
        found = np.shape(cameras[name]) if name in cameras else "none"
        if found != shape:
            raise DataError(f"cameras[{name!r}] has shape {found}; {views} views need {shape}.")
    column = {name: table.column(name).to_pylist() for name in ("scene", "camera", "view", "action", "group", "split")}
    for scene, camera, view in sorted(set(zip(column["scene"], column["camera"], column["view"], strict=True))):
        if not 0 <= view < views or (cameras["scene"][view], int(cameras["camera"][view])) != (scene, camera):
            raise DataError(f'a sample calls camera {camera} of scene "{scene}" view {view}; cameras say otherwise.')
    return {
        "subjects": sorted(set(table.column("subject").to_pylist())),
        "scenes": sorted(set(column["scene"])),
        "actions": dict(sorted(set(zip(column["action"], column["group"], strict=True)))),
        "splits": {split: column["split"].count(split) for split in sorted(set(column["split"]))},
        "views": [
            {
                "scene": str(cameras["scene"][view]),
                "camera": int(cameras["camera"][view]),
                "rotation": np.asarray(cameras["rotation"][view], dtype=np.float64).tolist(),
                "translation_mm": np.asarray(cameras["translation"][view], dtype=np.float64).tolist(),
                "intrinsics": np.asarray(cameras["intrinsics"][view], dtype=np.float64).tolist(),
            }
            for view in range(views)
        ],
    }


def _bytes_hash(table: Any, joints: np.ndarray, backgrounds: np.ndarray, shards: list[str]) -> str:
    """sha256 over everything stored, independent of how Parquet happens to encode it."""
    digest = hashlib.sha256("\n".join(shards).encode())
    for array in (joints, backgrounds):
        digest.update(np.ascontiguousarray(array).data)
    for name in table.column_names:
        digest.update(repr((name, table.column(name).to_pylist())).encode())
    return digest.hexdigest()
