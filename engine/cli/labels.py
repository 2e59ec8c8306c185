"""`turncoat labels`: how many labels a regressor needs, and what each code tells about the pose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from turncoat.engine.cli.options import Device
from turncoat.engine.cli.output import Output


def labels(
    weights: Annotated[str, typer.Argument(help="network: a run's folder, a .safetensors file or a shipped name")],
    data: Annotated[Path, typer.Option(help="dataset with ground truth")],
    steps: Annotated[int | None, typer.Option(help="optimiser steps of each fit; 1000 by default", min=1)] = None,
    layers: Annotated[int | None, typer.Option(help="hidden layers: 2 (default) or 1", min=1, max=2)] = None,
    fraction: Annotated[
        list[float] | None, typer.Option(help="share of the labels; may be repeated; 1, .5, .01 and .001 by default")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="whose labels are used alone; the first by default")] = None,
    draws: Annotated[int | None, typer.Option(help="draws of few labels; 3 by default", min=1)] = None,
    frames: Annotated[int | None, typer.Option(help="frames a cell to measure on; 1000 by default", min=1)] = None,
    precision: Annotated[str | None, typer.Option(help="of the encoder: float32 (default) or bfloat16")] = None,
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(help="processor threads; 2 by default", min=1)] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="any other setting, e.g. --set regressor.noise=0.1")
    ] = None,
    card: Annotated[bool, typer.Option("--card", help="write the numbers into the card beside the weights")] = False,
    out: Annotated[Path | None, typer.Option(help="also write the whole document here, as JSON")] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document and nothing else there")] = False,
) -> None:
    """Fit regressors with all labels and with few, on the pose code and on the appearance code.

    The frames are encoded once; every fit stands beside the mean pose of the labels it used. Networks that were trained
    on labels are refused.
    """
    from turncoat.kernels.device import find_device
    from turncoat.kernels.files import write_json
    from turncoat.kernels.settings import parse_overrides
    from turncoat.training.cards import card_path, update_card
    from turncoat.training.checkpoint import check_output_file, load_network
    from turncoat.training.data import open_dataset
    from turncoat.training.label_study import LabelStudySettings, study_labels

    output = Output(json)
    overrides: dict[str, Any] = parse_overrides(settings or [])
    own = {"fractions": fraction or None, "subject": subject, "draws": draws, "frames": frames}
    of_fits = {"steps": steps, "layers": layers, "precision": precision, "threads": threads, "seed": seed}
    overrides |= {name: value for name, value in own.items() if value is not None}
    overrides["regressor"] = overrides.get("regressor", {}) | {k: v for k, v in of_fits.items() if v is not None}
    chosen = LabelStudySettings.load(None, overrides)
    if out is not None:
        check_output_file(out, overwrite=True)
    dataset, network = open_dataset(data), load_network(weights, device=find_device(device))
    if card:
        check_output_file(card_path(network), overwrite=True)
    with output.progress("label study", "done") as advance:
        document = study_labels(network, dataset, chosen, progress=advance)
    for table in label_tables(document):
        output.show(table)
    for sentence in document["left_out"]:
        output.show(f"Left out: {sentence}")
    if document["unreadable"]:
        output.show(f"{document['unreadable']} frames could not be read and were left out.")
    if out is not None:
        write_json(out, document)
    if card:
        output.show(f"Card: {update_card(network, labels=document)}")
    output.finish(document)


def label_tables(document: dict[str, Any]) -> list[Any]:
    """Labels against errors, and the other cells with all labels."""
    return [_labels(document), *([_cells(document)] if _full(document) else [])]


def _labels(document: dict[str, Any]) -> Any:
    from rich.table import Table

    own = document["own_regressor"]
    caption = "Held-out, everyday. In brackets: 95 %; over several draws of labels, lowest and highest."
    if own and "everyday" in own.get("held-out", {}):
        error = own["held-out"]["everyday"]["mpjpe"]
        caption += f" The network's own regressor, with its own steps: {_shown(error)} mm."
    table = Table(title="MPJPE by labels, mm", caption=caption)
    for heading in ("labels", "frames", "mean pose", "from the pose code", "from the appearance code"):
        table.add_column(heading, justify="left" if heading == "labels" else "right", overflow="fold")
    for line in document["table"]:
        null = line["mean_pose"]["mean"]
        cells = [
            f"{_shown(line[code])} = {100 * line[code]['mean'] / null:.0f} %" for code in ("pose_code", "appearance")
        ]
        table.add_row(line["labels"], f"{line['labelled_frames']:,}", f"{null:.0f}", *cells)
    return table


def _full(document: dict[str, Any]) -> dict[str, Any]:
    """The fits with all labels, by code."""
    return {fit["code"]: fit["cells"] for fit in document["fits"] if fit["labels"] == "all"}


def _cells(document: dict[str, Any]) -> Any:
    from rich.table import Table

    full = _full(document)
    table = Table(title="MPJPE with all labels, mm")
    for heading in ("split", "group", "mean pose", "from the pose code", "from the appearance code"):
        table.add_column(heading, justify="left" if heading in ("split", "group") else "right", overflow="fold")
    for split, groups in full["pose_code"].items():
        for group, found in groups.items():
            other = full["appearance"][split][group]
            errors = [
                f"{_shown(each['mpjpe'])} = {100 * each['mean_pose_ratio']['mean']:.0f} %" for each in (found, other)
            ]
            table.add_row(split, group, f"{found['mean_pose_mm']['mean']:.0f}", *errors)
    return table


def _shown(value: dict[str, Any]) -> str:
    """A mean with its interval, or with the lowest and highest of several draws."""
    names = ("low", "high") if value.get("low") is not None else ("lowest", "highest")
    low, high = (value.get(name) for name in names)
    shown = f"{value['mean']:.0f}"
    return shown if low is None or high is None else f"{shown} [{low:.0f}, {high:.0f}]"
