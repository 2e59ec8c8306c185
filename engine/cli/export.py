"""turncoat export."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from turncoat.engine.cli.output import Output
from turncoat.kernels.errors import ConfigError


def export(
    weights: Annotated[str, typer.Argument(help="Trained network: path of its weights, or shipped name.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to make; it appears once it is complete.")],
    precision: Annotated[
        str, typer.Option(help="fp32, or fp16: layers in half precision, the rest in single.")
    ] = "fp32",
    batch: Annotated[str, typer.Option(help="Batch sizes of the gradient graphs.")] = "1,8,32,64",
    objective: Annotated[str, typer.Option(help="What gradients are of: squared (Algorithm 1) or mpjpe.")] = "squared",
    tensorrt: Annotated[
        bool, typer.Option("--tensorrt", help="Build TensorRT engines for this machine's GPU as well.")
    ] = False,
    tensorrt_rtx: Annotated[
        str | None,
        typer.Option("--tensorrt-rtx", help="Build TensorRT-RTX engines for these GPUs, e.g. sm89,sm120; needs none."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle that is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
) -> None:
    """Export a network for inference engines: ONNX graphs, gradients of the attack included, and TensorRT engines."""
    from turncoat.export.exporter import export_bundle

    output = Output(json)
    if objective not in ("squared", "mpjpe"):
        raise ConfigError(f"objective is {objective!r}; choose squared or mpjpe.")
    wanted: dict[str, list[str] | None] = {"tensorrt": None} if tensorrt else {}
    if tensorrt_rtx is not None:
        wanted["tensorrt-rtx"] = [name.strip() for name in tensorrt_rtx.split(",") if name.strip()] or None
    if wanted:
        from turncoat.export.tensorrt import build_engines, targets_of

        for flavour, capabilities in wanted.items():
            targets_of(flavour, capabilities)  # what cannot be built is said before the export
    with output.progress("exporting", "graphs") as advance:
        bundle = export_bundle(
            weights,
            out,
            precision=precision,
            batches=_batches(batch),
            objective=objective,  # type: ignore[arg-type]  # checked above
            overwrite=overwrite,
            progress=advance,
        )
    built = []
    for flavour, capabilities in wanted.items():
        with output.progress(f"building {flavour} engines", "engines") as advance:
            built += build_engines(bundle, flavour, capabilities=capabilities, progress=advance)
    table = Table(title=f"{bundle.name}, {precision}", title_justify="left")
    for heading in ("graph", "batches", "inputs", "outputs"):
        table.add_column(heading)
    families: dict[str, list[str]] = {}
    for name, graph in bundle.graphs.items():
        families.setdefault(name.split("-b")[0] if graph["batch"] else name, []).append(str(graph["batch"] or "any"))
    for family, batches in families.items():
        graph = bundle.graphs[family] if family in bundle.graphs else bundle.graphs[f"{family}-b{batches[0]}"]
        names = [", ".join(value["name"] for value in graph[side]) for side in ("inputs", "outputs")]
        table.add_row(family, " ".join(batches), *names)
    output.show(table)
    size = bundle.info["bytes"] / 1e6
    output.show(
        f"{out}: {size:.1f} MB, {bundle.info['bytes_over_weights']:.2f} of one float32 copy of the weights, "
        f"in {bundle.info['export_seconds']:.0f} s"
        + (f"; {len(built)} TensorRT engines" if built else "")
        + f". Next: turncoat verify {out}"
    )
    output.finish({"bundle": str(out), **bundle.info})


def _batches(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--batch is {text!r}; give numbers with commas between them, e.g. 1,8,32.") from None
