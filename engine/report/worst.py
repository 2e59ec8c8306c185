"""The frame that an attack moved furthest, with its pictures."""

from typing import Any, NamedTuple

import numpy as np

from turncoat.engine.analysis.attacked import COLOURS, Attacks
from turncoat.engine.report.pictures import find_sources, strips


class Worst(NamedTuple):
    """A frame and what became of it.

    what: which attack, in words. sample_id: of the frame. error_mm: verified. initial_mm: before the attack, where the
        frame was repainted. pictures: name -> uint8 (h, w, 3), cut around the person.
    """

    what: str
    sample_id: str
    error_mm: float
    initial_mm: float | None
    pictures: dict[str, np.ndarray]

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON; pictures apart."""
        return {
            "what": self.what,
            "sample_id": self.sample_id,
            "error_mm": self.error_mm,
            "initial_mm": self.initial_mm,
        }

    @property
    def words(self) -> str:
        """What happened, in a sentence."""
        before = f"; {self.initial_mm:.0f} mm before" if self.initial_mm is not None else ""
        return f"{self.what[0].upper()}{self.what[1:]}: the pose moves by {self.error_mm:.0f} mm{before}."


def worst_frames(attacks: Attacks) -> tuple[Worst, ...]:
    """Of the attack on colours, and of that on codes at its largest budget, the frame that was moved furthest.

    Frames that the repainting alone moves past the threshold are left out, as in every number of an attack. Where
    dataset or weights are gone there are none.
    """
    run, found = attacks.run, []
    sources, threshold = find_sources(run), run.info["settings"]["threshold_mm"]
    colours = attacks.settings.colours
    asked = []
    if attacks.colours is not None:
        asked.append((COLOURS, f"colours of the clothes within ±{colours:g}", f"colours-{colours:g}"))
    if attacks.codes is not None:
        budget = attacks.codes.budgets[-1]
        asked.append(("appearance", f"appearance code within {budget:g} standard deviations", f"budget-{budget:g}"))
    for attack, words, setting in asked:
        places = run.select(attack=attack, setting=setting, control=None)
        rows = run.table().take(places).select(["sample_id", "error_verified_mm", "error_initial_mm"]).to_pylist()
        errors = [-1.0 if _out(row, threshold) else row["error_verified_mm"] for row in rows]
        if not errors or max(errors) < 0:
            continue
        best = int(np.argmax(errors))
        made, _ = strips(run, sources, places[best : best + 1])
        strip = made.get(int(places[best]))
        if strip is None:
            continue
        x0, y0, x1, y1 = strip.square
        pictures = {"input": strip.clean, "repainted": strip.synthesis, "attacked": strip.attacked}
        cut = {name: each[y0:y1, x0:x1] for name, each in pictures.items() if each is not None}
        initial = rows[best]["error_initial_mm"] if attack == "appearance" else None
        found.append(Worst(words, str(rows[best]["sample_id"]), float(errors[best]), initial, cut))
    return tuple(found)


def _out(row: dict[str, Any], threshold: float) -> bool:
    """Whether a row has no error, or was past the threshold before it was attacked."""
    return row["error_verified_mm"] is None or (row["error_initial_mm"] or 0.0) > threshold
