"""Results of one attack or control on N samples, and how they become rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from turncoat.engine.attack.measure import Columns, Effect, to_numpy
from turncoat.engine.attack.outcomes import Outcome


@dataclass
class Block:
    """N rows to be: what they have in common, and what differs.

    Attributes:
        common: columns with one value for all rows (attack, setting, control, budget ...).
        outcome: (N,) how each ended.
        columns: column name -> N values, arrays or lists.
        appearance: (N, ...) what the painter painted from; None where the frame itself was changed.
        x_shift: (N,) norm of the way gone in the attack's space; controls go as far.
    """

    common: dict[str, Any]
    outcome: list[Outcome]
    columns: Columns
    appearance: Tensor | None = None
    x_shift: Tensor | None = field(default=None, repr=False)

    def rows(self, index: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """One dictionary a sample; `index` gives its index and identity columns."""
        out = []
        for n, (sample, outcome) in enumerate(zip(index, self.outcome, strict=True)):
            values = {name: column[n] for name, column in self.columns.items()}
            if outcome is Outcome.NOT_FINITE:
                values = {name: value for name, value in values.items() if name in _OF_ANY_OUTCOME}
            out.append({**sample, **self.common, "outcome": outcome.value, **values})
        return out


# What a row says even if its numbers came out as NaN or infinity; its error columns would mislead.
_OF_ANY_OUTCOME = (
    "restart",
    "iterations",
    "error_initial_mm",
    "error_best_mm",
    "checks",
    "error_curve_mm",
    "error_goal_initial_mm",
    "error_goal_curve_mm",
    "appearance",
    "colours",
    "start",
    "pose_clean",
    "pose_synthesis",
)


def judged(effect: Effect, error_initial: Tensor, threshold_mm: float, miss: Outcome) -> list[Outcome]:
    """Outcomes (N,) from the verified error alone: fooled past the threshold, else `miss`."""
    return verdicts_of(error_initial, effect.error, effect.verified, threshold_mm, miss)


def verdicts_of(
    initial: Tensor, error: Tensor, verified: Tensor, threshold_mm: float, miss: Outcome, *, sign: float = 1.0
) -> list[Outcome]:
    """Outcomes (N,) from errors (N,) mm before the attack, after it, and after it on 8 bits.

    sign: 1: past the threshold is above it; -1: below.
    """
    found = []
    for before, after, rounded in zip(initial.tolist(), error.tolist(), verified.tolist(), strict=True):
        if not (np.isfinite(before) and np.isfinite(after) and np.isfinite(rounded)):
            found.append(Outcome.NOT_FINITE)
        elif sign * before > sign * threshold_mm:
            found.append(Outcome.PAST_BEFORE)
        else:
            found.append(Outcome.FOOLED if sign * rounded > sign * threshold_mm else miss)
    return found


def settled(ended: Outcome, verdict: Outcome) -> Outcome:
    """The outcome of an ascent that `ended` so, when `judged` (a miss: USED_UP) says `verdict` of its last frame.

    Fooled is what the float32 error on the 8-bit frame says, for attacks and controls alike: the steps may have been
    computed in another precision. Where it was not fooled, how the ascent ended stays.
    """
    if ended is Outcome.NOT_FINITE or verdict is not Outcome.USED_UP:
        return Outcome.NOT_FINITE if ended is Outcome.NOT_FINITE else verdict
    return Outcome.USED_UP if ended is Outcome.FOOLED else ended


def curves(curve: Tensor) -> list[np.ndarray]:
    """(N, K) errors with NaN after the last iterate -> N arrays without them."""
    rows = to_numpy(curve)
    return [row[: _length(row)] for row in rows]


def _length(row: np.ndarray) -> int:
    present = np.flatnonzero(~np.isnan(row))
    return int(present[-1]) + 1 if len(present) else 0
