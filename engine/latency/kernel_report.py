"""The table of kernels, for a terminal, a page and a program."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from turncoat.engine.latency.kernels import FLOOR, OURS, KernelTime, agreement_mm
from turncoat.engine.latency.report import milliseconds
from turncoat.kernels.files import write_json, write_text
from turncoat.kernels.machine import machine, versions


def document(found: list[KernelTime], device: torch.device) -> dict[str, Any]:
    """Everything as JSON values, with machine, versions and date."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": machine(str(device)) | {"threads": torch.get_num_threads()},
        "versions": versions("numba", "cupy"),
        "pa_mpjpe_off_mm": agreement_mm(),
        "rows": [asdict(one) for one in found],
    }


def table(found: list[KernelTime]) -> Table:
    """For a terminal: one section a case."""
    shown = Table(title="Kernels", title_justify="left")
    shown.add_column("", no_wrap=True)
    for heading in ("ms", "GB/s", "of copying", "x ours"):
        shown.add_column(heading, justify="right", no_wrap=True)
    case = None
    for one in found:
        if (one.case, one.shape) != case:
            shown.add_section()
            shown.add_row(f"[bold]{one.case}[/bold]")
            shown.add_row(f"[dim]{one.shape}[/dim]")
        case = one.case, one.shape
        shown.add_row(f"  {one.way}", *_cells(one))
    return shown


def write_report(folder: Path, result: dict[str, Any], found: list[KernelTime]) -> None:
    """Write kernels.json and kernels.md."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "kernels.json", result)
    write_text(folder / "kernels.md", markdown(result, found))


def markdown(result: dict[str, Any], found: list[KernelTime]) -> str:
    """For a page."""
    lines = [
        "# Kernels",
        "",
        "| kernel | size | MB | way | ms | GB/s | of copying | times turncoat's |",
        "|---|---|--:|---|--:|--:|--:|--:|",
    ]
    for one in found:
        spread = "" if one.way in (OURS, FLOOR) else f" ({one.ratio_low:.2f} to {one.ratio_high:.2f})"
        cells = [one.case, one.shape, f"{one.bytes_moved / 1e6:.1f}", one.way, *_cells(one)]
        lines.append("| " + " | ".join(cells) + spread + " |")
    lines += [
        "",
        "MB: inputs and outputs, each moved once. Copying: as many bytes from memory to memory, on the same device in "
        "the same rounds; `of copying` is its time over that of the way. `times turncoat's`: medians, in brackets the "
        "quartiles of neighbouring calls. All ways in turn, in one process.",
        "",
        f"PA-MPJPE differs from the float64 reference by at most {result['pa_mpjpe_off_mm']:.1e} mm.",
        "",
        f"- date: {result['date']}",
        *(f"- {name}: {value}" for name, value in result["machine"].items()),
        *(f"- {name}: {value}" for name, value in result["versions"].items()),
    ]
    return "\n".join(lines) + "\n"


def _cells(one: KernelTime) -> list[str]:
    ratio = "" if one.way in (OURS, FLOOR) else f"{one.ratio:.2f}"
    return [milliseconds(one.ms), f"{one.gigabytes_per_s:.1f}", f"{100 * one.of_floor:.0f} %", ratio]
