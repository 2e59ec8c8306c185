"""Options that several commands share, so that they are called and explained alike."""

from typing import Annotated

import typer

Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ..., or auto: a GPU where there is one")]
