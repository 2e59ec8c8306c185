"""Codes of the frames that the analyses of codes look at: encoded once, shared by all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import Field
from torch import Tensor

from turncoat.engine.analysis.intervals import Clusters
from turncoat.kernels.errors import DataError
from turncoat.kernels.settings import Settings
from turncoat.training.checkpoint import network_name
from turncoat.training.data import Dataset
from turncoat.training.encoding import Encoded, by_name, encode_rows
from turncoat.training.evaluation import clusters_at
from turncoat.training.evaluation.cells import spread
from turncoat.training.identity import people_columns

Progress = Callable[..., None]
APPEARANCE, POSE_CODE = "appearance", "pose_code"
CODE_NAMES = {APPEARANCE: "appearance code", POSE_CODE: "pose code", "true_pose": "true pose"}
FEWEST_SEQUENCES = 4
"""Fewer recordings than this can hardly be exchanged for each other. [choice]"""


class FrameSettings(Settings):
    """Which frames are encoded. [choice] all

    split, group: of the frames that are looked at; group None: all.
    frames: of those, spread evenly.
    training: frames of the training split, same group, spread evenly: what probes and regressions are fitted on.
    """

    split: str = "held-out"
    group: str | None = "everyday"
    frames: int = Field(1500, ge=50)
    training: int = Field(3000, ge=50)
    batch: int = Field(128, ge=1)


@dataclass(frozen=True)
class FrameCodes:
    """Codes of some frames, on the processor.

    rows: (N,) int64, of the dataset. codes: name -> (N, C) float32, of `APPEARANCE` and `POSE_CODE`. box: (N, 4).
    """

    dataset: Dataset
    rows: np.ndarray
    codes: dict[str, Tensor]
    box: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def array(self, code: str) -> np.ndarray:
        """A code as (N, C) float64."""
        return self.codes[code].double().numpy()

    def column(self, name: str) -> np.ndarray:
        """A column of the index as text (N,)."""
        return self.dataset.column(name)[self.rows].astype(str)

    def pose(self) -> np.ndarray:
        """True poses (N, 51) float64, mm, camera axes, relative to the pelvis."""
        return self.dataset.pose(self.rows).reshape(len(self), -1).astype(np.float64)

    def take(self, places: np.ndarray) -> FrameCodes:
        """Those of the frames that `places` (mask or indices) names."""
        codes = {name: each[places] for name, each in self.codes.items()}
        return FrameCodes(self.dataset, self.rows[places], codes, self.box[places])

    def spread(self, most: int) -> FrameCodes:
        """At most `most` of them, spread evenly."""
        return self.take(spread(np.arange(len(self)), most))

    @cached_property
    def clusters(self) -> Clusters:
        """Which of the frames share a sequence, and which a motion clip."""
        return clusters_at(self.dataset, self.rows)

    @property
    def encoded(self) -> Encoded:
        """As the probes of `turncoat.training.identity` take them."""
        return Encoded(self.rows, dict(self.codes))


@dataclass(frozen=True)
class NetworkCodes:
    """What all analyses of codes share.

    name, method: of the network; method None where it does not say.
    official_head: whether its encoder makes both codes from one vector of 128 numbers (methods section 1.3), so that
        either determines the other by construction; None where it does not say.
    train: frames to fit on; test: frames that are looked at. No sequence is in both.
    unreadable: damaged frames, left out.
    """

    name: str
    method: str | None
    official_head: bool | None
    train: FrameCodes
    test: FrameCodes
    unreadable: int = 0

    @property
    def dataset(self) -> Dataset:
        """Whose frames these are."""
        return self.test.dataset

    def people(self) -> list[str]:
        """The columns that say who it is."""
        return people_columns(self.dataset, self.train.rows)

    def described(self) -> dict[str, Any]:
        """Which frames these are, for JSON."""
        return {
            "network": self.name,
            "method": self.method,
            "frames": len(self.test),
            "training_frames": len(self.train),
            "people": self.people(),
            **{f"{name}s": count for name, count in self.test.clusters.counts().items()},
            "unreadable": self.unreadable,
            "dataset": {key: self.dataset.info.get(key) for key in ("name", "recipe", "preset", "fingerprint")},
        }


def gather_codes(
    network: Any,
    dataset: Dataset,
    settings: FrameSettings | None = None,
    *,
    name: str | None = None,
    progress: Progress | None = None,
) -> NetworkCodes:
    """Encode the frames of `settings` with `network`, which needs `encode` alone.

    name: of the network in tables and pictures; its file's name where None.

    Raises:
        DataError: no such frames, too few recordings, frames that none can be read of, or recordings in both splits.
    """
    settings = settings or FrameSettings()
    wanted: dict[str, Any] = {} if settings.group is None else {"group": settings.group}
    rows = [
        spread(dataset.select(split=split, **wanted), most)
        for split, most in (("train", settings.training), (settings.split, settings.frames))
    ]
    sequence = dataset.column("sequence").astype(str)
    count = len(np.unique(sequence[rows[1]]))
    if count < FEWEST_SEQUENCES:
        raise DataError(
            f"The split {settings.split!r} has {count} recordings of these frames, an analysis of codes needs "
            f"{FEWEST_SEQUENCES}; choose another split or group, or render more."
        )
    if np.isin(sequence[rows[0]], sequence[rows[1]]).any():
        raise DataError(
            f"The training split and {settings.split!r} share recordings, so nothing fitted on one can be tested on "
            "the other; choose another split."
        )
    total, done, parts, unreadable = sum(map(len, rows)), 0, [], 0
    for chosen in rows:
        start = done

        def advance(step: int, _: int, start: int = start) -> None:
            if progress is not None:
                progress(start + step, total, stage="encoding")

        encoded = encode_rows(network, dataset, chosen, batch=settings.batch, progress=advance)
        codes = by_name(encoded.rows, encoded.codes).codes
        parts.append(FrameCodes(dataset, encoded.rows, codes, encoded.codes.box))
        unreadable += encoded.unreadable
        done += len(chosen)
    head = getattr(getattr(network, "settings", None), "head", None)
    method = (getattr(network, "metadata", None) or {}).get("method")
    train, test = parts
    official = None if head is None else head == "official"
    return NetworkCodes(name or network_name(network), method, official, train, test, unreadable)
