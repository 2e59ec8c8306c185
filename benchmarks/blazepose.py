"""BlazePose, a network that nobody here trained, attacked on studio frames: by queries, by transfer, by colours.

python benchmarks/blazepose.py --model pose_landmark_full.tflite --data DATA --work FOLDER [--step surrogate] ...

How to get the model, and what the numbers say: docs/blazepose.md. The three runs lie in FOLDER and are gone on with
where they were left; `--step` makes one of them alone, so that several processes can share the work. Without `--step`
all are made, and then results/blazepose.md. Errors are between BlazePose's own predictions, over the 15 of our joints
that it has; nothing stops at a threshold.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import save, versions

from turncoat.engine.analysis.paired import paired_difference
from turncoat.engine.attack import AttackSettings
from turncoat.engine.attack.colour_controls import noise
from turncoat.engine.attack.joints import truth_for
from turncoat.engine.runs import Run
from turncoat.engine.sweep import Selection, attack_dataset
from turncoat.engine.sweep.again import finished_run
from turncoat.engine.sweep.plan import index_rows
from turncoat.engine.targets import ForeignTarget, load_target, transfer
from turncoat.kernels.files import content_hash
from turncoat.kernels.intervals import bootstrap_mean, clusters_of
from turncoat.kernels.pose_error import mpjpe, pa_mpjpe
from turncoat.training.checkpoint import load_network
from turncoat.training.data import Dataset, open_dataset
from turncoat.training.networks import Given, given_of, guide

SURROGATE = "nsd"
COLOURS = ("colours-0.1", "colours-0.2")
PAST = 175.0
NEVER = 1e6  # mm: a threshold that stops nothing
STEPS: dict[str, dict[str, Any]] = {
    # One draw of each control, so that none of them was selected on the surrogate.
    "surrogate": {"attacks": ("natural", *COLOURS), "iterations": 40, "colour_iterations": 20, "draws": 1},
    "codes": {"attacks": ("natural",), "iterations": 7, "step_size": {"natural": 0.3}, "draws": 10},
    "colours": {"attacks": ("colours-0.2",), "colour_iterations": 8, "draws": 10},
}
PAIRS = {"codes": 8, "colours": 4}
RADIUS = 0.5


def made(step: str, target: ForeignTarget, data: Dataset, selection: Selection, work: Path) -> Run:
    """The run of that step, made or gone on with."""
    settings = AttackSettings(threshold_mm=NEVER, judge=None, seed=0, batch=32, **STEPS[step])
    out, attacked = work / step, None
    if step != "surrogate":
        queries = {"pairs": PAIRS[step], "radius": RADIUS}
        attacked = load_target(target.path, {"source": target.settings.source, "queries": queries})
    resume = (out / "run.json").is_file()
    return attack_dataset(
        SURROGATE, data, settings, out, target=attacked, selection=selection, resume=resume,
        progress=lambda done, total, **_: print(f"{step}: {done} of {total}", flush=True),
    )  # fmt: skip


class Remembered:
    """A target that predicts a picture once: the same clean frames come back with every attack on them."""

    needs_given = True

    def __init__(self, target: ForeignTarget) -> None:
        self.target, self.joints, self.root_joints = target, target.joints, target.root_joints
        self._poses: dict[bytes, torch.Tensor] = {}

    def predict(self, frames: torch.Tensor, *, given: Given) -> torch.Tensor:
        """As `ForeignTarget.predict`."""
        keys = [frame.numpy().tobytes() + box.numpy().tobytes() for frame, box in zip(frames, given.box, strict=True)]
        new = [place for place, key in enumerate(keys) if key not in self._poses]
        if new:
            some = Given(given.box[new], given.mask[new])
            found = self.target.predict(frames[new], given=some)
            self._poses |= {keys[place]: pose for place, pose in zip(new, found, strict=True)}
        return torch.stack([self._poses[key] for key in keys])


def sees(target: ForeignTarget, data: Dataset, rows: np.ndarray) -> list[dict[str, Any]]:
    """How near target and surrogate are to the truth, over the joints that both have, and how much noise moves it."""
    pictures, given = data.read(rows), given_of(data, rows)
    frames = torch.from_numpy(pictures).float() / 255
    truth = truth_for(target, torch.from_numpy(data.pose(rows)))
    with torch.no_grad():
        poses = {
            target.name: guide(target, given).predict(frames),
            SURROGATE: truth_for(target, load_network(SURROGATE).predict(frames)),
            "mean pose of these frames": truth.mean(dim=0, keepdim=True).expand_as(truth).contiguous(),
        }
    samples = index_rows(data, rows)
    noisy = guide(target, given).predict(torch.from_numpy(noise(pictures, samples, 0)).float() / 255)
    compared = {f"{name} against the truth": (pose, truth) for name, pose in poses.items()}
    compared["one grey level of noise"] = (noisy, poses[target.name])
    clusters = clusters_of({name: data.column(name)[rows] for name in ("sequence", "motion_id")})
    return [
        {
            "what": what,
            "frames": len(rows),
            "error": interval(mpjpe(pose, reference).numpy(), clusters),
            "median": round(float(mpjpe(pose, reference).median()), 1),
            "PA": round(float(pa_mpjpe(pose, reference).mean()), 1),
        }
        for what, (pose, reference) in compared.items()
    ]


class Shown:
    """Results on the same frames, condition by condition."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._seen: dict[str, dict[str, float]] = {}

    def add(self, what: str, found: list[dict[str, Any]], beside: str | None = None) -> None:
        """A line of the table. beside: the condition that its error is compared with, paired by frame."""
        error = np.array([row["error_verified_mm"] for row in found], dtype=np.float64)
        clusters = clusters_of({name: np.array([row[name] for row in found]) for name in ("sequence", "motion_id")})
        queries = [row.get("queries") for row in found]
        self._seen[what] = {row["sample_id"]: value for row, value in zip(found, error.tolist(), strict=True)}
        self.rows.append(
            {
                "what": what,
                "frames": len(found),
                "queries": round(float(np.mean(queries))) if None not in queries else None,
                "error": interval(error, clusters),
                "median": round(float(np.median(error)), 1),
                "PA": mean(found, "error_pa_mm"),
                "from repainting": mean(found, "error_from_synthesis_mm"),
                "past 175 mm": f"{(error > PAST).mean():.0%}",
                "over": None if beside is None else beside,
                "by": None if beside is None else self._difference(what, beside, found, clusters),
            }
        )

    def _difference(self, what: str, beside: str, found: list[dict[str, Any]], clusters: Any) -> str:
        own, other = (
            np.array([self._seen[name].get(row["sample_id"], np.nan) for row in found]) for name in (what, beside)
        )
        return text(paired_difference(other, own, clusters))


