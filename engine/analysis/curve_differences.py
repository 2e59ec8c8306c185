"""Two networks by their budget curves: differences of areas, paired by sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from turncoat.engine.analysis.curves import BudgetCurves, budget_curves
from turncoat.engine.analysis.intervals import Interval, bootstrap_mean, paired_share_difference, success_interval
from turncoat.engine.analysis.paired import paired_difference
from turncoat.engine.runs import Run
from turncoat.kernels.errors import ConfigError, DataError

_ALIKE = ("threshold_mm", "objective")
_STEPS = {"codes": "budget_iterations", "colours": "colour_iterations"}


@dataclass(frozen=True)
class AreaDifference:
    """The areas of two networks over the samples that both were attacked on, and ``b - a``.

    Attributes:
        a, b: names. family: of attacks. budgets: 0 and those of both.
        pairs: samples with a whole curve under both. left_out: shared ones without, for instance past the threshold
            before the attack under either.
        error_a, error_b, error: areas in mm. success_a, success_b, success: shares.
    """

    a: str
    b: str
    family: str
    budgets: tuple[float, ...]
    pairs: int
    left_out: int
    error_a: Interval
    error_b: Interval
    error: Interval
    success_a: Interval
    success_b: Interval
    success: Interval

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            name: value.facts() if isinstance(value, Interval) else list(value) if isinstance(value, tuple) else value
            for name, value in vars(self).items()
        }


def area_difference(a: BudgetCurves, b: BudgetCurves, shared: int | None = None) -> AreaDifference:
    """Compare two networks' curves of one family.

    shared: samples that both runs have; None: not known, and then those without a whole curve are not counted.

    Raises:
        ConfigError: another family, threshold or other budgets.
        DataError: no sample has a whole curve under both.
    """
    for words, one, other in (
        ("family", a.family, b.family), ("threshold", a.threshold_mm, b.threshold_mm), ("budgets", a.budgets, b.budgets)
    ):  # fmt: skip
        if one != other:
            raise ConfigError(
                f"{a.folder} has the {words} {_said(one)} and {b.folder} {_said(other)}; areas are compared over the "
                "same ones, so attack both alike."
            )
    places = {sample: number for number, sample in enumerate(b.samples)}
    both = np.array([(n, places[sample]) for n, sample in enumerate(a.samples) if sample in places], dtype=np.int64)
    if not len(both):
        raise DataError(
            f"No sample has a whole curve in both {a.folder} and {b.folder}; attack both networks on the same frames."
        )
    clusters = a.clusters[both[:, 0]]
    (error_a, past_a), (error_b, past_b) = (
        side.measured[both[:, k]].areas(side.budgets) for k, side in enumerate((a, b))
    )
    return AreaDifference(
        a.network,
        b.network,
        a.family,
        a.budgets,
        len(both),
        0 if shared is None else shared - len(both),
        bootstrap_mean(error_a, clusters),
        bootstrap_mean(error_b, clusters),
        paired_difference(error_a, error_b, clusters),
        success_interval(past_a, clusters),
        success_interval(past_b, clusters),
        paired_share_difference(past_a, past_b, clusters),
    )


def compare_curves(a: Run, b: Run, *, group: str | None = None) -> list[AreaDifference]:
    """Compare two runs by their budget curves, one entry for each family that both have.

    Raises:
        ConfigError: the runs were not attacked alike: threshold, objective, steps, budgets or dataset.
        DataError: they have no family in common, or share no sample.
    """
    curves = [{one.family: one for one in budget_curves(run, group=group)} for run in (a, b)]
    families = [family for family in curves[0] if family in curves[1]]
    if not families:
        raise DataError(f"{a.folder} has budgets of {', '.join(curves[0])} and {b.folder} of {', '.join(curves[1])}; "
                        "attack both alike to compare them.")  # fmt: skip
    check_alike([a, b], families)
    return [area_difference(curves[0][family], curves[1][family], _shared(a, b, family, group)) for family in families]


def check_alike(runs: Sequence[Run], families: Sequence[str]) -> None:
    """Refuse, in a sentence, to compare curves of attacks that were not alike.

    Raises:
        ConfigError: another threshold, objective, number of steps or dataset.
    """
    first = runs[0]
    for other in runs[1:]:
        for name in (*_ALIKE, *(_STEPS[family] for family in families)):
            one, two = (run.info["settings"].get(name) for run in (first, other))
            if one != two:
                raise ConfigError(f"{first.folder} was attacked with {name} {one} and {other.folder} with {name} "
                                  f"{two}; attack both alike to compare them.")  # fmt: skip
        one, two = (run.info["dataset"].get("fingerprint") for run in (first, other))
        if one != two:
            raise ConfigError(f"{first.folder} is of a dataset with fingerprint {one} and {other.folder} of one with "
                              f"{two}; attack both on the same dataset to compare them.")  # fmt: skip


def _shared(a: Run, b: Run, family: str, group: str | None) -> int:
    attack = {"codes": "appearance", "colours": "colours"}[family]
    where: dict[str, Any] = {"attack": attack} | ({} if group is None else {"group": group})
    one, other = (set(run.rows(**where)["sample_id"].tolist()) for run in (a, b))
    return len(one & other)


def _said(value: Any) -> str:
    return ", ".join(f"{each:g}" for each in value) if isinstance(value, tuple) else str(value)
