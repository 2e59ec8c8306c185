"""A folder of pictures as a dataset: no labels, no splits, no ground truth, and a background for each.

What is not known is what an index says for unknown: "" for a text (one subject, one sequence, no group), NaN for a
pose or a box; columns of whole numbers (camera, instant) are not there at all. Sample ids are the file names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from PIL import Image, ImageOps

from turncoat.kernels.errors import ConfigError, DataError
from turncoat.kernels.files import content_hash
from turncoat.training.data.dataset import Dataset, Rows, UnreadableSamples
from turncoat.training.data.index import Index
from turncoat.training.data.store import JOINTS

if TYPE_CHECKING:
    from turncoat.training.data.studio.layers import Layers

PICTURES, MEDIAN = "pictures", "median"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
FEWEST, MOST = 3, 201
"""Pictures that a median is taken over: at least, and at most (then evenly spaced ones). [choice]"""
DIFFERS, OFTEN = 24, 1 / 3
"""A pixel of a median is in doubt where more than a third of the pictures are more than 24 grey levels from it in some
channel: somebody may have stood there most of the time. [choice]"""
_UNKNOWN = ("sequence", "scene", "subject", "body", "wardrobe", "action", "group", "motion_id", "split")
_DAMAGED = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # what Pillow raises


class PictureFolder(Dataset):
    """The pictures of a folder, cut to the square in their middle and resized to the network's frame.

    ``info`` says ``name`` "pictures", ``fingerprint`` (names and bytes of pictures and backgrounds, frame size), the
    pictures' own ``picture_size`` [width, height] and ``background`` {"kind": "file", "folder" or "median", "path",
    "doubt"}; doubt: the share of a median's pixels where many pictures differ from it (see `OFTEN`).
    A picture that cannot be read is a sample that cannot be read: `read_valid` skips it.

    Args:
        folder: of the pictures; other files and subfolders are passed over.
        background: a picture of the empty scene; or a folder with one for each picture, of the same name; or "median",
            the median over the pictures, which is the scene if the camera stands still and the person does not.
        size: height and width of a frame in pixels, the network's.

    Raises:
        DataError: no pictures, none that can be read, pictures of differing sizes, no background for one, a background
            that cannot be read or is of another size, too few pictures for a median.
    """

    has_labels = False

    def __init__(self, folder: Path | str, background: Path | str, size: int):
        self.folder, self.size = Path(folder), int(size)
        self._background = str(background)
        self._files = _pictures_of(self.folder)
        self._shape = _common_size(self._files, "picture")
        self._scenes = self._find_backgrounds()
        count = len(self._files)
        shared = self._scenes is None or len(self._scenes) == 1
        columns: dict[str, np.ndarray] = {name: np.full(count, "", dtype=np.str_) for name in _UNKNOWN}
        columns["sample_id"] = np.array([file.name for file in self._files], dtype=np.str_)
        columns["view"] = np.zeros(count, np.int32) if shared else np.arange(count, dtype=np.int32)
        self.index = Index(columns)
        self._doubt: float | None = None
        self._shared = self._shared_background() if shared else None
        kind = MEDIAN if self._scenes is None else "folder" if Path(self._background).is_dir() else "file"
        self.info = {
            "name": PICTURES,
            "frames": count,
            "frame_size": self.size,
            "picture_size": list(self._shape),
            "background": {
                "kind": kind,
                "path": None if kind == MEDIAN else self._background,
                **({} if self._doubt is None else {"doubt": round(self._doubt, 4)}),
            },
            "fingerprint": self._fingerprint(),
        }

    def __repr__(self) -> str:
        return f"PictureFolder({str(self.folder)!r}: {len(self)} pictures, {self.size} x {self.size})"

    def __reduce__(self) -> tuple[type[PictureFolder], tuple[Path, str, int]]:  # type: ignore[override]
        return PictureFolder, (self.folder, self._background, self.size)

    @property
    def backgrounds(self) -> np.ndarray:
        """Background of every view, uint8 (V, 3, H, W), NHWC memory."""
        return self.background(np.arange(len(self)) if self._shared is None else np.zeros(1, np.int64))

    def background(self, rows: Rows) -> np.ndarray:
        """Background of each sample, uint8 (N, 3, H, W), NHWC memory."""
        rows = self._rows(rows)
        if self._shared is not None:
            return np.repeat(self._shared[None], len(rows), axis=0).transpose(0, 3, 1, 2)
        assert self._scenes is not None
        found = [self._frame(self._scenes[row]) for row in rows.tolist()]
        self._report(rows, [place for place, one in enumerate(found) if one is None])
        return np.stack([one for one in found if one is not None] or [np.zeros((0, 0, 3))]).transpose(0, 3, 1, 2)

    def masks(self, rows: Rows) -> np.ndarray:
        """There are none: DataError."""
        self._lacks("masks")

    def labels(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """There are none: DataError."""
        self._lacks("labels of parts and materials")

    def layers(self, rows: Rows) -> Layers:
        """There are none: DataError."""
        raise DataError(
            f"The pictures of {self.folder} have no colour layers, which attacks on colours need; attack them by "
            "paper, free or natural, or attack a studio dataset."
        )

    def colours(self, rows: Rows) -> np.ndarray:
        """There are none: DataError."""
        return self.layers(rows).colours

    def joints_world(self, rows: Rows) -> np.ndarray:
        """NaN (N, 17, 3): nobody knows."""
        return np.full((len(self._rows(rows)), JOINTS, 3), np.nan, dtype=np.float32)

    def person_box(self, rows: Rows) -> np.ndarray:
        """NaN (N, 4): nobody knows."""
        return np.full((len(self._rows(rows)), 4), np.nan, dtype=np.float32)

    def rotation(self, rows: Rows) -> np.ndarray:
        """That of an upright camera, float32 (N, 3, 3): world Y is up in the picture."""
        return np.repeat(np.diag([1, -1, -1]).astype(np.float32)[None], len(self._rows(rows)), axis=0)

    def translation(self, rows: Rows) -> np.ndarray:
        """NaN (N, 3): nobody knows."""
        return np.full((len(self._rows(rows)), 3), np.nan, dtype=np.float32)

    def intrinsics(self, rows: Rows) -> np.ndarray:
        """NaN (N, 3, 3): nobody knows."""
        return np.full((len(self._rows(rows)), 3, 3), np.nan, dtype=np.float32)

    # Private

    def _lacks(self, what: str) -> NoReturn:
        raise DataError(f"The pictures of {self.folder} come without {what}; use a dataset that has them.")

    def _in_camera(self, rows: Rows) -> np.ndarray:
        return self.joints_world(rows)

    def _paste_frames(self, rows: np.ndarray) -> tuple[np.ndarray, list[int]]:
        frames = np.zeros((len(rows), self.size, self.size, 3), dtype=np.uint8)
        bad: list[int] = []
        for place, row in enumerate(rows.tolist()):
            frame = self._frame(self._files[row])
            if frame is None or (self._shared is None and self._frame(self._scenes[row]) is None):  # type: ignore[index]
                bad.append(place)
            else:
                frames[place] = frame
        return frames.transpose(0, 3, 1, 2), bad

    def _report(self, rows: np.ndarray, bad: list[int]) -> None:
        if bad:
            damaged = np.unique(rows[bad])
            raise UnreadablePictures(self.folder, damaged, self.column("sample_id")[damaged].tolist())

    def _frame(self, file: Path) -> np.ndarray | None:
        """The picture as a frame, uint8 (H, W, 3); None if it cannot be read or is not as large as it was."""
        try:
            with Image.open(file) as opened:
                picture = ImageOps.exif_transpose(opened).convert("RGB")
        except _DAMAGED:
            return None
        if picture.size != self._shape:
            return None
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side))
        if side != self.size:
            square = square.resize((self.size, self.size), Image.Resampling.LANCZOS)
        return np.asarray(square)

    def _find_backgrounds(self) -> list[Path] | None:
        """The background's file, or those of all pictures in their order; None: the median."""
        if self._background == MEDIAN:
            return None
        path = Path(self._background)
        if not path.is_dir():
            if not path.is_file():
                raise DataError(
                    f"There is no background {path}; give a picture of the empty scene, a folder with one for each "
                    'picture, or "median".'
                )
            files = [path]
        else:
            by_name = {file.name: file for file in _pictures_of(path)}
            by_stem = {file.stem: file for file in by_name.values()}
            files = [by_name.get(file.name, by_stem.get(file.stem, path / file.name)) for file in self._files]
            missing = [file.name for file in files if not file.is_file()]
            if missing:
                raise DataError(
                    f"{path} has no background for {len(missing)} of {len(files)} pictures (the first is "
                    f"{missing[0]}); give one of the same name for each."
                )
        shape = _common_size(files, "background")
        if shape != self._shape:
            raise DataError(
                f"The background {path} is {_by(shape)} pixels, the pictures are {_by(self._shape)}; give one of their "
                "size, from the same camera."
            )
        return files

    def _shared_background(self) -> np.ndarray:
        """The one background of all pictures, uint8 (H, W, 3)."""
        if self._scenes is not None:
            frame = self._frame(self._scenes[0])
            if frame is None:
                raise DataError(f"The background {self._scenes[0]} cannot be read; save it again.")
            return frame
        every = max(1, -(-len(self._files) // MOST))
        frames = [frame for frame in map(self._frame, self._files[::every]) if frame is not None]
        if len(frames) < FEWEST:
            raise DataError(
                f"A median takes {FEWEST} pictures or more, and {len(frames)} of {self.folder} can be read; give the "
                "background as a picture of the empty scene."
            )
        stack = np.stack(frames)
        median = np.rint(np.median(stack, axis=0)).astype(np.uint8)
        apart = [(np.abs(frame.astype(np.int16) - median) > DIFFERS).any(axis=2) for frame in frames]
        self._doubt = float((np.mean(apart, axis=0) > OFTEN).mean())
        return median

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(f"{PICTURES} {self.size} {MEDIAN if self._scenes is None else ''}".encode())
        for files in (self._files, self._scenes or []):
            for file in files:
                digest.update(f"\n{file.name} {_hash(file)}".encode())
        return digest.hexdigest()


class UnreadablePictures(UnreadableSamples):
    """Some of the pictures asked for, or their backgrounds, cannot be read."""

    def __init__(self, folder: Path, rows: np.ndarray, sample_ids: Sequence[str]):
        super().__init__(folder, rows, sample_ids)
        names = ", ".join(self.sample_ids[:5]) + (" ..." if len(self.sample_ids) > 5 else "")
        self.args = (
            f"{len(rows)} pictures of {folder} or their backgrounds cannot be read: {names}; save them again.",
        )


def open_pictures(folder: Path | str, *, background: Path | str | None, size: int) -> PictureFolder:
    """The pictures of a folder as a dataset, see `PictureFolder`.

    Raises:
        ConfigError: no background is given.
        DataError: pictures or backgrounds are not as they have to be.
    """
    if background is None:
        raise ConfigError(
            f"The pictures of {folder} need a background, for the person is painted into it; give a picture of the "
            'empty scene, a folder with one for each picture, or "median" (--background).'
        )
    return PictureFolder(folder, background, size)


def reopen_pictures(facts: Mapping[str, Any], folder: Path | str | None = None) -> PictureFolder:
    """The pictures that run.json describes under ``dataset``, at `folder` if they were moved there."""
    background = facts["background"]["path"] or MEDIAN
    return PictureFolder(folder or facts["folder"], background, int(facts["frame_size"]))


def _pictures_of(folder: Path) -> list[Path]:
    """The picture files of a folder by name; DataError if there are none."""
    if not folder.is_dir():
        raise DataError(f"There is no folder of pictures {folder}; check the path.")
    files = sorted(
        (file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file()),
        key=lambda file: file.name,
    )
    if not files:
        kinds = ", ".join(suffix.removeprefix(".") for suffix in SUFFIXES)
        raise DataError(f"{folder} holds no pictures ({kinds}); give the folder that they lie in.")
    return files


def _common_size(files: Sequence[Path], what: str) -> tuple[int, int]:
    """Width and height of all files, as a person sees them; files that cannot be read are passed over.

    Raises:
        DataError: they differ, or none can be read.
    """
    sizes: dict[tuple[int, int], Path] = {}
    for file in files:
        size = _size_of(file)
        if size is not None:
            sizes.setdefault(size, file)
    if not sizes:
        which = f"The {what} {files[0]} cannot" if len(files) == 1 else f"None of the {len(files)} {what}s can"
        raise DataError(f"{which} be read (the first is {files[0]}); save them again, as PNG or JPEG.")
    if len(sizes) > 1:
        (first, one), (second, other) = list(sizes.items())[:2]
        raise DataError(
            f"The {what}s differ in size: {one.name} is {_by(first)} pixels, {other.name} {_by(second)}; make them one "
            "size, or attack them in folders of their own."
        )
    return next(iter(sizes))


def _size_of(file: Path) -> tuple[int, int] | None:
    try:
        with Image.open(file) as opened:
            turned = opened.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # the camera was held upright
            return opened.size[::-1] if turned else opened.size
    except _DAMAGED:
        return None


def _hash(file: Path) -> str:
    try:
        return content_hash(file)
    except DataError:
        return "unreadable"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
