"""`turncoat runs`: what lies in a folder of runs."""

from pathlib import Path
from typing import Annotated

import typer

from turncoat.engine.cli.output import Output


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder that is searched, with all below it.")] = Path("runs"),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
) -> None:
    """List the runs below a folder: what was attacked, with what, when, and how often it was fooled.

    Exit code 1 when a run is damaged.
    """
    from rich.table import Table

    from turncoat.engine.runs.listing import DAMAGED, list_runs

    output, found = Output(json), list_runs(folder)
    damaged = [one for one in found if one.status == DAMAGED]
    table = Table(title=f"Runs below {folder}", title_justify="left")
    for heading in ("run", "network", "on", "begun", "status", "rows", "fooled"):
        whole = heading in ("begun", "status", "fooled")
        table.add_column(heading, justify="right" if heading == "rows" else "left", no_wrap=whole, overflow="fold")
    for one in found:
        shares = {name: success.share for name, success in (one.settings or {}).items()}
        fooled = "\n".join(f"{name} {'-' if share is None else f'{share:.0%}'}" for name, share in shares.items())
        network = one.generator if one.generator == one.target else f"{one.generator} on {one.target}"
        frames = f"{one.frames:,} of {one.dataset}" if one.frames is not None else one.dataset
        place = str(Path(one.folder).relative_to(folder))
        begun = one.created.removesuffix("Z").replace("T", " ")[:16]
        table.add_row(place, network, frames, begun, one.status, f"{one.rows:,}" if one.rows else "-", fooled)
    if found:
        output.show(table)
    else:
        output.show(f"There are no runs below {folder}; `turncoat attack` makes one.")
    for one in damaged:
        output.warn(f"{one.folder}: {one.why}")
    output.finish([one.facts() for one in found])
    raise typer.Exit(1 if damaged else 0)
