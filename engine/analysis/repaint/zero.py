"""Zero appearance (figures 3 and 10 of the paper): everyone painted from one appearance code. Who is it still?

Every person is painted from the same code, of zeros or the mean natural one, mask included; all that still tells people
apart came through the pose code, or is the box in which they stand. Who it is, is read by a linear probe off small
pictures of the person alone, fitted on training sequences and scored on others (docs/repainting.md).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from turncoat.engine.analysis.intervals import (
    Clusters,
    Interval,
    bootstrap_mean,
    paired_share_difference,
    success_interval,
)
from turncoat.engine.analysis.number import Number, exactly
from turncoat.engine.analysis.repaint.painting import Painter, Seen, rows_of
from turncoat.engine.analysis.repaint.parts import means_by, part_colours, regions
from turncoat.engine.analysis.repaint.swap import shown_places
from turncoat.kernels.device import exact_float32
from turncoat.kernels.errors import DataError
from turncoat.kernels.resample import resample
from turncoat.kernels.settings import Settings
from turncoat.training.checkpoint import network_name
from turncoat.training.data import Dataset
from turncoat.training.data.boxes import given_box
from turncoat.training.data.tensors import as_float
from turncoat.training.encoding import Encoded, Progress
from turncoat.training.evaluation import clusters_at
from turncoat.training.evaluation.cells import spread
from turncoat.training.identity import fit_probe, people_columns
from turncoat.training.networks import Codes

CODES = ("own", "zero", "mean")
"""Appearance codes that people are painted from."""
SILHOUETTE = "silhouette"
ASKED = (*CODES, SILHOUETTE)
SIDE, FINE = 16, 4
"""Rows and columns of the picture a probe sees, and of the samples in each of its pixels. [choice]"""
COMPONENTS = 48
"""A probe sees so many principal components of its training pictures. [choice]: fewer than frames of a person."""


class ZeroSettings(Settings):
    """Settings of `zero_appearance`.

    Attributes:
        split, group: of the frames that probes are scored on; group None: all actions.
        frames: that probes are scored on. train: training frames that they are fitted on.
        shown: subjects in the picture at most.
        batch: frames at a time.
    """

    split: str = "held-out"
    group: str | None = "everyday"
    frames: int = Field(default=200, ge=4)
    train: int = Field(default=300, ge=4)
    shown: int = Field(default=5, ge=2)
    batch: int = Field(default=50, ge=1)


@dataclass(frozen=True)
class ZeroPictures:
    """Subjects as they are, and painted from each of `CODES`: uint8 (S, 3, H, W).

    boxes: (S, 4) x0, y0, x1, y1 pixels, where the people are.
    """

    subjects: tuple[str, ...]
    sample_ids: tuple[str, ...]
    boxes: np.ndarray
    inputs: np.ndarray
    painted: dict[str, np.ndarray]


@dataclass(frozen=True)
class Told:
    """How well a probe names people of one column, from pictures of one kind.

    accuracy: on frames of other sequences. over_silhouette: minus that from true silhouettes, paired by frame. people:
    classes. chance: the larger of 1 / people and the share of the commonest training class among the frames scored.
    """

    accuracy: Interval
    over_silhouette: Interval
    people: int
    chance: float


@dataclass(frozen=True)
class Zero:
    """What `zero_appearance` found.

    Attributes:
        network: its name. settings: of the analysis. mean_of: where the mean code comes from.
        counts: frames that probes were fitted and scored on.
        told: column ("subject", or "body" and "wardrobe") -> pictures (`ASKED`) -> `Told`.
        kept: "zero" or "mean" -> share of the differences between the subjects' colours that is still there, of those
            in their own repaintings; None where the dataset has no part labels.
        pictures: the grid.
    """

    network: str
    settings: ZeroSettings
    mean_of: str
    counts: dict[str, int]
    told: dict[str, dict[str, Told]]
    kept: dict[str, Interval] | None
    pictures: ZeroPictures

    def numbers(self) -> list[Number]:
        """By column: accuracies from pictures of zero, mean and own codes and from silhouettes; then colours kept."""
        words = {
            "zero": "painted from a zero code",
            "mean": "painted from the mean code",
            "own": "painted from their own codes",
            SILHOUETTE: "true silhouettes",
        }
        found = []
        for column, told in self.told.items():
            for name in ("zero", "mean", "own", SILHOUETTE):
                one = told[name]
                null, chance = exactly(one.chance), f"chance, {one.people} {_plural(column)}"
                label = (
                    f"{column} read from people {words[name]}"
                    if name != SILHOUETTE
                    else f"{column} read from {words[name]}"
                )
                found.append(Number(f"{column}_{name}", label, one.accuracy, "share", null, chance))
            for name in ("zero", "mean"):
                found.append(
                    Number(
                        f"{column}_{name}_over_silhouette",
                        f"{column} read from people {words[name]}, more than from true silhouettes",
                        told[name].over_silhouette, "share", exactly(0.0), "a silhouette tells as much",
                        "Below 0 where the repaintings' outlines are vaguer than the true ones.",
                    )
                )  # fmt: skip
        for name, share in (self.kept or {}).items():
            found.append(
                Number(
                    f"colours_kept_{name}",
                    f"differences between subjects' colours that are left when all are {words[name]}", share, "share",
                    exactly(0.0), "everyone painted alike", "1: as in repaintings from their own codes.",
                )
            )  # fmt: skip
        return found

    def facts(self) -> dict[str, Any]:
        """Everything but the pictures, as plain values, for JSON."""
        return {
            "network": self.network,
            "settings": self.settings.model_dump(mode="json"),
            "mean_of": self.mean_of,
            "counts": self.counts,
            "told": {
                column: {
                    name: {
                        "accuracy": one.accuracy.facts(),
                        "over_silhouette": one.over_silhouette.facts(),
                        "people": one.people,
                        "chance": one.chance,
                    }
                    for name, one in told.items()
                }
                for column, told in self.told.items()
            },
            "kept": None if self.kept is None else {name: one.facts() for name, one in self.kept.items()},
            "pictures": {"subjects": list(self.pictures.subjects), "sample_ids": list(self.pictures.sample_ids)},
        }


@exact_float32()
@torch.no_grad()
def zero_appearance(
    network: Any, dataset: Dataset, settings: ZeroSettings | None = None, *, progress: Progress | None = None
) -> Zero:
    """Paint everyone from one appearance code and ask who it is.

    network: a `DisentangledNetwork`; with `statistics` of its natural codes their mean is the mean code, else that of
        the training frames looked at. No pose is asked for. dataset: with training frames; part labels give one more
        number.

    Raises:
        ConfigError: the network cannot repaint.
        DataError: too few subjects or frames.
    """
    settings = settings or ZeroSettings()
    scored, fitted = _rows(dataset, settings)
    painter = Painter(network, dataset, batch=settings.batch, total=4 * (len(scored) + len(fitted)), progress=progress)
    train, test = painter.see(fitted), painter.see(scored)
    statistics = getattr(network, "statistics", None)
    mean = train.codes.appearance.mean(dim=0) if statistics is None else statistics.mean.cpu()
    codes = {"own": None, "zero": torch.zeros_like(mean), "mean": mean}
    labelled = bool(dataset.info.get("materials")) if dataset.has_labels else False
    seen = [_pictures(painter, each, codes, labelled and each is test) for each in (train, test)]
    told: dict[str, dict[str, Told]] = {}
    for column in people_columns(dataset, test.rows):
        told[column] = _ask(dataset, column, (train, test), (seen[0].small, seen[1].small))
    found = Zero(
        network=network_name(network),
        settings=settings,
        mean_of="natural codes of training" if statistics is not None else f"{len(train.rows)} training frames",
        counts={"fitted": len(train.rows), "scored": len(test.rows)},
        told=told,
        kept=_kept(dataset, test, seen[1].colours) if labelled else None,
        pictures=_grid(painter, dataset, test, codes, settings),
    )
    painter.finish()
    return found


@dataclass(frozen=True)
class _Looks:
    """small: pictures (`ASKED`) -> (N, C) float32. colours: codes -> (N, M, 3), where they were asked for."""

    small: dict[str, Tensor]
    colours: dict[str, np.ndarray]


def _rows(dataset: Dataset, settings: ZeroSettings) -> tuple[np.ndarray, np.ndarray]:
    """Rows to score on and to fit on; training frames are of people who are in the scored ones."""
    scored = rows_of(dataset, settings.split, settings.group)
    if settings.split == "train":
        raise DataError("Probes are fitted on the training split, so it cannot be the one they are scored on.")
    training = rows_of(dataset, "train", settings.group)
    for column in people_columns(dataset, scored):
        names = dataset.column(column).astype(str)
        both = np.intersect1d(names[scored], names[training])
        if len(both) < 2:
            raise DataError(
                f"Split {settings.split!r} of {dataset.folder} shows {len(both)} {column} of the training split; "
                "nobody can be told apart with fewer than 2: choose another split or dataset."
            )
        scored, training = (rows[np.isin(names[rows], both)] for rows in (scored, training))
    return spread(scored, settings.frames), spread(training, settings.train)


def _worn(seen: Seen, code: Tensor | None) -> Codes:
    """Codes of the frames with everyone's appearance replaced by `code` (128,), or as they are."""
    if code is None:
        return seen.codes
    return seen.codes._replace(appearance=code.expand(len(seen.rows), -1).contiguous())


