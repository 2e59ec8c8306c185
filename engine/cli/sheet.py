"""`turncoat sheet`: the contact sheet of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from turncoat.engine.cli.output import Output


def sheet(
    dataset: Annotated[Path, typer.Argument(help="folder of the dataset")],
    out: Annotated[Path | None, typer.Option(help="picture to write; DATASET/sheet.png by default")] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document and nothing else")] = False,
) -> None:
    """Draw a contact sheet: every subject with joints, masks, boxes, labels and splits, and all backgrounds."""
    from turncoat.kernels.errors import ConfigError
    from turncoat.kernels.files import atomic_path
    from turncoat.training.data import open_dataset
    from turncoat.training.data.studio.sheet import contact_sheet

    output, data = Output(json), open_dataset(dataset)
    path = dataset / "sheet.png" if out is None else out
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise ConfigError(f'The picture {path} ends in "{path.suffix}"; choose .png, .jpg or .webp.')
    drawn = contact_sheet(data)
    with atomic_path(path) as temporary:
        drawn.picture.save(temporary)
    output.show(f"{len(drawn.rows)} of {len(data):,} frames drawn in {path}")
    if drawn.unreadable:
        output.show(f"{len(drawn.unreadable)} unreadable frames were skipped: {', '.join(drawn.unreadable[:5])}")
    output.finish(
        {
            "file": str(path),
            "frames": len(data),
            "shown": data.column("sample_id")[drawn.rows].tolist(),
            "unreadable": drawn.unreadable,
            "splits": data.info["splits"],
            "fingerprint": data.info.get("fingerprint"),
        }
    )
    if drawn.unreadable:
        raise typer.Exit(1)
