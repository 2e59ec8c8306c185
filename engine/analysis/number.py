"""A number of an analysis: what it is, its interval, and what it would be if there were nothing to find.

Every analysis answers with some of these, so that pages, cards and comparisons show them all alike.
"""

import math
from typing import Any, NamedTuple

from turncoat.engine.analysis.intervals import Interval


class Number(NamedTuple):
    """One result.

    Attributes:
        key: its name in files, unique within its analysis, like "colours_mpjpe_mm".
        label: in words, for tables: "spread over colours and pattern".
        found: the number, with its 95 % interval where there is one.
        unit: "mm", "share" (0 to 1), "ratio", "dB", "" for pure numbers.
        null: what the same measurement gives where there is nothing to find (chance, permuted pairs, one grey level of
            noise, the mean pose); None where there is no such thing.
        null_name: what that null is, in words.
        note: what a reader must know besides, one sentence; "" for nothing.
    """

    key: str
    label: str
    found: Interval
    unit: str = "mm"
    null: Interval | None = None
    null_name: str = ""
    note: str = ""

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON; None for what is unknown."""
        return {
            "label": self.label,
            **self.found.facts(),
            "unit": self.unit,
            "null": None if self.null is None else {**self.null.facts(), "name": self.null_name},
            "note": self.note,
        }


def exactly(value: float) -> Interval:
    """A number without an interval: counted, not estimated, or a null that is known."""
    return Interval(float(value), math.nan, math.nan)
