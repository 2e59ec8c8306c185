"""One sweep in one process with all threads, in several workers, and in as many Ray actors: what each way costs.

python benchmarks/workers.py DATA [--network nsd] [--per-subject 50] [--rounds 2] [--workers 2]

`natural` on held-out everyday frames with all controls, eager bfloat16, at most 30 steps. Ways take turns, round by
round, each in a process of its own, and each does the whole work: loading, attack, controls, tables. Ray is left out
where it is not installed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from measure import save, versions

ATTACK = ["--attack", "natural", "--iterations", "30", "--group", "everyday", "--backend", "torch", "--precision",
          "bfloat16", "--judge", "none", "--device", "cpu"]  # fmt: skip


def main() -> None:
    """Write results/workers.json and workers.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--network", default="nsd")
    parser.add_argument("--per-subject", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    many = ["--workers", str(given.workers)]
    ways = {"one process": [], f"{given.workers} workers": many}
    if find_spec("ray") is not None:
        ways[f"{given.workers} Ray actors"] = ["--ray", "local", *many]
    whole: dict[str, list[float]] = {way: [] for way in ways}
    rates: dict[str, list[float]] = {way: [] for way in ways}
    tables: dict[str, list[str]] = {way: [] for way in ways}
    for number in range(given.rounds):
        for way in np.random.default_rng(number).permutation(list(ways)).tolist():
            with tempfile.TemporaryDirectory() as folder:
                words = ["attack", str(given.data), "--network", given.network, "--out", f"{folder}/run",
                         "--per-subject", str(given.per_subject), *ATTACK, *ways[way]]  # fmt: skip
                began = time.perf_counter()
                program = "import sys; from turncoat.engine.cli import main; main(sys.argv[1:])"
                subprocess.run([sys.executable, "-c", program, *words], check=True, capture_output=True)
                whole[way].append(time.perf_counter() - began)
                attack = json.loads(Path(f"{folder}/run/run.json").read_text())["attacks"]["natural"]
                rates[way].append(attack["frames_per_s"])
                tables[way].append(json.dumps(attack["outcomes"], sort_keys=True))
            print(f"{way}: {whole[way][-1]:.1f} s", flush=True)
    first = next(iter(ways))
    rows = [
        {
            "way": way,
            "whole, s": round(sum(seconds) / len(seconds), 1),
            "rounds, s": ", ".join(f"{one:.1f}" for one in seconds),
            "over one process": round(sum(seconds) / sum(whole[first]), 3),
            "attacked frames/s": round(sum(rates[way]) / len(seconds), 2),
            "outcomes": tables[way][0],
        }
        for way, seconds in whole.items()
    ]
    facts = {"network": given.network, "frames": 5 * given.per_subject, "threads": torch.get_num_threads()}
    print(save("workers", "One process, workers, Ray", rows, {**facts, **versions("torch")}))


if __name__ == "__main__":
    main()
