"""The spread of a network over one factor: means over pairs with intervals, shares, and parts of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from turncoat.engine.analysis.intervals import Clusters, Interval, bootstrap_mean, success_interval
from turncoat.engine.analysis.wardrobe.pairs import Pairs

KINDS = ("mpjpe_mm", "n_mpjpe_mm", "pa_mpjpe_mm")


@dataclass(frozen=True)
class Shares:
    """How often the error against the truth grows by more than a threshold.

    Attributes:
        change: share of changes (pairs of an anchor and a level).
        falls: share of changes with which it falls by as much: what chance does both ways.
        mean: share of base poses whose error, averaged over the levels, is so much above the anchor's.
        any: share of base poses for which some level does it; the more levels, the likelier.
    """

    change: Interval
    falls: Interval
    mean: Interval
    any: Interval

    def facts(self) -> dict[str, Any]:
        return {name: getattr(self, name).facts() for name in ("change", "falls", "mean", "any")}


@dataclass(frozen=True)
class Spread:
    """One factor, or the noise.

    Attributes:
        factor: its name. levels: how many it has, the anchor's own apart. pairs: that were measured.
        mpjpe_mm, n_mpjpe_mm, pa_mpjpe_mm: mean over pairs, with intervals over sequences or recordings.
        of_poses: mpjpe_mm over the mean distance between the network's predictions of different sequences.
        seen, unseen: mpjpe_mm over levels that training shows, and over others; None where there are none.
        growth_mm: mean growth of the error against the truth.
        truth_moves_mm: mean distance of the truths: what a network has for its spread that sees no body.
        grows: threshold in mm -> `Shares`.
        joints_mm: (J,) mean of each joint. actions, subjects, level_mm: name -> mpjpe_mm of that part (of the
            anchor's action, the anchor's subject, the level).
    """

    factor: str
    levels: int
    pairs: int
    mpjpe_mm: Interval
    n_mpjpe_mm: Interval
    pa_mpjpe_mm: Interval
    of_poses: Interval
    seen: Interval | None
    unseen: Interval | None
    growth_mm: Interval
    truth_moves_mm: float
    grows: dict[float, Shares]
    joints_mm: np.ndarray
    actions: dict[str, Interval]
    subjects: dict[str, Interval]
    level_mm: dict[str, Interval]

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""

        def parts(found: dict[str, Interval]) -> dict[str, Any]:
            return {name: each.facts() for name, each in found.items()}

        return {
            "levels": self.levels,
            "pairs": self.pairs,
            **{name: getattr(self, name).facts() for name in (*KINDS, "of_poses", "growth_mm")},
            "seen_mpjpe_mm": None if self.seen is None else self.seen.facts(),
            "unseen_mpjpe_mm": None if self.unseen is None else self.unseen.facts(),
            "truth_moves_mm": self.truth_moves_mm,
            "grows": {f"{threshold:g}": each.facts() for threshold, each in self.grows.items()},
            "joints_mm": self.joints_mm.tolist(),
            "actions": parts(self.actions),
            "subjects": parts(self.subjects),
            "level_mm": parts(self.level_mm),
        }


@dataclass(frozen=True)
class Beside:
    """What is known of the pairs' M frames: number of the base pose, and the anchor's columns, all (M,)."""

    pose: np.ndarray
    level: np.ndarray
    seen: np.ndarray
    action: np.ndarray
    subject: np.ndarray
    apart: np.ndarray  # mm, from the anchor's prediction to those of other sequences; 0 if all are one pose
    clusters: Clusters

    def of(self, keep: np.ndarray) -> "Beside":
        columns = (self.pose, self.level, self.seen, self.action, self.subject, self.apart)
        return Beside(*(values[keep] for values in columns), self.clusters[keep])


def measure_spread(factor: str, pairs: Pairs, beside: Beside, thresholds_mm: tuple[float, ...]) -> Spread:
    """Of all pairs that are measured; those that are NaN are left out."""
    whole = np.isfinite(pairs.mpjpe)
    pairs, beside = pairs.of(whole), beside.of(whole)

    def mean(values: np.ndarray, keep: np.ndarray | None = None, over: np.ndarray | None = None) -> Interval:
        keep = np.ones(len(values), dtype=bool) if keep is None else keep
        return bootstrap_mean(values[keep], beside.clusters[keep], over=None if over is None else over[keep])

    def by(names: np.ndarray) -> dict[str, Interval]:
        return {str(name): mean(pairs.mpjpe, names == name) for name in np.unique(names)}

    known = [part if part.any() else None for part in (beside.seen, ~beside.seen)]
    seen, unseen = (None if part is None else mean(pairs.mpjpe, part) for part in known)
    return Spread(
        factor=factor,
        levels=int(np.bincount(beside.pose).max(initial=0)),
        pairs=len(pairs.mpjpe),
        mpjpe_mm=mean(pairs.mpjpe),
        n_mpjpe_mm=mean(pairs.n_mpjpe),
        pa_mpjpe_mm=mean(pairs.pa_mpjpe),
        of_poses=mean(pairs.mpjpe, over=np.where(beside.apart > 0, beside.apart, np.nan)),
        seen=seen,
        unseen=unseen,
        growth_mm=mean(pairs.growth),
        truth_moves_mm=float(pairs.truth_moves.mean()) if len(pairs.mpjpe) else float("nan"),
        grows={threshold: _shares(pairs.growth, beside, threshold) for threshold in thresholds_mm},
        joints_mm=pairs.joints.mean(axis=0),
        actions=by(beside.action),
        subjects=by(beside.subject),
        level_mm=by(beside.level),
    )


def _shares(growth: np.ndarray, beside: Beside, threshold: float) -> Shares:
    poses, first, of = np.unique(beside.pose, return_index=True, return_inverse=True)
    most, sums = np.full(len(poses), -np.inf), np.bincount(of, growth)
    np.maximum.at(most, of, growth)
    each = beside.clusters[first]
    return Shares(
        change=success_interval(growth > threshold, beside.clusters),
        falls=success_interval(growth < -threshold, beside.clusters),
        mean=success_interval(sums / np.bincount(of) > threshold, each),
        any=success_interval(most > threshold, each),
    )
