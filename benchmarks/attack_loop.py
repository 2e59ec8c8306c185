"""What the attack's loop costs over the bare forward and backward pass of its networks.

python benchmarks/attack_loop.py [--weights FILE] [--device cuda] [--batches 8 32 64] [--samples 12]

A round runs, in the same process and interleaved, STEPS iterations of `ascend` (objective, metrics, Adam, space,
bookkeeping of slots) and as many bare ``predict(paint(code))`` with their gradient, at the same batch. Two more rows
are whole attacks that retire samples on their way, against the bare cost of the iterations that their samples stood.
Ratios are of wall time and of the process's own CPU time: on a machine that others use too, only the second is steady
(with one thread). Cost does not depend on the weights, so without --weights the network is an untrained one.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from measure import interleaved, quantiles_ms, save, versions

from turncoat.engine.attack.appearance import admit_codes, space_of
from turncoat.engine.attack.ascent import Rule, ascend
from turncoat.engine.attack.measure import Admitted
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.slots import fill
from turncoat.training.checkpoint import load_network
from turncoat.training.networks import Disentangled, preset
from turncoat.training.statistics import AppearanceStatistics

STEPS = 8
LIMIT = 1.15  # asked for


def untrained() -> Disentangled:
    """A studio network with a regressor, frozen; statistics of a unit Gaussian."""
    torch.manual_seed(0)
    network = Disentangled(preset("studio"))
    network.add_regressor()
    network.statistics = AppearanceStatistics(torch.zeros(128), torch.eye(128), mean_radius=11.0, radius_p99=14.0)
    return network.eval().requires_grad_(False)


def admitted_of(pair: Pair, batch: int) -> Admitted:
    """Noise frames before noise backgrounds: the cost is that of any picture."""
    generator = torch.Generator().manual_seed(batch)
    size = pair.generator.settings.frame_size
    frames, background = (torch.rand(batch, 3, size, size, generator=generator).to(pair.device) for _ in range(2))
    return admit_codes(pair, frames, background)


def bare(pair: Pair, admitted: Admitted, steps: int) -> Callable[[int], None]:
    """Forward and backward of the networks alone."""
    ones = torch.ones_like(admitted.clean_pose)

    def run(turn: int) -> None:
        with pair.reduced():
            for _ in range(steps):
                code = admitted.appearance.detach().requires_grad_(True)
                pose = pair.target.predict(pair.generator.paint(code, admitted.canvas))
                torch.autograd.grad(pose, code, ones)
        wait(pair.device)

    return run


def loop(pair: Pair, admitted: Admitted, rule: Rule, counts: list[int] | None = None) -> Callable[[int], None]:
    """The attack's loop on the same samples; `counts` gets the iterates computed, and how many were fooled."""
    space, _ = space_of("natural", pair.generator, pair.device)
    x = space.coordinates(admitted.appearance)

    def run(turn: int) -> None:
        found = ascend(pair, pair.generator, fill(x, admitted.clean_pose, admitted.canvas), space, rule)
        wait(pair.device)
        if counts is not None:
            iterates = int(found.iterations.sum()) + len(x)  # an attack of n steps computes n + 1 of them
            counts[:] = [iterates, found.outcome.count(Outcome.FOOLED)]

    return run


def wait(device: torch.device) -> None:
    """Wait for the GPU, if there is one."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def retiring_threshold(pair: Pair, admitted: Admitted, rule: Rule) -> float:
    """A threshold at which about half of the samples are fooled on the way."""
    space, _ = space_of("natural", pair.generator, pair.device)
    slots = fill(space.coordinates(admitted.appearance), admitted.clean_pose, admitted.canvas)
    return float(np.median(ascend(pair, pair.generator, slots, space, rule).best.cpu().numpy()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", help="network file or shipped name; default: an untrained network")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 32, 64])
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--name", default="attack_loop", help="of the saved table")
    given = parser.parse_args()
    device = torch.device(given.device)
    network = (load_network(given.weights) if given.weights else untrained()).to(device)
    rows = []
    for precision in given.precisions:
        pair = Pair(network, network, ("nsd", "nsd"), device, precision)
        for batch in given.batches:
            admitted = admitted_of(pair, batch)
            steps = Rule(STEPS - 1, 0.1, 1e9)  # STEPS iterates
            tasks = {"bare": bare(pair, admitted, STEPS), "loop": loop(pair, admitted, steps)}
            rows.append(row(f"{STEPS} iterations", precision, batch, timed(tasks, 2, given.samples), batch * STEPS))
        batch, long = max(given.batches), Rule(24, 0.1, 1e9)
        admitted, counts = admitted_of(pair, batch), [0, 0]
        halving = Rule(24, 0.1, retiring_threshold(pair, admitted, long))
        loop(pair, admitted, halving, counts)(0)
        full = max(1, round(counts[0] / batch))
        tasks = {"bare": bare(pair, admitted, full), "loop": loop(pair, admitted, halving)}
        seconds = timed(tasks, 1, max(4, given.samples // 2))
        for name in ("bare", "bare cpu"):
            seconds[name] = seconds[name] * (counts[0] / (full * batch))
        what = f"whole attack, {counts[1]} fooled, {counts[0]} iterates"
        rows.append(row(what, precision, batch, seconds, counts[0]))
    worst = max(float(str(one["CPU time"])) for one in rows)
    text = save(
        given.name,
        "Attack loop over bare forward and backward",
        rows,
        {"versions": versions("torch", "numpy"), "threads": torch.get_num_threads(), "device": str(device),
         "preset": network.settings.preset, "samples": given.samples, "asked for": f"at most {LIMIT}",
         "worst ratio of CPU time": worst},
    )  # fmt: skip
    print(text)


def timed(tasks: dict[str, Callable[[int], None]], warm_up: int, samples: int) -> dict[str, np.ndarray]:
    """Seconds of every call, interleaved: wall time under the task's name, CPU time under ``NAME cpu``."""
    cpu: dict[str, list[float]] = {name: [] for name in tasks}

    def counted(name: str) -> Callable[[int], None]:
        def run(turn: int) -> None:
            started = time.process_time()
            tasks[name](turn)
            cpu[name].append(time.process_time() - started)

        return run

    wall = interleaved({name: counted(name) for name in tasks}, warm_up=warm_up, samples=samples)
    return wall | {f"{name} cpu": np.array(values[-samples:]) for name, values in cpu.items()}


def row(what: str, precision: str, batch: int, seconds: dict[str, np.ndarray], iterates: int) -> dict[str, object]:
    """A line of the table: the median over rounds of loop / bare of the same round, and the ratio of CPU times."""
    return {
        "what": what,
        "precision": precision,
        "batch": batch,
        "loop / bare": round(float(np.median(seconds["loop"] / seconds["bare"])), 3),
        "CPU time": round(float(np.median(seconds["loop cpu"]) / np.median(seconds["bare cpu"])), 3),
        "iterates/s": round(iterates / float(np.median(seconds["loop"])), 1),
        **{f"bare {name}": value for name, value in quantiles_ms(seconds["bare"]).items()},
        **{f"loop {name}": value for name, value in quantiles_ms(seconds["loop"]).items()},
    }


if __name__ == "__main__":
    main()
