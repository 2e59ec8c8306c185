"""The strongest of several starts, sample by sample."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.ascent import Ascended
from turncoat.engine.attack.block import curves
from turncoat.engine.attack.measure import Columns, to_numpy
from turncoat.engine.attack.outcomes import Outcome


class Strongest:
    """What became of N samples so far, restart after restart.

    Fooled is stronger than anything; else the larger error at the last iterate, which is what an attack returns. A
    later restart replaces an earlier one only where it is stronger, so the smallest number of equals is kept.

    Attributes:
        x: (N, ...) coordinates of the kept ends.
        outcome: (N,) how each ended.
    """

    def __init__(self, x: Tensor, outcome: list[Outcome], error_initial: Tensor) -> None:
        """Begin with the own codes at `x`; `outcome` is what holds of samples that are never offered."""
        count = len(outcome)
        self.x, self.outcome = x.clone(), list(outcome)
        self._restart = np.zeros(count, dtype=np.int64)
        self._iterations = np.zeros(count, dtype=np.int64)
        self._checks = np.zeros(count, dtype=np.int64)
        self._confirmed: list[bool | None] = [None] * count
        self._best = to_numpy(error_initial).copy()
        self._curve: list[np.ndarray | None] = [None] * count
        self._last = np.full(count, -np.inf)

    def offer(self, where: Tensor, found: Ascended, restart: int) -> None:
        """Compare the ends of the samples `where`, (K,) int64, with those that are kept."""
        places, errors = where.tolist(), curves(found.curve)
        self._best[places] = np.maximum(self._best[places], to_numpy(found.best))
        self._checks[places] += to_numpy(found.checks)
        taken = []
        for k, (place, outcome, curve) in enumerate(zip(places, found.outcome, errors, strict=True)):
            last = _strength(outcome, curve)
            if self._confirmed[place] is None:
                self._confirmed[place] = found.confirmed_first[k]
            if restart == 0 or last > self._last[place]:
                taken.append(k)
                self.outcome[place], self._curve[place], self._last[place] = outcome, curve, last
                self._restart[place], self._iterations[place] = restart, int(found.iterations[k])
        chosen = torch.tensor(taken, dtype=torch.int64, device=where.device)
        self.x[where[chosen]] = found.x[chosen]

    def standing(self, where: Tensor) -> Tensor:
        """Those of the samples `where` that no restart has fooled yet."""
        kept = [place for place in where.tolist() if self.outcome[place] is not Outcome.FOOLED]
        return torch.tensor(kept, dtype=torch.int64, device=where.device)

    def columns(self) -> Columns:
        """Columns of the kept restart; `checks` and `error_best_mm` are of all that were made."""
        found: dict[str, Any] = {
            "restart": self._restart,
            "start": ["own" if restart == 0 else "random draw" for restart in self._restart.tolist()],
            "iterations": self._iterations,
            "checks": self._checks,
            "confirmed_first": self._confirmed,
            "error_best_mm": self._best,
            "error_curve_mm": self._curve,
        }
        return found


def _strength(outcome: Outcome, curve: np.ndarray) -> float:
    if outcome is Outcome.FOOLED:
        return float("inf")
    if outcome is Outcome.NOT_FINITE or not len(curve):
        return float("-inf")
    return float(curve[-1])
