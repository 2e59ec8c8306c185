"""Two runs compared sample by sample: what one network loses to an attack that the other does not.

Frames past the threshold before the attack under either network are left out on both sides, and so are failed ones:
what remains was really attacked twice. Differences are B minus A, with intervals over sequences or recordings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from turncoat.engine.analysis.control_pairs import PairedError, paired_errors
from turncoat.engine.analysis.intervals import Clusters, Interval, bootstrap_mean, clusters_of, success_interval
from turncoat.engine.analysis.members import name_of
from turncoat.engine.analysis.paired import mcnemar, paired_difference, paired_share_difference, swap_test
from turncoat.engine.attack.outcomes import ATTACKED, FAILED, Outcome
from turncoat.engine.attack.settings import steps_setting
from turncoat.engine.runs import Run, open_run
from turncoat.kernels.errors import ConfigError, DataError

Rows = dict[str, np.ndarray]


@dataclass(frozen=True)
class Measure:
    """A column whose two values of a sample are compared."""

    column: str
    words: str
    unit: str = "mm"
    decimals: int = 1


MEASURES = (
    Measure("error_initial_mm", "initial error, before the attack"),
    Measure("error_final_mm", "final error"),
    Measure("error_best_mm", "largest error"),
    Measure("error_n_mm", "final error, scale forgiven (N-MPJPE)"),
    Measure("error_pa_mm", "final error, scale and turn forgiven (PA-MPJPE)"),
    Measure("error_gt_clean_mm", "clean prediction to the truth"),
    Measure("error_gt_attacked_mm", "attacked prediction to the truth"),
    Measure("judge_error_initial_mm", "what the judge sees of the synthesis"),
    Measure("judge_error_mm", "what the judge sees of the attack"),
    Measure("psnr_db", "PSNR, whole frame", "dB", 2),
    Measure("ssim", "SSIM, whole frame", "", 3),
    Measure("mse_mean", "MSE, mean over channels", "", 5),
    Measure("mse_sum", "MSE, summed over channels", "", 5),
    Measure("psnr_crop_db", "PSNR, crop", "dB", 2),
    Measure("ssim_crop", "SSIM, crop", "", 3),
    Measure("mse_mean_crop", "MSE, mean over channels, crop", "", 5),
)
INITIAL_OF_ALL = Measure("error_initial_mm", "initial error, of all shared frames")


@dataclass(frozen=True)
class Difference:
    """A measure on both sides, over the pairs that have it: means with intervals, and of ``b - a``."""

    measure: Measure
    pairs: int
    a: Interval
    b: Interval
    difference: Interval

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        values = {"pairs": self.pairs, **_plain({"a": self.a, "b": self.b, "difference": self.difference})}
        return {"words": self.measure.words, "unit": self.measure.unit, **values}


@dataclass(frozen=True)
class SuccessDifference:
    """Who was fooled: the four kinds of pairs, shares with intervals, and two tests.

    Attributes:
        both, only_a, only_b, neither: counts of pairs.
        a, b, difference: shares, and ``b - a``.
        mcnemar_p: exact; takes frames for independent.
        swap_p: swaps whole sequences or whole recordings, see `paired.swap_test`; the larger of the two p.
        swap_clustered_by: which of them it is of, as in an `Interval`.
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    a: Interval
    b: Interval
    difference: Interval
    mcnemar_p: float
    swap_p: float
    swap_clustered_by: str


@dataclass(frozen=True)
class Side:
    """One of the two. `past_before` and `failed`: of the samples that both have."""

    name: str
    folder: str
    setting: str
    backend: str | None
    weights_hash: str | None
    samples: int
    past_before: int
    failed: int