def _pictures(painter: Painter, seen: Seen, codes: dict[str, Tensor | None], coloured: bool) -> _Looks:
    """Everyone painted from each code, as small pictures of the person alone: what the background adds is taken off."""
    dataset = painter.dataset
    boxes = torch.from_numpy(given_box(dataset.person_box(seen.rows), dataset.size))
    small: dict[str, list[Tensor]] = {name: [] for name in ASKED}
    colours: dict[str, list[np.ndarray]] = {name: [] for name in codes}
    for name, code in codes.items():
        for painted in painter.paint(seen, codes=_worn(seen, code)):
            at, frames = painted.places, painted.frames[0]
            base = as_float(seen.backgrounds[at]) * (1 - torch.from_numpy(painted.mask))
            small[name].append(_small(as_float(frames) - base, boxes[at]))
            if coloured:
                found = regions(dataset, seen.rows[at])
                colours[name].append(
                    part_colours(frames, found.part, len(found.names), base=seen.backgrounds[at], mask=painted.mask)
                )
    for start in range(0, len(seen.rows), painter.batch):
        at = np.arange(start, min(start + painter.batch, len(seen.rows)))
        small[SILHOUETTE].append(_small(as_float(dataset.masks(seen.rows[at])), boxes[at]))
    return _Looks(
        {name: torch.cat(parts) for name, parts in small.items()},
        {name: np.concatenate(parts) for name, parts in colours.items() if parts},
    )


