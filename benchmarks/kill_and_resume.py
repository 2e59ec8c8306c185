"""Kills a sweep at random moments and resumes it: the table has to be that of an undisturbed one.

python benchmarks/kill_and_resume.py [--kills 30] [--data FOLDER --network NAME] [--per-subject 40] [--seed 0]

Without --data the sweep is that of the tests: stick figures, and a small untrained network; with it the result is a
file of its own, named after the network. What a life is: the process
of `turncoat attack ... --resume`, ended by SIGKILL after a random time up to four fifths of what the whole takes.
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

from measure import RESULTS, machine, versions

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fixtures.kills import command_sweep, kill_and_resume, undisturbed
from fixtures.sweeps import QUICK
from turncoat.kernels.files import write_text


def prepared(folder: Path) -> tuple[str, str]:
    """The stick figures and the network of the tests."""
    from fixtures.lively import lively
    from fixtures.tiny import write_tiny_dataset
    from turncoat.training.checkpoint import save_network
    from turncoat.training.data import open_dataset

    data = write_tiny_dataset(folder / "data", instants=40, splits=("train", "held-out"), apart_s=0.53)
    network = lively("person", open_dataset(data))
    save_network(folder / "small.safetensors", network, network.metadata, statistics=network.statistics)
    return str(data), str(folder / "small.safetensors")


def main() -> None:
    """Make the undisturbed run, then kill; write results/kill_and_resume.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--data")
    parser.add_argument("--network", default="nsd")
    parser.add_argument("--per-subject", default="40")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, network = (options.data, options.network) if options.data else prepared(folder)
        words = ["attack", data, "--network", network, "--per-subject", options.per_subject, *QUICK]
        sweep = partial(command_sweep, words)
        expected, seconds = undisturbed(sweep, folder)
        found = kill_and_resume(sweep, expected, folder, kills=options.kills, span_s=seconds * 0.8, seed=options.seed)
    place, packages = machine(), versions("torch", "pyarrow")
    made_by = ", ".join(f"{name} {version}" for name, version in packages.items())
    shipped = f" --data data --network {options.network} --per-subject {options.per_subject}" if options.data else ""
    text = f"""# Killed and resumed

`python benchmarks/kill_and_resume.py --kills {options.kills}{shipped}`: a sweep of {expected.info["parts"]} parts and
{found.rows} rows, ended by SIGKILL at random moments and begun again with `--resume`; a run that gets done is compared
row by row with the undisturbed one.

| | |
|---|---|
| lives ended by SIGKILL | {found.kills} |
| of those, before there was a run.json | {found.before_run} |
| of those, without a new part | {found.empty_handed} |
| runs that were finished on the way, all compared | {found.runs} |
| rows lost, doubled or with another outcome or iteration | 0 (the command fails otherwise) |
| undisturbed run, s | {seconds:.1f} |
| all of it, s | {found.seconds:.1f} |

Lives lasted, s: {", ".join(f"{end:g}" for end in found.lives_s)}.

{place["processor"]}, {place["cores"]} cores (load {place["load_1min"]} from other work); {made_by}.
"""
    which = f"-{Path(options.network).stem}" if options.data else ""
    write_text(RESULTS / f"kill_and_resume{which}.md", text)
    sys.stderr.write(text)


if __name__ == "__main__":
    main()
