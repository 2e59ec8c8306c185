"""The rows of Tables 1 and 2, counted from the rows of a run.

A frame past the threshold before the attack is counted and left out of means and rates, and so is a failed one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from turncoat.engine.analysis.intervals import (
    Interval,
    bootstrap_mean,
    bootstrap_mean_over_groups,
    clusters_of,
    success_interval,
)
from turncoat.engine.analysis.members import name_of
from turncoat.engine.attack.outcomes import ATTACKED, FAILED, Outcome
from turncoat.engine.runs import Run

Rows = dict[str, np.ndarray]

CONTROLS = ("random direction", "same subject", "other subjects")
PICTURES = ("ssim", "psnr_db", "mse_mean", "mse_sum", "ssim_crop", "psnr_crop_db", "mse_mean_crop", "mse_sum_crop")
CHANNELS = 3

_ATTACKED = [outcome.value for outcome in ATTACKED]
_FAILED = [outcome.value for outcome in FAILED]


@dataclass(frozen=True)
class Beside:
    """An attack, or a control beside it: how far it moves the pose, how often past the threshold.

    `error_mm` is the float32 reference's on the 8-bit frame, the same for attacks and controls; `judge_mm` what an
    independent network sees of the same frame, None where no judge looked.
    """

    frames: int
    error_mm: Interval
    success: Interval
    judge_mm: Interval | None


@dataclass(frozen=True)
class ErrorRow:
    """A cell of Table 1 with what stands beside it: one network, setting and group, one subject or all of them.

    Attributes:
        subject: None for all: initial, final and judge are then means over the subjects' means, as the paper's
            average of NSD is, while `success` and what it stands beside are of all frames.
        frames: in all. attacked: those that means and rates are of. past_before, failed: those left out.
        sequences: different ones among the attacked frames.
        initial_mm, final_mm: error of the unattacked synthesis, and of the last attacked frame.
        initial_all_mm: as `initial_mm`, with the frames past the threshold before.
        success: share fooled. iterations: quantiles 10, 50, 90 % of the fooled frames'; None if none was.
        judge_initial_mm, judge_mm: how far an independent network's prediction moves, by the unattacked synthesis and
            by the attack; None where no judge looked.
        beside: "attack" and every control that was run, by name; empty for single subjects.
    """

    network: str
    setting: str
    group: str
    subject: str | None
    frames: int
    attacked: int
    past_before: int
    failed: int
    sequences: int
    initial_mm: Interval
    initial_all_mm: Interval
    final_mm: Interval
    success: Interval
    iterations: tuple[float, float, float] | None
    judge_initial_mm: Interval | None
    judge_mm: Interval | None
    beside: dict[str, Beside]

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON; intervals as {value, low, high, clustered_by}."""
        beside = {name: _plain(vars(one)) for name, one in self.beside.items()}
        return {**_plain(vars(self)), "beside": beside}


