"""`turncoat report`: a run as one page."""

from pathlib import Path
from typing import Annotated

import typer

from turncoat.engine.cli.output import Output


def report(
    run: Annotated[Path, typer.Argument(help="Run folder that `turncoat attack` wrote.")],
    out: Annotated[Path | None, typer.Option(help="File to write. Default: RUN/report/index.html.")] = None,
    data: Annotated[Path | None, typer.Option(help="The run's dataset, if it was moved.")] = None,
    weights: Annotated[str | None, typer.Option(help="The run's generator, if its weights were moved.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")] = False,
) -> None:
    """Write a run's report: one self-contained HTML page with tables, charts and pictures.

    Pictures are painted again from the stored codes; without the dataset or the weights they are left out.
    """
    from turncoat.engine.report import write_report

    output = Output(json)
    page = write_report(run, out=out, data=data, weights=weights)
    output.show(f"Report: {page}")
    output.finish({"run": str(run), "report": str(page), "bytes": page.stat().st_size})
