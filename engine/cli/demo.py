"""`turncoat demo`: everything once, in minutes."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from turncoat.engine.cli.output import Output


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("runs/demo"),
    network: Annotated[str, typer.Option(help="Shipped name, or path of the weights to attack.")] = "nsd",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
) -> None:
    """Render frames, attack the shipped network on them, and write a report.

    Steps that are done already are not done again; a killed demo goes on where it stopped. Exit code 1 when samples
    failed: unreadable pictures, numbers that are not finite.
    """
    from turncoat.engine.demo import run_demo

    output = Output(json)
    command = shlex.join(["turncoat", *sys.argv[1:]])
    made = run_demo(out, network=network, screen=output, workers=None, command=command)
    output.show(*made.tables())
    output.show(f"Report: {made.report}")
    output.finish(made.facts())
    raise typer.Exit(1 if made.run.info["failed"] else 0)
