"""`turncoat evaluate`: how good a network is before it is attacked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from turncoat.engine.cli.output import Output


def evaluate(
    network: Annotated[str, typer.Argument(help="network with a regressor: a .safetensors file or a shipped name")],
    data: Annotated[Path, typer.Option(help="dataset with ground truth")],
    split: Annotated[list[str] | None, typer.Option(help="only this split; may be repeated")] = None,
    poses: Annotated[int | None, typer.Option(help="frames a cell for pose errors; all by default", min=1)] = None,
    pictures: Annotated[int | None, typer.Option(help="frames a cell for pictures; 800 by default", min=1)] = None,
    batch: Annotated[int | None, typer.Option(help="frames at a time", min=1)] = None,
    precision: Annotated[str, typer.Option(help="float32 or bfloat16")] = "float32",
    threads: Annotated[int, typer.Option(help="processor threads", min=1)] = 2,
    card: Annotated[bool, typer.Option("--card", help="write the numbers into the card beside the weights")] = False,
    out: Annotated[Path | None, typer.Option(help="also write the whole document here, as JSON")] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document and nothing else there")] = False,
) -> None:
    """Measure a network: pose errors, pictures, masks, and the error that a repainting alone makes.

    A cell is a split and a group of actions. Intervals are 95 %, by drawing whole sequences.
    """
    import torch

    from turncoat.kernels import ConfigError
    from turncoat.kernels.files import write_json
    from turncoat.training.cards import write_card
    from turncoat.training.checkpoint import load_network
    from turncoat.training.data import open_dataset
    from turncoat.training.evaluate import EvaluationSettings
    from turncoat.training.evaluate import evaluate as measure

    output = Output(json)
    if precision not in ("float32", "bfloat16"):
        raise ConfigError(f"The precision is {precision!r}; choose float32 or bfloat16.")
    given = {"splits": split or None, "poses": poses, "pictures": pictures, "batch": batch}
    settings = EvaluationSettings.load(None, {name: value for name, value in given.items() if value is not None})
    torch.set_num_threads(threads)
    loaded = load_network(network, regressor=True)
    loaded.compute_dtype = getattr(torch, precision)
    with output.progress("evaluating", "frames") as advance:
        document = measure(loaded, open_dataset(data), settings, progress=advance)
    for table in (_poses_table, _pictures_table, _initial_table, _actions_table):
        output.show(table(document))
    if document["unreadable"]:
        output.show(f"{document['unreadable']} frames could not be read and were left out.")
    if out is not None:
        write_json(out, document)
    if card:
        output.show(f"Card: {write_card(loaded, document)}")
    output.finish(document)


def _poses_table(document: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(
        "split", "group", "frames", "MPJPE", "of mean pose's", "N-MPJPE", "PA-MPJPE", "mean pose", title="Poses, mm"
    )
    for split, group, part in _parts(document):
        p = part["poses"]
        errors = [_number(p[name]) for name in ("n_mpjpe", "pa_mpjpe", "mean_pose")]
        share = f"{100 * p['of_mean_pose']['mean']:.0f} %"
        table.add_row(split, group, f"{p['frames']:,}", _interval(p["mpjpe"]), share, *errors)
    return table


def _pictures_table(document: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table("split", "group", "frames", "person", "background", "crop limit", "mask IoU", title="Pictures, dB")
    for split, group, part in _parts(document):
        p = part["pictures"]
        others = [_number(p[name], 1) for name in ("background_db", "crop_limit_db")]
        mask = _interval(p["mask_iou"], 3)
        table.add_row(split, group, f"{p['frames']:,}", _interval(p["person_db"], 1), *others, mask)
    return table


def _initial_table(document: dict[str, Any]) -> Any:
    from rich.table import Table

    past = f"past {document['threshold_mm']:.0f}"
    columns = ("split", "group", "mean", "median", past, "of MPJPE", "mask alone", "colours alone", "crop alone")
    table = Table(*columns, title="Initial error of an attack, mm")
    for split, group, part in _parts(document):
        p = part["pictures"]
        shares = [f"{100 * p['initial_past']['mean']:.1f} %", f"{100 * p['initial_of_mpjpe']['mean']:.0f} %"]
        alone = [_number(p[name]) for name in ("initial_mask", "initial_rgb", "initial_crop")]
        table.add_row(split, group, _interval(p["initial"]), f"{p['initial']['median']:.0f}", *shares, *alone)
    return table


def _actions_table(document: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(
        "split",
        "action",
        "frames",
        "MPJPE",
        "of mean pose's",
        "PA-MPJPE",
        "person dB",
        "initial error",
        title="By action",
    )
    for split, groups in document["splits"].items():
        for group, cell in groups.items():
            named = {name: cell[name] for name in ("not walking",) if name in cell and group == "everyday"}
            for name, part in (cell["actions"] | named).items():
                p, q = part["poses"], part.get("pictures")
                share = f"{100 * p['of_mean_pose']['mean']:.0f} %"
                pictures = (_number(q["person_db"], 1), _number(q["initial"])) if q else ("", "")
                table.add_row(
                    split, name, f"{p['frames']:,}", _interval(p["mpjpe"]), share, _number(p["pa_mpjpe"]), *pictures
                )
    return table


def _parts(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(split, group, part) for split, groups in document["splits"].items() for group, part in groups.items()]


def _number(value: dict[str, float], digits: int = 0) -> str:
    return f"{value['mean']:.{digits}f}"


def _interval(value: dict[str, float], digits: int = 0) -> str:
    if value["low"] is None:
        return _number(value, digits)
    return f"{value['mean']:.{digits}f} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"
