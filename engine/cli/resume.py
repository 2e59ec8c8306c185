"""turncoat resume."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from turncoat.engine.cli.options import Ray, Workers
from turncoat.engine.cli.output import Output
from turncoat.engine.sweep import resume_run


def resume(
    run: Annotated[Path, typer.Argument(help="Folder of the run, or of the shard.")],
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 ... Default: where it was.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the dataset, where it has moved.")] = None,
    workers: Workers = 1,
    ray: Ray = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
) -> None:
    """Go on with a run that was killed, from what its folder says.

    Weights or frames that have changed are refused. Exit code 1 when samples failed or parts are missing.
    """
    from turncoat.engine.cli.attack import conclude

    output = Output(json)
    with output.progress("attacking", "samples") as advance:
        found = resume_run(
            run, data=data, device=device, workers=workers, ray=ray, progress=advance,
            command=shlex.join(["turncoat", *sys.argv[1:]]),
        )  # fmt: skip
    conclude(found, output)
