"""The whole check: every variant on the same frames, the gradient, and what it comes to."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from turncoat.engine.analysis.intervals import Interval, clusters_of
from turncoat.engine.analysis.soundness.gradient import Slope, slopes
from turncoat.engine.analysis.soundness.measured import (
    Against,
    Measured,
    Rows,
    Together,
    against,
    attack_rows,
    attacked,
    measure,
    together,
)
from turncoat.engine.analysis.soundness.runs import Notify, Progress, Subject, run_all, subject_of
from turncoat.engine.analysis.soundness.settings import SoundnessSettings
from turncoat.engine.analysis.soundness.signs import Sign, half_budget, signs_of
from turncoat.engine.analysis.soundness.variants import Variant
from turncoat.engine.runs import Run
from turncoat.engine.sweep.admission import admit_rows
from turncoat.engine.sweep.networks import pair_of
from turncoat.kernels.errors import DataError
from turncoat.kernels.files import check_output_folder, content_hash, write_json
from turncoat.training.checkpoint import load_network
from turncoat.training.data import Dataset, open_dataset


@dataclass(frozen=True)
class Soundness:
    """What `check_soundness` found.

    Attributes:
        settings: of the check. attack: of the attack that is checked, with its numbers. runs: all, by variant.
        rows: of each run's attack, by variant's name, sorted by sample.
        compared: each variant against the attack, controls among them.
        slopes: of the gradient check. together: what all find between them. signs: of a gradient that hides something.
        half: budget, as a factor, at which half of the frames are fooled; None where there is none.
        left_out: variants, in words, under which no frame was past admission that is so under the attack: repainted
            by another generator, or against a lower threshold, all of them were past it before.
        clusters: sequences and recordings that the attacked frames come from.
    """

    settings: SoundnessSettings
    attack: Measured
    runs: tuple[tuple[Variant, Run], ...]
    rows: dict[str, Rows]
    compared: tuple[Against, ...]
    slopes: tuple[Slope, ...]
    together: Together
    signs: tuple[Sign, ...]
    half: Interval | None
    left_out: tuple[str, ...]
    clusters: dict[str, int]

    @property
    def contenders(self) -> tuple[Against, ...]:
        """Variants that may do what the attack may, and the other generator; no controls."""
        return tuple(one for one in self.compared if one.measured.variant.role in ("variant", "transfer"))

    @property
    def stronger(self) -> tuple[Against, ...]:
        """Contenders that beat the attack by more than their interval, the strongest first."""
        found = [one for one in self.contenders if one.stronger]
        return tuple(sorted(found, key=lambda one: (-one.fooled.value, -one.reached_mm.value)))

    @property
    def warnings(self) -> tuple[Sign, ...]:
        """The signs that are there."""
        return tuple(sign for sign in self.signs if sign.bad)

    @property
    def sound(self) -> bool:
        """No contender is stronger, and no sign is there."""
        return not self.stronger and not self.warnings

    @property
    def budgets(self) -> tuple[tuple[float, Measured], ...]:
        """The attack's own optimiser in balls of several sizes, the attack itself among them, by factor."""
        return _budgets(self.attack, [one.measured for one in self.compared])

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "sound": self.sound,
            "settings": self.settings.model_dump(mode="json"),
            "network": self.runs[0][1].info["generator"]["name"],
            "weights_hash": self.runs[0][1].info["generator"].get("weights_hash"),
            "dataset": self.runs[0][1].info["dataset"],
            "selection": self.runs[0][1].info["selection"],
            "sequences": self.clusters.get("sequence"),
            "recordings": self.clusters.get("motion_id"),
            "attack": _facts(self.attack),
            "variants": [
                {
                    **_facts(one.measured),
                    "pairs": one.pairs,
                    "only_attack": one.only_attack,
                    "only_variant": one.only_variant,
                    "mcnemar_p": one.mcnemar_p,
                    "fooled_difference": one.fooled.facts(),
                    "reached_difference_mm": one.reached_mm.facts(),
                    "stronger": one.stronger if one in self.contenders else None,
                }
                for one in self.compared
            ],
            "together": {
                "variants": self.together.variants,
                "frames": self.together.frames,
                "fooled": self.together.fooled.facts(),
                "difference": self.together.difference.facts(),
            },
            "left_out": list(self.left_out),
            "half_budget": None if self.half is None else self.half.facts(),
            "gradient": [slope.facts() for slope in self.slopes],
            "signs": [vars(sign) for sign in self.signs],
        }


