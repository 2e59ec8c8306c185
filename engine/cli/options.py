"""Options that several commands share, so that they are called and explained alike."""

from typing import Annotated

import typer

from turncoat.kernels.errors import ConfigError

Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ..., or auto: a GPU where there is one")]
Optimisers = Annotated[
    list[str] | None,
    typer.Option(
        "--optimiser", help="adam, sign, gradient, random (a search); of one attack: natural=gradient; repeatable."
    ),
]

Workers = Annotated[int, typer.Option(min=1, help="Processes that share the work on this machine.")]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray", metavar="ADDRESS", help="Share the work over a Ray cluster: its address, auto, or local: start one."
    ),
]


def for_each(option: str, pairs: list[str] | None, expected: str) -> dict[str, str] | str | None:
    """``["sign"]`` -> "sign"; ``["paper=adam", "natural=sign"]`` -> one for each; None and [] -> None.

    Raises:
        ConfigError: several of them, and one without a name.
    """
    if not pairs:
        return None
    if len(pairs) == 1 and "=" not in pairs[0]:
        return pairs[0]
    if not all("=" in pair for pair in pairs):
        raise ConfigError(f"{option} is {' '.join(pairs)!r}; expected {expected}.")
    return {name: value for name, value in (pair.split("=", 1) for pair in pairs)}


def optimisers(given: list[str] | None) -> dict[str, str] | str | None:
    """What --optimiser says, as settings take it."""
    return for_each("--optimiser", given, "adam, or attack=name like natural=gradient")
