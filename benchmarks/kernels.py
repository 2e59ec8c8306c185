"""Times of the kernels, as tables in benchmarks/results.

python benchmarks/kernels.py [--device cuda] [--threads 2] [--seconds 30] [--name kernels]

The same as `turncoat bench kernels --out DIR`, under a name of its own: one table a machine.
"""

import argparse
from pathlib import Path

import torch

from turncoat.engine.latency.kernel_report import document, markdown, table
from turncoat.engine.latency.kernels import kernel_cases, time_kernels
from turncoat.kernels.device import find_device
from turncoat.kernels.files import write_json, write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--name", default="kernels")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    if given.threads is not None:
        torch.set_num_threads(given.threads)
    device = find_device(given.device)
    found = time_kernels(kernel_cases(device), device, seconds=given.seconds)
    result = document(found, device)
    write_json(given.out / f"{given.name}.json", result)
    write_text(given.out / f"{given.name}.md", markdown(result, found))
    from rich import print as show

    show(table(found))


if __name__ == "__main__":
    main()
