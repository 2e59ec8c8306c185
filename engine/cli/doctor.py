"""turncoat doctor."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from turncoat.engine.cli.output import Output
from turncoat.engine.diagnosis import STATES, diagnose


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
) -> None:
    """Say what is installed, what works, and what each missing piece would give.

    Exit code 1 when a piece that turncoat cannot do without is missing or broken.
    """
    out = Output(json)
    findings = diagnose()
    table = Table(title="turncoat doctor", title_justify="left")
    for heading in ("piece", "state", "found", "what it gives"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        table.add_row(
            finding.piece, f"[{STATES[finding.state]}]{finding.state}[/]", escape(finding.found), finding.gives
        )
    out.show(table)
    healthy = all(finding.state == "works" for finding in findings if finding.needed)
    if not healthy:
        out.show("A piece that turncoat needs does not work: see the table.")
    out.finish({"healthy": healthy, "findings": [vars(finding) for finding in findings]})
    raise typer.Exit(0 if healthy else 1)
