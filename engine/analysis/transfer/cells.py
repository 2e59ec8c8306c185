"""The numbers of a transfer matrix: repaintings alone, attacks by who painted, whom they were made for and who looks.

Frames are paired throughout: a cell's attack, its random directions and the attack made for the target itself are
compared on the same frames.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from turncoat.engine.analysis.intervals import (
    Clusters,
    Interval,
    bootstrap_mean,
    bootstrap_mean_over_groups,
    clusters_of,
    success_interval,
)
from turncoat.engine.attack.controls import RANDOM_DIRECTION
from turncoat.engine.attack.outcomes import ATTACKED, FAILED
from turncoat.engine.runs import Run

PAST_MM = 60.0
"""A repainting that alone moves a target further than this is no ground for an attack on it. [choice]"""

_ATTACKED = [outcome.value for outcome in ATTACKED]
_FAILED = [outcome.value for outcome in FAILED]


@dataclass(frozen=True)
class Repaint:
    """What a generator's unattacked repainting alone does to a target.

    Attributes:
        frames: that could be read. past_before: those moved past the threshold of the attacks.
        initial_mm: mean of all of them, also of those past the threshold.
        marks: why the pair is no average's part; empty: it is.
    """

    group: str
    generator: str
    target: str
    frames: int
    past_before: int
    initial_mm: Interval
    marks: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return _plain(self)


@dataclass(frozen=True)
class Frames:
    """The frames of a cell: error of the attack, of the random direction (NaN without) and of the repainting, mm."""

    sample_id: np.ndarray
    columns: dict[str, np.ndarray]
    error: np.ndarray
    random: np.ndarray
    initial: np.ndarray

    @property
    def clusters(self) -> Clusters:
        """What frames have in common."""
        return clusters_of(self.columns)


@dataclass(frozen=True)
class Cell:
    """Attacks that `generator` painted and that were made for one target, looked at by `target`.

    Attributes:
        made_for: the network whose gradient was followed; `target` itself, or another one.
        frames: attacked, and not past the threshold before: what all numbers are of.
        not_attacked: left out since the repainting moved `made_for` past the threshold, or the frame failed.
        past_before: left out since it moved `target` past the threshold.
        initial_mm, error_mm: error of `target` on the unattacked repainting, and on the attacked frame.
        success: share past the threshold.
        random_mm, random_success: of random directions as long as each attack; None without controls.
        added_mm: attack minus random direction, paired by frame.
        error_n_mm, error_pa_mm: mean errors after scaling, and after a similarity.
        of_own: what the attack adds to the repainting's error, as a part of what one made for `target` itself adds,
            on the frames that both have; None where they are the same attack, or the latter adds nothing.
        marks: why the cell is no average's part: those of the pair that made it and of the pair that looks.
    """

    setting: str
    group: str
    generator: str
    made_for: str
    target: str
    frames: int
    not_attacked: int
    past_before: int
    initial_mm: Interval
    error_mm: Interval
    success: Interval
    random_mm: Interval | None
    random_success: Interval | None
    added_mm: Interval | None
    error_n_mm: float
    error_pa_mm: float
    of_own: Interval | None
    marks: tuple[str, ...]
    of: Frames = field(repr=False, compare=False)

    @property
    def own(self) -> bool:
        """Whether the attack was made for the network that looks."""
        return self.made_for == self.target

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON; intervals as {value, low, high, clustered_by}."""
        return {**{name: value for name, value in _plain(self).items() if name != "of"}, "own": self.own}


@dataclass(frozen=True)
class Average:
    """Mean over cells of each one's mean, cells with marks left out; cells share frames, which are drawn together."""

    setting: str
    group: str
    words: str
    cells: int
    left_out: int
    initial_mm: Interval
    error_mm: Interval
    random_mm: Interval | None
    success: float
    random_success: float | None

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return _plain(self)


def repaint(run: Run, group: str, threshold_mm: float, given: bool) -> Repaint:
    """The pair of a run, before any attack."""
    rows = run.rows(attack="appearance", setting=run.info["settings"]["attacks"][0], group=group)
    keep = np.isfinite(rows["error_initial_mm"])
    rows = {name: column[keep] for name, column in rows.items()}
    initial = rows["error_initial_mm"]
    mean = bootstrap_mean(initial, clusters_of(rows))
    marks = ["told where the person is"] if given else []
    if not mean.value <= PAST_MM:
        marks.append(f"repaint alone past {PAST_MM:.0f} mm")
    names = str(run.info["generator"]["name"]), str(run.info["target"]["name"])
    return Repaint(group, *names, len(initial), int((initial > threshold_mm).sum()), mean, tuple(marks))


