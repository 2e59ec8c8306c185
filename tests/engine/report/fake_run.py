"""A run folder with invented but plausible rows, so that the page can be tested without an attack.

The rows follow the run-folder format to the letter; the numbers follow the story that a real run tells (the raw
attack fools nearly everything with codes far outside, the natural one little, controls hardly anything).
"""

from pathlib import Path
from typing import Any

import numpy as np

from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.runs import Run, RunWriter
from turncoat.training.data import Dataset

RADIUS, NATURAL = 15.3, 11.0
THRESHOLD, ITERATIONS = 175.0, 200
APPEARANCE = {"paper": (0.94, 173.0), "free": (0.8, 60.0), "natural": (0.13, RADIUS)}
COLOURS = {
    "colours-0.1": (0.1, 96.0, 44.0, 21.0),
    "colours-0.2": (0.2, 226.0, 101.0, 45.0),
    "colours-free": (None, 577.0, 315.0, 152.0),
}


def write_fake_run(
    folder: Path,
    dataset: Dataset,
    *,
    settings: tuple[str, ...] = ("paper", "natural", "colours-0.1"),
    groups: tuple[str, ...] = ("everyday",),
    per_subject: int = 20,
    seed: int = 0,
    controls: bool = True,
    finish: bool = True,
    network: dict[str, Any] | None = None,
) -> Run:
    """Write a run over `dataset`'s frames of the first two subjects (repeated splits) and open it."""
    rng = np.random.default_rng(seed)
    chosen = np.concatenate(
        [
            rng.permutation(dataset.select(group=group, subject=subject))[:per_subject]
            for group in groups
            for subject in ("S1", "S2")
        ]
    )
    writer = RunWriter.open(folder, _facts(dataset, settings, groups, per_subject, len(chosen), network))
    attacks = {}
    for part, setting in enumerate(settings):
        rows = [row for index in chosen for row in _rows(rng, dataset, int(index), setting, controls)]
        if part == 0:
            rows += [_unreadable(dataset, int(chosen[0]), setting)]
        writer.write(part, rows)
        attacks[setting] = {
            "step_size": 1.0 if setting == "paper" else 0.2,
            "step_size_from": "validation",
            "ladder": [],
            "budget": _budget(setting),
            "controls": [],
            "rows": len(rows),
            "frames_per_s": 12.0,
        }
    if controls:
        writer.write(
            len(settings), [row for index in chosen for row in _shared_controls(rng, dataset, int(index), settings)]
        )
    writer.save(attacks=attacks, wall_s=184.2, failed=1, parts=len(settings) + 1)
    return writer.finish() if finish else Run(folder, writer.info)


def _budget(setting: str) -> float | None:
    return RADIUS if setting == "natural" else COLOURS[setting][0] if setting in COLOURS else None


