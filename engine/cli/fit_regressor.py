"""`turncoat fit-regressor`: labels for a network that was trained without."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from turncoat.engine.cli.options import Device
from turncoat.engine.cli.output import Output


def fit_regressor(
    network: Annotated[
        str, typer.Argument(help="trained network: a run's folder, a .safetensors file or a shipped name")
    ],
    data: Annotated[Path, typer.Option(help="dataset with ground truth (its training split)")],
    out: Annotated[Path, typer.Option(help="file to write, network and regressor together")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the file if it is there already")] = False,
    half: Annotated[bool, typer.Option("--half", help="write the weights in float16, half the size")] = False,
    steps: Annotated[int | None, typer.Option(help="optimiser steps; 4000 by default", min=1)] = None,
    layers: Annotated[int | None, typer.Option(help="hidden layers: 2 (default) or 1", min=1, max=2)] = None,
    variant: Annotated[str | None, typer.Option(help="standardised (default) or literal, the official order")] = None,
    subject: Annotated[list[str] | None, typer.Option(help="use only this subject's labels; may be repeated")] = None,
    fraction: Annotated[float | None, typer.Option(help="share of the labels to use", min=0, max=1)] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(help="processor threads; 2 by default", min=1)] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="any other setting, e.g. --set noise=0.1")] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document and nothing else there")] = False,
) -> None:
    """Fit the pose regressor of a trained network, on labels of real frames.

    Also measures how natural appearance codes are spread, which attacks need, and how much of the pose the appearance
    code gives away.
    """
    import torch

    from turncoat.kernels.settings import parse_overrides
    from turncoat.training.data import open_dataset
    from turncoat.training.pose_regressor import RegressorSettings
    from turncoat.training.pose_regressor import fit_regressor as fit

    output = Output(json)
    given = {
        "steps": steps,
        "layers": layers,
        "variant": variant,
        "subjects": subject or None,
        "fraction": fraction,
        "seed": seed,
        "threads": threads,
    }
    chosen = RegressorSettings.load(
        None, parse_overrides(settings or []) | {k: v for k, v in given.items() if v is not None}
    )
    with output.progress("fitting the regressor", "steps") as advance:
        report = fit(
            open_dataset(data),
            network,
            out,
            chosen,
            dtype=torch.float16 if half else torch.float32,
            overwrite=overwrite,
            device=device,
            command=" ".join(["turncoat", *sys.argv[1:]]),
            progress=advance,
        )
    output.show(
        f"{out}: {report.labelled_frames:,} labelled frames. Everyday {report.checked_on} frames, MPJPE: "
        f"{report.mpjpe:.0f} mm from the pose code, {report.mpjpe_from_appearance:.0f} mm from the appearance code, "
        f"{report.mpjpe_mean_pose:.0f} mm for the mean pose of all labelled frames, "
        f"{report.mpjpe_group_mean_pose:.0f} mm for that of the everyday ones."
    )
    if report.unreadable:
        output.show(f"{report.unreadable} frames could not be read and were left out.")
    output.finish(report._asdict() | {"network": str(out), "bytes": out.stat().st_size})
