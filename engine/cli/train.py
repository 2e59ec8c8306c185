"""`turncoat train`: self-supervised training of a network."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from turncoat.engine.cli.options import Device
from turncoat.engine.cli.output import Output


def train(
    method: Annotated[str, typer.Argument(help="the method: nsd, cssl, drnet, ugar or supervised")],
    data: Annotated[Path, typer.Option(help="dataset to train on (its training split)")],
    out: Annotated[Path, typer.Option(help="folder of the run")],
    preset: Annotated[str, typer.Option(help="studio (what a CPU trains) or paper (the official layers)")] = "studio",
    head: Annotated[str, typer.Option(help="official (all codes from 128 sigmoids) or wide")] = "official",
    images: Annotated[
        int | None, typer.Option(help="frames to see in all; 1,000,000 by default (studio)", min=1)
    ] = None,
    batch: Annotated[int | None, typer.Option(help="frames a step; 48 by default (studio)", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="of the weights and of the batches; 0 by default", min=0)] = None,
    augment: Annotated[bool, typer.Option("--augment", help="jitter the colours that the encoder sees")] = False,
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(help="processor threads; 2 by default", min=1)] = None,
    minutes: Annotated[float | None, typer.Option(help="stop with a checkpoint after this long", min=0)] = None,
    init: Annotated[str | None, typer.Option(help="weights to start from: a file or a shipped name")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on from the last checkpoint in --out")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="any other setting, e.g. --set learning_rate=5e-4 or --set method.cycle=0.1"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document and nothing else there")] = False,
) -> None:
    """Train a network: without labels (nsd, cssl, drnet, ugar), or with them as a yardstick (supervised).

    Ctrl-C stops with a checkpoint; --resume goes on as if nothing had happened. `torchrun --nproc-per-node N -m
    turncoat.engine.cli train ...` shares every batch among N processes.
    """
    # Waiting threads sleep instead of spinning: on a machine that has anything else to do, training is twice as fast.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is first imported
    from turncoat.kernels.settings import parse_overrides
    from turncoat.training.data import open_dataset
    from turncoat.training.fit import FitSettings, fit
    from turncoat.training.jitter import AUGMENTED
    from turncoat.training.networks import preset as network_preset
    from turncoat.training.recipes import build_settings, recipe

    output = Output(json)
    overrides = parse_overrides(settings or [])
    method_overrides = ({"jitter": AUGMENTED} if augment else {}) | overrides.pop("method", {})
    network_overrides = overrides.pop("network", {})
    given = {"images": images, "batch": batch, "seed": seed, "threads": threads, "init": init}
    given = {name: value for name, value in given.items() if value is not None}
    fit_settings = build_settings(FitSettings, recipe(method, preset).fit, overrides, given)
    dataset = open_dataset(data)
    shape = network_preset(preset, **({"head": head} | network_overrides))
    with output.progress(f"training {method}", "images") as advance:

        def progress(done: int, total: int, warning: str | None = None, **facts: float) -> None:
            if warning is not None:
                output.warn(warning)
                return
            shown = ("person_db_own", "person_db_rotated", "person_db_swapped", "mpjpe_mm")
            advance(done, total, **{name.removeprefix("person_"): facts[name] for name in shown if name in facts})

        result = fit(
            dataset,
            out,
            shape,
            fit_settings,
            method=method,
            method_overrides=method_overrides,
            resume=resume,
            minutes=minutes,
            device=device,
            command=" ".join(["turncoat", *sys.argv[1:]]),
            progress=progress,
        )
    what = "Trained" if result.done else "Stopped; resume with --resume:"
    total = fit_settings.steps * fit_settings.batch
    output.show(f"{what} {result.images:,} of {total:,} images, {result.images_per_s:.0f} images/s")
    following = "turncoat evaluate" if method == "supervised" else "turncoat fit-regressor"
    output.show(f"The network is {out / 'network.safetensors'}; next: {following} {out} --data ...")
    output.finish(result._asdict() | {"network": str(out / "network.safetensors")})
