"""What the rows of a run say: success with its interval, errors, iterations, and the paper's Table 1."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from turncoat.engine.analysis.intervals import Interval, bootstrap_mean, clusters_of, success_interval
from turncoat.engine.attack.outcomes import ATTACKED, FAILED, Outcome
from turncoat.engine.attack.settings import is_smallest
from turncoat.engine.runs import Run

Rows = dict[str, np.ndarray]

_ATTACKED = [outcome.value for outcome in ATTACKED]
_FAILED = [outcome.value for outcome in FAILED]


@dataclass(frozen=True)
class Summary:
    """One attack or control on one set of frames. Errors are in mm, over the frames that were really attacked.

    Attributes:
        attack, setting, control, group: what it is of; `group` None: all.
        frames: rows in all. attacked: those that success, errors and quantiles are of.
        sequences, recordings: different sequences, and motion clips, that the attacked frames come from.
        past_before: share, of all readable frames, already past the threshold before the attack.
        failed: rows that were unreadable or not finite.
        success: share of the attacked frames that were fooled.
        error_initial_all_mm: mean of the unattacked synthesis over all frames that could be read, those past the
            threshold before the attack too.
        error_initial_mm, error_final_mm: means with intervals. error_final_median_mm, error_best_mm,
            error_n_mm, error_pa_mm, error_from_synthesis_mm, error_gt_clean_mm, error_gt_attacked_mm: means (median).
        judge_error_initial_mm, judge_error_mm: means of what the judge says of the unattacked synthesis and of the
            changed frame; None without a judge.
        error_goal_initial_mm, error_goal_mm: means of the distance to the pose that the attack drives to; None where
            there is none.
        smallest: median of the smallest shifts that fooled, over the frames that were; None unless looked for.
        iterations: quantiles 10, 50, 90 % of the fooled frames' iterations; None if no frame was fooled.
        mahalanobis, mahalanobis_start: median distance of attacked and of own codes; None without statistics.
        psnr_db, ssim, mse_mean, mse_sum: means, attacked against unattacked synthesis.
        draws_mean_mm, draws_past: of controls that try several: the mean error of one draw, and the share of single
            draws past the threshold.
        confirmed_first: share of first crossings that the verification confirmed; None if nothing crossed.
    """

    attack: str
    setting: str
    control: str | None
    group: str | None
    frames: int
    attacked: int
    sequences: int
    recordings: int
    past_before: float
    failed: int
    success: Interval
    error_initial_all_mm: float
    error_initial_mm: Interval
    error_final_mm: Interval
    error_final_median_mm: float
    error_best_mm: float
    error_n_mm: float
    error_pa_mm: float
    error_from_synthesis_mm: float
    error_gt_clean_mm: float
    error_gt_attacked_mm: float
    judge_error_initial_mm: float | None
    judge_error_mm: float | None
    error_goal_initial_mm: float | None
    error_goal_mm: float | None
    smallest: float | None
    iterations: tuple[float, float, float] | None
    mahalanobis: float | None
    mahalanobis_start: float | None
    psnr_db: float
    ssim: float
    mse_mean: float
    mse_sum: float
    draws_mean_mm: float | None
    draws_past: float | None
    confirmed_first: float | None
    outcomes: dict[str, int]

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON; intervals as {value, low, high, clustered_by}."""
        return {name: value.facts() if isinstance(value, Interval) else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class SubjectRow:
    """A row of the paper's Table 1: mean error before and after the attack, mm."""

    subject: str
    frames: int
    error_initial_mm: float
    error_final_mm: float
    success: float

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


def summarise(
    run: Run, setting: str, *, attack: str | None = None, control: str | None = None, group: str | None = None
) -> Summary:
    """Summary of one attack, or with `control` of one control, over the frames of `group` (None: all).

    Args:
        run: opened run.
        setting: as in the column `setting`.
        attack: as in that column; None: "control" if a control is named, else whichever attack has that setting.
        control: as in the column `control`.
        group: `everyday`, `acrobatic` or None.
    """
    where: dict[str, Any] = {"setting": setting, "control": control}
    if group is not None:
        where["group"] = group
    if attack is not None:
        where["attack"] = attack
    return summary_of(run.columns(COLUMNS, **where), setting=setting, control=control, group=group)


def summary_of(rows: Rows, *, setting: str, control: str | None = None, group: str | None = None) -> Summary:
    """`summarise`, of rows (at least their `COLUMNS`) that are selected already."""
    outcome = rows["outcome"]
    taken = np.isin(outcome, _ATTACKED)
    failed = int(np.isin(outcome, _FAILED).sum())
    before = int((outcome == Outcome.PAST_BEFORE.value).sum())
    some = {name: column[taken] for name, column in rows.items()}
    clusters, fooled = clusters_of(some), some["outcome"] == Outcome.FOOLED.value
    iterations = some["iterations"][fooled].astype(float)
    checked = [held for held in rows["confirmed_first"].tolist() if held is not None]
    readable = len(outcome) - failed
    return Summary(
        attack=str(rows["attack"][0]) if len(outcome) else "",
        setting=setting,
        control=control,
        group=group,
        frames=len(outcome),
        attacked=int(taken.sum()),
        sequences=clusters.counts()["sequence"],
        recordings=len(set(some["motion_id"].tolist()) - {None}),
        past_before=before / readable if readable else float("nan"),
        failed=failed,
        success=success_interval(fooled, clusters),
        error_initial_all_mm=_mean(rows["error_initial_mm"]),
        error_initial_mm=bootstrap_mean(some["error_initial_mm"], clusters),
        error_final_mm=bootstrap_mean(some["error_final_mm"], clusters),
        error_final_median_mm=_median(some["error_final_mm"]),
        **{name: _mean(some[name]) for name in _MEANS},
        judge_error_initial_mm=_maybe(_mean(some["judge_error_initial_mm"])),
        judge_error_mm=_maybe(_mean(some["judge_error_mm"])),
        error_goal_initial_mm=_maybe(_mean(some["error_goal_initial_mm"])),
        error_goal_mm=_maybe(_mean(some["error_goal_mm"])),
        smallest=_maybe(_median(some["appearance_shift"])) if is_smallest(setting) and control is None else None,
        iterations=tuple(np.quantile(iterations, (0.1, 0.5, 0.9)).tolist()) if len(iterations) else None,
        mahalanobis=_maybe(_median(some["appearance_mahalanobis"])),
        mahalanobis_start=_maybe(_median(some["appearance_mahalanobis_start"])),
        draws_mean_mm=_maybe(_mean(some["draws_mean_mm"])),
        draws_past=_maybe(_mean(some["draws_past"])),
        confirmed_first=float(np.mean(checked)) if checked else None,
        outcomes=outcome_counts(rows),
    )


def summaries(run: Run, *, group: str | None = None) -> list[Summary]:
    """One summary for every attack and every control of a run, attacks first, in the order of the rows."""
    names = zip(*run.columns(("attack", "setting", "control")).values(), strict=True)
    kinds = sorted(dict.fromkeys(names), key=lambda kind: kind[0] == "control")
    found = [summarise(run, setting, attack=attack, control=control, group=group) for attack, setting, control in kinds]
    return [one for one in found if one.frames]


def table_1(run: Run, setting: str, *, group: str | None = None) -> list[SubjectRow]:
    """The paper's Table 1 for one attack: a row a subject, then `average`, the mean over subjects as in its NSD column.

    Frames already past the threshold before the attack, and failed ones, are left out.
    """
    where: dict[str, Any] = {"setting": setting, "control": None, "outcome": _ATTACKED}
    if group is not None:
        where["group"] = group
    rows = run.rows(**where)
    table = []
    for subject in sorted(set(rows["subject"].tolist())):
        mine = rows["subject"] == subject
        table.append(
            SubjectRow(
                subject,
                int(mine.sum()),
                _mean(rows["error_initial_mm"][mine]),
                _mean(rows["error_final_mm"][mine]),
                float((rows["outcome"][mine] == Outcome.FOOLED.value).mean()),
            )
        )
    if table:
        means = [
            float(np.mean([getattr(row, name) for row in table]))
            for name in ("error_initial_mm", "error_final_mm", "success")
        ]
        table.append(SubjectRow("average", sum(row.frames for row in table), *means))
    return table


def outcome_counts(rows: Rows) -> dict[str, int]:
    """How often each outcome came, in the order of the enum; those that did not are left out."""
    values = rows["outcome"].tolist()
    return {outcome.value: values.count(outcome.value) for outcome in Outcome if outcome.value in values}


def error_over_iterations(rows: Rows, steps: int | None = None) -> np.ndarray:
    """Quantiles 10, 50, 90 % (mm) over the attacked frames at every iterate: (3, steps + 1).

    An attack that ended keeps its last error: a frame that was fooled stays fooled.
    """
    curves = [curve for curve, outcome in zip(rows["error_curve_mm"], rows["outcome"], strict=True)
              if curve is not None and len(curve) and outcome in _ATTACKED]  # fmt: skip
    if not curves:
        return np.full((3, 0), np.nan)
    length = 1 + (steps if steps is not None else max(len(curve) for curve in curves) - 1)
    held = np.stack([np.pad(curve[:length], (0, max(0, length - len(curve))), mode="edge") for curve in curves])
    return np.nanquantile(held, (0.1, 0.5, 0.9), axis=0)


def success_over_iterations(rows: Rows, steps: int) -> np.ndarray:
    """Share of the attacked frames that are fooled within t steps, t = 0 .. steps: (steps + 1,)."""
    attacked = np.isin(rows["outcome"], _ATTACKED)
    if not attacked.any():
        return np.full(steps + 1, np.nan)
    fooled = rows["iterations"][rows["outcome"] == Outcome.FOOLED.value].astype(np.int64)
    counts = np.bincount(np.minimum(fooled, steps), minlength=steps + 1)
    counts[steps] -= int((fooled > steps).sum())
    return counts.cumsum() / attacked.sum()


_MEANS = (
    "error_best_mm", "error_n_mm", "error_pa_mm", "error_from_synthesis_mm", "error_gt_clean_mm",
    "error_gt_attacked_mm", "psnr_db", "ssim", "mse_mean", "mse_sum",
)  # fmt: skip
COLUMNS = (
    "attack", "outcome", "sequence", "motion_id", "iterations", "confirmed_first", "appearance_shift",
    "error_initial_mm", "error_final_mm", "judge_error_initial_mm", "judge_error_mm", "error_goal_initial_mm",
    "error_goal_mm", "appearance_mahalanobis", "appearance_mahalanobis_start", "draws_mean_mm", "draws_past", *_MEANS,
)  # fmt: skip
"""What `summary_of` looks at."""


def _mean(values: np.ndarray) -> float:
    values = values.astype(np.float64)
    return float(np.nanmean(values)) if (~np.isnan(values)).any() else float("nan")


def _median(values: np.ndarray) -> float:
    values = values.astype(np.float64)
    return float(np.nanmedian(values)) if (~np.isnan(values)).any() else float("nan")


def _maybe(value: float) -> float | None:
    return None if np.isnan(value) else value
