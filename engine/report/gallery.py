"""Examples, as in the paper's Fig. 7: pictures and 3D poses of the strongest, a median and the weakest frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.report import skeletons
from turncoat.engine.report.names import colour_of, counted, distance, explained, number, short_name
from turncoat.engine.report.numbers import Group, Measured
from turncoat.engine.report.pictures import Sources, strips
from turncoat.engine.runs import Run


@dataclass(frozen=True)
class Example:
    """One frame under one attack.

    Attributes:
        rank: 'strongest', 'median' or 'weakest'.
        title: whose frame it is; `caption`: its numbers, as sentences.
        pictures: (caption, data URL) in the order of the page; empty when they cannot be made.
        poses: (caption, drawing), likewise.
    """

    rank: str
    title: str
    caption: str
    pictures: tuple[tuple[str, str], ...]
    poses: tuple[tuple[str, Markup], ...]


@dataclass(frozen=True)
class Gallery:
    """The examples of one attack."""

    key: str
    name: str
    css: str
    words: str
    examples: tuple[Example, ...]


def galleries(run: Run, group: Group, sources: Sources) -> tuple[list[Gallery], str]:
    """A gallery for each attack of a group that has frames to show, and why pictures are missing ('' if none is)."""
    picked = {attack.key: pick(attack) for attack in group.attacks}
    wanted = np.array(
        [
            attack.attacked["row"][index]
            for attack in group.attacks
            for _, index in picked[attack.key]
            if attack.kind != "pixels"  # rows hold codes and colours, no pictures
        ],
        dtype=np.int64,
    )
    made, missing = strips(run, sources, wanted)
    out = []
    for attack in group.attacks:
        shown = []
        for rank, index in picked[attack.key]:
            strip = made.get(int(attack.attacked["row"][index]))
            shown.append(
                Example(
                    rank,
                    _title(attack, index),
                    _caption(attack, index, run.info["settings"]),
                    _pictures(strip.inline() if strip else {}),
                    _poses(attack, index, sources),
                )
            )
        if shown:
            out.append(
                Gallery(attack.key, short_name(attack.key), colour_of(attack.key), explained(attack), tuple(shown))
            )
    return out, missing


def strength(attack: Measured) -> np.ndarray:
    """Order of the attacked frames, strongest first.

    An attack that stops at the threshold is strongest where it needed fewest iterations; one on colours makes all of
    its iterations and is strongest where it moved the prediction furthest, as are frames that were not fooled.
    """
    error = np.nan_to_num(attack.verified, nan=-1.0)
    fooled = attack.attacked["outcome"] == Outcome.FOOLED.value
    steps = np.where(fooled & (attack.kind == "appearance"), attack.attacked["iterations"].astype(float), 0.0)
    return np.lexsort((-error, steps, ~fooled))


def pick(attack: Measured, ends: int = 2) -> list[tuple[str, int]]:
    """(rank, index into `attacked`) of the strongest, the median and the weakest frames, of different sequences."""
    order = [int(i) for i in strength(attack) if attack.attacked["pose_attacked"][i] is not None]
    if len(order) < 3:
        return [("strongest", index) for index in order[:1]] + [("weakest", index) for index in order[1:]]
    middle = order[(len(order) - 1) // 2]
    rest = [index for index in order if index != middle]
    sequences = attack.attacked["sequence"]
    half = (len(rest) + 1) // 2
    strong = _apart(rest[:half], sequences, ends)
    weak = _apart(rest[: half - 1 : -1], sequences, ends)[::-1]
    return [("strongest", index) for index in strong] + [("median", middle)] + [("weakest", index) for index in weak]


def _apart(order: Sequence[int], sequences: np.ndarray, number: int) -> list[int]:
    """The first `number` of `order` from different sequences, filled up from the same ones if there are too few."""
    seen: set[object] = set()
    first: list[int] = []
    again: list[int] = []
    for index in order:
        (again if sequences[index] in seen else first).append(index)
        seen.add(sequences[index])
    return (first + again)[:number]


def _title(attack: Measured, index: int) -> str:
    row = {name: attack.attacked[name][index] for name in ("subject", "action", "scene", "camera")}
    camera = f"camera {row['camera']:.0f}" if row["camera"] is not None and np.isfinite(float(row["camera"])) else None
    words = [row["subject"], str(row["action"]).replace("_", " ") if row["action"] else None, row["scene"], camera]
    return " · ".join(str(word) for word in words if word) or str(attack.attacked["sample_id"][index])


def _caption(attack: Measured, index: int, settings: Mapping[str, Any]) -> str:
    row = {name: column[index] for name, column in attack.attacked.items()}
    text = f"MPJPE {number(row['error_verified_mm'])} mm, PA-MPJPE {number(row['error_pa_mm'])} mm"
    if attack.kind == "appearance":
        text += f"; {number(row['error_initial_mm'])} mm before the attack"
    if np.isfinite(row["error_goal_mm"]):
        text += f"; {number(row['error_goal_initial_mm'])} → {number(row['error_goal_mm'])} mm from its goal"
    if row["outcome"] == Outcome.FOOLED.value and attack.kind == "colours":
        text += f"; {_crossing(row['error_curve_mm'], settings)}"
    elif row["outcome"] == Outcome.FOOLED.value:
        steps = int(row["iterations"])
        text += f"; fooled after {counted(steps, 'iteration')}" if steps else "; fooled by where the ascent starts"
    else:
        text += f"; {row['outcome']}"
    if np.isfinite(row["error_gt_clean_mm"]) and np.isfinite(row["error_gt_attacked_mm"]):
        text += f". Against ground truth {number(row['error_gt_clean_mm'])} → {number(row['error_gt_attacked_mm'])} mm"
    if np.isfinite(row["appearance_mahalanobis"]):
        text += f". Code at distance {distance(row['appearance_mahalanobis'])}"
    return text + "."


def _crossing(curve: np.ndarray | None, settings: Mapping[str, Any]) -> str:
    """When an ascent on colours, which makes all of its steps, first passed the threshold."""
    threshold, steps = float(settings["threshold_mm"]), int(settings["colour_iterations"])
    past = np.flatnonzero(np.asarray(curve if curve is not None else [], dtype=float) > threshold)
    when = f"first past {threshold:.0f} mm at step {past[0]}" if len(past) else f"past {threshold:.0f} mm once rounded"
    return f"{when}; the strongest of {counted(steps, 'step')} is shown"


def _pictures(inline: dict[str, str]) -> tuple[tuple[str, str], ...]:
    names = {"clean": "input", "synthesis": "synthesised", "attacked": "attacked", "difference": "difference ×4"}
    return tuple((names[key], inline[key]) for key in names if key in inline)


def _poses(attack: Measured, index: int, sources: Sources) -> tuple[tuple[str, Markup], ...]:
    clean, attacked = (np.reshape(attack.attacked[name][index], (17, 3)) for name in ("pose_clean", "pose_attacked"))
    truth, up = None, skeletons.CAMERA_UP
    if sources.dataset is not None:
        row = sources.dataset.rows([attack.attacked["sample_id"][index]])
        truth = sources.dataset.pose(row)[0]
        truth = truth if np.isfinite(truth).all() else None
        up = sources.dataset.rotation(row)[0].astype(np.float64) @ np.array([0.0, 1.0, 0.0])
    drawn = skeletons.panels(truth, clean, attacked, up)
    names = {"truth": "ground truth", "clean": "clean", "attacked": "attacked", "side": "from the side"}
    return tuple((names[key], drawn[key]) for key in names if key in drawn)
