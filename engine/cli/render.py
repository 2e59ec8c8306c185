"""`turncoat render`: makes a studio dataset."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from turncoat.engine.cli.output import Output


def render(
    out: Annotated[
        Path, typer.Option(help="folder to write; an interrupted rendering of the same dataset is completed")
    ],
    preset: Annotated[str, typer.Option(help="demo (a subset of default), default or large")] = "default",
    recipe: Annotated[
        str,
        typer.Option(
            help="confounded (a subject always wears the same), decorrelated, or crossed (a test set: one pose and "
            "camera, one thing changed at a time)"
        ),
    ] = "confounded",
    seed: Annotated[int, typer.Option(help="the same seed gives the same bytes on the same machine", min=0)] = 0,
    size: Annotated[int, typer.Option(help="side of a frame in pixels")] = 128,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="cast a soft shadow on the floor (the networks cannot repaint it)")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="processes; all cores by default", min=1)] = None,
    json: Annotated[
        bool, typer.Option("--json", help="print one JSON document and nothing else on standard output")
    ] = False,
) -> None:
    """Render the studio dataset: people in rooms, four cameras, exact joints, masks and labels."""
    from turncoat.training.data.studio.render import render_dataset

    output, start = Output(json), time.monotonic()
    with output.progress("rendering", "frames", log=None) as advance:
        info = render_dataset(
            out, preset=preset, recipe=recipe, seed=seed, size=size, shadow=shadow, workers=workers, progress=advance
        )
    seconds = time.monotonic() - start
    stored = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    splits = ", ".join(f"{name} {count:,}" for name, count in info["splits"].items())
    output.show(f"{sum(info['splits'].values()):,} frames in {out} ({stored / 1e6:,.0f} MB, {seconds:.0f} s): {splits}")
    output.show(f"fingerprint {info['fingerprint']}, bytes {info['bytes_hash']}")
    output.finish({"folder": str(out), "seconds": seconds, "bytes": stored, **info})
