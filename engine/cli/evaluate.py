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
    from turncoat.training.cards import card_path, write_card
    from turncoat.training.checkpoint import check_output_file, load_network
    from turncoat.training.data import open_dataset
    from turncoat.training.evaluate import EvaluationSettings
    from turncoat.training.evaluate import evaluate as measure

    output = Output(json)
    if precision not in ("float32", "bfloat16"):
        raise ConfigError(f"The precision is {precision!r}; choose float32 or bfloat16.")
    given = {"splits": split or None, "poses": poses, "pictures": pictures, "batch": batch}
    settings = EvaluationSettings.load(None, {name: value for name, value in given.items() if value is not None})
    if out is not None:
        check_output_file(out, overwrite=True)
    torch.set_num_threads(threads)
    dataset = open_dataset(data)
    loaded = load_network(network, regressor=True)
    loaded.compute_dtype = getattr(torch, precision)
    if card:
        check_output_file(card_path(loaded), overwrite=True)
    with output.progress("evaluating", "frames") as advance:
        document = measure(loaded, dataset, settings, progress=advance)
    for table in (_poses_table, _mean_poses_table, _pictures_table, _initial_table, _actions_table):
        output.show(table(document))
    if document["unreadable"]:
        output.show(f"{document['unreadable']} frames could not be read and were left out.")
    if out is not None:
        write_json(out, document)
    if card:
        output.show(f"Card: {write_card(loaded, document)}")
    output.finish(document)


def _table(*headings: str, title: str, caption: str | None = None) -> Any:
    """A table that folds what is too long for its column on a narrow screen, instead of cutting it off."""
    from rich.table import Column, Table

    return Table(*(Column(heading, overflow="fold") for heading in headings), title=title, caption=caption)


def _poses_table(document: dict[str, Any]) -> Any:
    columns = ("split", "group", "frames", "sequen-\nces", "motions", "MPJPE", "N-\nMPJPE", "PA-\nMPJPE")
    table = _table(*columns, title="Poses, mm")
    for split, group, part in _parts(document):
        p = part["poses"]
        counts = [f"{p[name]:,}" for name in ("frames", "sequences", "motions")]
        table.add_row(split, group, *counts, _interval(p["mpjpe"]), _number(p["n_mpjpe"]), _number(p["pa_mpjpe"]))
    return table


def _mean_poses_table(document: dict[str, Any]) -> Any:
    table = _table(
        "split", "group", "MPJPE", *_MEAN_POSES.values(), title="MPJPE beside that of mean poses",
        caption="mean_pose: of all training frames, as the regressor stores it. group_mean_pose: of the training "
        "frames of the same group. ratio: the network's MPJPE as a share of the mean pose's.",
    )  # fmt: skip
    for split, group, part in _parts(document):
        p = part["poses"]
        table.add_row(split, group, _number(p["mpjpe"]), *_beside_mean_poses(p))
    return table


_MEAN_POSES = {  # names and, in lines that fit a screen, headings
    "mean_pose_mm": "mean\n_pose_mm",
    "mean_pose_ratio": "mean_pose\n_ratio",
    "group_mean_pose_mm": "group_\nmean\n_pose_mm",
    "group_mean_pose_ratio": "group_\nmean_pose\n_ratio",
}


def _beside_mean_poses(poses: dict[str, Any]) -> list[str]:
    """Columns `_MEAN_POSES`; a dash where the dataset has no training frames of the group."""
    found = []
    for name in _MEAN_POSES:
        value = poses[name]
        share = name.endswith("ratio")
        found.append("-" if value is None else f"{100 * value['mean']:.0f} %" if share else _number(value))
    return found


def _pictures_table(document: dict[str, Any]) -> Any:
    table = _table(
        "split", "group", "frames", "person\n_db", "back-\nground_db", "crop\n_limit_db", "mask IoU",
        title="Pictures, dB",
        caption="dB: mean over frames of each frame's PSNR over the person's pixels (of the synthesis, of the empty "
        "background, of the cropped and uncropped frame); not the PSNR of the mean squared error.",
    )  # fmt: skip
    for split, group, part in _parts(document):
        p = part["pictures"]
        others = [_number(p[name], 1) for name in ("background_db", "crop_limit_db")]
        mask = _interval(p["mask_iou"], 3)
        table.add_row(split, group, f"{p['frames']:,}", _interval(p["person_db"], 1), *others, mask)
    return table


def _initial_table(document: dict[str, Any]) -> Any:
    past = f"past {document['threshold_mm']:.0f}"
    columns = ("split", "group", "mean", "median", past, "of MPJPE", "mask part", "RGB part", "box part")
    table = _table(
        *columns, title="Initial error of an attack, mm",
        caption="A part has only the network's mask, RGB or box (with the crop's resolution), the rest true. "
        "Parts overlap and do not add up.",
    )  # fmt: skip
    for split, group, part in _parts(document):
        p = part["pictures"]
        shares = [f"{100 * p['initial_past']['mean']:.1f} %", f"{100 * p['initial_of_mpjpe']['mean']:.0f} %"]
        alone = [_number(p[name]) for name in ("initial_mask", "initial_rgb", "initial_box")]
        table.add_row(split, group, _interval(p["initial"]), f"{p['initial']['median']:.0f}", *shares, *alone)
    return table


def _actions_table(document: dict[str, Any]) -> Any:
    table = _table(
        "split",
        "action",
        "frames",
        "MPJPE",
        "mean\n_pose\n_ratio",
        "group\n_mean\n_pose\n_ratio",
        "PA-\nMPJPE",
        "person\n_db",
        "initial\nerror",
        title="By action",
    )
    for split, groups in document["splits"].items():
        for group, cell in groups.items():
            named = {name: cell[name] for name in ("not walking",) if name in cell and group == "everyday"}
            for name, part in (cell["actions"] | named).items():
                p, q = part["poses"], part.get("pictures")
                _, share, _, group_share = _beside_mean_poses(p)
                pictures = (_number(q["person_db"], 1), _number(q["initial"])) if q else ("", "")
                errors = [_interval(p["mpjpe"]), share, group_share, _number(p["pa_mpjpe"])]
                table.add_row(split, name, f"{p['frames']:,}", *errors, *pictures)
    return table


def _parts(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(split, group, part) for split, groups in document["splits"].items() for group, part in groups.items()]


def _number(value: dict[str, float], digits: int = 0) -> str:
    return f"{value['mean']:.{digits}f}"


def _interval(value: dict[str, float], digits: int = 0) -> str:
    if value["low"] is None:
        return _number(value, digits)
    return f"{value['mean']:.{digits}f} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"
