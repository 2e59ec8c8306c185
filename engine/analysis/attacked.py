"""What attacks do to one network, as numbers beside the other analyses': initial error, budgets of codes, colours.

    found = measure_attacks("nsd", "data", "runs/card")

Attacks on appearance codes run at rising budgets, without stopping at a threshold; the attack on colours changes the
clothes' own colours, with no generator in between. A network that cannot repaint has the latter alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from turncoat.engine.analysis.budgets import curve_settings
from turncoat.engine.analysis.curves import BudgetCurves, budget_curves
from turncoat.engine.analysis.intervals import Interval, bootstrap_mean, clusters_of
from turncoat.engine.analysis.number import Number
from turncoat.engine.analysis.summary import Summary, summaries
from turncoat.engine.attack.colour_controls import RANDOM_COLOURS
from turncoat.engine.attack.controls import RANDOM_DIRECTION
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.runs import Run
from turncoat.engine.sweep import Selection, attack_dataset
from turncoat.kernels.settings import Settings
from turncoat.training.data import Dataset

COLOURS = "colours"


class AttackedSettings(Settings):
    """What is attacked, and how far. [choice]

    budgets: of codes, in standard deviations of natural codes; empty: none.
    colours: largest change of a colour channel.
    per_subject: frames of each subject of the split, everyday actions.
    steps: of every attack; all of them are made.
    draws: of every random control.
    """

    budgets: tuple[float, ...] = (2.0, 4.0, 8.0, 16.0)
    colours: float = Field(0.1, gt=0, lt=1)
    per_subject: int = Field(8, ge=1)
    steps: int = Field(24, ge=1)
    draws: int = Field(10, ge=1)
    split: str = "held-out"
    group: str = "everyday"
    batch: int = Field(64, ge=1)
    seed: int = Field(0, ge=0)
    device: str = "auto"

    def attacks(self, *, repaints: bool) -> AttackSettings:
        """Settings of the sweep."""
        return curve_settings(
            budgets=self.budgets if repaints else (),
            colours=(self.colours,),
            budget_iterations=self.steps,
            colour_iterations=self.steps,
            draws=self.draws,
            batch=self.batch,
            seed=self.seed,
            device=self.device,
        )


@dataclass(frozen=True)
class Attacks:
    """What the attacks did.

    Attributes:
        network: its name. run: where every row and picture is.
        codes: curves over the budgets; None for a network that cannot repaint. colours: of the one budget.
        initial_mm: error of the unattacked repainting, of all readable frames; None likewise.
        past_before: share of frames past the threshold before the attack.
        judge_mm: what an independent judge sees of the strongest attack on codes; None without a judge.
    """

    network: str
    run: Run
    settings: AttackedSettings
    codes: BudgetCurves | None
    colours: BudgetCurves
    initial_mm: Interval | None
    past_before: float
    judge_mm: float | None

    def numbers(self) -> list[Number]:
        """Areas and the far ends of the curves, each with a random change of the same size as its null."""
        found: list[Number] = []
        if self.initial_mm is not None:
            note = f"{100 * self.past_before:.1f} % of the frames are past the threshold before any attack."
            found.append(
                Number("initial_mm", "repainting alone, with the frame's own code", self.initial_mm, note=note)
            )
        if self.codes is not None:
            found += _of_curve(self.codes, RANDOM_DIRECTION, "codes", "appearance code", "{:g} standard deviations")
        return found + _of_curve(self.colours, RANDOM_COLOURS, COLOURS, "colours of the clothes", "{:g} a channel")

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "network": self.network,
            "run": str(self.run.folder),
            "settings": self.settings.model_dump(mode="json"),
            "codes": None if self.codes is None else self.codes.facts(),
            "colours": self.colours.facts(),
            "initial_mm": None if self.initial_mm is None else self.initial_mm.facts(),
            "past_before": self.past_before,
            "judge_mm": self.judge_mm,
        }


def measure_attacks(
    network: Any,
    dataset: Dataset,
    folder: str | Path,
    settings: AttackedSettings | None = None,
    *,
    name: str | None = None,
    progress: Callable[..., None] | None = None,
    command: str | None = None,
) -> Attacks:
    """Attack a network at rising budgets and by colours; a run of the same in `folder` is used again or gone on with.

    Args:
        network: a network with or without a decoder, or a foreign target.
        folder: of the run.
        name: of the network, for tables; the run's name of it where None.
        progress: called with samples done and samples in all, once for every attack.

    Raises:
        DataError: too few frames, no colours to change (the dataset is not a studio one), unreadable frames.
        ConfigError: another run lies in `folder`; a network that cannot be attacked.
    """
    settings = settings or AttackedSettings()
    repaints = hasattr(network, "paint") and getattr(network, "has_decoder", True) is not False
    asked = settings.attacks(repaints=repaints)
    selection = Selection(split=settings.split, groups=(settings.group,), per_subject=settings.per_subject)
    run = attack_dataset(network, dataset, asked, folder, selection=selection, resume=True, progress=progress,
                         command=command)  # fmt: skip
    curves = {one.family: one for one in budget_curves(run, group=settings.group)}
    of_codes = [one for one in summaries(run, group=settings.group) if one.attack == "appearance"]
    return Attacks(
        network=name or str(run.info["target"]["name"]),
        run=run,
        settings=settings,
        codes=curves.get("codes"),
        colours=curves[COLOURS],
        initial_mm=_initial(run, settings.group) if of_codes else None,
        past_before=of_codes[0].past_before if of_codes else 0.0,
        judge_mm=_judged(of_codes),
    )


def _initial(run: Run, group: str) -> Interval:
    """Mean error of the unattacked repainting over all frames that could be read, once each."""
    names = ("sample_id", "error_initial_mm", "sequence", "motion_id")
    rows = run.columns(names, attack="appearance", control=None, group=group)
    _, first = np.unique(rows["sample_id"].astype(str), return_index=True)
    once = {column: values[first] for column, values in rows.items()}
    known = np.isfinite(once["error_initial_mm"])
    kept = {column: values[known] for column, values in once.items()}
    return bootstrap_mean(kept["error_initial_mm"], clusters_of(kept))


def _judged(found: list[Summary]) -> float | None:
    return found[-1].judge_error_mm if found else None


def _of_curve(curve: BudgetCurves, null: str, key: str, what: str, budget: str) -> list[Number]:
    """Area (where there are several budgets), error and success at the largest budget."""
    control = curve.control(null)
    end, beside = curve.attack.points[-1], None if control is None else control.points[-1]
    far = budget.format(end.budget)
    found = []
    if len(curve.budgets) > 2:
        area = None if control is None else control.error_area_mm
        note = f"Mean error over all budgets up to {far}."
        found.append(
            Number(f"{key}_area_mm", f"{what}: mean over budgets", curve.attack.error_area_mm, "mm", area, null, note)
        )
    found.append(
        Number(f"{key}_mm", f"{what}: changed by at most {far}", end.error_mm, "mm",
               None if beside is None else beside.error_mm, null)
    )  # fmt: skip
    found.append(
        Number(f"{key}_fooled", f"{what}: past {curve.threshold_mm:.0f} mm", end.success, "share",
               None if beside is None else beside.success, null, f"Changed by at most {far}.")
    )  # fmt: skip
    return found
