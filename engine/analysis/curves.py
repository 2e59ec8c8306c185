"""Budget curves: error and success as a function of how far an attack may go, and the area under them.

A run of `budget-1`, `budget-2` ... or `colours-0.05`, `colours-0.1` ... has a row of every sample at every budget, none
of them cut off by a threshold. Budget 0 is the unattacked repainting, `error_initial_mm`. The area under the curve
(trapezoids over the budget, divided by the largest one) is a mean error over all budgets, in mm, and a mean share.

The area under a mean curve is the mean of the samples' own areas. So a sample's area is one number, and intervals and
pairs are those of any other number: whole sequences or recordings are drawn, with all their samples and all budgets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from turncoat.engine.analysis.budgets import FAMILIES, budget_of
from turncoat.engine.analysis.intervals import (
    Clusters,
    Interval,
    bootstrap_mean,
    clusters_of,
    paired_share_difference,
    success_interval,
)
from turncoat.engine.analysis.members import name_of
from turncoat.engine.analysis.paired import paired_difference
from turncoat.engine.attack.outcomes import ATTACKED, Outcome
from turncoat.engine.runs import Run, open_run
from turncoat.kernels.errors import DataError

Rows = Mapping[str, np.ndarray]

ATTACK = "attack"
ERROR = "error_verified_mm"
FELL_MM = 1.0
"""An error that is so much lower at a larger budget than at a smaller one has fallen. [choice: a grey level's worth]"""
_ATTACKED = [outcome.value for outcome in ATTACKED]


@dataclass(frozen=True)
class Measured:
    """What one attack or control did to N samples at K + 1 budgets, the first of which is 0.

    Attributes:
        error_mm: (N, K + 1), verified in float32 on the 8-bit frame; finite.
        past: (N, K + 1) bool, past the threshold.
    """

    error_mm: np.ndarray
    past: np.ndarray

    def __getitem__(self, keep: np.ndarray) -> "Measured":
        return Measured(self.error_mm[keep], self.past[keep])

    def areas(self, budgets: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """(N,) area under each sample's error, mm, and under its success, a share."""
        return area(self.error_mm, budgets), area(self.past, budgets)


@dataclass(frozen=True)
class Point:
    """A budget: the mean error with its interval, the median, the share past the threshold (none at 0, by choice)."""

    budget: float
    error_mm: Interval
    median_mm: float
    success: Interval

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "budget": self.budget,
            "error_mm": self.error_mm.facts(),
            "median_mm": self.median_mm if np.isfinite(self.median_mm) else None,
            "success": self.success.facts(),
        }


@dataclass(frozen=True)
class Curve:
    """One attack or control over all budgets.

    Attributes:
        name: "attack" or the control's. frames: whose curves it is the mean of.
        error_area_mm, success_area: the areas.
        beyond_mm, beyond_success: of a control, by how much the attack's area exceeds its, sample by sample.
    """

    name: str
    frames: int
    points: tuple[Point, ...]
    error_area_mm: Interval
    success_area: Interval
    beyond_mm: Interval | None = None
    beyond_success: Interval | None = None

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON; intervals as {value, low, high, clustered_by}."""
        intervals = ("error_area_mm", "success_area", "beyond_mm", "beyond_success")
        found = {name: each.facts() for name in intervals if (each := getattr(self, name)) is not None}
        return {"frames": self.frames, **found, "points": [point.facts() for point in self.points]}


@dataclass(frozen=True)
class Level:
    """A control without a budget (other people's codes, other wardrobes): a height to compare a curve with."""

    name: str
    frames: int
    error_mm: Interval
    median_mm: float
    success: Interval

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "frames": self.frames,
            "error_mm": self.error_mm.facts(),
            "median_mm": self.median_mm,
            "success": self.success.facts(),
        }


@dataclass(frozen=True)
class BudgetCurves:
    """The curves of one network, in one family of attacks.

    Attributes:
        network, folder, family, group: what they are of; `group` None: all frames.
        budgets: 0, then those of the run, rising.
        threshold_mm: past which a frame counts as a success.
        frames: samples in all. past_before: past the threshold before the attack. incomplete: unreadable, or without
            a finite error at some budget. Neither is in any curve.
        sequences, recordings: that the others come from.
        fell: samples whose error at some budget is more than `FELL_MM` below that at a smaller one.
        attack, controls, levels: the curves. A control is of the samples that it has at every budget.
        samples, clusters, measured: (N,) ids, what they have in common, and the numbers behind `attack`.
    """

    network: str
    folder: str
    family: str
    group: str | None
    budgets: tuple[float, ...]
    threshold_mm: float
    frames: int
    past_before: int
    incomplete: int
    sequences: int
    recordings: int
    fell: int
    attack: Curve
    controls: tuple[Curve, ...]
    levels: tuple[Level, ...]
    samples: tuple[str, ...] = field(repr=False)
    clusters: Clusters = field(repr=False)
    measured: Measured = field(repr=False)

    def control(self, name: str) -> Curve | None:
        """The control of that name, if the run has it."""
        return next((one for one in self.controls if one.name == name), None)

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        plain = ("network", "folder", "family", "group", "threshold_mm", "frames", "past_before", "incomplete",
                 "sequences", "recordings", "fell")  # fmt: skip
        return {
            **{name: getattr(self, name) for name in plain},
            "budgets": list(self.budgets),
            "attack": self.attack.facts(),
            "controls": {one.name: one.facts() for one in self.controls},
            "levels": {one.name: one.facts() for one in self.levels},
        }


def area(values: np.ndarray, budgets: Sequence[float]) -> np.ndarray:
    """(N, K + 1) values at K + 1 rising budgets -> (N,) trapezoids' area, divided by the range of the budgets.

    ``sum_k (b_k - b_(k-1)) (v_k + v_(k-1)) / 2 / (b_K - b_0)``: of a constant that constant, of a line its middle.
    """
    at = np.asarray(budgets, dtype=np.float64)
    below: np.ndarray = np.trapezoid(np.asarray(values, dtype=np.float64), at, axis=1) / (at[-1] - at[0])
    return below


def budget_curves(run: Run | str | Path, *, group: str | None = None) -> list[BudgetCurves]:
    """The curves of a run, one entry for each family that has budgets in it: codes, then colours.

    Args:
        run: a run or its folder.
        group: `everyday` or `acrobatic`; None: all frames.

    Raises:
        DataError: the run has no setting with a budget, two of the same, or none of its samples has a whole curve.
    """
    run = run if isinstance(run, Run) else open_run(run)
    asked = {setting: known for setting in run.info["settings"]["attacks"] if (known := budget_of(setting))}
    if not asked:
        raise DataError(
            f"{run.folder} has no attack with a budget, but {', '.join(run.info['settings']['attacks'])}; attack with "
            "budget-1, budget-2 ... or make such a run with `turncoat curves DATA`."
        )
    found = []
    for family in FAMILIES:
        mine = sorted((budget, setting) for setting, (kind, budget) in asked.items() if kind == family)
        if mine:
            found.append(_curves(run, family, group, mine))
    return found


def _curves(run: Run, family: str, group: str | None, settings: Sequence[tuple[float, str]]) -> BudgetCurves:
    names = [setting for _, setting in settings]
    budgets = (0.0, *(budget for budget, _ in settings))
    if len(set(budgets)) < len(budgets):
        raise DataError(f"{run.folder} has two settings of one budget: {', '.join(names)}; attack with one of each.")
    of: dict[str, Any] = {} if group is None else {"group": group}
    rows = run.rows(setting=names, control=None, **of)
    samples, first = np.unique(rows["sample_id"].astype(str), return_index=True)
    initial, outcomes, table = _laid_out(run, rows, names, samples)
    before = outcomes[:, 0] == Outcome.PAST_BEFORE.value
    whole = np.isin(outcomes, _ATTACKED).all(axis=1) & np.isfinite(initial) & np.isfinite(table.error_mm).all(axis=1)
    if not whole.any():
        raise DataError(
            f"{run.folder} has {len(samples)} samples under {', '.join(names)}, and none with an error at every "
            f"budget ({int(before.sum())} were past the threshold before the attack); resume it if it was killed, or "
            "attack other frames."
        )
    kept = {name: column[first][whole] for name, column in rows.items()}
    clusters = clusters_of(kept)
    measured = table[whole]
    attack = _curve(ATTACK, measured, budgets, clusters)
    controls, levels = _beside(run, family, of, names, budgets, samples[whole], clusters, measured)
    highest = np.maximum.accumulate(measured.error_mm[:, 1:], axis=1)
    return BudgetCurves(
        network=name_of(run),
        folder=str(run.folder),
        family=family,
        group=group,
        budgets=budgets,
        threshold_mm=float(run.info["settings"]["threshold_mm"]),
        frames=len(samples),
        past_before=int(before.sum()),
        incomplete=int((~whole & ~before).sum()),
        sequences=clusters.counts()["sequence"],
        recordings=len(set(kept["motion_id"].tolist()) - {None}),
        fell=int((measured.error_mm[:, 1:] < highest - FELL_MM).any(axis=1).sum()),
        attack=attack,
        controls=controls,
        levels=levels,
        samples=tuple(samples[whole].tolist()),
        clusters=clusters,
        measured=measured,
    )


def _laid_out(
    run: Run, rows: Rows, names: Sequence[str], samples: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Measured]:
    """Of rows under K settings: initial errors (N,), outcomes (N, K), and what was measured (N, K + 1)."""
    outcomes = np.full((len(samples), len(names)), "", dtype=object)
    initial = np.full(len(samples), np.nan)
    error = np.full((len(samples), len(names) + 1), np.nan)
    place = {sample: number for number, sample in enumerate(samples.tolist())}
    column = {name: number for number, name in enumerate(names)}
    errors, initials = rows[ERROR].astype(np.float64), rows["error_initial_mm"].astype(np.float64)
    for n, (sample, setting, outcome) in enumerate(
        zip(rows["sample_id"].tolist(), rows["setting"].tolist(), rows["outcome"].tolist(), strict=True)
    ):
        if sample not in place:
            continue
        where = place[sample], column[setting]
        if outcomes[where]:
            raise DataError(
                f"{run.folder} has several rows of sample {sample} under {setting!r}, expected one; give a run of one "
                "generator, one target and one restart."
            )
        outcomes[where], error[where[0], where[1] + 1] = outcome, errors[n]
        initial[where[0]] = error[where[0], 0] = initials[n]
    past = np.concatenate([np.zeros((len(samples), 1), dtype=bool), outcomes == Outcome.FOOLED.value], axis=1)
    return initial, outcomes, Measured(error, past)


def _beside(
    run: Run,
    family: str,
    of: Mapping[str, Any],
    names: Sequence[str],
    budgets: Sequence[float],
    samples: np.ndarray,
    clusters: Clusters,
    attack: Measured,
) -> tuple[tuple[Curve, ...], tuple[Level, ...]]:
    """Controls of the same budgets, and those that have none, over the attack's samples."""
    curves, levels = [], []
    rows = run.rows(attack="control", setting=[*names, family], **of)
    for name in dict.fromkeys(rows["control"].tolist()):
        mine = {column: values[rows["control"] == name] for column, values in rows.items()}
        if mine["setting"][0] == family:
            level = _laid_out(run, mine, [family], samples)[2]
            there = np.isfinite(level.error_mm[:, 1])
            if there.any():
                error, past = level.error_mm[there, 1], level.past[there, 1]
                levels.append(Level(name, int(there.sum()), bootstrap_mean(error, clusters[there]),
                                    float(np.median(error)), success_interval(past, clusters[there])))  # fmt: skip
            continue
        control = _laid_out(run, mine, names, samples)[2]
        there = np.isfinite(control.error_mm).all(axis=1)
        if there.any():
            curves.append(_curve(name, control[there], budgets, clusters[there], attack[there]))
    return tuple(curves), tuple(levels)


def _curve(
    name: str, measured: Measured, budgets: Sequence[float], clusters: Clusters, attack: Measured | None = None
) -> Curve:
    """Points and areas; beside the attack's on the same samples, where it is a control."""
    error, past = measured.areas(budgets)
    points = tuple(
        Point(
            budget,
            bootstrap_mean(measured.error_mm[:, k], clusters),
            float(np.median(measured.error_mm[:, k])),
            success_interval(measured.past[:, k], clusters) if budget else Interval(0.0, 0.0, 0.0),
        )
        for k, budget in enumerate(budgets)
    )
    beyond: tuple[Interval, ...] = ()
    if attack is not None:
        further, oftener = attack.areas(budgets)
        beyond = paired_difference(error, further, clusters), paired_share_difference(past, oftener, clusters)
    return Curve(name, len(error), points, bootstrap_mean(error, clusters), success_interval(past, clusters), *beyond)
