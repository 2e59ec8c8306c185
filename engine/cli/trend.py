"""`turncoat trend`: how a network got better over its training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from turncoat.engine.cli.options import Device
from turncoat.engine.cli.output import Output


def trend(
    run: Annotated[Path, typer.Argument(help="folder of a training run")],
    data: Annotated[Path, typer.Option(help="dataset with ground truth")],
    frames: Annotated[int, typer.Option(help="everyday held-out frames to measure on", min=1)] = 160,
    device: Device = "auto",
    threads: Annotated[int, typer.Option(help="processor threads", min=1)] = 2,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document and nothing else there")] = False,
) -> None:
    """Measure every snapshot of a training run, quickly: picture, mask, pose by a ridge regression.

    The numbers are kept in the run's folder as trend.json, from where `turncoat model-card --run` takes them.
    """
    import torch

    from turncoat.kernels.files import write_json
    from turncoat.training.checkpoint import check_output_file
    from turncoat.training.data import open_dataset
    from turncoat.training.trend import snapshot_trend

    output = Output(json)
    file = check_output_file(run / "trend.json", overwrite=True)
    torch.set_num_threads(threads)
    with output.progress("measuring snapshots", "networks") as advance:
        document = snapshot_trend(run, open_dataset(data), frames=frames, device=device, progress=advance)
    write_json(file, document)
    output.show(trend_table(document))
    output.finish(document)


def trend_table(document: dict[str, Any]) -> Any:
    """One line for every snapshot."""
    from rich.table import Table

    below = f"On {document['frames']} everyday held-out frames. Pose and initial error: of a ridge regression."
    if document["background_db"] is not None:
        below += f" The empty background is {document['background_db']:.1f} dB."
    table = Table(title="Over training", caption=f"{below} The mean pose is {document['mean_pose_mm']:.0f} mm off.")
    for heading in ("images", "person dB", "mask IoU", "MPJPE, mm", "initial error, mm"):
        table.add_column(heading, justify="right")
    for point in document["points"]:
        shown = [(point[name], digits) for name, digits in _DIGITS.items()]
        table.add_row(f"{point['images']:,}", *("-" if value is None else f"{value:.{n}f}" for value, n in shown))
    return table


_DIGITS = {"person_db": 1, "mask_iou": 3, "probe_mm": 0, "probe_initial_mm": 0}
