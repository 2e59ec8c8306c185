"""`turncoat evaluate`: how good a network is before it is attacked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from turncoat.engine.cli.options import Device
from turncoat.engine.cli.output import Output


def evaluate(
    network: Annotated[str, typer.Argument(help="network with a regressor: a .safetensors file or a shipped name")],
    data: Annotated[Path, typer.Option(help="dataset with ground truth")],
    split: Annotated[list[str] | None, typer.Option(help="only this split; may be repeated")] = None,
    poses: Annotated[int | None, typer.Option(help="frames a cell for pose errors; all by default", min=1)] = None,
    pictures: Annotated[int | None, typer.Option(help="frames a cell for pictures; 800 by default", min=1)] = None,
    identity: Annotated[
        int | None, typer.Option(help="training frames to fit probes of who it is on; 8000 by default, 0: none", min=0)
    ] = None,
    batch: Annotated[int | None, typer.Option(help="frames at a time", min=1)] = None,
    ceiling: Annotated[
        str, typer.Option(help="network trained with labels to set beside, or none; shipped `supervised` by default")
    ] = "supervised",
    precision: Annotated[str, typer.Option(help="float32 or bfloat16")] = "float32",
    device: Device = "auto",
    threads: Annotated[int, typer.Option(help="processor threads", min=1)] = 2,
    card: Annotated[bool, typer.Option("--card", help="write the numbers into the card beside the weights")] = False,
    out: Annotated[Path | None, typer.Option(help="also write the whole document here, as JSON")] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document and nothing else there")] = False,
) -> None:
    """Measure a network: pose errors, pictures, masks, the error of a repainting alone, and who it is from its codes.

    A cell is a split and a group of actions. Intervals are 95 %, by drawing whole sequences or motions.
    """
    import torch

    from turncoat.engine.cli.evaluation_tables import tables_of
    from turncoat.kernels import ConfigError
    from turncoat.kernels.device import find_device
    from turncoat.kernels.files import write_json
    from turncoat.training.cards import card_path, update_card
    from turncoat.training.checkpoint import check_output_file, load_network
    from turncoat.training.data import open_dataset
    from turncoat.training.evaluate import EvaluationSettings
    from turncoat.training.evaluate import evaluate as measure
    from turncoat.training.evaluation.ceiling import find_ceiling

    output = Output(json)
    if precision not in ("float32", "bfloat16"):
        raise ConfigError(f"The precision is {precision!r}; choose float32 or bfloat16.")
    given = {"splits": split or None, "poses": poses, "pictures": pictures, "identity": identity, "batch": batch}
    settings = EvaluationSettings.load(None, {name: value for name, value in given.items() if value is not None})
    if out is not None:
        check_output_file(out, overwrite=True)
    torch.set_num_threads(threads)
    dataset = open_dataset(data)
    loaded = load_network(network, regressor=True, device=find_device(device))
    beside = find_ceiling(loaded, ceiling)
    for each in (loaded, beside):
        if each is not None:
            each.compute_dtype = getattr(torch, precision)
    if card:
        check_output_file(card_path(loaded), overwrite=True)
    with output.progress("evaluating", "frames") as advance:
        document = measure(loaded, dataset, settings, ceiling=beside, progress=advance)
    for table in tables_of(document):
        output.show(table)
    for note in document["notes"]:
        output.show(note)
    if document["unreadable"]:
        output.show(f"{document['unreadable']} frames could not be read and were left out.")
    if out is not None:
        write_json(out, document)
    if card:
        output.show(f"Card: {update_card(loaded, evaluation=document)}")
    output.finish(document)