def interval(values: np.ndarray, clusters: Any) -> str:
    return text(bootstrap_mean(values.astype(np.float64), clusters))


def text(found: Any) -> str:
    return f"{found.value:.1f} [{found.low:.1f}, {found.high:.1f}]"


def mean(found: list[dict[str, Any]], name: str) -> float | None:
    values = [row[name] for row in found]
    return None if None in values else round(float(np.mean(values)), 1)


def picked(run: Run, **where: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = run.table().take(run.select(**where)).to_pylist()
    return rows


def compared(runs: dict[str, Run], target: ForeignTarget, data: Dataset) -> list[dict[str, Any]]:
    """The table: what BlazePose makes of every picture."""
    surrogate, shown = runs["surrogate"], Shown()
    generator, remembered = load_network(SURROGATE), Remembered(target)

    def moved(**where: Any) -> list[dict[str, Any]]:
        return transfer(surrogate, data, generator, remembered, surrogate.select(**where), name=target.name)

    natural = moved(attack="appearance", setting="natural")
    shown.add("repainted, unattacked", [{**row, "error_verified_mm": row["error_initial_mm"], "error_pa_mm": None,
                                         "error_from_synthesis_mm": None} for row in natural])  # fmt: skip
    shown.add("code: transfer, random direction as long", moved(control="random direction"), "repainted, unattacked")
    shown.add("code: transfer from nsd", natural, "code: transfer, random direction as long")
    if "codes" in runs:
        shown.add("code: queries, random direction as long", picked(runs["codes"], control="random direction"))
        shown.add("code: strongest of 10 other people's", picked(runs["codes"], control="other subjects"))
        shown.add(
            "code: queries", picked(runs["codes"], attack="appearance"), "code: queries, random direction as long"
        )
    for name in COLOURS:
        short = name.replace("colours-", "colours +-")
        shown.add(f"{short}: one random corner", moved(control="random corners", setting=name))
        shown.add(f"{short}: transfer from nsd", moved(attack="colours", setting=name), f"{short}: one random corner")
        queried = picked(runs["colours"], attack="colours", setting=name) if "colours" in runs else []
        if queried:
            control = f"{short}: strongest of 10 random corners"
            shown.add(control, picked(runs["colours"], control="random corners", setting=name))
            shown.add(f"{short}: queries", queried, control)
    return shown.rows


def own_errors(surrogate: Run) -> dict[str, str]:
    """What the attacks did to the network that they were made for."""
    found = {}
    for attack, name in (("appearance", "natural"), *(("colours", name) for name in COLOURS)):
        rows = picked(surrogate, attack=attack, setting=name)
        found[name] = f"{mean(rows, 'error_verified_mm')} mm"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="pose_landmark_full.tflite")
    parser.add_argument("--data", type=Path, required=True, help="folder of a rendered studio dataset, frames of 128")
    parser.add_argument("--work", type=Path, required=True, help="folder of the three runs")
    parser.add_argument("--per-subject", type=int, default=8, help="frames of each of the five subjects")
    parser.add_argument("--queried", type=int, default=2, help="of which so many are attacked by queries")
    parser.add_argument("--step", choices=list(STEPS), help="make only this run")
    parser.add_argument("--complete", action="store_true", help="the table of the runs that are complete; make none")
    options = parser.parse_args()
    target = load_target(Path(__file__).with_suffix(".toml"), {"source": str(options.model.resolve())})
    data = open_dataset(options.data)
    selections = {
        step: Selection(
            groups=("everyday",), per_subject=options.per_subject if step == "surrogate" else options.queried
        )
        for step in STEPS
    }
    steps = [options.step] if options.step else list(STEPS)
    if options.complete:
        known = {step: finished_run(options.work / step) for step in steps}
        runs = {step: run for step, run in known.items() if run is not None}
    else:
        runs = {step: made(step, target, data, selections[step], options.work) for step in steps}
    if options.step:
        return
    found = [*sees(target, data, selections["surrogate"].rows(data, 0)), *compared(runs, target, data)]
    rows = [{key: row.get(key) for key in SHOWN} for row in found]
    facts = {
        "errors": "MPJPE in mm against BlazePose's own prediction on the clean frame, 8-bit pictures, mean [95 % over "
        "recordings or sequences]; against the truth where it says so; over = paired with, by = difference",
        "dataset": f"{data.info.get('preset')} {data.info.get('fingerprint')}, held-out, everyday, {data.size} pixels",
        "surrogate's own error": own_errors(runs["surrogate"]),
        "queries": f"nes, pairs {PAIRS}, radius {RADIUS} (whitened), verification and measurement not counted",
        "attacks": {
            name: {key: value for key, value in step.items() if key != "attacks"} for name, step in STEPS.items()
        },
        "model": f"{options.model.name}, sha256 {content_hash(options.model)[:16]}, of mediapipe 0.10.21",
        "versions": versions("torch", "numpy", "ai-edge-litert"),
    }
    print(save("blazepose", "BlazePose attacked on studio frames", rows, facts))


SHOWN = ("what", "frames", "queries", "error", "median", "PA", "from repainting", "past 175 mm", "over", "by")


if __name__ == "__main__":
    main()