@dataclass(frozen=True)
class PictureRow:
    """A column of Table 2: attacked against unattacked synthesis, means over the attacked frames.

    `values` has the names of `PICTURES`; those with `crop` are inside the generator's crop. `mse_mean` is over pixels
    and channels, `mse_sum` the sum over channels of the mean over pixels, which is what the paper's numbers agree with.
    """

    network: str
    setting: str
    group: str
    frames: int
    sequences: int
    values: dict[str, Interval]

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON; intervals as {value, low, high, clustered_by}."""
        return {**_plain(vars(self)), "values": _plain(self.values)}


def error_rows(run: Run, setting: str, group: str) -> list[ErrorRow]:
    """A row for every subject, sorted, then one for all; [] where the run has no such frames."""
    rows = run.rows(setting=setting, control=None, group=group)
    if not len(rows["sample_id"]):
        return []
    controls = run.rows(setting=[setting, "codes"], attack="control", group=group)
    beside = {"attack": _beside(rows)}
    for name in CONTROLS:
        mine = controls["control"] == name
        if mine.any():
            beside[name] = _beside({column: values[mine] for column, values in controls.items()})
    names = sorted({subject for subject in rows["subject"].tolist() if subject is not None})
    found = []
    for subject in names:
        mine = rows["subject"] == subject
        part = {column: values[mine] for column, values in rows.items()}
        found.append(_row(name_of(run), setting, group, subject, part, {}))
    return [*found, _row(name_of(run), setting, group, None, rows, beside)]


def picture_row(run: Run, setting: str, group: str) -> PictureRow:
    """How much the attack changed the pictures."""
    rows = _taken(run.rows(setting=setting, control=None, group=group))
    rows["mse_sum_crop"] = CHANNELS * rows["mse_mean_crop"].astype(np.float64)
    clusters = clusters_of(rows)
    values = {name: bootstrap_mean(rows[name], clusters) for name in PICTURES}
    return PictureRow(name_of(run), setting, group, len(rows["sequence"]), clusters.counts()["sequence"], values)


def counts(run: Run, setting: str, group: str) -> tuple[int, int, int]:
    """Frames, sequences and recordings (motion clips) of a run's group."""
    rows = run.rows(setting=setting, control=None, group=group)
    different = (len(set(rows[name].tolist()) - {None}) for name in ("sample_id", "sequence", "motion_id"))
    frames, sequences, recordings = different
    return frames, sequences, recordings


def _row(
    network: str, setting: str, group: str, subject: str | None, rows: Rows, beside: dict[str, Beside]
) -> ErrorRow:
    some, outcome = _taken(rows), rows["outcome"].astype(str)
    readable = ~np.isin(outcome, _FAILED)
    fooled = some["outcome"] == Outcome.FOOLED.value
    steps = some["iterations"][fooled].astype(np.float64)
    return ErrorRow(
        network=network,
        setting=setting,
        group=group,
        subject=subject,
        frames=len(outcome),
        attacked=len(fooled),
        past_before=int((outcome == Outcome.PAST_BEFORE.value).sum()),
        failed=int((~readable).sum()),
        sequences=len(set(some["sequence"].tolist())),
        initial_mm=_mean(some, "error_initial_mm"),
        initial_all_mm=_mean({name: column[readable] for name, column in rows.items()}, "error_initial_mm"),
        final_mm=_mean(some, "error_final_mm"),
        success=success_interval(fooled, clusters_of(some)),
        iterations=_quantiles(steps),
        judge_initial_mm=_judged(some, "judge_error_initial_mm"),
        judge_mm=_judged(some, "judge_error_mm"),
        beside=beside,
    )


def _mean(rows: Rows, column: str) -> Interval:
    """Mean over the subjects' means; of one subject its mean. Without subjects, the mean."""
    subjects = np.array([str(name) for name in rows["subject"].tolist()], dtype=str)
    return bootstrap_mean_over_groups(rows[column].astype(np.float64), clusters_of(rows), subjects)


def _judged(rows: Rows, column: str) -> Interval | None:
    """As `_mean`; None where no judge looked, or the run is older than the column."""
    return _mean(rows, column) if column in rows and not np.isnan(rows[column].astype(float)).all() else None


def _beside(rows: Rows) -> Beside:
    some = _taken(rows)
    clusters = clusters_of(some)
    fooled = some["outcome"] == Outcome.FOOLED.value
    error = bootstrap_mean(some["error_verified_mm"], clusters)
    return Beside(len(fooled), error, success_interval(fooled, clusters), _judged(some, "judge_error_mm"))


def _taken(rows: Rows) -> Rows:
    """The rows that were really attacked."""
    keep = np.isin(rows["outcome"].astype(str), _ATTACKED)
    return {name: column[keep] for name, column in rows.items()}


def _quantiles(steps: np.ndarray) -> tuple[float, float, float] | None:
    if not len(steps):
        return None
    low, middle, high = np.quantile(steps, (0.1, 0.5, 0.9)).tolist()
    return low, middle, high


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.facts() if isinstance(value, Interval) else value for name, value in values.items()}
