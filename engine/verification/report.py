"""What `turncoat verify` found, as rows: the worst over batch sizes and codes for every output of every graph."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from turncoat.engine.verification.judge import Check, Verdict
from turncoat.export.bundle import Bundle
from turncoat.kernels.files import write_json, write_text
from turncoat.kernels.machine import machine, versions

HEADINGS = ("max", "mean", "dB", "cosine", "1 in 100", "x eager")
LEGEND = (
    "Errors against float64, the worst over batch sizes, at clean and at attacked codes. dB: of pictures. Cosine of "
    "gradients: median, and what 1 in 100 falls below; x eager: median error over that of eager float32."
)


class Row(NamedTuple):
    """One line of the table. name: "attack gradient"; cells: texts under `HEADINGS`; failed: whether it may not be."""

    name: str
    cells: tuple[str, ...]
    failed: bool


def rows_of(verdict: Verdict, details: bool = False) -> list[Row]:
    """One row an output of a graph; with details, one for every batch size and kind of codes."""
    groups: dict[str, list[Check]] = {}
    for check in verdict.checks:
        name = check.name if details else f"{check.graph} {check.output}"
        groups.setdefault(name + (", mm" if check.output == "pose" else ""), []).append(check)
    return [
        Row(name, _cells(checks, verdict.precision), any(c.failed for c in checks)) for name, checks in groups.items()
    ]


def attack_sentence(setting: str, facts: Mapping[str, Any]) -> str:
    """What attacks said of a reduced precision."""
    confirmed = "-" if facts["confirmed_first"] is None else f"{facts['confirmed_first']:.0%}"
    return (
        f"attack {setting}: fooled {facts['success']:.0%} of {facts['samples']}, float32 steps "
        f"{facts['success_float32']:.0%}; difference {facts['low']:+.1%} to {facts['high']:+.1%}; confirmed at first "
        f"check: {confirmed}"
    )


def write_report(
    folder: Path, bundle: Bundle, verdicts: Iterable[Verdict], result: dict[str, Any], device: str
) -> None:
    """Write verify.json and verify.md: `result` as the command prints it, with command, machine, versions and date."""
    folder.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = {
        "bundle": bundle.name,
        "precision": bundle.precision,
        "weights_hash": bundle.weights_hash,
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": machine(device),
        "versions": versions("onnx", "polygraphy", "tensorrt_rtx"),
    }
    write_json(folder / "verify.json", about | result)
    lines = [f"# Parity of {bundle.name}, {bundle.info['preset']} size, {bundle.precision}", ""]
    lines += [f"Compared with {result['origin']} in float64, {result['frames']} frames. {LEGEND}"]
    for verdict in verdicts:
        lines += ["", f"## {verdict.backend} ({verdict.precision}): {'passed' if verdict.passed else 'failed'}", ""]
        lines += ["| graph and output | " + " | ".join(HEADINGS) + " |", "|---|" + "--:|" * len(HEADINGS)]
        lines += [f"| {row.name}{' (failed)' if row.failed else ''} | " + " | ".join(row.cells) + " |"
                  for row in rows_of(verdict)]  # fmt: skip
        said = [attack_sentence(setting, facts) for setting, facts in (verdict.attack or {}).items()]
        lines += ["", *(f"- {sentence}" for sentence in [*said, *verdict.reasons])] if said or verdict.reasons else []
    lines += ["", f"- command: `{result['command']}`"] if "command" in result else [""]
    lines += [f"- weights: {bundle.name}, SHA-256 {bundle.weights_hash[:16]}", f"- date: {about['date']}"]
    lines += [f"- {name}: {value}" for part in ("machine", "versions") for name, value in about[part].items()]
    write_text(folder / "verify.md", "\n".join(lines) + "\n")


def _cells(checks: list[Check], precision: str) -> tuple[str, ...]:
    def found(fact: str) -> list[float]:
        return [check.facts[fact] for check in checks if fact in check.facts]

    ratios = [c.facts["relative"] / max(c.facts["eager_relative"], 1e-30) for c in checks if "relative" in c.facts]
    return (
        _number(max(found("largest"), default=None)),
        _number(max(found("mean"), default=None)),
        _number(min(found("psnr"), default=None), 3),
        _cosine(min(found("cosine_median"), default=None)),
        _cosine(min(found("cosine_p1"), default=None)),
        _number(max(ratios, default=None), 3) if precision == "float32" else "",
    )


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}g}"


def _cosine(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"
