"""Run every benchmark of this folder, or the named ones: python -m benchmarks [NAME ...]

Each one is a script of its own, runs in a process of its own, and writes results/NAME.json and NAME.md.
"""

import subprocess
import sys
from pathlib import Path

HELPERS = {"__init__", "__main__", "measure", "gpu_check"}
BY_HAND = {"blazepose"}  # asks for weights that do not come with turncoat; see docs/blazepose.md


def main(names: list[str]) -> int:
    """Exit code: 0, 1 when a benchmark failed, 2 when there is none of that name."""
    folder = Path(__file__).parent
    known = sorted(path.stem for path in folder.glob("*.py") if path.stem not in HELPERS | BY_HAND)
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}; known are {', '.join(known)}.", file=sys.stderr)
        return 2
    failed = []
    for name in names or known:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, folder / f"{name}.py"]).returncode:
            failed.append(name)
    if failed:
        print(f"Failed: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
