"""The face every dataset shows: an index, frames, backgrounds, masks, labels, cameras and poses, by row.

A row is a sample's position in the index; every method takes integer rows (or sample ids) and answers for all at once.
Pixel, axis and joint conventions: docs/conventions.md. Files: docs/formats.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from turncoat.kernels.errors import DataError
from turncoat.kernels.skeleton import ROOT
from turncoat.training.data.index import Index, known
from turncoat.training.data.reader import RecordReader, paste_plane, paste_rgb
from turncoat.training.data.store import FORMAT, JOINTS

if TYPE_CHECKING:
    from turncoat.training.data.studio.layers import Layers

Rows = int | Sequence[int] | Sequence[str] | np.ndarray
ALPHA, LABELS = 3, 4


class UnreadableSamples(DataError):
    """Some of the samples asked for are damaged on disk. ``rows`` int64 and ``sample_ids`` name them."""

    def __init__(self, folder: Path, rows: np.ndarray, sample_ids: Sequence[str]):
        self.rows, self.sample_ids = rows, list(sample_ids)
        super().__init__(
            f"{len(rows)} of the samples asked for cannot be read from {folder} (their checksum is wrong): "
            f"{known(self.sample_ids, 5)}; render the dataset again, or use read_valid to skip them."
        )


class Dataset:
    """A dataset on disk, memory-mapped; safe to share between threads and with forked or spawned processes.

    ``folder`` Path, ``info`` dict (dataset.json), ``size`` frame height = width in pixels, ``index`` Index.
    ``has_labels``: whether it tells splits, subjects and groups, and where the people are; own pictures do not.
    """

    has_labels = True

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self.info = _read_info(self.folder)
        self.size = int(self.info["frame_size"])
        self.index = Index.read(self.folder / "index.parquet")
        if len(self.index) != self.info["frames"]:
            raise DataError(
                f"{self.folder} has {len(self.index)} samples in its index, dataset.json says {self.info['frames']}; "
                "the files do not belong together: render the dataset again."
            )
        self._reader = RecordReader(self.folder, self.info["shards"], self.index, self.size)
        views = self.info["views"]
        self._backgrounds = _map_array(self.folder / "backgrounds.npy", (len(views), self.size, self.size, 3), np.uint8)
        self._joints = _map_array(self.folder / "joints_world.npy", (len(self), JOINTS, 3), np.float32)
        self._rotation = np.array([view["rotation"] for view in views], dtype=np.float64).reshape(-1, 3, 3)
        self._translation = np.array([view["translation_mm"] for view in views], dtype=np.float64).reshape(-1, 3)
        self._intrinsics = np.array([view["intrinsics"] for view in views], dtype=np.float64).reshape(-1, 3, 3)

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        return f"Dataset({str(self.folder)!r}: {len(self)} frames, {self.size} x {self.size})"

    def __reduce__(self) -> tuple[type[Dataset], tuple[Path]]:
        return Dataset, (self.folder,)

    # What is known about the samples

    def column(self, name: str) -> np.ndarray:
        """The whole index column ``name`` (N,), read-only; DataError lists the columns when there is none."""
        return self.index.column(name)

    def rows(self, sample_ids: Sequence[str] | np.ndarray) -> np.ndarray:
        """Rows int64 (N,) of sample ids; DataError names an unknown one."""
        return self.index.rows(sample_ids)

    def select(self, **criteria: Any) -> np.ndarray:
        """Rows int64, ascending, by column values: ``select(split="held-out", group=["everyday"], camera=0)``.

        DataError names a value that no sample has and lists the known ones.
        """
        return self.index.select(**criteria)

    # Pictures

    def read(self, rows: Rows) -> np.ndarray:
        """Frames uint8 (N, 3, H, W) with NHWC memory (channels_last for torch.from_numpy).

        Raises UnreadableSamples, which names every damaged one.
        """
        rows = self._rows(rows)
        frames, bad = self._paste_frames(rows)
        self._report(rows, bad)
        return frames

    def read_valid(self, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``(frames, valid_rows, bad_rows)``: `read` of what is readable, and which rows were skipped (int64)."""
        rows = self._rows(rows)
        frames, bad = self._paste_frames(rows)
        if not bad:
            return frames, rows, rows[:0]
        valid = np.ones(len(rows), dtype=bool)
        valid[bad] = False
        return frames.transpose(0, 2, 3, 1)[valid].transpose(0, 3, 1, 2), rows[valid], rows[~valid]

    def frames_in_order(self, rows: Rows, batch: int = 256) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """`read_valid` over many rows in batches, in the order given (storage order is quickest)."""
        rows = self._rows(rows)
        for start in range(0, len(rows), batch):
            yield self.read_valid(rows[start : start + batch])

    @property
    def backgrounds(self) -> np.ndarray:
        """Background of every view, uint8 (V, 3, H, W), NHWC memory."""
        return self._backgrounds.transpose(0, 3, 1, 2)

    def background(self, rows: Rows) -> np.ndarray:
        """Background of each sample, uint8 (N, 3, H, W), NHWC memory."""
        return self._backgrounds[self._view(rows)].transpose(0, 3, 1, 2)

    def masks(self, rows: Rows) -> np.ndarray:
        """Silhouette alpha uint8 (N, 1, H, W): 255 = person alone. Raises UnreadableSamples."""
        return self._planes(rows, ALPHA)[:, None]

    def labels(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """``(parts, materials)``, each uint8 (N, H, W); 0 = background, materials + 1. Raises UnreadableSamples."""
        packed = self._planes(rows, LABELS)
        return packed >> 4, packed & 15

    def layers(self, rows: Rows) -> Layers:
        """Colour layers, rendered again: ``frame = clamp(sum_m shading_m colour_m + rest)``. Studio data only."""
        self._of_the_studio()
        from turncoat.training.data.studio.layers import layers

        return layers(self, self._rows(rows))

    def colours(self, rows: Rows) -> np.ndarray:
        """Colours of the layers alone, float32 (N, 8, 3) in [0, 1], which take no rendering. Studio data only."""
        self._of_the_studio()
        from turncoat.training.data.studio.recipe import wardrobe

        return np.stack([wardrobe(name).colours() for name in self.column("wardrobe")[self._rows(rows)].tolist()])

    def _of_the_studio(self) -> None:
        if self.info.get("name") != "studio":
            raise DataError(
                f'{self.folder} is a "{self.info.get("name")}" dataset, colour layers need a "studio" dataset; '
                "render one with `turncoat render`."
            )

    # Geometry

    def joints_world(self, rows: Rows) -> np.ndarray:
        """3D joints float32 (N, 17, 3) mm, world axes (Y up)."""
        return self._joints[self._rows(rows)]

    def joints_camera(self, rows: Rows) -> np.ndarray:
        """3D joints float32 (N, 17, 3) mm, camera axes (x right, y down, z forward), from the camera's centre."""
        return self._in_camera(rows).astype(np.float32)

    def pose(self, rows: Rows) -> np.ndarray:
        """Pose float32 (N, 17, 3) mm: camera axes, relative to joint 0 (pelvis)."""
        joints = self._in_camera(rows)
        return (joints - joints[:, ROOT : ROOT + 1]).astype(np.float32)

    def joints_2d(self, rows: Rows) -> np.ndarray:
        """2D joints float32 (N, 17, 2) pixels; the centre of the upper left pixel is (0.5, 0.5)."""
        joints = self._in_camera(rows) @ self._intrinsics[self._view(rows)].transpose(0, 2, 1)
        return (joints[..., :2] / joints[..., 2:]).astype(np.float32)

    def person_box(self, rows: Rows) -> np.ndarray:
        """Tight rectangle of the person, float32 (N, 4): x0, y0, x1, y1 pixels, x1 and y1 exclusive."""
        rows = self._rows(rows)
        names = ("person_x0", "person_y0", "person_x1", "person_y1")
        return np.stack([self.column(name)[rows] for name in names], axis=1).astype(np.float32)

    def rotation(self, rows: Rows) -> np.ndarray:
        """Rotation world -> camera, float32 (N, 3, 3)."""
        return self._rotation[self._view(rows)].astype(np.float32)

    def translation(self, rows: Rows) -> np.ndarray:
        """Translation world -> camera, float32 (N, 3) mm: ``camera = rotation @ world + translation``."""
        return self._translation[self._view(rows)].astype(np.float32)

    def intrinsics(self, rows: Rows) -> np.ndarray:
        """Camera matrix float32 (N, 3, 3), pixels."""
        return self._intrinsics[self._view(rows)].astype(np.float32)

    # Private

    def _rows(self, rows: Rows) -> np.ndarray:
        array = np.atleast_1d(np.asarray(rows))
        if array.dtype.kind in "UO":
            return self.rows(array)
        if array.size == 0:
            return np.zeros(0, dtype=np.int64)
        if array.dtype.kind not in "iu" or array.ndim != 1:
            raise DataError(f"rows are {array.dtype} {array.shape}; expected integers (N,) or sample ids.")
        if array.min() < 0 or array.max() >= len(self):
            raise DataError(
                f"rows reach from {array.min()} to {array.max()}; this dataset has rows 0 to {len(self) - 1}."
            )
        return array.astype(np.int64, copy=False)

    def _view(self, rows: Rows) -> np.ndarray:
        return self.column("view")[self._rows(rows)]

    def _in_camera(self, rows: Rows) -> np.ndarray:
        view = self._view(rows)
        return self.joints_world(rows) @ self._rotation[view].transpose(0, 2, 1) + self._translation[view][:, None]

    def _paste_frames(self, rows: np.ndarray) -> tuple[np.ndarray, list[int]]:
        frames = np.empty((len(rows), self.size, self.size, 3), dtype=np.uint8)
        views = self.column("view")[rows].tolist()
        bad: list[int] = []
        for i, down, across, record in self._reader.records(rows, bad):
            frames[i] = self._backgrounds[views[i]]
            paste_rgb(frames[i], down, across, record)
        frames[bad] = 0
        return frames.transpose(0, 3, 1, 2), bad

    def _planes(self, rows: Rows, which: int) -> np.ndarray:
        rows = self._rows(rows)
        planes = np.zeros((len(rows), self.size, self.size), dtype=np.uint8)
        bad: list[int] = []
        for i, down, across, record in self._reader.records(rows, bad):
            paste_plane(planes[i], down, across, record, which)
        self._report(rows, bad)
        return planes

    def _report(self, rows: np.ndarray, bad: list[int]) -> None:
        if bad:
            damaged = np.unique(rows[bad])
            raise UnreadableSamples(self.folder, damaged, self.column("sample_id")[damaged].tolist())


def open_dataset(folder: Path | str) -> Dataset:
    """Open the dataset in ``folder``; DataError when it is missing, half-written or damaged."""
    return Dataset(folder)


def _read_info(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise DataError(
            f"There is no dataset folder {folder}; check the path, or make one with `turncoat render --out {folder}`."
        )
    path = folder / "dataset.json"
    if not path.is_file():
        if any(folder.glob("frames-*.bin")) or any(folder.glob("index*.parquet")):
            raise DataError(
                f"{folder} is a half-written dataset (it has no dataset.json); finish it with `turncoat render`."
            )
        raise DataError(f"{folder} is not a dataset (it has no dataset.json); make one with `turncoat render`.")
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        found = info["format"]
        missing = [key for key in ("frames", "frame_size", "shards", "views") if key not in info]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} cannot be read as a dataset description ({error}); render the dataset again."
        ) from error
    if found != FORMAT or missing:
        raise DataError(
            f"{path} is of format {found}, expected {FORMAT} with {known(missing) or 'all keys'}; render it again."
        )
    return info


def _map_array(path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
    try:
        array = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} is missing or damaged ({error}); copy the whole folder again or render it again."
        ) from error
    if array.shape != shape or array.dtype != dtype:
        raise DataError(
            f"{path} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}; render the dataset again."
        )
    return array
