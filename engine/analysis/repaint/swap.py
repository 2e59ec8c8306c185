"""Swap (figures 2 and 8 of the paper): pose of one subject, appearance of another. Whose clothes does the child wear?

A child is ``paint(appearance_of_B, canvas(codes_of_A, background_of_A))``. If appearance were all in the appearance
code it would wear B's clothes; what it keeps of A's came through the pose code. Measured against the parents' own
*repaintings*, so that what the network cannot paint at all is nobody's leak (docs/repainting.md).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field

from turncoat.engine.analysis.intervals import Clusters, Interval, bootstrap_mean
from turncoat.engine.analysis.number import Number
from turncoat.engine.analysis.repaint.painting import Painter, Seen, check_predicts, rows_of_people
from turncoat.engine.analysis.repaint.parts import Along, along, means_by, part_colours, regions
from turncoat.engine.attack.identity import generator_of
from turncoat.kernels.device import exact_float32
from turncoat.kernels.errors import DataError
from turncoat.kernels.pose_error import mpjpe, pa_mpjpe
from turncoat.kernels.settings import Settings
from turncoat.training.checkpoint import network_name
from turncoat.training.data import Dataset
from turncoat.training.encoding import Progress
from turncoat.training.evaluation import clusters_at


class SwapSettings(Settings):
    """Settings of `swap_appearance`.

    Attributes:
        split, group: of the frames; group None: all actions.
        frames: pose parents, in equal parts of every subject. people: subjects at most.
        apart: RMS of the channels, of 1, by which the parents' colours of a part must differ to say anything.
        shown: subjects in the picture at most.
        batch: frames at a time. seed: of who meets whom.
    """

    split: str = "held-out"
    group: str | None = "everyday"
    frames: int = Field(default=300, ge=4)
    people: int = Field(default=12, ge=2)
    apart: float = Field(default=0.05, gt=0, lt=1)
    shown: int = Field(default=5, ge=2)
    batch: int = Field(default=50, ge=1)
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class SwapPictures:
    """The grid: row i has the pose of subject i, column j the appearance of subject j; all uint8.

    inputs: (S, 3, H, W). children: (S, S, 3, H, W), the parents' own repaintings on the diagonal. subjects: (S,) names.
    sample_ids: of the inputs. boxes: (S, 4) x0, y0, x1, y1 pixels, where their people are.
    """

    subjects: tuple[str, ...]
    sample_ids: tuple[str, ...]
    boxes: np.ndarray
    inputs: np.ndarray
    children: np.ndarray


@dataclass(frozen=True)
class Swap:
    """What `swap_appearance` found.

    Attributes:
        network: its name. settings: of the analysis. subjects: who took part.
        counts: children, parts compared, and parts left out because the parents look alike there.
        share: part -> how much of the way from the pose parent's colour to the appearance parent's the child goes: 0:
            it wears what the pose code says, 1: what the appearance code says. "all": of all parts together.
        by_parent: subject -> the share over all parts of the children in that subject's poses.
        other: the same towards a third subject, who gave nothing. None where there is none.
        off_line: squared distance of the child's colours from the line between the parents', over its length squared.
        off_line_same: the same of a child of A with another frame's code of A.
        apart: part -> RMS difference of two subjects' colours, grey levels, in the inputs and in the repaintings.
        change_mm: name -> MPJPE and PA-MPJPE between predictions on child and on the pose parent's own repainting, by
            "swap", by "same" (another frame's code of A) and by "noise" (one grey level).
        pictures: the grid.
    """

    network: str
    settings: SwapSettings
    subjects: tuple[str, ...]
    counts: dict[str, int]
    share: dict[str, Interval]
    by_parent: dict[str, Interval]
    other: dict[str, Interval] | None
    off_line: Interval
    off_line_same: Interval
    apart: dict[str, dict[str, float]]
    change_mm: dict[str, dict[str, Interval]]
    pictures: SwapPictures

    def numbers(self) -> list[Number]:
        """The overall share first, then each part's, then how far the pose moved."""
        found = []
        for part, share in self.share.items():
            of = "clothes, hair and skin" if part == "all" else part
            found.append(
                Number(
                    key="appearance_share" + ("" if part == "all" else f"_{part}"),
                    label=f"{of}: colour of the appearance parent that the child wears",
                    found=share,
                    unit="share",
                    null=None if self.other is None else self.other[part],
                    null_name="towards a third subject, whose code was not used",
                    note="0: the pose code decides what is worn, 1: the appearance code does.",
                )
            )
        found.append(
            Number(
                "off_line", "child's colours off the line between its parents", self.off_line, "ratio",
                self.off_line_same, "another frame's code of the same subject",
                "Squared distance over the parents' squared distance.",
            )
        )  # fmt: skip
        for kind, label in (("mpjpe", "pose change"), ("pa_mpjpe", "pose change, aligned (PA-MPJPE)")):
            by = {name: errors[kind] for name, errors in self.change_mm.items()}
            found.append(
                Number(
                    f"pose_change_{kind}_mm", f"{label} under another's appearance", by["swap"], "mm", by["same"],
                    "another frame's code of the same subject", "Against the pose parent's own repainting.",
                )
            )  # fmt: skip
        noise = self.change_mm["noise"]["mpjpe"]
        found.append(Number("pose_noise_mm", "pose change under one grey level of noise", noise, "mm"))
        return found

    def facts(self) -> dict[str, Any]:
        """Everything but the pictures, as plain values, for JSON."""
        return {
            "network": self.network,
            "settings": self.settings.model_dump(mode="json"),
            "subjects": list(self.subjects),
            "counts": self.counts,
            "share": {part: one.facts() for part, one in self.share.items()},
            "by_parent": {name: one.facts() for name, one in self.by_parent.items()},
            "other": None if self.other is None else {part: one.facts() for part, one in self.other.items()},
            "off_line": self.off_line.facts(),
            "off_line_same": self.off_line_same.facts(),
            "apart": self.apart,
            "change_mm": {
                name: {kind: one.facts() for kind, one in errors.items()} for name, errors in self.change_mm.items()
            },
            "pictures": {"subjects": list(self.pictures.subjects), "sample_ids": list(self.pictures.sample_ids)},
        }


@exact_float32()
@torch.no_grad()
def swap_appearance(
    network: Any, dataset: Dataset, settings: SwapSettings | None = None, *, progress: Progress | None = None
) -> Swap:
    """Paint frames of every subject in the appearance of every other one.

    network: a `DisentangledNetwork`. dataset: with part labels.

    Raises:
        ConfigError: the network cannot repaint or predict.
        DataError: too few subjects or frames, no part labels, or repaintings in which all people look alike.
    """
    settings = settings or SwapSettings()
    check_predicts(network)
    rows = rows_of_people(
        dataset, settings.split, settings.group, frames=settings.frames, people=settings.people, fewest=2
    )
    painter = Painter(network, dataset, batch=settings.batch, total=8 * len(rows), progress=progress)
    names = tuple(regions(dataset, rows[:1]).names)
    seen = _of_two_or_more(painter.see(rows), dataset)
    subject = dataset.column("subject")[seen.rows].astype(str)
    people = tuple(np.unique(subject).tolist())
    partner, third, same = _partners(dataset, seen.rows, subject, settings.seed)
    codes = seen.codes.appearance
    worn = [codes, *(codes[torch.from_numpy(who)] for who in (partner, same))]
    colours = np.full((4, len(seen.rows), len(names), 3), np.nan)  # of inputs, own, child, same
    poses: dict[str, list[np.ndarray]] = {name: [] for name in ("own", "swap", "same", "noise")}
    for painted in painter.paint(seen, worn):
        at = painted.places
        part = regions(dataset, seen.rows[at]).part
        for place, frames in enumerate((seen.frames[at], *painted.frames)):
            colours[place, at] = part_colours(frames, part, len(names))
        ids = dataset.column("sample_id")[seen.rows[at]].tolist()
        noisy = np.stack(
            [_noisy(frame, name, settings.seed) for frame, name in zip(painted.frames[0], ids, strict=True)]
        )
        for name, frames in zip(poses, (*painted.frames, noisy), strict=True):
            poses[name].append(painter.predict(seen, frames, at))
    clusters = clusters_at(dataset, seen.rows)
    inputs, own, child, again = colours
    reference = means_by(own, subject, people)
    of = np.searchsorted(people, subject)
    line = reference[of[partner]] - reference[of]
    measured = along(child - own, line, settings.apart)
    if not np.isfinite(measured.far).any():
        raise DataError(
            f"In the repaintings by {network_name(network)} no two subjects' clothes differ by {settings.apart} in "
            "colour, so there is nothing to inherit; choose subjects that dress differently, or train the network "
            "longer."
        )
    other = None
    if third is not None:
        towards = along(child - own, reference[of[third]] - reference[of], settings.apart)
        other = _shares(names, towards, clusters)
    repeated = along(again - own, line, settings.apart)
    predicted = {name: np.concatenate(parts) for name, parts in poses.items()}
    result = Swap(
        network=network_name(network),
        settings=settings,
        subjects=people,
        counts={
            "children": len(seen.rows),
            "compared": int(np.isfinite(measured.far).sum()),
            "alike": int((np.isfinite(child - own).all(axis=-1) & ~np.isfinite(measured.far)).sum()),
        },
        share=_shares(names, measured, clusters),
        by_parent={
            name: _ratio(measured.dot[subject == name], measured.far[subject == name], clusters[subject == name])
            for name in people
        },
        other=other,
        off_line=_ratio(measured.off, measured.far, clusters),
        off_line_same=_ratio(repeated.off, repeated.far, clusters),
        apart={
            "inputs": _apart(names, means_by(inputs, subject, people)),
            "repaintings": _apart(names, reference),
        },
        change_mm={
            name: {
                kind: bootstrap_mean(error(predicted[name], predicted["own"]), clusters)
                for kind, error in (("mpjpe", mpjpe), ("pa_mpjpe", pa_mpjpe))
            }
            for name in ("swap", "same", "noise")
        },
        pictures=_grid(painter, dataset, seen, subject, settings),
    )
    painter.finish()
    return result


def _of_two_or_more(seen: Seen, dataset: Dataset) -> Seen:
    """Without subjects of whom a single frame could be read: nobody would stand in for them.

    Raises:
        DataError: fewer than two subjects are left.
    """
    names, of, count = np.unique(
        dataset.column("subject")[seen.rows].astype(str), return_inverse=True, return_counts=True
    )
    left = int((count > 1).sum())
    if left < 2:
        raise DataError(
            f"Of the chosen frames of {len(names)} subjects two or more could be read of {left} alone, and appearances "
            "are exchanged between two; choose another split, or render the dataset again."
        )
    return seen if left == len(names) else seen.at(np.flatnonzero((count > 1)[of.reshape(-1)]))


def _partners(
    dataset: Dataset, rows: np.ndarray, subject: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """For each frame the place of one of another subject (each in turn), of a third one, of the same elsewhere."""
    people, sequence = np.unique(subject), dataset.column("sequence")[rows]
    partner, third, same = (np.zeros(len(rows), dtype=np.int64) for _ in range(3))
    count = {name: 0 for name in people.tolist()}
    for place, (row, name) in enumerate(zip(rows.tolist(), subject.tolist(), strict=True)):
        random = generator_of(seed, str(dataset.column("sample_id")[row]), 0, "swap")
        others = people[people != name]
        turn = count[name]
        count[name] += 1
        partner[place] = random.choice(np.flatnonzero(subject == others[turn % len(others)]))
        third[place] = random.choice(np.flatnonzero(subject == others[(turn + 1) % len(others)]))
        mine = np.flatnonzero(subject == name)
        elsewhere = mine[sequence[mine] != sequence[place]]
        same[place] = random.choice(elsewhere if len(elsewhere) else mine[mine != place])
    return partner, third if len(people) > 2 else None, same


def _noisy(frame: np.ndarray, sample_id: str, seed: int) -> np.ndarray:
    """A picture (3, H, W) uint8 with every value up or down by one grey level, or as it is, at random."""
    noise = generator_of(seed, sample_id, 0, "one grey level").integers(-1, 2, frame.shape)
    noisy: np.ndarray = np.clip(frame.astype(np.int16) + noise, 0, 255).astype(np.uint8)
    return noisy


def _shares(names: tuple[str, ...], measured: Along, clusters: Clusters) -> dict[str, Interval]:
    found = {"all": _ratio(measured.dot, measured.far, clusters)}
    for place, name in enumerate(names):
        one = _ratio(measured.dot[:, [place]], measured.far[:, [place]], clusters)
        if np.isfinite(one.value):
            found[name] = one
    return found


def _ratio(above: np.ndarray, below: np.ndarray, clusters: Clusters) -> Interval:
    """Ratio of sums over frames and parts (N, M); frames without a part are left out."""
    there = np.isfinite(below).any(axis=1)
    tops, bottoms = (np.where(there, np.nansum(each, axis=1), np.nan) for each in (above, below))
    return bootstrap_mean(tops, clusters, over=bottoms)


def _apart(names: tuple[str, ...], means: np.ndarray) -> dict[str, float]:
    """RMS difference of two subjects' colours by part, grey levels, over all pairs of subjects."""
    one, other = np.triu_indices(len(means), 1)
    far = 255 * np.sqrt(((means[one] - means[other]) ** 2).mean(axis=-1))
    return {
        name: float(np.nanmean(far[:, place])) for place, name in enumerate(names) if np.isfinite(far[:, place]).any()
    }


def _grid(painter: Painter, dataset: Dataset, seen: Seen, subject: np.ndarray, settings: SwapSettings) -> SwapPictures:
    chosen = shown_places(dataset, seen.rows, subject, settings.shown)
    some = seen.at(chosen)
    worn = [some.codes.appearance[[place]].expand(len(chosen), -1) for place in range(len(chosen))]
    columns: list[list[np.ndarray]] = [[] for _ in worn]
    for painted in painter.paint(some, worn):
        for column, frames in zip(columns, painted.frames, strict=True):
            column.append(frames)
    children = np.stack([np.concatenate(column) for column in columns], axis=1)
    ids = tuple(dataset.column("sample_id")[some.rows].astype(str).tolist())
    boxes = dataset.person_box(some.rows)
    return SwapPictures(tuple(subject[chosen].tolist()), ids, boxes, some.frames, children)


def shown_places(dataset: Dataset, rows: np.ndarray, subject: np.ndarray, most: int) -> np.ndarray:
    """One place for each of up to `most` subjects: of the frame whose person is of median size among the subject's."""
    box = dataset.person_box(rows)
    area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    people = np.unique(subject)
    people = people[np.unique(np.linspace(0, len(people) - 1, min(most, len(people))).round().astype(int))]
    found = []
    for name in people.tolist():
        mine = np.flatnonzero(subject == name)
        found.append(int(mine[np.argsort(area[mine], kind="stable")[len(mine) // 2]]))
    return np.array(found)
