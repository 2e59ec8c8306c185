"""Attacked images a second: the loop a researcher writes, a static batch, and turncoat in flight, on the same images.

python benchmarks/peers.py DATA [--network nsd] [--attacks paper natural] [--samples 2000] [--one-by-one 200]
                           [--backends torch-float32 torch-bfloat16 torch-compiled-bfloat16] [--limit 200] [--chunk 500]

(a) *one by one*: Algorithm 1 as it stands, one image at a time, eager float32, `grid_sample`, batch norms as trained.
(b) *static 32*: the same network and precision, 32 images at a time, until all have stopped or reached the limit.
(c) *in flight*: turncoat's slots, refilled as samples leave, on each backend; and on (b)'s own backend, which is what
    in-flight batching alone gives.

Contenders take turns, a chunk of images each, so that a busy machine is unfair to all alike; the order changes from
chunk to chunk. All do the whole work: reading, admission, steps, 8-bit verification in float32. No judge, no controls,
no rows. Samples past the threshold before the attack count for nobody. (a) is slow and takes --one-by-one images only;
as its steps are (b)'s, image by image, its rate is what it needs a step, over the steps that (b) made on all images:
else a few stubborn images would decide. Success is compared sample by sample (McNemar, exact). `of peak`: of this
machine's measured matrix-product peak in the step's own precision, what the gradient steps reach, counting products
and convolutions alone.
"""

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import save, versions
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from turncoat.engine.analysis.paired import mcnemar
from turncoat.engine.attack import AttackSettings, Outcome
from turncoat.engine.attack.appearance import admit_codes, admit_in_batches
from turncoat.engine.attack.code_flight import CodeFlight
from turncoat.engine.attack.courses import plan_of
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.slots import take
from turncoat.engine.attack.spaces import Codes
from turncoat.engine.attack.step_size import known_step_size
from turncoat.engine.latency.plain import PlainSession
from turncoat.engine.runtime import open_session
from turncoat.engine.sweep.plan import Selection
from turncoat.kernels.pose_error import mpjpe
from turncoat.training.checkpoint import load_network
from turncoat.training.data import Dataset, open_dataset

ADMITTED = 32


@dataclass
class Tally:
    """What one contender did.

    Attributes:
        seconds: of all its chunks. fooled, iterations: by position of the image; only images that were attacked.
        first: whether float32 confirmed the first claim, of images that had one.
        step_s: seconds in gradient steps. stepped: images that these steps computed, moving or not.
    """

    seconds: float = 0.0
    fooled: dict[int, bool] = field(default_factory=dict)
    iterations: dict[int, int] = field(default_factory=dict)
    first: list[bool] = field(default_factory=list)
    step_s: float = 0.0
    stepped: int = 0
    busy: list[tuple[int, int]] = field(default_factory=list)
    memory_mib: float = 0.0