def _small(pictures: Tensor, boxes: Tensor) -> Tensor:
    """(B, C, H, W) cut out around the person and averaged to SIDE x SIDE pixels: (B, C * SIDE * SIDE)."""
    cut = resample(pictures, boxes, FINE * SIDE, FINE * SIDE)
    return torch.nn.functional.avg_pool2d(cut, FINE).flatten(1)


def _ask(
    dataset: Dataset, column: str, seen: tuple[Seen, Seen], small: tuple[dict[str, Tensor], dict[str, Tensor]]
) -> dict[str, Told]:
    """A probe for every kind of picture, scored on the test frames."""
    train, test = seen
    clusters = clusters_at(dataset, test.rows)
    right: dict[str, np.ndarray] = {}
    for name in ASKED:
        fitted, scored = _components(small[0][name], small[1][name])
        with torch.enable_grad():
            probe = fit_probe("linear", Encoded(train.rows, {name: fitted}), column, dataset, name)
        wanted = probe.places(dataset.column(column)[test.rows].astype(str))
        right[name] = probe.tell(scored) == wanted
    chance = max(1 / len(probe.names), float((wanted == probe.commonest).mean()))
    return {
        name: Told(
            accuracy=success_interval(hits, clusters),
            over_silhouette=paired_share_difference(right[SILHOUETTE], hits, clusters),
            people=len(probe.names),
            chance=chance,
        )
        for name, hits in right.items()
    }


def _components(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Principal components of the training pictures: a pixel that was always empty there cannot outshout the rest."""
    mean = train.mean(dim=0)
    centred = (train - mean).double()
    _, axes = torch.linalg.eigh(centred.T @ centred)  # smallest first
    axes = axes[:, -min(COMPONENTS, len(train) - 1) :].float()
    return (train - mean) @ axes, (test - mean) @ axes


def _kept(dataset: Dataset, seen: Seen, colours: dict[str, np.ndarray]) -> dict[str, Interval]:
    """Slope of people's colours under one code on their mean colours under their own codes, around everyone's mean."""
    clusters = clusters_at(dataset, seen.rows)
    subject = dataset.column("subject")[seen.rows].astype(str)
    people = np.unique(subject)
    own = means_by(colours["own"], subject, people.tolist())
    apart = (own - _middle(own))[np.searchsorted(people, subject)]
    return {name: _slope(colours[name], apart, subject, people, clusters) for name in CODES if name != "own"}


def _slope(
    colours: np.ndarray, apart: np.ndarray, subject: np.ndarray, people: np.ndarray, clusters: Clusters
) -> Interval:
    centre = _middle(means_by(colours, subject, people.tolist()))
    there = np.isfinite(colours).all(axis=-1) & np.isfinite(apart).all(axis=-1)
    dot, far = (
        np.where(there, each.sum(axis=-1), 0.0).sum(axis=1) for each in ((colours - centre) * apart, apart * apart)
    )
    return bootstrap_mean(dot, clusters, over=far)


def _middle(means: np.ndarray) -> np.ndarray:
    """Mean over people (S, M, 3) of each part, of those who show it; NaN where nobody does."""
    there = np.isfinite(means)
    found: np.ndarray = np.where(there, means, 0.0).sum(axis=0) / np.where(there.any(axis=0), there.sum(axis=0), np.nan)
    return found


def _grid(
    painter: Painter, dataset: Dataset, seen: Seen, codes: dict[str, Tensor | None], settings: ZeroSettings
) -> ZeroPictures:
    subject = dataset.column("subject")[seen.rows].astype(str)
    chosen = shown_places(dataset, seen.rows, subject, settings.shown)
    some = seen.at(chosen)
    painted = {
        name: np.concatenate([each.frames[0] for each in painter.paint(some, codes=_worn(some, code))])
        for name, code in codes.items()
    }
    ids = tuple(dataset.column("sample_id")[some.rows].astype(str).tolist())
    boxes = dataset.person_box(some.rows)
    return ZeroPictures(tuple(subject[chosen].tolist()), ids, boxes, some.frames, painted)


def _plural(column: str) -> str:
    return {"body": "bodies"}.get(column, f"{column}s")
