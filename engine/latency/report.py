"""A latency table on disk: JSON, Markdown, and one picture."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from turncoat.engine.latency.measure import PERCENTILES, Latency
from turncoat.export.bundle import Bundle
from turncoat.kernels.files import atomic_path, write_json, write_text
from turncoat.kernels.machine import machine, versions


def document(bundle: Bundle, found: list[Latency], device: str, threads: int) -> dict[str, Any]:
    """Everything as JSON values, with machine, versions and date."""
    rows = []
    for one in found:
        row = asdict(one)
        row["percentiles_ms"] = {f"p{p:g}": value for p, value in row.pop("percentiles").items()}
        rows.append(row)
    return {
        "bundle": bundle.name,
        "preset": bundle.info["preset"],
        "precision": bundle.precision,
        "weights_hash": bundle.weights_hash,
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": machine(device if device.startswith("cuda") else "cpu") | {"threads": threads},
        "versions": versions("onnx", "polygraphy", "tensorrt_rtx"),
        "rows": rows,
    }


def write_report(folder: Path, result: dict[str, Any], found: list[Latency]) -> None:
    """Write latency.json, latency.md and latency.png."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "latency.json", result)
    write_text(folder / "latency.md", markdown(result, found))
    draw(folder / "latency.png", result, found)


def milliseconds(value: float) -> str:
    """Three digits, never an exponent: 3.14, 31.4, 1310."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def markdown(result: dict[str, Any], found: list[Latency]) -> str:
    """The table for a page."""
    gpu = any(one.device_ms is not None for one in found)
    headings = ["", "batch", "backend", *(f"p{p:g} ms" for p in PERCENTILES), "samples/s", "first s", "times plain"]
    headings += ["on the device ms", "with transfers ms"] if gpu else []
    lines = [
        f"# Latency of {result['bundle']}, {result['preset']} size, {result['precision']}",
        "",
        "| " + " | ".join(headings) + " |",
        "|" + "---|" * len(headings),
    ]
    for one in found:
        cells = [one.case.verb, str(one.case.batch), one.backend]
        cells += [milliseconds(one.percentiles[p]) if p in one.percentiles else "" for p in PERCENTILES]
        cells += [f"{one.per_second:.0f}", f"{one.first_s:.2f}"]
        cells += [f"{one.ratio:.2f} ({one.ratio_low:.2f} to {one.ratio_high:.2f})"]
        if gpu:
            cells += ["" if ms is None else milliseconds(ms) for ms in (one.device_ms, one.transfer_ms)]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "Calls of all backends in turn, in one process. `times plain`: median of the plain loop (the network as "
        "trained, float32, grid_sample) over this one's, in brackets the quartiles of neighbouring calls. `first s`: "
        "opening the session and its first call; code that was compiled before comes from the cache. Percentiles that "
        "so few calls cannot tell are left empty.",
        "",
        f"- date: {result['date']}",
        *(f"- {name}: {value}" for name, value in result["machine"].items()),
        *(f"- {name}: {value}" for name, value in result["versions"].items()),
    ]
    return "\n".join(lines) + "\n"


def draw(path: Path, result: dict[str, Any], found: list[Latency]) -> None:
    """One bar a backend and case: how many times faster than the plain loop, with its median in ms."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    verbs = list(dict.fromkeys(one.case.verb for one in found))
    backends = list(dict.fromkeys(one.backend for one in found))
    batches = sorted({one.case.batch for one in found})
    plain = backends[0]
    shown = [name for name in backends if name != plain]
    colours = plt.get_cmap("viridis")
    figure, axes = plt.subplots(1, len(verbs), figsize=(5.4 * len(verbs), 3.9), sharey=True, squeeze=False)
    width = 0.8 / max(1, len(shown))
    for axis, verb in zip(axes[0], verbs, strict=True):
        for place, name in enumerate(shown):
            rows = {one.case.batch: one for one in found if one.case.verb == verb and one.backend == name}
            at = [index + (place - (len(shown) - 1) / 2) * width for index in range(len(batches))]
            heights = [rows[b].ratio for b in batches]
            spread = [
                [max(0.0, rows[b].ratio - rows[b].ratio_low) for b in batches],
                [max(0.0, rows[b].ratio_high - rows[b].ratio) for b in batches],
            ]
            colour = colours(0.1 + 0.8 * place / max(1, len(shown) - 1))
            axis.bar(at, heights, width * 0.92, yerr=spread, color=colour, label=name, ecolor="0.35", capsize=2)
            for x, b, top in zip(at, batches, spread[1], strict=True):
                axis.annotate(
                    milliseconds(rows[b].percentiles[50]),
                    (x, rows[b].ratio + top),
                    (0, 3),
                    textcoords="offset points",
                    ha="center",
                    va="bottom",
                    fontsize=6.5,
                    rotation=90,
                )
        plains = {
            one.case.batch: one.percentiles[50] for one in found if one.case.verb == verb and one.backend == plain
        }
        axis.set_xticks(range(len(batches)), [f"batch {b}\nplain {milliseconds(plains[b])} ms" for b in batches])
        axis.axhline(1, color="0.3", linewidth=0.8, linestyle="--")
        axis.set_title(
            {"predict": "predict a pose", "gradient": "one attack step (pose and gradient)"}[verb], fontsize=10
        )
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("times faster than plain PyTorch")
    axes[0][0].margins(y=0.18)
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), loc="lower center", ncols=min(4, len(shown)), fontsize=8, frameon=False
    )
    processor = result["machine"].get("gpu") or result["machine"]["processor"]
    figure.suptitle(
        f"{result['bundle']}, {result['preset']} size, {result['precision']}: {processor}, "
        f"{result['machine']['threads']} threads; numbers: median ms",
        fontsize=10,
    )
    figure.tight_layout(rect=(0, 0.03 + 0.05 * -(-len(shown) // 4), 1, 1))
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)
    plt.close(figure)
