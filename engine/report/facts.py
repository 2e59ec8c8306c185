"""What of run.json the page is written around."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turncoat.engine.attack.settings import steps_setting
from turncoat.engine.report.numbers import median
from turncoat.engine.runs import Run
from turncoat.training.data.pictures import PICTURES


@dataclass(frozen=True)
class Facts:
    """The facts that sentences, charts and tables share.

    Attributes:
        network: name of the target.
        method: how it was trained, for the paper's row.
        threshold: mm.
        reach: mm from its goal at which an attack towards a pose has got there.
        limits: largest number of iterations of each attack.
        radius: Mahalanobis distance within which 99 % of natural codes lie; None without a `natural` setting.
        dataset: name, recipe and preset, for a person.
        split: of the frames, '' if unknown.
        labelled: whether the frames have labels and ground truth; own pictures do not.
    """

    network: str
    method: str
    threshold: float
    reach: float
    limits: dict[str, int]
    radius: float | None
    dataset: str
    split: str
    labelled: bool = True


def facts_of(run: Run) -> Facts:
    """The facts of a run."""
    info, settings = run.info, run.info["settings"]
    radius = median(run.rows(setting="natural", attack="appearance")["budget"])
    target = info["target"]
    return Facts(
        network=str(target["name"]),
        method=str((target.get("metadata") or {}).get("method", target["name"])),
        threshold=float(settings["threshold_mm"]),
        reach=float(settings.get("reach_mm") or math.nan),
        limits={name: int(settings[steps_setting(name)]) for name in settings["attacks"]},
        radius=radius if math.isfinite(radius) else None,
        dataset=_dataset(info["dataset"]),
        split=str((info.get("selection") or {}).get("split") or ""),
        labelled=not of_pictures(info),
    )


def of_pictures(info: Mapping[str, Any]) -> bool:
    """Whether a run was of own pictures, without labels."""
    return bool(info["dataset"].get("name") == PICTURES)


def _dataset(facts: Mapping[str, Any]) -> str:
    if facts.get("name") == PICTURES:
        return f"pictures in {Path(facts['folder']).name}"
    kind = ", ".join(str(facts[name]) for name in ("recipe", "preset") if facts.get(name))
    return f"{facts.get('name') or 'dataset'}{f' ({kind})' if kind else ''}"
