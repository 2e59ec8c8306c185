"""Registers and memory of every CUDA kernel, for every type of pixel and every GPU generation: no GPU is needed.

python benchmarks/kernel_resources.py [--out benchmarks/results/kernel_resources.md]

A minute or two of NVRTC. It ends with an error if a kernel spills registers or keeps a stack.
"""

import argparse
import sys
from itertools import product
from pathlib import Path

from turncoat.kernels.cuda import Kernel, compile_cubin
from turncoat.kernels.files import write_text

ARCHITECTURES = ("sm_80", "sm_90", "sm_120")
PIXELS = ("uint8", "half_t", "bfloat16_t", "float")
SOURCES = {
    "composite": product(("float",), PIXELS, PIXELS),
    "composite_backward": product(("float",), PIXELS, PIXELS[1:]),
    "paint_backward": product(("float",), PIXELS, PIXELS[1:]),
    "resample": product(("float",), PIXELS[1:]),
    "recompose": product(("float",)),
    "pose_error": product(("float",), PIXELS[1:]),
}
PLACES = {"resample": ("Real", "Pixel"), "recompose": ("Real",), "pose_error": ("Real", "Stored")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "kernel_resources.md")
    given = parser.parse_args()
    needed: dict[tuple[str, str], dict[str, list[int]]] = {}
    shared: dict[tuple[str, str], int] = {}
    spilled = []
    for source, combinations in SOURCES.items():
        places = PLACES.get(source, ("Real", "Background", "Frame"))
        every = [*combinations, ("double",) * len(places)]
        for types, architecture in product(every, ARCHITECTURES):
            compiled = compile_cubin(Kernel(source, "any", dict(zip(places, types, strict=True))), architecture)
            for name, one in compiled.resources.items():
                if one.spilled or one.stack:
                    spilled.append(f"{name} {types} {architecture}: {one}")
                if types[0] == "float":
                    needed.setdefault((source, name), {}).setdefault(architecture, []).append(one.registers)
                    shared[source, name] = one.shared
        print(f"{source}: {len(every)} combinations of types", flush=True)
    lines = [
        "# CUDA kernels: what they ask of a GPU",
        "",
        "| source | kernel | shared memory, bytes | " + " | ".join(f"registers, {one}" for one in ARCHITECTURES) + " |",
        "|---|---|--:|" + "--:|" * len(ARCHITECTURES),
    ]
    for (source, name), found in needed.items():
        cells = [_span(found[architecture]) for architecture in ARCHITECTURES]
        lines.append(f"| {source}.cu | {name} | {shared[source, name]} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Of a thread, computing in float32, least and most over the types of background and frame (uint8, float16, "
        "bfloat16, float32); blocks have 256 threads, those that align poses 64. Compiled by NVRTC; "
        + (
            "no kernel of any type, float64 included, spills registers or keeps a stack." if not spilled else "SPILLED."
        ),
    ]
    write_text(given.out, "\n".join(lines) + "\n")
    if spilled:
        sys.exit("\n".join(spilled))


def _span(registers: list[int]) -> str:
    low, high = min(registers), max(registers)
    return str(low) if low == high else f"{low} to {high}"


if __name__ == "__main__":
    main()
