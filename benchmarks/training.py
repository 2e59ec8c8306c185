"""How fast a network trains, and what reading its frames costs: every method, one step after the other in turn.

python benchmarks/training.py DATASET [--methods nsd,cssl,drnet] [--steps 20] [--threads 2] [--device auto]

A step is: read a batch, move it, loss, gradient, optimiser, average. Reading is timed apart in the same steps; its
share is what training would gain if frames came for nothing.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from measure import save, versions

from turncoat.kernels.device import choose_precision, find_device
from turncoat.training.batches import Batches
from turncoat.training.data import Dataset, open_dataset
from turncoat.training.fit import FitSettings
from turncoat.training.methods import METHODS, build_method
from turncoat.training.networks import preset
from turncoat.training.recipes import build_settings, recipe
from turncoat.training.training_state import TrainingState


class Step:
    """One method in training; calling it makes a step and returns (seconds, seconds of reading in it)."""

    def __init__(self, dataset: Dataset, method: str, threads: int, device: torch.device, late: bool) -> None:
        settings = build_settings(FitSettings, recipe(method, "studio").fit, {"threads": threads})
        self.settings = settings.model_copy(update={"precision": choose_precision(settings.precision, device)})
        self.method = build_method(method, recipe(method, "studio").method)
        rows = dataset.select(split="train")
        sampler = self.method.sampler(dataset, rows, settings.batch, 0)
        shape = preset("studio", paints=self.method.paints)
        self.state = TrainingState.fresh(shape, self.settings, self.method, dataset, rows, device)
        self.batches = Batches(self.method, dataset, sampler, self.settings, device)
        self.dataset, self.sampler, self.device, self.late = dataset, sampler, device, late

    def __call__(self, number: int) -> tuple[float, float]:
        start = time.perf_counter()
        batch, draw = self.batches.of(number)
        read = time.perf_counter() - start
        loss, _, adversary = self.method.loss(self.state.network, batch, draw, 0.99 if self.late else 0.0)
        self.state.update(loss if adversary is None else loss + adversary, self.settings)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start, read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    device = find_device(given.device)
    torch.set_num_threads(given.threads)
    dataset = open_dataset(given.dataset)
    names = given.methods.split(",")
    steps = {
        f"{name}{', with the cycle term' if late else ''}": Step(dataset, name, given.threads, device, late)
        for name in names
        for late in (False, True)
        if not late or hasattr(build_method(name, recipe(name, "studio").method).settings, "cycle")
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for number in range(-3, given.steps):
        for name, step in steps.items():
            taken = step(number + 3)
            if number >= 0:
                seconds[name].append(taken)
    rows = []
    for name, step in steps.items():
        whole, read = np.array(seconds[name]).T
        rows.append(
            {
                "step": name,
                "frames": step.settings.batch,
                "p50 ms": round(1e3 * float(np.median(whole)), 1),
                "p90 ms": round(1e3 * float(np.quantile(whole, 0.9)), 1),
                "frames/s": round(step.settings.batch / float(np.median(whole)), 1),
                "reading, share of a step": f"{float(np.sum(read) / np.sum(whole)):.1%}",
            }
        )
    facts = {"dataset": dataset.info.get("preset"), "frames": len(dataset), "steps": given.steps, "device": str(device)}
    facts |= {"threads": given.threads, "precision": next(iter(steps.values())).settings.precision}
    save("training", "Training at studio size", rows, facts | versions("torch", "numpy"))


if __name__ == "__main__":
    main()