@dataclass(frozen=True)
class Comparison:
    """What `compare_runs` found.

    Attributes:
        a, b: the two sides. group: of actions that it is of; None: all.
        threshold_mm: past which a frame is fooled.
        shared: samples that both sides have. left_out: those of them past the threshold before, or failed, on either.
        pairs: what is compared. sequences, recordings: that the pairs come from.
        success, differences: the answer.
        initial_of_all: the initial error over all shared pairs that could be read, for those left out had the largest.
        beside: the attack and the controls that both runs have, over the same pairs; empty where there are none.
    """

    a: Side
    b: Side
    group: str | None
    threshold_mm: float
    shared: int
    left_out: int
    pairs: int
    sequences: int
    recordings: int
    success: SuccessDifference
    initial_of_all: Difference
    differences: tuple[Difference, ...]
    beside: tuple[PairedError, ...] = ()

    def get(self, column: str) -> Difference | None:
        """The difference of one column, if the runs have it."""
        return next((one for one in self.differences if one.measure.column == column), None)

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON; intervals as {value, low, high, clustered_by}."""
        return {
            **{name: getattr(self, name) for name in ("group", "threshold_mm", "shared", "left_out", "pairs")},
            "sequences": self.sequences,
            "recordings": self.recordings,
            "a": asdict(self.a),
            "b": asdict(self.b),
            "success": _plain(vars(self.success)),
            "initial_of_all": self.initial_of_all.facts(),
            "differences": {one.measure.column: one.facts() for one in self.differences},
            "beside": {one.name: one.facts() for one in self.beside},
        }


def compare_runs(
    a: Run | str | Path,
    b: Run | str | Path,
    *,
    setting: str = "natural",
    setting_b: str | None = None,
    group: str | None = None,
) -> Comparison:
    """Compare two runs, paired by `sample_id`.

    Args:
        a, b: runs or their folders; the same one where two settings of it are compared.
        setting: of the attack, as in the column `setting`; `setting_b`: of B, where it is another.
        group: `everyday` or `acrobatic`; None: all frames.

    Raises:
        ConfigError: the runs differ in threshold, iterations, objective or dataset, or one lacks the setting.
        DataError: they share no sample, no pair was attacked twice, or one has several rows of one sample.
    """
    runs = [one if isinstance(one, Run) else open_run(one) for one in (a, b)]
    settings = (setting, setting_b or setting)
    _check_comparable(runs[0], runs[1], settings)
    sides = [_rows(run, name, group) for run, name in zip(runs, settings, strict=True)]
    order = [{sample: place for place, sample in enumerate(rows["sample_id"].tolist())} for rows in sides]
    shared = [sample for sample in order[0] if sample in order[1]]
    if not shared:
        raise DataError(
            f"{runs[0].folder} and {runs[1].folder} share no sample; compare runs over the same frames of one dataset."
        )
    first, second = ({name: column[[places[sample] for sample in shared]] for name, column in rows.items()}
                     for rows, places in zip(sides, order, strict=True))  # fmt: skip
    keep = _attacked(first) & _attacked(second)
    if not keep.any():
        raise DataError(
            f"None of the {len(shared)} shared samples was attacked under both networks: they were past the threshold "
            "before the attack, or failed; attack more frames, or with another threshold."
        )
    one, other = ({name: column[keep] for name, column in rows.items()} for rows in (first, second))
    clusters = clusters_of(one)
    return Comparison(
        a=_side(runs[0], settings[0], sides[0], first),
        b=_side(runs[1], settings[1], sides[1], second),
        group=group,
        threshold_mm=float(runs[0].info["settings"]["threshold_mm"]),
        shared=len(shared),
        left_out=int((~keep).sum()),
        pairs=int(keep.sum()),
        sequences=clusters.counts()["sequence"],
        recordings=len(set(one["motion_id"].tolist()) - {None}),
        success=_success(_fooled(one), _fooled(other), clusters),
        initial_of_all=_difference(INITIAL_OF_ALL, first, second),
        differences=tuple(found for measure in MEASURES if (found := _difference(measure, one, other)).pairs),
        beside=paired_errors(runs, settings, group, (one, other)),
    )


def _check_comparable(a: Run, b: Run, settings: Sequence[str]) -> None:
    """Refuse, in a sentence, to compare attacks that were not alike."""
    steps = [steps_setting(name) for name in settings]
    for names in (("threshold_mm", "threshold_mm"), (steps[0], steps[1]), ("objective", "objective")):
        one, other = (run.info["settings"].get(name) for run, name in zip((a, b), names, strict=True))
        if one != other:
            raise ConfigError(
                f"{a.folder} was attacked with {names[0]} {one} and {b.folder} with {names[1]} {other}; "
                "attack both alike to compare them."
            )
    one, other = (run.info["dataset"].get("fingerprint") for run in (a, b))
    if one != other:
        raise ConfigError(
            f"{a.folder} is of a dataset with fingerprint {one} and {b.folder} of one with {other}; attack both on "
            "the same dataset to compare them."
        )
    for run, name in zip((a, b), settings, strict=True):
        there = list(run.info["settings"]["attacks"])
        if name not in there:
            raise ConfigError(f"{run.folder} has no setting {name!r}; it has {', '.join(there)}.")


def _rows(run: Run, setting: str, group: str | None) -> Rows:
    where: Mapping[str, Any] = {"setting": setting, "control": None} | ({} if group is None else {"group": group})
    rows = run.rows(**where)
    samples = rows["sample_id"].tolist()
    if len(set(samples)) < len(samples):
        raise DataError(
            f"{run.folder} has {len(samples)} rows of {len(set(samples))} samples under {setting!r}, expected one of "
            "each; compare runs of one generator, one target and one restart."
        )
    return rows


def _attacked(rows: Rows) -> np.ndarray:
    return np.isin(rows["outcome"].astype(str), [outcome.value for outcome in ATTACKED])


def _fooled(rows: Rows) -> np.ndarray:
    fooled: np.ndarray = rows["outcome"] == Outcome.FOOLED.value
    return fooled


def _side(run: Run, setting: str, rows: Rows, shared: Rows) -> Side:
    return Side(
        name=name_of(run),
        folder=str(run.folder),
        setting=setting,
        backend=run.info.get("backend"),
        weights_hash=run.info["target"].get("weights_hash"),
        samples=len(rows["sample_id"]),
        past_before=int((shared["outcome"] == Outcome.PAST_BEFORE.value).sum()),
        failed=int(np.isin(shared["outcome"].astype(str), [outcome.value for outcome in FAILED]).sum()),
    )


def _success(a: np.ndarray, b: np.ndarray, clusters: Clusters) -> SuccessDifference:
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    moved = b.astype(np.float64) - a
    swapped = {name: swap_test(moved, labels) for name, labels in clusters.labels.items()}
    weakest = max(swapped, key=lambda name: swapped[name])
    return SuccessDifference(
        both=int((a & b).sum()),
        only_a=only_a,
        only_b=only_b,
        neither=int((~a & ~b).sum()),
        a=success_interval(a, clusters),
        b=success_interval(b, clusters),
        difference=paired_share_difference(a, b, clusters),
        mcnemar_p=mcnemar(only_a, only_b),
        swap_p=swapped[weakest],
        swap_clustered_by=weakest,
    )


def _difference(measure: Measure, a: Rows, b: Rows) -> Difference:
    """Over the pairs that have the measure on both sides; none of them where a run does not know its column."""
    known = measure.column in a and measure.column in b
    one, other = ((rows[measure.column] if known else np.full(len(rows["sequence"]), np.nan)).astype(np.float64)
                  for rows in (a, b))  # fmt: skip
    there = np.isfinite(one) & np.isfinite(other)
    one, other, clusters = one[there], other[there], clusters_of(a)[there]
    return Difference(
        measure,
        int(there.sum()),
        bootstrap_mean(one, clusters),
        bootstrap_mean(other, clusters),
        paired_difference(one, other, clusters),
    )


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.facts() if isinstance(value, Interval) else value for name, value in values.items()}