Contender = Callable[[np.ndarray, Tally], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--network", default="nsd")
    parser.add_argument("--attacks", nargs="+", default=["paper", "natural"])
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--one-by-one", type=int, default=200)
    parser.add_argument("--static", type=int, default=32)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--backends", nargs="+", default=["torch-float32", "torch-bfloat16", "torch-compiled-bfloat16"])
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--chunk", type=int, default=500)
    parser.add_argument("--bundle", help="of the network, for backends that need one")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--name", default="peers")
    given = parser.parse_args()
    data, network = open_dataset(given.data), load_network(given.network)
    device = torch.device(given.device)
    network.to(device).requires_grad_(False)
    rows = _images(data, given.samples)
    sessions = {name: _session(name, given, network) for name in given.backends}
    peaks, flops = matrix_product_peaks(device), _flops(data, network, device)
    facts = {
        "network": given.network,
        "dataset": data.info.get("preset"),
        "images": len(rows),
        "limit": given.limit,
        "threshold_mm": 175,
        "slots": given.slots,
        "device": given.device,
        "threads": torch.get_num_threads(),
        "matrix_product_peak": {k: f"{v:.0f} GFLOP/s" for k, v in peaks.items()},
        "gradient_step": f"{flops / 1e9:.2f} GFLOP an image",
        **versions("torch", "numpy"),
    }
    table = []
    for attack in given.attacks:
        settings = AttackSettings(attacks=(attack,), iterations=given.limit, batch=given.slots)
        choice = known_step_size(attack, settings, network)
        assert choice is not None, "the shipped networks record their step sizes"
        contenders: dict[str, Contender] = {
            "(a) one by one": _plainly(data, network, device, attack, choice.step_size, settings, 1),
            f"(b) static {given.static}": _plainly(
                data, network, device, attack, choice.step_size, settings, given.static
            ),
        }
        for name, session in sessions.items():
            pair = Pair(network, network, (given.network,) * 2, device, runtime=session)
            contenders[f"(c) in flight, {name}"] = _in_flight(data, pair, attack, choice.step_size, settings)
        plain = Pair(network, network, (given.network,) * 2, device, runtime=_PlainRuntime(network, device))
        contenders["(b) in flight"] = _in_flight(data, plain, attack, choice.step_size, settings)
        tallies = _race(contenders, rows, given.chunk, given.one_by_one)
        table += _table(attack, tallies, peaks, flops)
        text = save(given.name, "Attacked images a second", table, facts)  # after each attack: the next takes long
        print(text, flush=True)


def _images(data: Dataset, wanted: int) -> np.ndarray:
    """Held-out frames of all training subjects, everyday and acrobatic, in a fixed random order."""
    chosen = Selection(per_subject=None, at_most=wanted, minimum_gap_s=0.0).rows(data, 0)
    return np.random.default_rng(0).permutation(chosen)[:wanted]


def _session(name: str, given: Any, network: Any) -> Any:
    source = given.bundle if given.bundle and not name.startswith("torch") else network
    return open_session(source, name, given.device)


# (a) and (b)


class _PlainRuntime(PlainSession):
    """The plain network where a flight expects a session."""


def _plainly(
    data: Dataset,
    network: Any,
    device: torch.device,
    attack: str,
    step_size: float,
    settings: AttackSettings,
    batch: int,
) -> Contender:
    """Algorithm 1, `batch` images at a time, all of them stepped until the last has stopped."""
    pair = Pair(network, network, ("plain", "plain"), device)
    plain, plan = PlainSession(network, device), plan_of(attack, network, settings, step_size)
    space = Codes(network.statistics if plan.whitened else None, device)

    def run(rows: np.ndarray, tally: Tally) -> None:
        for at in range(0, len(rows), batch):
            some = rows[at : at + batch]
            frames, background = (pair.frames(pictures) for pictures in (data.read(some), data.background(some)))
            admitted = admit_codes(pair, frames, background)
            standing = (admitted.usable() & (admitted.error_initial <= settings.threshold_mm)).nonzero()[:, 0]
            if not len(standing):
                continue
            q, canvas = admitted.clean_pose[standing], take(admitted.canvas, standing)
            own = admitted.appearance[standing]
            own = space.coordinates(own) if plan.whitened else own
            limits = space.limits(own, plan.whitened, plan.radius, None)
            x = own.clone().requires_grad_(True)
            optimiser = torch.optim.Adam([x], lr=step_size, maximize=True)
            weight, sign = torch.ones(q.shape[1]), torch.ones(len(q))
            fooled = torch.zeros(len(q), dtype=torch.bool)
            stopped = torch.full((len(q),), settings.iterations)
            kept = own.clone()
            for step in range(settings.iterations + 1):
                begun = time.perf_counter()
                pose, gradient = plain.attack_step(space.appearance(x.detach(), limits), canvas, q, weight, sign)
                tally.step_s += time.perf_counter() - begun
                tally.stepped += len(q)
                new = (mpjpe(pose, q) > settings.threshold_mm) & ~fooled
                if new.any():  # what the other contenders have to pass too: float32 on the 8-bit picture
                    who = new.nonzero()[:, 0]
                    painted = network.paint(space.appearance(x.detach(), limits)[who], take(canvas, who))
                    new[who] = mpjpe(pair.predict_rounded(painted), q[who]) > settings.threshold_mm
                    kept[new] = x.detach()[new]
                    stopped[new] = step
                    fooled |= new
                if fooled.all():
                    break
                gradient = space.pull_back(gradient, limits)
                with torch.no_grad():
                    if plan.optimiser == "adam":
                        x.grad = gradient
                        optimiser.step()
                    else:
                        x += step_size * x.shape[1] ** 0.5 * gradient / gradient.norm(dim=1, keepdim=True)
                    x.copy_(space.project(x.detach(), limits))
            for place, won, steps in zip(standing.tolist(), fooled.tolist(), stopped.tolist(), strict=True):
                tally.fooled[int(some[place])], tally.iterations[int(some[place])] = won, steps

    return run


# (c)


def _in_flight(data: Dataset, pair: Pair, attack: str, step_size: float, settings: AttackSettings) -> Contender:
    def run(rows: np.ndarray, tally: Tally) -> None:
        flight = CodeFlight(pair, settings, {attack: step_size})
        waiting = [rows[at : at + ADMITTED] for at in range(0, len(rows), ADMITTED)]

        def admit() -> bool:
            if waiting:
                some = waiting.pop(0)
                admitted = admit_in_batches(pair, data.read(some), data.background(some), ADMITTED)
                flight.board(admitted, [{"sample_id": str(row)} for row in some])
            return bool(waiting)

        for done in flight.run(admit):
            for rider, name in done:
                kept, row = rider.kept[name], int(rider.sample["sample_id"])
                if kept.outcome in (Outcome.PAST_BEFORE, Outcome.NOT_FINITE):
                    continue
                tally.fooled[row], tally.iterations[row] = kept.outcome is Outcome.FOOLED, kept.iterations
                if kept.confirmed is not None:
                    tally.first.append(kept.confirmed)
        traffic = flight.flight.traffic
        tally.step_s += traffic.step_s
        tally.stepped += traffic.places
        tally.busy.append((traffic.busy_before_tail, traffic.places_before_tail))

    return run


# The race


def _race(contenders: dict[str, Contender], rows: np.ndarray, chunk: int, one_by_one: int) -> dict[str, Tally]:
    tallies = {name: Tally() for name in contenders}
    random = np.random.default_rng(1)
    with torch.no_grad():
        for name, run in contenders.items():  # compiles, maps memory
            run(rows[:2] if name.startswith(("(a)", "(b) static")) else rows[:40], Tally())
        for at in range(0, len(rows), chunk):
            for name in random.permutation(list(contenders)).tolist():
                some = rows[at : at + chunk]
                if name.startswith("(a)"):  # its own share of every chunk
                    some = some[: max(1, one_by_one * len(some) // len(rows))]
                begun = time.perf_counter()
                contenders[name](some, tallies[name])
                tallies[name].seconds += time.perf_counter() - begun
                tallies[name].memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(
                    f"  {at + len(some)} {name}: {len(tallies[name].fooled) / tallies[name].seconds:.2f} images/s",
                    flush=True,
                )
    return tallies


def _table(attack: str, tallies: dict[str, Tally], peaks: dict[str, float], flops: float) -> list[dict[str, Any]]:
    rates = {name: len(tally.fooled) / tally.seconds for name, tally in tallies.items()}
    made = {name: np.array([*tally.iterations.values()]) + 1 for name, tally in tallies.items()}
    for name, tally in tallies.items():
        if name.startswith("(a)"):
            of_all = next(steps for other, steps in made.items() if other.startswith("(b) static"))
            rates[name] = 1 / (tally.seconds / made[name].sum() * of_all.mean())
    a, b = (next(rate for name, rate in rates.items() if name.startswith(start)) for start in ("(a)", "(b) static"))
    reference = next(tally for name, tally in tallies.items() if name.startswith("(b) static"))
    found = []
    for name, tally in tallies.items():
        steps = np.array([*tally.iterations.values()])
        both = [image for image in tally.fooled if image in reference.fooled]
        won, lost = (
            sum(x > y for x, y in pairs)
            for pairs in (
                [(tally.fooled[i], reference.fooled[i]) for i in both],
                [(reference.fooled[i], tally.fooled[i]) for i in both],
            )
        )
        peak = peaks["bfloat16" if "bfloat16" in name else "float32"]
        busy = sum(moving for moving, _ in tally.busy) / max(1, sum(places for _, places in tally.busy))
        found.append(
            {
                "attack": attack,
                "contender": name,
                "images": len(tally.fooled),
                "images/s": round(rates[name], 2),
                "over (a)": round(rates[name] / a, 2),
                "over (b)": round(rates[name] / b, 2),
                "successes/s": round(rates[name] * np.mean([*tally.fooled.values()]), 2),
                "us a sample-iteration": round(1e6 * tally.seconds / max(1, int((steps + 1).sum())), 0),
                "in steps": f"{tally.step_s / tally.seconds:.0%}",
                "of peak": f"{flops * tally.stepped / tally.step_s / 1e9 / peak:.0%}",
                "success": f"{np.mean([*tally.fooled.values()]):.1%}",
                "only it / only (b), p": f"{won} / {lost}, {mcnemar(won, lost):.2g}",
                "confirmed first": f"{np.mean(tally.first):.1%}" if tally.first else "",
                "steps p50, p90": f"{np.median(steps):.0f}, {np.percentile(steps, 90):.0f}",
                "slots busy": f"{busy:.1%}" if tally.busy else "",
                "memory MiB so far": round(tally.memory_mib),
            }
        )
    return found


def _flops(data: Dataset, network: Any, device: torch.device) -> float:
    pair, rows = Pair(network, network, ("plain", "plain"), device), np.arange(4)
    return gradient_flops(network, *(pair.frames(each) for each in (data.read(rows), data.background(rows))), device)


def gradient_flops(network: Any, frames: Tensor, background: Tensor, device: torch.device) -> float:
    """Floating-point operations of one gradient step on one image; two for every multiplication and addition.

    frames, background: (B, 3, H, W) in [0, 1].
    """
    pair, plain = Pair(network, network, ("plain", "plain"), device), PlainSession(network, device)
    with torch.no_grad():
        admitted = admit_codes(pair, frames, background)
        q = admitted.clean_pose
        aim = q, torch.ones(q.shape[1], device=device), torch.ones(len(q), device=device)
        with _Counted() as counted:
            plain.attack_step(admitted.appearance, admitted.canvas, *aim)
    return counted.total / len(frames)


class _Counted(TorchDispatchMode):
    """Adds up the operations of products and convolutions. (`FlopCounterMode` hooks modules, and the hooks stop
    `autograd.grad`.)
    """

    total = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            self.total += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=found)
        return found


def matrix_product_peaks(device: torch.device) -> dict[str, float]:
    """GFLOP/s of a large matrix product, the best of a few."""
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        one: Tensor = torch.randn(2048, 2048, device=device).to(dtype)
        best = float("inf")
        for _ in range(6):
            begun = time.perf_counter()
            (one @ one)[0, 0].item()
            best = min(best, time.perf_counter() - begun)
        found[str(dtype).removeprefix("torch.")] = 2 * 2048**3 / best / 1e9
    return found


if __name__ == "__main__":
    main()