def _facts(
    dataset: Dataset,
    settings: tuple[str, ...],
    groups: tuple[str, ...],
    per_subject: int,
    frames: int,
    network: dict[str, Any] | None,
) -> dict[str, Any]:
    net = network or {
        "name": "nsd",
        "path": "weights/nsd.safetensors",
        "weights_hash": "ab" * 32,
        "metadata": {"method": "nsd", "preset": "studio"},
    }
    return {
        "command": "turncoat attack nsd --data data/demo --out runs/demo",
        "settings": {
            "attacks": list(settings),
            "threshold_mm": THRESHOLD,
            "iterations": ITERATIONS,
            "colour_iterations": 60,
            "draws": 20,
            "controls": True,
            "objective": "squared",
            "precision": "bfloat16",
            "seed": 0,
            "batch": 64,
        },
        "selection": {
            "split": "held-out",
            "groups": list(groups),
            "subjects": ["S1", "S2"],
            "per_subject": per_subject,
            "frames": frames,
        },
        "dataset": {
            "folder": str(dataset.folder),
            "name": "studio",
            "recipe": "confounded",
            "preset": "demo",
            "fingerprint": "cd" * 32,
            "bytes_hash": "ef" * 32,
            "frame_size": dataset.size,
        },
        "generator": net,
        "target": net,
        "materials": ["skin", "hair", "shirt", "shirt_pattern", "bottoms", "bottoms_pattern", "shoes", "eyes"],
        "garments": [False, False, True, True, True, True, True, False],
        "versions": {"python": "3.11.2", "turncoat": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6"},
        "machine": {
            "system": "Linux",
            "processor": "An eight-core processor",
            "cores": 2,
            "threads": 2,
            "device": "cpu",
        },
    }


def _index(dataset: Dataset, row: int) -> dict[str, Any]:
    names = (
        "sample_id",
        "sequence",
        "instant",
        "camera",
        "scene",
        "subject",
        "body",
        "wardrobe",
        "action",
        "group",
        "motion_id",
        "motion_time_s",
        "mirrored",
        "time_s",
        "split",
    )
    return {name: dataset.column(name)[row] for name in names}


def _pose(rng: np.random.Generator, pose: np.ndarray, error: float) -> np.ndarray:
    """`pose` moved by `error` mm on average, smoothly over the body, the pelvis fixed."""
    shift = rng.normal(size=(17, 3)) + 1.5 * rng.normal(size=3)
    shift[0] = 0
    return pose + shift * error / np.linalg.norm(shift, axis=1).mean()


def _result(rng: np.random.Generator, dataset: Dataset, row: int, initial: float, final: float) -> dict[str, Any]:
    truth = dataset.pose(np.array([row]))[0].astype(np.float64)
    clean = _pose(rng, truth, rng.gamma(6, 12))
    attacked = _pose(rng, clean, final)
    scale = rng.uniform(0.5, 0.9)
    return {
        "error_initial_mm": initial,
        "error_final_mm": final,
        "error_best_mm": final + rng.gamma(1, 1),
        "error_verified_mm": final + rng.normal(0, 0.4),
        "error_n_mm": final * rng.uniform(scale, 0.95),
        "error_pa_mm": final * scale * 0.7,
        "error_from_synthesis_mm": final * 0.95,
        "error_gt_clean_mm": np.linalg.norm(clean - truth, axis=1).mean(),
        "error_gt_attacked_mm": np.linalg.norm(attacked - truth, axis=1).mean(),
        "bone_ratio_p5": rng.uniform(0.6, 0.95),
        "bone_ratio_p95": rng.uniform(1.05, 1.5),
        "yaw_deg": rng.normal(0, 25),
        "psnr_db": rng.uniform(22, 34),
        "ssim": rng.uniform(0.9, 0.99),
        "mse_mean": 0.003,
        "mse_sum": 0.009,
        "pose_clean": clean,
        "pose_synthesis": _pose(rng, clean, max(initial, 0.1)),
        "pose_attacked": attacked,
        "generator": "nsd",
        "target": "nsd",
        "restart": 0,
        "backend": "torch-bfloat16",
        "objective": "squared",
        "start": "own",
    }


def _rows(rng: np.random.Generator, dataset: Dataset, row: int, setting: str, controls: bool) -> list[dict[str, Any]]:
    if setting in COLOURS:
        return _colour_rows(rng, dataset, row, setting, controls)
    chance, distance = APPEARANCE[setting]
    noise = np.random.default_rng(row)  # the initial error belongs to the frame, not to the setting
    initial = noise.gamma(3, 14) if noise.random() > 0.03 else 180 + noise.gamma(2, 20)
    start = noise.normal(NATURAL, 1.5)
    fooled = rng.random() < chance
    outcome, steps = Outcome.USED_UP, ITERATIONS
    final = min(initial + rng.gamma(4, 20), 170.0)
    if initial > THRESHOLD:
        outcome, steps, final = Outcome.PAST_BEFORE, 0, initial
    elif fooled:
        outcome, steps, final = (
            Outcome.FOOLED,
            int(min(1 + rng.gamma(1.2, 20), ITERATIONS)),
            THRESHOLD + rng.gamma(1, 4),
        )
    curve = initial + (final - initial) * np.sqrt(np.linspace(0, 1, steps + 1))
    common = {**_index(dataset, row), "attack": "appearance", "setting": setting, "budget": _budget(setting)}
    out = [
        {
            **_result(rng, dataset, row, initial, final),
            **common,
            "outcome": outcome.value,
            "iterations": steps,
            "error_curve_mm": curve,
            "appearance_mahalanobis_start": start,
            "appearance_mahalanobis": start if steps == 0 else distance * rng.uniform(0.85, 1.0),
            "appearance_shift_l2": distance,
            "appearance": rng.normal(size=128),
            "checks": 1,
            "confirmed_first": fooled or None,
        }
    ]
    if controls:
        out.append(_control(rng, dataset, row, "random direction", setting, initial + rng.gamma(1, 12), 1))
    return out


def _colour_rows(
    rng: np.random.Generator, dataset: Dataset, row: int, setting: str, controls: bool
) -> list[dict[str, Any]]:
    budget, ascent, best, mean = COLOURS[setting]
    final = ascent * rng.gamma(8, 1 / 8)
    outcome = Outcome.FOOLED if final > THRESHOLD else Outcome.USED_UP
    out = [
        {
            **_result(rng, dataset, row, 0.0, final),
            **_index(dataset, row),
            "attack": "colours",
            "setting": setting,
            "budget": budget,
            "outcome": outcome.value,
            "iterations": 60,
            "error_curve_mm": np.linspace(0, final, 61),
            "colours": rng.random((8, 3)),
            "colour_shift_max": budget or 0.8,
            "colour_shift_l2": 0.3,
            "start": rng.choice(["own", "random draw"]),
        }
    ]
    if controls:
        out.append(_control(rng, dataset, row, "random colours", setting, mean * rng.gamma(5, 0.2), 1))
        out.append(_control(rng, dataset, row, "random colours, strongest", setting, best * rng.gamma(8, 1 / 8), 20))
    return out


def _control(
    rng: np.random.Generator, dataset: Dataset, row: int, name: str, setting: str, error: float, draws: int
) -> dict[str, Any]:
    outcome = Outcome.FOOLED if error > THRESHOLD else Outcome.BELOW
    return {
        **_result(rng, dataset, row, 0.0 if setting.startswith("colours") else 40.0, error),
        **_index(dataset, row),
        "attack": "control",
        "control": name,
        "setting": setting,
        "outcome": outcome.value,
        "iterations": 0,
        "draws": draws,
        "draws_mean_mm": error if draws == 1 else error * 0.55,
        "draws_past": float(error > THRESHOLD) / draws,
    }


def _shared_controls(
    rng: np.random.Generator, dataset: Dataset, row: int, settings: tuple[str, ...]
) -> list[dict[str, Any]]:
    rows = []
    if any(setting in APPEARANCE for setting in settings):
        rows.append(_control(rng, dataset, row, "same subject", "codes", rng.gamma(4, 9), 1))
        rows.append(_control(rng, dataset, row, "other subjects", "codes", rng.gamma(9, 7), 20))
    if any(setting in COLOURS for setting in settings):
        rows.append(_control(rng, dataset, row, "other wardrobes", "colours", rng.gamma(9, 11), 4))
        rows.append(_control(rng, dataset, row, "grey noise", "colours", rng.gamma(4, 0.12), 1))
    return rows


def _unreadable(dataset: Dataset, row: int, setting: str) -> dict[str, Any]:
    return {
        **_index(dataset, row),
        "sample_id": "damaged",
        "attack": "appearance" if setting in APPEARANCE else "colours",
        "setting": setting,
        "outcome": Outcome.UNREADABLE.value,
    }
