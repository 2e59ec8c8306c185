"""`turncoat curves`: error and success as a function of budget, and the area under them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from turncoat.engine.cli.options import Device
from turncoat.engine.cli.output import Output


def curves(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="DATA | RUN...", help="Dataset to attack on; or folders of runs that have budgets."),
    ],
    network: Annotated[
        list[str] | None, typer.Option(help="Shipped name or file of weights to attack; repeatable. Default: nsd.")
    ] = None,
    budgets: Annotated[
        str | None,
        typer.Option(help="Distances from the own code, in standard deviations of natural codes; none: no codes."),
    ] = None,
    colours: Annotated[
        str | None, typer.Option(help="Largest changes of a colour channel, like 0.02,0.05,0.1,0.2. Default: none.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the curves, and of one run a network in OUT/runs.")] = Path(
        "runs/curves"
    ),
    group: Annotated[str, typer.Option(help="everyday or acrobatic.")] = "everyday",
    per_subject: Annotated[
        int | None, typer.Option(min=1, help="Frames of each subject. Default: 80, or as many as there are.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps at each budget, all of which are made.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Error, mm, past which a prediction is fooled.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32, bfloat16 or auto, of the steps.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Samples computed together.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of frames, draws and controls.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes, a network each at a time. Default: one a core, 4 at most; 1 on a GPU."),
    ] = None,
    device: Device = "auto",
    settings: Annotated[Path | None, typer.Option("--settings", help="TOML file of attack settings.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
) -> None:
    """Attack at rising budgets without stopping at the threshold: curves, and the areas networks are compared by.

    Writes OUT/curves.json, curves.md, curves.png, curves.pdf and curves.svg. Finished runs in OUT/runs are used again,
    killed ones gone on with. Exit code 1 when samples failed: unreadable pictures, numbers that are not finite.
    """
    from itertools import combinations

    from turncoat.engine.analysis.apart import default_workers
    from turncoat.engine.analysis.budgets import curve_settings
    from turncoat.engine.analysis.curve_differences import compare_curves
    from turncoat.engine.analysis.curves import budget_curves
    from turncoat.engine.analysis.family import attack_family
    from turncoat.engine.analysis.members import members_of
    from turncoat.engine.report.curves import curve_tables, curves_document, write_curves
    from turncoat.engine.report.plain import rich_table
    from turncoat.engine.runs import Run
    from turncoat.kernels.device import find_device
    from turncoat.kernels.files import check_output_folder

    output = Output(json)
    data, networks = _split(sources, network or [])
    options = {"budget_iterations": steps, "colour_iterations": steps, "threshold_mm": threshold,
               "precision": precision, "batch": batch, "seed": seed, "device": str(find_device(device))}  # fmt: skip
    chosen = curve_settings(
        budgets=None if budgets is None else _numbers("--budgets", budgets),
        colours=None if colours is None else _numbers("--colours", colours),
        file=settings,
        **options,
    )
    selection = _selection(group, per_subject)
    check_output_folder(out, resume=True)

    def notify(name: str, run: Run, cached: bool) -> None:
        state = "there already" if cached else f"{run.info['wall_s']:.0f} s"
        output.show(f"{name}: {run.info['selection']['frames']} frames, {run.folder} ({state})")

    with output.progress("attacking", "samples") as advance:
        runs = attack_family(networks, data, out, chosen, selection, progress=advance, notify=notify,
                             command=shlex.join(["turncoat", *sys.argv[1:]]),
                             workers=workers or default_workers(len(networks), device))  # fmt: skip
    members_of(runs)  # says at once if two have one name
    found = [one for run in runs for one in budget_curves(run, group=group)]
    differences = [one for a, b in combinations(runs, 2) for one in compare_curves(a, b, group=group)]
    files = write_curves(found, differences, out)
    for table in curve_tables(found, differences):
        output.show(rich_table(table))
    output.show(f"Curves: {', '.join(map(str, files))}")
    failed = sum(int(run.info.get("failed", 0)) for run in runs)
    output.finish({"files": [str(file) for file in files], "failed": failed, **curves_document(found, differences)})
    raise typer.Exit(1 if failed else 0)


def _split(sources: list[Path], networks: list[str]) -> tuple[Path | None, list[Any]]:
    """(dataset, what `attack_family` takes): of the arguments, a run is one, anything else is the dataset."""
    from turncoat.engine.analysis.family import is_run
    from turncoat.kernels.errors import ConfigError

    runs, others = [one for one in sources if is_run(one)], [one for one in sources if not is_run(one)]
    if len(others) > 1:
        raise ConfigError(f"{others[0]} and {others[1]} are both no runs; expected one dataset, or folders of runs.")
    if networks and not others:
        raise ConfigError(
            f"{networks[0]} is yet to be attacked, which needs a dataset; give its folder beside the runs."
        )
    weights = networks or (["nsd"] if others and not runs else [])
    return (others[0] if others else None), [*weights, *runs]


def _selection(group: str, per_subject: int | None) -> Any:
    from dataclasses import replace

    from turncoat.engine.analysis.family import SELECTION

    chosen = replace(SELECTION, groups=(group,))
    return chosen if per_subject is None else replace(chosen, per_subject=per_subject)


def _numbers(option: str, text: str) -> list[float]:
    """``"1,2,4"`` -> [1, 2, 4]; ``"none"`` -> []."""
    from turncoat.kernels.errors import ConfigError

    try:
        found = [] if text == "none" else [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"{option} is {text!r}; expected numbers with commas between them, like 1,2,4.") from error
    return found
