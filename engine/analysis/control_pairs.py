"""Attack and controls of two runs on the same pairs: a difference that a control shows too is not the attack's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from turncoat.engine.analysis.intervals import Clusters, Interval, bootstrap_mean, clusters_of, success_interval
from turncoat.engine.analysis.paired import paired_difference, paired_share_difference
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.settings import family_of
from turncoat.engine.runs import Run

Rows = Mapping[str, np.ndarray]
ERROR = "error_verified_mm"
"""Of the float32 reference on the 8-bit frame: the one error that attacks and controls both have."""
ATTACK = "attack"


@dataclass(frozen=True)
class PairedError:
    """An attack, or a control beside it, on both sides: how far it moves the pose, how often past the threshold.

    Attributes:
        name: "attack" or the control's. pairs: that have its error on both sides.
        a, b, difference: mean errors in mm, and of ``b - a``.
        success_a, success_b, success_difference: shares past the threshold, and ``b - a``.
        beyond_a, beyond_b, beyond: by how much the attack's error exceeds this one's, sample by sample, in mm, and
            ``b - a`` of that; None of the attack itself.
    """

    name: str
    pairs: int
    a: Interval
    b: Interval
    difference: Interval
    success_a: Interval
    success_b: Interval
    success_difference: Interval
    beyond_a: Interval | None = None
    beyond_b: Interval | None = None
    beyond: Interval | None = None

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {name: each.facts() if isinstance(each, Interval) else each for name, each in vars(self).items()}


def paired_errors(
    runs: Sequence[Run], settings: Sequence[str], group: str | None, attacked: Sequence[Rows]
) -> tuple[PairedError, ...]:
    """The attack and every control that both runs have, over the samples that were attacked under both.

    Args:
        runs, settings: of A and B. group: of actions; None: all.
        attacked: the attack's rows of A and of B, sample by sample the same ones.

    Returns:
        the attack first, then controls in the order of A's rows; empty where no control has a result in both.
    """
    one, other = attacked
    samples = one["sample_id"].tolist()
    found = [_controls(run, setting, group, samples) for run, setting in zip(runs, settings, strict=True)]
    both = [name for name, (error, _) in found[0].items()
            if name in found[1] and np.isfinite(error + found[1][name][0]).any()]  # fmt: skip
    if not both:
        return ()
    clusters = clusters_of(one)
    attack = [(_floats(rows), rows["outcome"] == Outcome.FOOLED.value) for rows in (one, other)]
    errors = (attack[0][0], attack[1][0])
    return (
        _paired(ATTACK, attack, clusters),
        *(_paired(name, [found[0][name], found[1][name]], clusters, errors) for name in both),
    )


def _controls(
    run: Run, setting: str, group: str | None, samples: list[str]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Control -> errors (N,), NaN where a sample has none, and whether past the threshold (N,)."""
    where: dict[str, Any] = {"attack": "control", "setting": [setting, _family(setting)]}
    rows = run.rows(**where | ({} if group is None else {"group": group}))
    place = {sample: number for number, sample in enumerate(samples)}
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    errors = _floats(rows)
    for number, (sample, name) in enumerate(zip(rows["sample_id"].tolist(), rows["control"].tolist(), strict=True)):
        if sample in place:
            error, past = found.setdefault(name, (np.full(len(samples), np.nan), np.zeros(len(samples), dtype=bool)))
            error[place[sample]] = errors[number]
            past[place[sample]] = rows["outcome"][number] == Outcome.FOOLED.value
    return found


def _paired(
    name: str,
    sides: Sequence[tuple[np.ndarray, np.ndarray]],
    clusters: Clusters,
    attack: tuple[np.ndarray, np.ndarray] | None = None,
) -> PairedError:
    (a, past_a), (b, past_b) = sides
    there = np.isfinite(a) & np.isfinite(b)
    a, b, past_a, past_b, clusters = a[there], b[there], past_a[there], past_b[there], clusters[there]
    beyond: tuple[Interval, ...] = ()
    if attack is not None:
        over_a, over_b = attack[0][there] - a, attack[1][there] - b
        beyond = (bootstrap_mean(over_a, clusters), bootstrap_mean(over_b, clusters),
                  paired_difference(over_a, over_b, clusters))  # fmt: skip
    return PairedError(
        name,
        int(there.sum()),
        bootstrap_mean(a, clusters),
        bootstrap_mean(b, clusters),
        paired_difference(a, b, clusters),
        success_interval(past_a, clusters),
        success_interval(past_b, clusters),
        paired_share_difference(past_a, past_b, clusters),
        *beyond,
    )


def _family(setting: str) -> str:
    """The setting that controls carry which depend on no attack."""
    return {"appearance": "codes"}.get(family_of(setting), family_of(setting))


def _floats(rows: Rows) -> np.ndarray:
    """The errors (N,), NaN where there is none."""
    return np.asarray(rows[ERROR]).astype(np.float64)
