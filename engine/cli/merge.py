"""turncoat merge."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from turncoat.engine.cli.output import Output
from turncoat.engine.sweep import merge_shards


def merge(
    out: Annotated[Path, typer.Argument(help="Folder of the run to write.")],
    shards: Annotated[list[Path], typer.Argument(metavar="SHARD...", help="Folders of all shards, in any order.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
) -> None:
    """Make one run of the shards of a sweep, the same that an undivided sweep gives.

    Shards that do not belong together, that are missing or that are not complete are refused. Exit code 1 when samples
    failed.
    """
    from turncoat.engine.cli.attack import conclude

    conclude(merge_shards(out, shards, command=shlex.join(["turncoat", *sys.argv[1:]])), Output(json))
