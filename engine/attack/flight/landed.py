"""What comes out of a flight: samples that have landed, and what the slots did meanwhile."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from turncoat.engine.attack.flight.rows import NOT_FINITE, PAST, USED_UP, Rows
from turncoat.engine.attack.outcomes import Outcome


class Landed(NamedTuple):
    """Samples that are done: their rows, and how each ended. USED_UP where a row does not stop, whatever it reached."""

    rows: Rows
    outcome: list[Outcome]

    @property
    def x(self) -> Tensor:
        """(K, ...) last coordinates, or the strongest ones of rows that keep them."""
        keeps = self.rows.course.keeps.view(-1, *[1] * (self.rows.slots.x.ndim - 1))
        return torch.where(keeps, self.rows.kept_x, self.rows.slots.x)

    @property
    def best(self) -> Tensor:
        """(K,) mm, the strongest error of every sample (`Course.measure` of it); -inf where none was finite."""
        measured = self.rows.course.sign[:, None] * self.rows.curve
        return measured.nan_to_num(nan=-torch.inf, posinf=-torch.inf).amax(dim=1)


@dataclass
class Traffic:
    """What a flight did, for the record.

    Attributes:
        steps: gradient steps of all slots together.
        places: slots that these steps computed. busy: those of them that held a moving sample.
        places_before_tail, busy_before_tail: the same while samples still waited.
        checks: samples verified. check_calls: in so many batches.
        step_s, check_s, admit_s: seconds in gradient steps, in verification, in `admit`.
        iterations: steps made by samples that have landed, in their order.
    """

    steps: int = 0
    places: int = 0
    busy: int = 0
    places_before_tail: int = 0
    busy_before_tail: int = 0
    checks: int = 0
    check_calls: int = 0
    step_s: float = 0.0
    check_s: float = 0.0
    admit_s: float = 0.0
    iterations: list[int] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """Sums and shares, for run.json."""
        return {
            "steps": self.steps,
            "places": self.places,
            "busy": self.busy / max(1, self.places),
            "busy_before_tail": self.busy_before_tail / self.places_before_tail if self.places_before_tail else None,
            "checks": self.checks,
            "check_calls": self.check_calls,
            "step_s": round(self.step_s, 3),
            "check_s": round(self.check_s, 3),
            "admit_s": round(self.admit_s, 3),
        }


def outcome_of(why: int) -> Outcome:
    if why & NOT_FINITE:
        return Outcome.NOT_FINITE
    if why & PAST:
        return Outcome.FOOLED
    return Outcome.USED_UP if why & USED_UP else Outcome.ZERO_GRADIENT