def check_soundness(
    network: Any,
    data: Dataset | str | Path,
    out: str | Path,
    settings: SoundnessSettings | None = None,
    generator: Any = None,
    *,
    progress: Progress | None = None,
    notify: Notify | None = None,
    command: str | None = None,
) -> Soundness:
    """Attack the same frames in every way that might be stronger, and compare each with the attack, paired by sample.

    Args:
        network: a `DisentangledNetwork` with a regressor, or the path or shipped name of one.
        data: an open dataset, or its folder.
        out: folder of the runs (``OUT/runs/NAME``) and of gradient.json; what is done there already is not done again.
        settings: what is tried.
        generator: another network that repaints for one of the variants, likewise; None: none does.
        progress: called as ``progress(done, total, variant=name)``; counts steps, as many as there may be at most.
        notify: called as ``notify(variant, run, cached)`` when a run is there.
        command: command line to record.

    Raises:
        ConfigError: networks that cannot be attacked, a folder with other runs.
        DataError: weights or dataset cannot be read, or hold too few frames; no frame could be attacked.
    """
    settings = settings or SoundnessSettings()
    out = check_output_folder(out, resume=True)
    dataset = data if isinstance(data, Dataset) else open_dataset(data)
    first, other = (load_network(one) if isinstance(one, str | Path) else one for one in (network, generator))
    subject = subject_of(first, other, dataset, settings)
    runs = run_all(subject, out, settings, progress=progress, notify=notify, command=command)
    rows = {variant.name: attack_rows(run, variant) for variant, run in runs}
    (checked, run), others = runs[0], tuple(runs[1:])
    own = rows[checked.name]
    if not attacked(own).any():
        raise DataError(
            f"None of the {len(own['outcome'])} frames of {run.folder} was attacked: they were past the threshold "
            "before, or failed; take other frames, or another threshold."
        )
    attack = measure(checked, run, own)
    found = []
    if "gradient" not in settings.without and checked.optimiser != "random":
        found = _slopes(subject, out, checked, attack.step_size, settings)
    left_out = [variant for variant, _ in others if not (attacked(own) & attacked(rows[variant.name])).any()]
    others = tuple(one for one in others if one[0] not in left_out)
    compared = [against(own, measure(variant, one, rows[variant.name]), rows[variant.name]) for variant, one in others]
    balls = _budgets(attack, [one.measured for one in compared])
    easier = next((one.measured for one in compared if one.measured.variant.role == "easier"), None)
    by_name = {one.measured.variant.name: one for one in compared}
    return Soundness(
        settings=settings,
        attack=attack,
        runs=(runs[0], *others),
        rows=rows,
        compared=tuple(compared),
        slopes=tuple(found),
        together=together(own, [rows[variant.name] for variant, _ in others if variant.role == "variant"]),
        signs=tuple(signs_of(own, found, by_name, balls, easier)),
        half=half_budget([(factor, one.fooled) for factor, one in balls]) if len(balls) > 1 else None,
        left_out=tuple(variant.words for variant in left_out),
        clusters=clusters_of({name: column[attacked(own)] for name, column in own.items()}).counts(),
    )


def _slopes(
    subject: Subject, out: Path, checked: Variant, step_size: float, settings: SoundnessSettings
) -> list[Slope]:
    """The gradient check, kept in gradient.json for as long as it is of the same attack, network and frames."""
    pair, identity = pair_of(subject.network, None, checked.settings)
    pick = np.linspace(0, len(subject.rows) - 1, min(settings.gradient_frames, len(subject.rows))).round()
    rows = subject.rows[pick.astype(np.int64)]
    of = {
        "settings": checked.settings.model_dump(mode="json", exclude={"batch", "device", "controls"}),
        "step_size": step_size,
        "weights_hash": identity["target"]["weights_hash"],
        "samples": content_hash("\n".join(subject.data.column("sample_id")[rows].tolist()).encode()),
    }
    file = out / "gradient.json"
    if file.is_file():
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            if kept["of"] == of:
                return [Slope.read(slope) for slope in kept["slopes"]]
        except (ValueError, KeyError, TypeError):
            pass  # damaged: it is found again
    pair = replace(pair, judge=None)
    admitted, _ = admit_rows(pair, subject.data, rows, settings.batch)
    found = slopes(pair, admitted, settings.setting, step_size, checked.settings)
    write_json(file, {"of": of, "slopes": [slope.facts() for slope in found]})
    return found


def _budgets(attack: Measured, others: Sequence[Measured]) -> tuple[tuple[float, Measured], ...]:
    same = [one for one in others if one.variant.role == "budget" and one.variant.optimiser == attack.variant.optimiser]
    found = [(1.0, attack), *((one.variant.factor, one) for one in same)]
    return tuple(sorted(found, key=lambda one: one[0])) if same else ()


def _facts(one: Measured) -> dict[str, Any]:
    variant = one.variant
    return {
        "name": variant.name,
        "words": variant.words,
        "role": variant.role,
        "optimiser": variant.optimiser,
        "iterations": variant.settings.iterations,
        "restarts": variant.settings.restarts,
        "budget_factor": variant.settings.budget_factor,
        "threshold_mm": variant.settings.threshold_mm,
        "step_size": one.step_size,
        "seconds": one.seconds,
        "frames": one.frames,
        "past_before": one.past_before,
        "failed": one.failed,
        "fooled": one.fooled.facts(),
        "reached_mm": one.reached_mm.facts(),
        "largest_mm": one.largest_mm,
        "steps": one.steps,
    }
