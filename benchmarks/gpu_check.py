"""Everything that needs a GPU, in one call: tests, parity, latency, throughput; one report.

python benchmarks/gpu_check.py [--out DIR] [--minutes 9] [--only tests,training,...] [--bundle BUNDLE]

Steps run one after the other in processes of their own, most important first; what no time is left for is named in the
report. BUNDLE is of nsd, for machines without an exporter (default: one is exported). `turncoat` need not be installed:
the checkout is linked into a folder of its own. Writes gpu_check.json, .md.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("kernels", "training", "export", "engine")


def steps(data: Path, bundle: Path | None) -> dict[str, list[str]]:
    """Name -> command, most important first."""
    python, run = sys.executable, str(data.parent / "run")
    turncoat = [python, "-m", "turncoat.engine.cli"]
    training = [python, "benchmarks/training.py", str(data), "--device", "cuda", "--steps", "30", "--threads", "8"]
    exported = str(bundle or data.parent / "nsd-bundle")
    latency = [*turncoat, "bench", "latency", exported, "--device", "cuda", "--out", str(data.parent / "latency")]
    attack = ["attack", str(data), "--network", "nsd", "--out", run, "--group", "everyday", "--per-subject", "20"]
    return {
        "machine": [python, "-c", "import torch; print(torch.cuda.get_device_name(), torch.__version__)"],
        "tests": [python, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", "--timeout=300", "tests"],
        "dataset": [*turncoat, "render", "--preset", "demo", "--out", str(data)],
        "training": training,
        "attack loop": [python, "benchmarks/attack_loop.py", "--device", "cuda", "--samples", "6"],
        "attack": [*turncoat, *attack, "--device", "cuda"],
        **({} if bundle else {"export": [*turncoat, "export", "nsd", "--out", exported]}),
        "doctor": [*turncoat, "doctor"],
        "latency": [*latency, "--batch", "1,8,32,64"],
        "verify": [*turncoat, "verify", exported, "--data", str(data), "--device", "cuda"],
        "engines": [*turncoat, "engines", "list", exported],
    }


def main() -> int:
    """Exit code 1 when a step failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--bundle", type=Path, default=None)
    given = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="turncoat-gpu-"))
    package = work / "path" / "turncoat"
    package.mkdir(parents=True)
    for name in FOLDERS:
        (package / name).symlink_to(ROOT / name)
    paths = [str(work / "path"), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    wanted = [name for name in given.only.split(",") if name]
    deadline, report = time.monotonic() + 60 * given.minutes, []
    for name, command in steps(work / "data", given.bundle).items():
        if wanted and name not in wanted and name != "machine":
            continue
        report.append(_run(name, command, environment, deadline - time.monotonic()))
        print(f"== {name}: {report[-1]['outcome']}, {report[-1]['seconds']} s", flush=True)
        print(report[-1]["output"][-3000:], flush=True)
        _save(given.out, report)
    return int(any(step["outcome"] == "failed" for step in report))


def _run(name: str, command: list[str], environment: dict[str, str], left: float) -> dict[str, Any]:
    """One step with what it printed; `left`: seconds that it may take."""
    if left < 5:
        return {"step": name, "outcome": "no time left", "seconds": 0, "output": ""}
    started = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            timeout=left,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        outcome, output = ("done" if done.returncode == 0 else "failed"), done.stdout
    except subprocess.TimeoutExpired as late:
        outcome = "stopped: no time left"
        output = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else (late.stdout or "")
    for private in (str(ROOT), str(Path(command[0]).parent), str(Path.home())):
        output = output.replace(private, "...")
    output = re.sub(r"/tmp/turncoat-gpu-\w+", "WORK", output)
    return {
        "step": name,
        "outcome": outcome,
        "seconds": round(time.monotonic() - started, 1),
        "output": output[-20000:],
    }


def _save(folder: Path, report: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gpu_check.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    lines = ["# What was run on a GPU", "", "| step | outcome | seconds |", "|---|---|---|"]
    lines += [f"| {step['step']} | {step['outcome']} | {step['seconds']} |" for step in report]
    for step in report:
        lines += ["", f"## {step['step']}", "", "```", step["output"].strip(), "```"]
    (folder / "gpu_check.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
