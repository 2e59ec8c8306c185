"""turncoat step-size."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from turncoat.engine.attack import APPEARANCE_ATTACKS, AttackSettings
from turncoat.engine.attack.step_size import record_step_sizes
from turncoat.engine.cli.options import Device, Optimisers, optimisers
from turncoat.engine.cli.output import Output
from turncoat.engine.sweep import step_sizes_of
from turncoat.kernels.device import find_device


def step_size(
    weights: Annotated[str, typer.Argument(help="Network with a regressor: path of its weights, or shipped name.")],
    dataset: Annotated[Path, typer.Option("--data", help="Dataset whose validation frames the choice is made on.")],
    frames: Annotated[int, typer.Option(min=1, help="Frames to try on.")] = 50,
    iterations: Annotated[int, typer.Option(min=1, help="Steps on each.")] = 100,
    attacks: Annotated[
        list[str] | None, typer.Option("--attack", help="paper, free, natural; repeatable. Default: all three.")
    ] = None,
    optimiser: Optimisers = None,
    precision: Annotated[str, typer.Option(help="float32, bfloat16 or auto.")] = "auto",
    device: Device = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show, and leave the weights as they are.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
) -> None:
    """Choose the step sizes of a network's attacks, and record them with its weights.

    Without this, every `turncoat attack` chooses its own first.
    """
    settings = AttackSettings.load(
        None,
        {
            "attacks": attacks or list(APPEARANCE_ATTACKS),
            "step_size_frames": frames,
            "step_size_iterations": iterations,
            "optimiser": optimisers(optimiser),
            "precision": precision,
            "device": str(find_device(device)),
        },
    )
    output = Output(json)
    with output.progress("choosing step sizes", "attacks") as advance:
        choices = step_sizes_of(weights, dataset, settings, progress=advance)
    table = Table(title="step sizes", title_justify="left")
    for heading in ("attack", "step size", "fooled", "steps", "error, capped, mm", "chosen"):
        table.add_column(heading, justify="left" if heading == "attack" else "right")
    for name, choice in choices.items():
        for rung in choice.ladder:
            table.add_row(
                name,
                f"{rung.step_size:g}",
                f"{rung.success:.0%}",
                f"{rung.mean_iterations:.1f}",
                f"{rung.mean_capped_mm:.0f}",
                "yes" if rung.step_size == choice.step_size else "",
            )
    output.show(table)
    if not dry_run:
        record_step_sizes(weights, choices)
        output.show(f"Recorded in {weights}.")
    output.finish({name: choice.facts() for name, choice in choices.items()})
