"""What every benchmark shares: interleaved timing, the machine's description, a saved table.

Run a benchmark from the repository's root: ``python benchmarks/NAME.py``; it writes results/NAME.json and NAME.md.
"""

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, load at the moment, memory."""
    names = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "memory_gib": round(int(memory[0]) / 2**20, 1) if memory else None,
        "system": f"{platform.system()} {platform.release()}",
    }


def versions(*distributions: str) -> dict[str, str]:
    """Python's version and those of these distributions."""
    return {"python": platform.python_version()} | {name: version(name) for name in distributions}


def interleaved(
    tasks: dict[str, Callable[[int], Any]],
    *,
    warm_up: int,
    samples: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, np.ndarray]:
    """Seconds of every call, (samples,) a task.

    Tasks take turns, so that a busy machine is unfair to all alike, in a new order each round, because what ran before
    decides how much memory has to be mapped afresh.

    Each task is called with the number of the round, the same for all. With ``clock=time.process_time`` the seconds are
    those that the processors worked, which other programs on the machine hardly change.
    """
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    random = np.random.default_rng(0)
    for turn in range(-warm_up, samples):
        for name in random.permutation(list(tasks)).tolist():
            started = clock()
            tasks[name](turn)
            if turn >= 0:
                seconds[name].append(clock() - started)
    return {name: np.array(values) for name, values in seconds.items()}


def quantiles_ms(seconds: np.ndarray) -> dict[str, float]:
    """p50, p90 and p99 in milliseconds."""
    return {f"p{q}_ms": round(float(np.percentile(seconds, q)) * 1e3, 3) for q in (50, 90, 99)}


def save(name: str, title: str, rows: Sequence[dict[str, Any]], facts: dict[str, Any]) -> str:
    """Write results/NAME.json and the same as a Markdown table, NAME.md; returns the Markdown."""
    facts = {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "machine": machine()} | facts
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({"title": title, **facts, "rows": list(rows)}, indent=2) + "\n")
    head = list(rows[0])
    lines = [f"# {title}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_text(row.get(key)) for key in head) + " |" for row in rows]
    lines += ["", *(f"- {key}: {_text(value)}" for key, value in facts.items()), ""]
    text = "\n".join(lines)
    (RESULTS / f"{name}.md").write_text(text)
    return text


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, float) and abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