def cell(
    run: Run, own: Run, seen: pa.Table, setting: str, group: str, pairs: tuple[Repaint, Repaint], threshold_mm: float
) -> Cell:
    """One cell, but for `of_own`.

    Args:
        run: attacks of the generator on the target they were made for.
        own: attacks of the same generator on the network that looks; `run` itself if it is the same.
        seen: what that network saw of `run`.
        pairs: (generator and the target it was made for, generator and the network that looks).
    """
    rows = run.rows(attack="appearance", setting=setting, group=group)
    samples = rows["sample_id"]
    initial = _lookup(own.rows(attack="appearance", setting=setting), "error_initial_mm", samples)
    looked = _by_control(seen, setting)
    errors = {name: _aligned(looked.get(None, {}), name, samples) for name in ("error_mm", "error_n_mm", "error_pa_mm")}
    random = _aligned(looked.get(RANDOM_DIRECTION, {}), "error_mm", samples)
    attacked = np.isin(rows["outcome"].astype(str), _ATTACKED) & np.isfinite(initial) & np.isfinite(errors["error_mm"])
    keep = attacked & (initial <= threshold_mm)
    columns = {name: rows[name][keep] for name in ("sequence", "motion_id")}
    of = Frames(samples[keep], columns, errors["error_mm"][keep], random[keep], initial[keep])
    clusters = of.clusters
    controlled = bool(np.isfinite(of.random).any())
    return Cell(
        setting=setting,
        group=group,
        generator=pairs[0].generator,
        made_for=pairs[0].target,
        target=pairs[1].target,
        frames=int(keep.sum()),
        not_attacked=int((~attacked).sum()),
        past_before=int((attacked & ~keep).sum()),
        initial_mm=bootstrap_mean(of.initial, clusters),
        error_mm=bootstrap_mean(of.error, clusters),
        success=success_interval(of.error > threshold_mm, clusters),
        random_mm=bootstrap_mean(of.random, clusters) if controlled else None,
        random_success=success_interval(of.random > threshold_mm, clusters) if controlled else None,
        added_mm=bootstrap_mean(of.error - of.random, clusters) if controlled else None,
        error_n_mm=_mean(errors["error_n_mm"][keep]),
        error_pa_mm=_mean(errors["error_pa_mm"][keep]),
        of_own=None,
        marks=tuple(dict.fromkeys(mark for pair in pairs for mark in pair.marks)),
        of=of,
    )


def share_of_own(one: Cell, own: Cell) -> Interval | None:
    """What `one` adds to the repainting's error over what `own`, made for the same target, adds; see `Cell.of_own`."""
    there = {sample: place for place, sample in enumerate(own.of.sample_id.tolist())}
    mine = np.array([place for place, sample in enumerate(one.of.sample_id.tolist()) if sample in there], dtype=int)
    if not len(mine):
        return None
    theirs = np.array([there[sample] for sample in one.of.sample_id[mine].tolist()])
    adds = one.of.error[mine] - one.of.initial[mine]
    could = own.of.error[theirs] - own.of.initial[theirs]
    if could.mean() <= 0:
        return None
    return bootstrap_mean(adds, one.of.clusters[mine], over=could)


def average(words: str, cells: Sequence[Cell], threshold_mm: float) -> Average | None:
    """Mean over the cells without marks; None where there is none of either kind."""
    if not cells:
        return None
    kept = [one for one in cells if not one.marks and one.frames]
    of = [one.of for one in kept]
    number = np.concatenate([np.full(len(frames.error), n) for n, frames in enumerate(of)] or [np.zeros(0)])
    columns = {
        name: np.concatenate([frames.columns[name] for frames in of] or [np.zeros(0, dtype=object)])
        for name in ("sequence", "motion_id")
    }
    clusters = clusters_of(columns)

    def mean(name: str) -> Interval:
        values = np.concatenate([getattr(frames, name) for frames in of] or [np.zeros(0)])
        return bootstrap_mean_over_groups(values, clusters, number)

    random = mean("random")
    shares = [
        _mean(np.array([float((getattr(frames, name) > threshold_mm).mean()) for frames in of]))
        for name in ("error", "random")
    ]
    controlled = bool(np.isfinite(random.value))
    return Average(
        cells[0].setting,
        cells[0].group,
        words,
        len(kept),
        len(cells) - len(kept),
        mean("initial"),
        mean("error"),
        random if controlled else None,
        shares[0],
        shares[1] if controlled else None,
    )


def differs_mm(run: Run, seen: pa.Table) -> float:
    """Largest difference between what the target of `run` is seen to do on frames painted again and what was verified.

    NaN where nothing was attacked.
    """
    verified = {
        (row["sample_id"], row["setting"], row["control"]): row["error_verified_mm"]
        for row in run.table().select(["sample_id", "setting", "control", "error_verified_mm"]).to_pylist()
    }
    found = [
        abs(row["error_mm"] - verified[row["sample_id"], row["setting"], row["control"]])
        for row in seen.select(["sample_id", "setting", "control", "error_mm"]).to_pylist()
        if row["error_mm"] is not None
    ]
    return max(found, default=float("nan"))


def failures(runs: Iterable[Run]) -> int:
    """Samples that failed: unreadable, numbers that are not finite; a sample that fails in several runs counts once."""
    lost: set[str] = set()
    for run in runs:
        rows = run.rows(attack="appearance")
        lost |= set(rows["sample_id"][np.isin(rows["outcome"].astype(str), _FAILED)].tolist())
    return len(lost)


def _by_control(seen: pa.Table, setting: str) -> dict[str | None, dict[str, dict[str, float]]]:
    """control -> sample_id -> row."""
    found: dict[str | None, dict[str, dict[str, float]]] = {}
    for row in seen.to_pylist():
        if row["setting"] == setting:
            found.setdefault(row["control"], {})[row["sample_id"]] = row
    return found


def _aligned(rows: Mapping[str, Mapping[str, Any]], name: str, samples: np.ndarray) -> np.ndarray:
    values = [rows.get(sample, {}).get(name) for sample in samples.tolist()]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _lookup(rows: Mapping[str, np.ndarray], name: str, samples: np.ndarray) -> np.ndarray:
    values = dict(zip(rows["sample_id"].tolist(), rows[name].tolist(), strict=True))
    return np.array([values.get(sample, np.nan) for sample in samples.tolist()], dtype=np.float64)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _plain(one: Any) -> dict[str, Any]:
    return {name: value.facts() if isinstance(value, Interval) else value for name, value in vars(one).items()}
