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
from turncoat.engine.attack.colour_controls import OTHER_WARDROBES, RANDOM_CORNERS
from turncoat.engine.attack.controls import RANDOM_DIRECTION
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.runs import Run
from turncoat.engine.sweep import Selection, attack_dataset
from turncoat.kernels.errors import DataError
from turncoat.kernels.settings import Settings
from turncoat.training.checkpoint import network_name
from turncoat.training.data import Dataset

COLOURS = "colours"


class AttackedSettings(Settings):
    """What is attacked, and how far. [choice]

    budgets: of codes, in standard deviations of natural codes; empty: none.
    colours: largest change of a colour channel; left out where the dataset has no colour layers.
    per_subject: frames of each subject at most; as many of every subject.
    steps: of every attack; all of them are made.
    draws: of every random control.
    """

    budgets: tuple[float, ...] = (2.0, 4.0, 8.0, 16.0)
    colours: float = Field(0.1, gt=0, lt=1)
    per_subject: int = Field(8, ge=1)
    steps: int = Field(24, ge=1)
    draws: int = Field(10, ge=1)
    split: str = "held-out"
    group: str | None = "everyday"
    batch: int = Field(64, ge=1)
    seed: int = Field(0, ge=0)
    device: str = "auto"

    def attacks(self, *, repaints: bool, dyes: bool = True) -> AttackSettings:
        """Settings of the sweep: codes where the network repaints, colours where the dataset can be dyed."""
        return curve_settings(
            budgets=self.budgets if repaints else (),
            colours=(self.colours,) if dyes else (),
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
        codes: curves over the budgets; None for a network that cannot repaint. colours: of the one budget; None for a
            dataset without colour layers. corner_mm, corner_fooled: of one random change of all colours as far as they
            may, which is the attack's own length. left_out: sentences.
        initial_mm: error of the unattacked repainting, of all readable frames; None likewise.
        past_before: share of frames past the threshold before the attack.
        judge_mm: what an independent judge sees of the strongest attack on codes; None without a judge.
    """

    network: str
    run: Run
    settings: AttackedSettings
    codes: BudgetCurves | None
    colours: BudgetCurves | None
    initial_mm: Interval | None
    past_before: float
    judge_mm: float | None
    corner_mm: Interval | None = None
    corner_fooled: Interval | None = None
    left_out: tuple[str, ...] = ()

    def numbers(self) -> list[Number]:
        """Areas and the far ends of the curves, each with a random change of the same size as its null."""
        found: list[Number] = []
        if self.initial_mm is not None:
            note = f"{100 * self.past_before:.1f} % of the frames are past the threshold before any attack."
            found.append(
                Number("initial_mm", "repainting alone, with the frame's own code", self.initial_mm, note=note)
            )
        if self.codes is not None:
            found += self._of_codes(self.codes)
        return found + (self._of_colours(self.colours) if self.colours is not None else [])

    def _of_codes(self, curve: BudgetCurves) -> list[Number]:
        """Area, and error and success at the largest budget, beside random directions of the same length."""
        end, control = curve.attack.points[-1], curve.control(RANDOM_DIRECTION)
        beside = None if control is None else control.points[-1]
        far = f"{end.budget:g} standard deviations of natural codes"
        return [
            Number("codes_area_mm", f"code searched for, mean over budgets of 0 to {far}", curve.attack.error_area_mm,
                   "mm", None if control is None else control.error_area_mm, RANDOM_DIRECTION),
            Number("codes_mm", f"code searched for within {far}", end.error_mm, "mm",
                   None if beside is None else beside.error_mm, RANDOM_DIRECTION),
            Number("codes_fooled", f"past {curve.threshold_mm:.0f} mm by a code within {far}", end.success, "share",
                   None if beside is None else beside.success, RANDOM_DIRECTION),
        ]  # fmt: skip

    def _of_colours(self, curve: BudgetCurves) -> list[Number]:
        """Error and success, beside one random corner of the budget; the strongest of several is in the note."""
        end, strongest = curve.attack.points[-1], curve.control(RANDOM_CORNERS)
        others = next((one for one in curve.levels if one.name == OTHER_WARDROBES), None)
        note = []
        if strongest is not None:
            most = strongest.points[-1].error_mm.value
            note.append(f"The strongest of {self.settings.draws} random corners: {most:.0f} mm.")
        if others is not None:
            note.append(f"The strongest of other people's colours, however far off: {others.error_mm.value:.0f} mm.")
        far = f"±{end.budget:g} a channel"
        return [
            Number("colours_mm", f"colours of the clothes searched for within {far}", end.error_mm, "mm",
                   self.corner_mm, "one random corner", " ".join(note)),
            Number("colours_fooled", f"past {curve.threshold_mm:.0f} mm by colours within {far}", end.success,
                   "share", self.corner_fooled, "one random corner"),
        ]  # fmt: skip

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "network": self.network,
            "run": str(self.run.folder),
            "settings": self.settings.model_dump(mode="json"),
            "codes": None if self.codes is None else self.codes.facts(),
            "colours": None if self.colours is None else self.colours.facts(),
            "corner_mm": None if self.corner_mm is None else self.corner_mm.facts(),
            "corner_fooled": None if self.corner_fooled is None else self.corner_fooled.facts(),
            "left_out": list(self.left_out),
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
        DataError: too few frames, unreadable frames; nothing to attack: the network cannot repaint, and the dataset
            has no colours to change.
        ConfigError: another run lies in `folder`; a network that cannot be attacked.
    """
    settings = settings or AttackedSettings()
    repaints = hasattr(network, "paint") and getattr(network, "has_decoder", True) is not False
    lacks = _undyed(dataset)
    if lacks and not repaints:
        raise DataError(f"{name or network_name(network)} cannot repaint, so only colours could be attacked. {lacks}")
    asked = settings.attacks(repaints=repaints, dyes=not lacks)
    groups = (settings.group,) if settings.group else tuple(sorted(set(dataset.column("group").tolist()), key=str))
    selection = Selection(split=settings.split, groups=groups, at_most=settings.per_subject)
    run = attack_dataset(network, dataset, asked, folder, selection=selection, resume=True, progress=progress,
                         command=command)  # fmt: skip
    curves = {one.family: one for one in budget_curves(run, group=settings.group)}
    of_codes = [one for one in summaries(run, group=settings.group) if one.attack == "appearance"]
    return Attacks(
        network=name or str(run.info["target"]["name"]),
        run=run,
        settings=settings,
        codes=curves.get("codes"),
        colours=curves.get(COLOURS),
        initial_mm=_initial(run, settings.group) if of_codes else None,
        past_before=of_codes[0].past_before if of_codes else 0.0,
        judge_mm=_judged(of_codes),
        **_corner(run, settings),
        left_out=(f"Colours are not attacked. {lacks}",) if lacks else (),
    )


def _undyed(dataset: Dataset) -> str:
    """Why the colours of a dataset cannot be changed; "" if they can."""
    try:
        dataset.colours(np.arange(1))
    except DataError as error:
        return str(error)
    return ""


def _corner(run: Run, settings: AttackedSettings) -> dict[str, Interval]:
    """What one random corner of the colour budget does on average: its mean over the draws of every frame."""
    names = ("draws_mean_mm", "draws_past", "sequence", "motion_id")
    where = {} if settings.group is None else {"group": settings.group}
    rows = run.columns(names, attack="control", control=RANDOM_CORNERS, **where)
    known = np.isfinite(rows["draws_mean_mm"].astype(np.float64)) if len(rows["draws_mean_mm"]) else np.zeros(0, bool)
    if not known.any():
        return {}
    kept = {column: values[known] for column, values in rows.items()}
    clusters = clusters_of(kept)
    return {
        "corner_mm": bootstrap_mean(kept["draws_mean_mm"].astype(np.float64), clusters),
        "corner_fooled": bootstrap_mean(kept["draws_past"].astype(np.float64), clusters),
    }


def _initial(run: Run, group: str | None) -> Interval:
    """Mean error of the unattacked repainting over all frames that could be read, once each."""
    names = ("sample_id", "error_initial_mm", "sequence", "motion_id")
    where = {} if group is None else {"group": group}
    rows = run.columns(names, attack="appearance", control=None, **where)
    _, first = np.unique(rows["sample_id"].astype(str), return_index=True)
    once = {column: values[first] for column, values in rows.items()}
    known = np.isfinite(once["error_initial_mm"])
    kept = {column: values[known] for column, values in once.items()}
    return bootstrap_mean(kept["error_initial_mm"], clusters_of(kept))


def _judged(found: list[Summary]) -> float | None:
    return found[-1].judge_error_mm if found else None
