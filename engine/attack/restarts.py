"""The strongest of several starts, sample by sample."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.ascent import Ascended
from turncoat.engine.attack.block import curves
from turncoat.engine.attack.measure import Columns, to_numpy
from turncoat.engine.attack.outcomes import Outcome


class Kept:
    """What became of one sample under one attack, start after start.

    Fooled is stronger than anything; else the larger error at the last iterate, which is what an attack returns. A
    later start replaces an earlier one only where it is stronger, so the smallest number of equals is kept.

    Attributes:
        x: (...) coordinates of the kept end.
        outcome: how it ended. restart, iterations, curve: of the kept start.
        checks: verifications, and best: largest error in mm, of all starts.
        confirmed: whether the first verification of all held; None: there was none.
        sign: 1; or -1, where smaller errors are the stronger ones, and `best` is the smallest error, negative.
        queries: predictions that estimated gradients asked for, of all starts.
        nothing_below: of `smallest*`: the largest distance within which nothing was found.
    """

    def __init__(self, x: Tensor, outcome: Outcome, error_initial: float, sign: float = 1.0) -> None:
        """Begin at the own coordinates; `outcome` is what holds of a sample that is never offered anything."""
        self.x, self.outcome, self.best, self.sign = x, outcome, sign * error_initial, sign
        self.nothing_below: float | None = None
        self.restart = self.iterations = self.checks = self.queries = 0
        self.confirmed: bool | None = None
        self.curve: np.ndarray | None = None
        self._last = -np.inf
        self._offered = False

    def offer(
        self,
        x: Tensor,
        outcome: Outcome,
        curve: np.ndarray,
        iterations: int,
        checks: int,
        confirmed: bool | None,
        best: float,
        restart: int,
        last: float | None = None,
    ) -> None:
        """Compare with another end; curve: (iterations + 1,) mm. last: its strength, in place of the curve's end."""
        self.best = max(self.best, best)
        self.checks += checks
        if self.confirmed is None:
            self.confirmed = confirmed
        strength = _strength(outcome, curve, self.sign) if last is None else last
        if not self._offered or strength > self._last:
            self._offered, self._last = True, strength
            self.x, self.outcome, self.curve = x, outcome, curve
            self.restart, self.iterations = restart, iterations


def kept_columns(kept: list[Kept]) -> Columns:
    """Columns of N samples; `checks` and `error_best_mm` are of all starts that were made."""
    found: dict[str, Any] = {
        "restart": np.array([one.restart for one in kept], dtype=np.int64),
        "start": ["own" if one.restart == 0 else "random draw" for one in kept],
        "iterations": np.array([one.iterations for one in kept], dtype=np.int64),
        "checks": np.array([one.checks for one in kept], dtype=np.int64),
        "confirmed_first": [one.confirmed for one in kept],
        "error_best_mm": np.array([one.best for one in kept], dtype=np.float32),
        "error_curve_mm": [one.curve for one in kept],
    }
    return found


class Strongest:
    """`Kept` of N samples that are offered ends together."""

    def __init__(self, x: Tensor, outcome: list[Outcome], error_initial: Tensor) -> None:
        """Begin with the own codes at `x`, (N, ...); `outcome` is what holds of samples that are never offered."""
        self.kept = [
            Kept(one, ended, error) for one, ended, error in zip(x, outcome, error_initial.tolist(), strict=True)
        ]

    def offer(self, where: Tensor, found: Ascended, restart: int) -> None:
        """Compare the ends of the samples `where`, (K,) int64, with those that are kept."""
        errors, best, checks = curves(found.curve), to_numpy(found.best), to_numpy(found.checks)
        for k, place in enumerate(where.tolist()):
            self.kept[place].offer(
                found.x[k],
                found.outcome[k],
                errors[k],
                int(found.iterations[k]),
                int(checks[k]),
                found.confirmed_first[k],
                float(best[k]),
                restart,
            )

    def standing(self, where: Tensor) -> Tensor:
        """Those of the samples `where` that no restart has fooled yet."""
        places = [place for place in where.tolist() if self.kept[place].outcome is not Outcome.FOOLED]
        return torch.tensor(places, dtype=torch.int64, device=where.device)


def _strength(outcome: Outcome, curve: np.ndarray, sign: float) -> float:
    if outcome is Outcome.FOOLED:
        return float("inf")
    if outcome is Outcome.NOT_FINITE or not len(curve):
        return float("-inf")
    return sign * float(curve[-1])
