"""turncoat soundness."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from turncoat.engine.cli.options import Device
from turncoat.engine.cli.output import Output


def soundness(
    weights: Annotated[str, typer.Argument(help="Network that is attacked: shipped name, or path of its weights.")],
    data: Annotated[Path, typer.Option(help="Folder of the dataset.")],
    out: Annotated[Path, typer.Option(help="Folder for the runs, the page, the picture and the numbers.")],
    setting: Annotated[str, typer.Option(help="Attack that is checked: natural, paper or free.")] = "natural",
    optimiser: Annotated[
        str | None, typer.Option(help="Of that attack: adam, sign or gradient. Default: the attack's own.")
    ] = None,
    generator: Annotated[str | None, typer.Option(help="Another network, that repaints for one variant.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Frames. Default: 100, in equal parts of subjects.")] = None,
    iterations: Annotated[
        int | None, typer.Option(min=2, help="Steps of the attack that is checked. Default: 500.")
    ] = None,
    starts: Annotated[int | None, typer.Option(min=1, help="Starts of the attack that is checked. Default: 1.")] = None,
    restarts: Annotated[
        int | None, typer.Option(min=2, help="How many times as many a variant makes. Default: 4.")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            help="Leave out: longer, restarts, steps, optimisers, search, precision, budgets, gradient; repeatable."
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="25 frames, 40 steps, fewer variants: wide intervals.")
    ] = False,
    threshold: Annotated[float | None, typer.Option(help="Error, mm, past which a prediction is fooled.")] = None,
    step_size: Annotated[float | None, typer.Option(help="Of that attack. Default: recorded, or chosen.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32, bfloat16 or auto.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of frames, starts and searches.")] = None,
    device: Device = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
) -> None:
    """Ask whether an attack that fails is sound: the same frames under everything that might make it stronger.

    More iterations, restarts, other step sizes, other optimisers, a search without gradients, another generator,
    other budgets; gradients against finite differences; the usual signs of a gradient that hides something. Each is
    compared with the attack, paired by frame. What the folder holds already is not done again. Exit code 1: not sound.
    """
    from turncoat.engine.analysis.soundness import SoundnessSettings, check_soundness
    from turncoat.engine.analysis.soundness.variants import Variant
    from turncoat.engine.report.soundness_page import facts, terminal, write_soundness
    from turncoat.engine.runs import Run
    from turncoat.kernels.device import find_device

    output = Output(json)
    given: dict[str, Any] = {
        "setting": setting, "optimiser": optimiser, "frames": frames, "iterations": iterations, "starts": starts,
        "restarts": restarts,
        "without": without or None, "threshold_mm": threshold, "step_size": step_size, "precision": precision,
        "seed": seed, "device": str(find_device(device)),
    }  # fmt: skip
    settings = SoundnessSettings.load(None, {name: value for name, value in given.items() if value is not None})
    settings = settings.quick() if quick else settings

    def notify(variant: Variant, run: Run, cached: bool) -> None:
        state = "there already" if cached else f"{run.info['wall_s']:.0f} s"
        output.show(f"{variant.words}: {run.folder} ({state})")

    with output.progress("attacking", "steps") as advance:
        found = check_soundness(
            weights,
            data,
            out,
            settings,
            generator,
            progress=advance,
            notify=notify,
            command=shlex.join(["turncoat", *sys.argv[1:]]),
        )
    files = write_soundness(found, out)
    output.show(*terminal(found))
    output.show(f"Written: {', '.join(map(str, files))}")
    output.finish({"files": [str(file) for file in files], **facts(found)})
    raise typer.Exit(0 if found.sound else 1)
