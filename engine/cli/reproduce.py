"""`turncoat reproduce`: a shipped network again, from the datasets alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from turncoat.engine.cli.options import Device
from turncoat.engine.cli.output import Output


def reproduce(
    name: Annotated[str, typer.Argument(help="a shipped name: nsd, nsd-wide, cssl, cssl-da, drnet, ugar, ...")],
    data: Annotated[Path, typer.Option(help="dataset of the recipe confounded; networks are measured on it")],
    out: Annotated[Path, typer.Option(help="folder of all networks; this one's is OUT/NAME")] = Path("runs/weights"),
    decorrelated: Annotated[
        Path | None, typer.Option(help="dataset of that recipe, for nsd-decorrelated, cssl-decorrelated and judge")
    ] = None,
    images: Annotated[int | None, typer.Option(help="frames to see in training; 400,000 by default", min=1)] = None,
    seed: Annotated[int, typer.Option(help="another start and other batches; the name says so", min=0)] = 0,
    threads: Annotated[int, typer.Option(help="processor threads", min=1)] = 2,
    device: Device = "auto",
    frames: Annotated[
        int | None, typer.Option(help="held-out everyday frames to attack for the card; 100 by default, 0: none", min=0)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document and nothing else there")] = False,
) -> None:
    """Train a shipped network again, fit its regressor, choose its step sizes, attack and measure it, write its card.

    Call it again after an interruption: what is done is found there, training goes on from its last checkpoint.
    """
    import os

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is first imported; see `turncoat train`
    from turncoat.engine.reproduce import FRAMES, IMAGES
    from turncoat.engine.reproduce import reproduce as make

    output = Output(json)
    weights = make(
        name,
        data=data,
        out=out,
        screen=output,
        decorrelated=decorrelated,
        images=images or IMAGES,
        seed=seed,
        threads=threads,
        device=device,
        frames=FRAMES if frames is None else frames,
    )
    output.show(f"Made {weights}; to ship it, copy it and its card to training/weights.")
    output.finish({"weights": str(weights), "card": str(weights.with_suffix(".json"))})
