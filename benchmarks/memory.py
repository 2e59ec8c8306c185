"""Memory of a sweep of 100,000 samples beside that of one of 1,000: tables printed, controls made, all in one process.

python benchmarks/memory.py [--samples 1000,100000] [--draws 2] [--work FOLDER]

The frames are the stick figures of the tests, the network a small untrained one, the attack three steps of `paper`:
what grows with a sweep is what it keeps of samples, whatever they show. Of each random control --draws are tried: they
take time, and a row keeps only what they come to. Each sweep is a process of its own, `turncoat attack` to its last
table. Its peak is that of the memory that is its own (RssAnon, looked at five times a second). Beside it stands the
peak with mapped files (ru_maxrss): those of PyTorch, and the dataset's frames, which are mapped and not read, so that
the system holds as many as there is room for and drops them when there is none.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import RESULTS, machine, versions

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from turncoat.kernels.files import write_text

ATTACK = ["--attack", "paper", "--iterations", "3", "--threshold", "400", "--step-size", "0.5", "--judge", "none",
          "--group", "everyday", "--split", "train", "--device", "cpu"]  # fmt: skip
SUBJECTS, SEQUENCES = 2, 4  # everyday ones of the training split
FRAME_PX = 32  # so that 100,000 take an hour
ALLOWED_MB = 300
_CHILD = """
import json, resource, sys, threading, time
from turncoat.engine.cli import main
own = [0]
def watch():
    while True:
        with open("/proc/self/status") as status:
            own.extend(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
        own[:] = [max(own)]
        time.sleep(0.2)
threading.Thread(target=watch, daemon=True).start()
try:
    main(sys.argv[1:])
except SystemExit as stop:
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"code": stop.code, "own_kb": max(own), "whole_kb": whole}))
"""


def prepared(folder: Path, samples: int) -> tuple[str, str]:
    """A dataset with so many everyday training frames that may be attacked, and a network."""
    import torch

    from fixtures.lively import lively
    from fixtures.tiny import write_tiny_dataset
    from turncoat.training.checkpoint import save_network
    from turncoat.training.data import open_dataset

    torch.set_num_threads(1)
    data = folder / "data"
    if not (data / "dataset.json").is_file():
        write_tiny_dataset(data, size=FRAME_PX, instants=-(-samples // SEQUENCES), splits=("train",), apart_s=0.53)
    network = lively("person", open_dataset(data))
    save_network(folder / "small.safetensors", network, network.metadata, statistics=network.statistics)
    return str(data), str(folder / "small.safetensors")


def attacked(data: str, network: str, samples: int, draws: int, out: Path) -> dict[str, Any]:
    """Exit code, peak memory in MB, rows and seconds of a sweep in a process of its own."""
    settings = out.with_suffix(".toml")
    write_text(settings, f"draws = {draws}\n")
    words = [
        "attack",
        data,
        "--network",
        network,
        "--per-subject",
        str(samples // SUBJECTS),
        "--out",
        str(out),
        "--settings",
        str(settings),
        *ATTACK,
    ]
    ended = subprocess.run([sys.executable, "-c", _CHILD, *words], capture_output=True, text=True, check=True)
    said = json.loads(ended.stdout.splitlines()[-1])
    if said["code"]:
        raise SystemExit(f"The sweep of {samples} samples ended with {said['code']}: {ended.stderr}")
    run = json.loads((out / "run.json").read_text())
    rows = sum(count for one in run["attacks"].values() for count in one["outcomes"].values())
    peaks = {"peak_mb": said["own_kb"] / 1000, "whole_mb": said["whole_kb"] / 1000}
    return {"samples": rows, **peaks, "wall_s": run["wall_s"], "parts": run["parts"]}


def main() -> None:
    """Sweep twice, compare, write results/memory.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", default="1000,100000")
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    few, many = (int(number) for number in options.samples.split(","))
    with tempfile.TemporaryDirectory() as name:
        folder = options.work or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        data, network = prepared(folder, many)
        found = [attacked(data, network, samples, options.draws, folder / f"run-{samples}") for samples in (few, many)]
    more = found[1]["peak_mb"] - found[0]["peak_mb"]
    place, packages = machine(), versions("torch", "pyarrow")
    columns = {"samples": ",", "parts": ",", "peak_mb": ".0f", "whole_mb": ".0f", "wall_s": ".0f"}
    lines = ["| " + " | ".join(format(one[name], how) for name, how in columns.items()) + " |" for one in found]
    text = f"""# Memory of a sweep

`python benchmarks/memory.py --samples {few},{many} --draws {options.draws}`: `paper`, three steps, with all controls,
in one process, to its last table. Stick figures of {FRAME_PX} pixels and a small network.

| samples | parts | peak of its own, MB | with mapped files, MB | s |
|--:|--:|--:|--:|--:|
{chr(10).join(lines)}

Difference of its own: {more:.0f} MB (asked: at most {ALLOWED_MB}).

{place["processor"]}, {place["cores"]} cores; {", ".join(f"{name} {version}" for name, version in packages.items())}.
"""
    write_text(RESULTS / "memory.md", text)
    sys.stderr.write(text)
    raise SystemExit(more > ALLOWED_MB)


if __name__ == "__main__":
    main()
