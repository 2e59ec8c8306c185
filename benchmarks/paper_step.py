"""Time of one gradient step at the paper's size: the network a researcher has, and turncoat's backends.

python benchmarks/paper_step.py [--batch 16] [--rounds 7] [--backends torch-float32 torch-bfloat16 ...]

The official layers on frames of 500 pixels with crops of 128, random weights: time does not depend on them, and a
success rate would mean nothing, so steps alone are timed. One by one and in batches of --batch in plain PyTorch
(float32, `grid_sample`, batch norms as trained), then every backend in batches of --batch; all take turns.
"""

import argparse
from functools import partial
from typing import Any

import numpy as np
import torch
from measure import interleaved, save, versions
from peers import gradient_flops, matrix_product_peaks

from turncoat.engine.attack.appearance import admit_codes
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.slots import take
from turncoat.engine.latency.plain import PlainSession
from turncoat.engine.runtime import open_session
from turncoat.training.checkpoint import Network
from turncoat.training.networks import preset


def main() -> None:
    """Measure, write results/paper_step.md and .json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--backends", nargs="+", default=["torch-float32", "torch-bfloat16", "torch-compiled-bfloat16"])
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    device = torch.device(given.device)
    network = _network().to(device)
    random = torch.Generator().manual_seed(0)
    frames, background = torch.rand(2, given.batch, 3, 500, 500, generator=random).to(device)
    with torch.no_grad():
        admitted = admit_codes(Pair(network, network, ("plain", "plain"), device), frames, background)
        canvas, q = admitted.canvas, admitted.clean_pose
        aim = q + 30, torch.ones(q.shape[1], device=device), torch.ones(len(q), device=device)
        plain, one = PlainSession(network, device), torch.zeros(1, dtype=torch.long, device=device)
        single = (admitted.appearance[one], take(canvas, one), aim[0][one], aim[1], aim[2][one])
        whole = (admitted.appearance, canvas, *aim)
        tasks = {
            "(a) one by one, plain PyTorch": partial(_step, plain, single),
            f"(b) {given.batch} at a time, plain PyTorch": partial(_step, plain, whole),
        }
        for name in given.backends:
            tasks[f"(c) {given.batch} slots, {name}"] = partial(_step, open_session(network, name, given.device), whole)
        seconds = interleaved(tasks, warm_up=2, samples=given.rounds)
        peaks, flops = matrix_product_peaks(device), gradient_flops(network, frames[:4], background[:4], device)
    table = []
    each = {name: found / (1 if name.startswith("(a)") else given.batch) for name, found in seconds.items()}
    (a, b, *_) = each.values()
    for name, found in each.items():
        middle = sorted(found)[len(found) // 2]
        peak = peaks["bfloat16" if "bfloat16" in name else "float32"]
        table.append(
            {
                "contender": name,
                "ms a sample-iteration": round(1e3 * middle, 1),
                "over (a)": _times(a / found),
                "over (b)": _times(b / found),
                "of peak": f"{flops / middle / 1e9 / peak:.0%}",
            }
        )
    facts = {
        "network": "the official layers (preset paper), random weights, frames of 500 pixels, crops of 128",
        "parameters": sum(one.numel() for one in network.parameters()),
        "rounds": given.rounds,
        "over": "median of the rounds' own ratios, and smallest and largest",
        "threads": torch.get_num_threads(),
        "matrix_product_peak": {name: f"{peak:.0f} GFLOP/s" for name, peak in peaks.items()},
        "gradient_step": f"{flops / 1e9:.1f} GFLOP an image",
        "device": given.device,
        **versions("torch", "numpy"),
    }
    print(save("paper_step", "One gradient step at the paper's size", table, facts))


def _network() -> Network:
    torch.manual_seed(0)
    network = Network(preset("paper"))
    network.add_regressor().pose_std.fill_(100.0)
    return network.eval().requires_grad_(False)


def _step(session: Any, arguments: tuple[Any, ...], turn: int) -> float:
    pose, gradient = session.attack_step(*arguments)
    return float(pose.sum()) + float(gradient.sum())  # waits for a GPU


def _times(ratios: np.ndarray) -> str:
    low, middle, high = (float(x) for x in (ratios.min(), sorted(ratios)[len(ratios) // 2], ratios.max()))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
