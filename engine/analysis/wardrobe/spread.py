"""The spread of a network over one factor: means over pairs with intervals, shares, and parts of it."""

from dataclasses import dataclass, replace
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
class Part:
    """Some pairs of one factor.

    Attributes:
        levels: how many there are of a base pose, the anchor apart. pairs: that were measured.
        mpjpe_mm, n_mpjpe_mm, pa_mpjpe_mm: mean over pairs, with intervals over sequences or recordings.
        of_poses: mpjpe_mm over the mean distance between the network's predictions of different sequences; NaN for a
            network that says one pose to all.
        growth_mm: mean growth of the error against the truth.
        truth_moves_mm: mean distance of the truths: what a network has for its spread that sees no body.
        grows: threshold in mm -> `Shares`.
    """

    levels: int
    pairs: int
    mpjpe_mm: Interval
    n_mpjpe_mm: Interval
    pa_mpjpe_mm: Interval
    of_poses: Interval
    growth_mm: Interval
    truth_moves_mm: float
    grows: dict[float, Shares]

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "levels": self.levels,
            "pairs": self.pairs,
            **{name: getattr(self, name).facts() for name in (*KINDS, "of_poses", "growth_mm")},
            "truth_moves_mm": self.truth_moves_mm,
            "grows": {f"{threshold:g}": each.facts() for threshold, each in self.grows.items()},
        }


@dataclass(frozen=True)
class Spread(Part):
    """One factor, or the noise: all its pairs, and parts of them.

    Attributes:
        factor: its name.
        seen, unseen: over levels that training shows, and over others; None where there are none.
        joints_mm: (J,) mean of each joint. actions, subjects, level_mm: name -> mpjpe_mm of that part (of the
            anchor's action, the anchor's subject, the level).
    """

    factor: str
    seen: Part | None
    unseen: Part | None
    joints_mm: np.ndarray
    actions: dict[str, Interval]
    subjects: dict[str, Interval]
    level_mm: dict[str, Interval]

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""

        def parts(found: dict[str, Interval]) -> dict[str, Any]:
            return {name: each.facts() for name, each in found.items()}

        return {
            **super().facts(),
            "seen": None if self.seen is None else self.seen.facts(),
            "unseen": None if self.unseen is None else self.unseen.facts(),
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
        """Those that `keep` (mask or places) names."""
        columns = ("pose", "level", "seen", "action", "subject", "apart", "clusters")
        return replace(self, **{name: getattr(self, name)[keep] for name in columns})


def measure_spread(factor: str, pairs: Pairs, beside: Beside, thresholds_mm: tuple[float, ...]) -> Spread:
    """Of all pairs that are measured; those that are NaN are left out."""
    whole = np.isfinite(pairs.mpjpe)
    pairs, beside = pairs.of(whole), beside.of(whole)

    def by(names: np.ndarray) -> dict[str, Interval]:
        return {str(name): _mean(pairs.mpjpe[names == name], beside.of(names == name)) for name in np.unique(names)}

    def part(keep: np.ndarray) -> Part | None:
        return Part(**_numbers(pairs.of(keep), beside.of(keep), thresholds_mm)) if keep.any() else None

    return Spread(
        **_numbers(pairs, beside, thresholds_mm),
        factor=factor,
        seen=part(beside.seen),
        unseen=part(~beside.seen),
        joints_mm=pairs.joints.mean(axis=0),
        actions=by(beside.action),
        subjects=by(beside.subject),
        level_mm=by(beside.level),
    )


def _numbers(pairs: Pairs, beside: Beside, thresholds_mm: tuple[float, ...]) -> dict[str, Any]:
    """The attributes of a `Part`."""
    return {
        "levels": int(np.bincount(beside.pose).max(initial=0)),
        "pairs": len(pairs.mpjpe),
        "mpjpe_mm": _mean(pairs.mpjpe, beside),
        "n_mpjpe_mm": _mean(pairs.n_mpjpe, beside),
        "pa_mpjpe_mm": _mean(pairs.pa_mpjpe, beside),
        "of_poses": _mean(pairs.mpjpe, beside, over=np.where(beside.apart > 0, beside.apart, np.nan)),
        "growth_mm": _mean(pairs.growth, beside),
        "truth_moves_mm": float(pairs.truth_moves.mean()) if len(pairs.mpjpe) else float("nan"),
        "grows": {threshold: _shares(pairs.growth, beside, threshold) for threshold in thresholds_mm},
    }


def _mean(values: np.ndarray, beside: Beside, over: np.ndarray | None = None) -> Interval:
    return bootstrap_mean(values, beside.clusters, over=over)


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
