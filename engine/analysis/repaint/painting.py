"""The verbs of a network over many frames of a dataset: seen, painted again, looked at again; 8 bits between them."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.pair import to_bytes
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.checkpoint import network_name
from turncoat.training.data import Dataset
from turncoat.training.data.tensors import as_float
from turncoat.training.encoding import Progress
from turncoat.training.evaluation.cells import spread
from turncoat.training.networks import Codes, guided_by


class Seen(NamedTuple):
    """Frames of a dataset and their codes.

    rows: (N,) int64. frames, backgrounds: (N, 3, H, W) uint8. codes: of the frames, on the processor.
    """

    rows: np.ndarray
    frames: np.ndarray
    backgrounds: np.ndarray
    codes: Codes

    def at(self, places: np.ndarray) -> "Seen":
        """Those of them, in that order; a place may come twice."""
        return Seen(self.rows[places], self.frames[places], self.backgrounds[places], codes_at(self.codes, places))


class Painted(NamedTuple):
    """A batch of repaintings.

    places: (B,) int64, which of the frames asked for. frames: one (B, 3, H, W) uint8 for each appearance.
    mask: (B, 1, H, W) float32 in [0, 1], of the canvas that all of them share.
    """

    places: np.ndarray
    frames: list[np.ndarray]
    mask: np.ndarray


class Painter:
    """A network that repaints frames of a dataset, told where people are by the dataset if it has to be told.

    done, total: frames encoded, painted and looked at so far, and how many there will be, for `progress(done, total)`.
    """

    def __init__(
        self, network: Any, dataset: Dataset, *, batch: int, total: int, progress: Progress | None = None
    ) -> None:
        """ConfigError: the network cannot repaint. DataError: the dataset's frames are not of its size."""
        if not getattr(network, "has_decoder", hasattr(network, "paint")):
            raise ConfigError(
                f"{network_name(network)} has no decoder, so it cannot repaint anybody; choose a network that paints."
            )
        size = getattr(getattr(network, "settings", None), "frame_size", dataset.size)
        if size != dataset.size:
            raise DataError(
                f"The dataset's frames are {dataset.size} pixels wide and the network's {size}; choose another dataset "
                "or network."
            )
        self.network, self.dataset, self.batch = network, dataset, batch
        self.device = torch.device(getattr(network, "device", "cpu"))
        self.done, self.total, self._progress = 0, total, progress

    def see(self, rows: np.ndarray) -> Seen:
        """Read and encode `rows`; damaged ones are left out. DataError: none can be read, or a code is not finite."""
        frames, kept = [], []
        codes: list[Codes] = []
        for pictures, valid, bad in self.dataset.frames_in_order(rows, self.batch):
            self._step(len(bad))
            if len(valid):
                network = guided_by(self.network, self.dataset, valid, self.device)
                codes.append(Codes(*(each.cpu() for each in network.encode(as_float(pictures, self.device)))))
                frames.append(np.ascontiguousarray(pictures))
                kept.append(valid)
                self._step(len(valid))
        if not kept:
            raise DataError(f"None of the {len(rows)} chosen frames could be read; render the dataset again.")
        together = Codes(*(torch.cat(parts) for parts in zip(*codes, strict=True)))
        if not all(part.isfinite().all() for part in together):
            raise DataError("A code is NaN or infinite, so the network's weights are damaged; train it again.")
        valid = np.concatenate(kept)
        return Seen(valid, np.concatenate(frames), np.ascontiguousarray(self.dataset.background(valid)), together)

    def paint(
        self, at: Seen, appearances: Sequence[Tensor] | None = None, *, codes: Codes | None = None
    ) -> Iterator[Painted]:
        """Paint into the places (background, box, and for networks that are told it, mask) of the frames `at`.

        appearances: of the people that are painted, each (N, 128); None: those of the canvas.
        codes: what the canvas is made of, mask included; None: the frames' own.
        """
        codes = at.codes if codes is None else codes
        appearances = [codes.appearance] if appearances is None else appearances
        for start in range(0, len(at.rows), self.batch):
            places = np.arange(start, min(start + self.batch, len(at.rows)))
            network = guided_by(self.network, self.dataset, at.rows[places], self.device)
            background = as_float(at.backgrounds[places], self.device)
            canvas = network.canvas(Codes(*(part.to(self.device) for part in codes_at(codes, places))), background)
            worn = [network.paint(each[places].to(self.device), canvas) for each in appearances]
            self._step(len(appearances) * len(places))
            yield Painted(places, [to_bytes(frames).cpu().numpy() for frames in worn], canvas.mask.cpu().numpy())

    def predict(self, at: Seen, frames: np.ndarray, places: np.ndarray | None = None) -> np.ndarray:
        """Poses float32 (B, 17, 3) mm of pictures (B, 3, H, W) uint8 in the `places` of `at` (all of them, if None)."""
        rows = at.rows if places is None else at.rows[places]
        found = []
        for start in range(0, len(rows), self.batch):
            some = slice(start, start + self.batch)
            network = guided_by(self.network, self.dataset, rows[some], self.device)
            found.append(network.predict(as_float(frames[some], self.device)).float().cpu().numpy())
            self._step(len(rows[some]))
        return np.concatenate(found)

    def finish(self) -> None:
        """Say that all is done."""
        self._step(max(self.total - self.done, 0))

    def _step(self, frames: int) -> None:
        self.done += frames
        if self._progress is not None and frames:
            self._progress(min(self.done, self.total), self.total)


def codes_at(codes: Codes, places: np.ndarray) -> Codes:
    """Codes of those places."""
    where = torch.from_numpy(np.asarray(places, dtype=np.int64))
    return Codes(*(part[where.to(part.device)] for part in codes))


def check_predicts(network: Any) -> None:
    """ConfigError unless the network predicts poses."""
    if not getattr(network, "has_regressor", hasattr(network, "predict")):
        raise ConfigError(f"{network_name(network)} has no pose regressor; run `turncoat fit-regressor` on it first.")


def rows_of(dataset: Dataset, split: str, group: str | None) -> np.ndarray:
    """Rows of a split and a group of actions (None: of all). DataError: there are none."""
    where = {"split": split} | ({} if group is None else {"group": group})
    rows: np.ndarray = dataset.select(**where)
    if not len(rows):
        raise DataError(
            f"{dataset.folder} has no frames of split {split!r}" + (f" and group {group!r}" if group else "") + "; "
            "choose others."
        )
    return rows


def rows_of_people(
    dataset: Dataset, split: str, group: str | None, *, frames: int, people: int, fewest: int
) -> np.ndarray:
    """About `frames` rows of a split and group, as many of each of at most `people` subjects, subject by subject.

    Subjects are taken evenly from the sorted names; a subject's rows are spread over its recordings.

    Raises:
        DataError: fewer than `fewest` subjects.
    """
    rows = rows_of(dataset, split, group)
    subject = dataset.column("subject")[rows].astype(str)
    names = np.unique(subject)
    if len(names) < fewest:
        raise DataError(
            f"{dataset.folder} has {len(names)} subject{'s' * (len(names) != 1)} in split {split!r}, people can be "
            f"exchanged between {fewest} or more; choose another split or dataset."
        )
    names = names[np.unique(np.linspace(0, len(names) - 1, min(people, len(names))).round().astype(int))]
    each = max(2, frames // len(names))
    return np.concatenate([spread(rows[subject == name], each) for name in names])
