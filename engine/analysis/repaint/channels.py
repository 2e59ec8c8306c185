"""Channels (figures 5 and 6 of the paper): which numbers of the pose code say what somebody wears?

Two people stand alike, so where their pose codes differ is, if anywhere, where their clothes are. The channels of A's
pose code are replaced by B's in the order of that difference, the smallest or the largest first, or in any order; the
appearance code, box and background stay A's. How far pose and clothes go from A to B meanwhile, is measured against
A's own repainting and against B, painted from both its codes into A's place (docs/repainting.md).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor

from turncoat.engine.analysis.intervals import Interval, bootstrap_mean
from turncoat.engine.analysis.number import Number, exactly
from turncoat.engine.analysis.repaint.exchange import ORDERS, Exchange, Looks, Order, ordered
from turncoat.engine.analysis.repaint.painting import Painter, Seen, check_predicts, codes_at, rows_of
from turncoat.engine.analysis.repaint.similar import Pairs, same_subject_pairs, similar_pairs
from turncoat.engine.analysis.repaint.way import WHAT, Step, curves_of, leads_of
from turncoat.kernels.device import exact_float32
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.kernels.settings import Settings
from turncoat.training.checkpoint import network_name
from turncoat.training.data import Dataset
from turncoat.training.encoding import Progress
from turncoat.training.evaluation import clusters_at
from turncoat.training.evaluation.cells import spread


class ChannelSettings(Settings):
    """Settings of `replace_channels`.

    Attributes:
        split, group: of the frames; group None: all actions.
        pairs: of people in similar poses.
        ladder: numbers of channels that are replaced, 0 and all of them added.
        standardise: sort by the difference over the channel's standard deviation; the paper sorts by the difference.
        pool: frames that the standard deviation is of.
        apart: RMS of the channels, of 1, by which the colours of a part must differ in a pair to say anything.
        shown: pairs in pictures.
        batch: frames at a time. seed: of the random orders.
    """

    split: str = "held-out"
    group: str | None = "everyday"
    pairs: int = Field(default=24, ge=1)
    ladder: tuple[int, ...] = (50, 100, 150, 200, 300, 400, 500, 550)
    standardise: bool = False
    pool: int = Field(default=300, ge=2)
    apart: float = Field(default=0.05, gt=0, lt=1)
    shown: int = Field(default=1, ge=1)
    batch: int = Field(default=50, ge=1)
    seed: int = Field(default=0, ge=0)

    @field_validator("ladder")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or min(value) < 0:
            raise ValueError(f"the ladder is {value}; give at least one number of channels, none below 0")
        return tuple(sorted(set(value)))


@dataclass(frozen=True)
class Film:
    """Pictures of one pair, uint8: A and B as they are and repainted (B in A's place), and what lies between.

    subjects, sample_ids: of A and B. boxes: (2, 4) x0, y0, x1, y1 pixels, where they are in their inputs.
    strips: order -> (len(ladder), 3, H, W).
    """

    subjects: tuple[str, str]
    sample_ids: tuple[str, str]
    boxes: np.ndarray
    inputs: np.ndarray
    repainted: np.ndarray
    strips: dict[Order, np.ndarray]


@dataclass(frozen=True)
class Channels:
    """What `replace_channels` found.

    Attributes:
        network: its name. settings: of the analysis. ladder: numbers of channels replaced, from 0 to all.
        counts: pairs, and those of which clothes say something. channels: of the pose code.
        pair_mm, chance_mm: distance of the pairs' true poses, and of random frames that might have been paired.
        same_mm: distance of the pairs of one subject that `same_difference` is of; None where there are none.
        difference: (channels,) sorted |difference| of the pose codes, mean over pairs, smallest first.
        same_difference: the same of A and a frame of its own subject, of another sequence, that stands as much like it
            as B does; None where there is none.
        ratio: mean difference between subjects over that within subjects, over the pairs that have both.
        curves: order -> what (`way.MEASURED`) -> an interval for every step of the ladder. Distances to A and to B: of
            predicted poses in mm, of clothes in grey levels. Shares: how much of the way from A to B.
        lead: of `WHAT` -> how much more of the way it has gone, mean over K from 0 to all, when the channels that
            differ most are replaced first than in random order; "separation": of clothes minus of pose;
            "separation_outline": of clothes minus of outline.
        films: of typical pairs, for the picture: their clothes go about as far as those of all pairs.
    """

    network: str
    settings: ChannelSettings
    ladder: tuple[int, ...]
    counts: dict[str, int]
    channels: int
    pair_mm: Interval
    chance_mm: Interval
    same_mm: Interval | None
    difference: np.ndarray
    same_difference: np.ndarray | None
    ratio: Interval | None
    curves: dict[Order, dict[str, tuple[Interval, ...]]]
    lead: dict[str, Interval]
    films: tuple[Film, ...]

    def at(self, order: Order, count: int, what: str) -> Interval:
        """A point of a curve. ConfigError: the ladder has no such step."""
        if count not in self.ladder:
            raise ConfigError(f"No {count} channels were replaced; the ladder is {', '.join(map(str, self.ladder))}.")
        return self.curves[order][what][self.ladder.index(count)]

    def numbers(self) -> list[Number]:
        """Pairs, differences, what the whole pose code brings, the paper's two observations, how separable they are.

        What has no way from A to B is left out: the outline of networks that are told it.
        """
        found = [
            Number(
                "pair_mm", "distance of the paired people's poses", self.pair_mm, "mm", self.chance_mm,
                "a random frame of another subject", "True poses, brought to one size.",
            )
        ]  # fmt: skip
        if self.ratio is not None and self.same_mm is not None:
            found.append(
                Number(
                    "difference_ratio", "pose codes of two people over those of one, standing alike", self.ratio,
                    "ratio", exactly(1.0), "one person differs as much",
                    f"Mean |difference|; one person's two poses lie {self.same_mm.value:.0f} mm apart.",
                )
            )  # fmt: skip
        for what in WHAT:
            found.append(
                Number(
                    f"{what}_whole", f"of the way from A to B that {what} go when the whole pose code is B's",
                    self.at("random", self.channels, f"{what}_share"), "share", exactly(float(what != "clothes")),
                    "a pose code of pose alone", "The appearance code stays A's.",
                )
            )  # fmt: skip
        for order, count in (("highest", 200), ("lowest", 500)):
            if count in self.ladder:
                for what in WHAT:
                    found.append(
                        Number(
                            f"{what}_{order}_{count}",
                            f"of the way from A to B that {what} go with the {count} {order} channels",
                            self.at(order, count, f"{what}_share"), "share",  # type: ignore[arg-type]
                            self.at("random", count, f"{what}_share"), f"{count} random channels",
                        )
                    )  # fmt: skip
        said = {
            "clothes": "of the way that clothes are ahead of random order, highest channels first",
            "pose": "of the way that the pose is ahead of random order, highest channels first",
            "outline": "of the way that the outline is ahead of random order, highest channels first",
            "separation": "lead of the clothes over that of the pose",
            "separation_outline": "lead of the clothes over that of the outline",
        }
        for what, label in said.items():
            key = f"{what}_lead" if what in WHAT else what
            found.append(Number(key, label, self.lead[what], "share", exactly(0.0), "random order", "Mean over K."))
        return [one for one in found if math.isfinite(one.found.value)]

    def facts(self) -> dict[str, Any]:
        """Everything but the pictures, as plain values, for JSON."""
        return {
            "network": self.network,
            "settings": self.settings.model_dump(mode="json"),
            "ladder": list(self.ladder),
            "counts": self.counts,
            "channels": self.channels,
            "pair_mm": self.pair_mm.facts(),
            "chance_mm": self.chance_mm.facts(),
            "same_mm": None if self.same_mm is None else self.same_mm.facts(),
            "difference": [float(each) for each in self.difference],
            "same_difference": None if self.same_difference is None else [float(each) for each in self.same_difference],
            "ratio": None if self.ratio is None else self.ratio.facts(),
            "curves": {
                order: {what: [point.facts() for point in curve] for what, curve in curves.items()}
                for order, curves in self.curves.items()
            },
            "lead": {what: one.facts() for what, one in self.lead.items()},
            "films": [{"subjects": list(film.subjects), "sample_ids": list(film.sample_ids)} for film in self.films],
        }


@exact_float32()
@torch.no_grad()
def replace_channels(
    network: Any, dataset: Dataset, settings: ChannelSettings | None = None, *, progress: Progress | None = None
) -> Channels:
    """Replace K channels of A's pose code by B's, for pairs of people who stand alike.

    network: a `DisentangledNetwork`. dataset: with ground truth, labels, and two subjects in front of one camera.

    Raises:
        ConfigError: the network cannot repaint or predict; the ladder reaches beyond its pose code.
        DataError: no such pairs, no part labels, or all pairs look alike.
    """
    settings = settings or ChannelSettings()
    check_predicts(network)
    rows = rows_of(dataset, settings.split, settings.group)
    pairs = similar_pairs(dataset, rows, count=settings.pairs, seed=settings.seed)
    same = same_subject_pairs(dataset, pairs, settings.group)
    painter = Painter(
        network, dataset, batch=settings.batch, progress=progress,
        total=(3 + 2 * (3 + 3 * len(settings.ladder))) * len(pairs.a) + settings.standardise * settings.pool,
    )  # fmt: skip
    seen = painter.see(np.unique(np.concatenate([pairs.a, pairs.b, *([] if same is None else [same.b])])))
    pairs, a, b = _read(seen, pairs)
    channels = a.codes.pose_code.shape[1]
    if settings.ladder[-1] > channels:
        raise ConfigError(
            f"{network_name(network)} has {channels} channels of pose, fewer than the ladder's {settings.ladder[-1]}; "
            "shorten the ladder."
        )
    ladder = tuple(sorted({0, *settings.ladder, channels}))
    gap = (a.codes.pose_code - b.codes.pose_code).abs()
    unit = painter.see(spread(rows, settings.pool)).codes.pose_code.std(dim=0) if settings.standardise else None
    sample_ids = dataset.column("sample_id")[a.rows]
    order_by = gap if unit is None else gap / unit.clamp(min=1e-6)
    firsts = {order: ordered(order, order_by, sample_ids, settings.seed) for order in ORDERS}
    exchange = Exchange(painter, a, b)
    own, end = exchange.look(a.codes), exchange.look(exchange.moved)
    whole = exchange.look(exchange.mixed(firsts["lowest"], channels))
    last = Step(whole, own, end, settings.apart)
    if not np.isfinite(last.clothes_far).any():
        raise DataError(
            f"In the repaintings by {network_name(network)} nobody of a pair differs by {settings.apart} in colour "
            "from the other, so there are no clothes to exchange; choose subjects that dress differently."
        )
    kept = _typical(last, settings.shown)
    own, end, whole = (each._replace(shown=each.shown[kept]) for each in (own, end, whole))
    looks = {
        order: [
            own,
            *(exchange.look(exchange.mixed(firsts[order], count), kept) for count in ladder[1:-1]),
            whole,
        ]
        for order in ORDERS
    }
    clusters = clusters_at(dataset, a.rows)
    steps = {order: [Step(each, own, end, settings.apart) for each in looks[order]] for order in ORDERS}
    alike = _compared(seen, a, b, same)
    found = Channels(
        network=network_name(network),
        settings=settings,
        ladder=ladder,
        counts={"pairs": len(a.rows), "clothed": int(np.isfinite(steps["lowest"][0].clothes_far).sum())},
        channels=channels,
        pair_mm=bootstrap_mean(pairs.distance_mm, clusters),
        chance_mm=bootstrap_mean(pairs.chance_mm, clusters),
        same_mm=None if alike is None else bootstrap_mean(alike.distance_mm, clusters[alike.places]),
        difference=_sorted(a.codes.pose_code - b.codes.pose_code),
        same_difference=None if alike is None else _sorted(alike.within),
        ratio=None
        if alike is None
        else bootstrap_mean(_mean_size(alike.between), clusters[alike.places], over=_mean_size(alike.within)),
        curves={order: curves_of(steps[order], clusters) for order in ORDERS},
        lead=leads_of(ladder, steps, clusters),
        films=tuple(_film(dataset, exchange, kept, looks, own, end, number) for number in range(len(kept))),
    )
    painter.finish()
    return found


def _read(seen: Seen, pairs: Pairs) -> tuple[Pairs, Seen, Seen]:
    """The pairs both of whose frames could be read, and those frames. DataError: there is none."""
    where = {row: place for place, row in enumerate(seen.rows.tolist())}
    both = np.isin(pairs.a, seen.rows) & np.isin(pairs.b, seen.rows)
    if not both.any():
        raise DataError("Of every pair of people one frame cannot be read; render the dataset again.")
    pairs = Pairs(*(each[both] for each in pairs))
    a, b = (seen.at(np.array([where[row] for row in side.tolist()])) for side in (pairs.a, pairs.b))
    return pairs, a, b


@dataclass(frozen=True)
class _Alike:
    """Differences of pose codes (P, C) of the A (places (P,)) that have a frame of their own subject beside them."""

    places: np.ndarray
    between: Tensor
    within: Tensor
    distance_mm: np.ndarray


def _compared(seen: Seen, a: Seen, b: Seen, same: Pairs | None) -> _Alike | None:
    if same is None:
        return None
    where = {row: place for place, row in enumerate(seen.rows.tolist())}
    partner = {row: (other, far) for row, other, far in zip(*(each.tolist() for each in same[:3]), strict=True)}
    places = np.array([n for n, row in enumerate(a.rows.tolist()) if row in partner and partner[row][0] in where])
    if not len(places):
        return None
    others = np.array([where[partner[row][0]] for row in a.rows[places].tolist()])
    mine = codes_at(a.codes, places).pose_code
    return _Alike(
        places=places,
        between=mine - codes_at(b.codes, places).pose_code,
        within=mine - codes_at(seen.codes, others).pose_code,
        distance_mm=np.array([partner[row][1] for row in a.rows[places].tolist()]),
    )


def _sorted(difference: Tensor) -> np.ndarray:
    """|difference| (N, C) -> (C,): sorted by pair, then the mean of pairs."""
    found: np.ndarray = difference.abs().sort(dim=1).values.mean(dim=0).double().numpy()
    return found


def _mean_size(difference: Tensor) -> np.ndarray:
    """Mean |difference| over the channels: (N, C) -> (N,)."""
    found: np.ndarray = difference.abs().mean(dim=1).double().numpy()
    return found


def _typical(last: Step, count: int) -> np.ndarray:
    """Places, ascending, of the pairs whose clothes go about as far as all pairs' do, of those that dress apart."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share = last.clothes_dot / last.clothes_far
        apart = last.clothes_far >= np.nanmedian(last.clothes_far)
    off = np.abs(share - np.nansum(last.clothes_dot) / np.nansum(last.clothes_far))
    order = np.argsort(np.where(apart, off, np.inf), kind="stable")
    return np.sort(order[: min(count, len(order))])


def _film(
    dataset: Dataset,
    exchange: Exchange,
    kept: np.ndarray,
    looks: dict[Order, list[Looks]],
    own: Looks,
    end: Looks,
    number: int,
) -> Film:
    """The film of the pair whose pictures were kept as the `number`-th."""
    rows = [exchange.a.rows[kept[number]], exchange.b.rows[kept[number]]]
    subjects, ids = (dataset.column(name)[rows].astype(str).tolist() for name in ("subject", "sample_id"))
    return Film(
        subjects=(subjects[0], subjects[1]),
        sample_ids=(ids[0], ids[1]),
        boxes=dataset.person_box(rows),
        inputs=np.stack([exchange.a.frames[kept[number]], exchange.b.frames[kept[number]]]),
        repainted=np.stack([own.shown[number], end.shown[number]]),
        strips={order: np.stack([each.shown[number] for each in of]) for order, of in looks.items()},
    )
