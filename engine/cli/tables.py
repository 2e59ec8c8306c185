"""turncoat tables."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from turncoat.engine.cli.options import Device
from turncoat.engine.cli.output import Output


def tables(
    networks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WEIGHTS]...",
            help="Shipped names, files of weights, or folders of finished runs. Default: all shipped networks.",
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Dataset to attack on; not needed where all are runs.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the tables, and of one run a network in OUT/runs.")] = Path(
        "runs/tables"
    ),
    seeds: Annotated[
        list[str] | None,
        typer.Option(help="nsd=A,B,C: weights that differ in their seed alone, for the spread; repeatable."),
    ] = None,
    attacks: Annotated[
        list[str] | None,
        typer.Option("--setting", help="paper, natural, free; repeatable. Default: paper and natural."),
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="everyday, acrobatic; repeatable, never pooled. Default: everyday.")
    ] = None,
    per_subject: Annotated[
        int | None,
        typer.Option(min=1, help="Frames of each subject in each group. Default: 80, or as many as there are."),
    ] = None,
    gap: Annotated[
        float | None, typer.Option(min=0, help="Seconds between two frames of a sequence, at least.")
    ] = None,
    iterations: Annotated[int | None, typer.Option(min=1, help="Largest number of steps. Default: 500.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Error, mm, past which a prediction is fooled.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32, bfloat16 or auto.")] = None,
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
    """Attack networks on the same frames and write the paper's Tables 1, 2 and 4, with controls and intervals.

    Writes OUT/tables.html, tables.md and tables.json. Finished runs in OUT/runs are used again, killed ones gone on
    with. Exit code 1 when samples failed: unreadable pictures, numbers that are not finite.
    """
    from dataclasses import replace

    from turncoat.engine.analysis.apart import default_workers
    from turncoat.engine.analysis.family import SELECTION, SETTINGS, attack_family, default_networks
    from turncoat.engine.analysis.tables import make_tables
    from turncoat.engine.attack import AttackSettings
    from turncoat.engine.report.family_page import terminal, write_tables
    from turncoat.engine.runs import Run
    from turncoat.kernels.device import find_device
    from turncoat.kernels.errors import ConfigError
    from turncoat.kernels.files import check_output_folder
    from turncoat.training.checkpoint import shipped_weights

    output = Output(json)
    base = AttackSettings.load(settings, {}).model_dump() if settings else SETTINGS.model_dump()
    given = {"attacks": attacks or None, "iterations": iterations, "threshold_mm": threshold, "precision": precision,
             "batch": batch, "seed": seed, "device": str(find_device(device))}  # fmt: skip
    chosen = AttackSettings.load(None, base | {name: value for name, value in given.items() if value is not None})
    if not chosen.appearance_attacks:
        raise ConfigError(f"The settings are {', '.join(chosen.attacks)}; tables are of paper, free or natural.")
    chosen = chosen.model_copy(update={"attacks": chosen.appearance_attacks})
    frames: dict[str, Any] = {
        "groups": tuple(group) if group else None,
        "per_subject": per_subject,
        "minimum_gap_s": gap,
    }
    selection = replace(SELECTION, **{name: value for name, value in frames.items() if value is not None})
    families = _families(seeds or [])
    names = list(networks or default_networks())
    if not networks and (others := sorted(set(shipped_weights()) - set(names))):
        output.show(f"Left out, for they cannot be attacked through a generator of their own: {', '.join(others)}.")
    further = [name for found in families.values() for name in found if name not in names]
    check_output_folder(out, resume=True)

    def notify(name: str, run: Run, cached: bool) -> None:
        state = "there already" if cached else f"{run.info['wall_s']:.0f} s"
        output.show(f"{name}: {run.info['selection']['frames']} frames, {run.folder} ({state})")

    with output.progress("attacking", "samples") as advance:
        runs = attack_family(
            [*names, *dict.fromkeys(further)],
            data,
            out,
            chosen,
            selection,
            progress=advance,
            notify=notify,
            command=shlex.join(["turncoat", *sys.argv[1:]]),
            workers=workers or default_workers(len(names) + len(further), device),
        )
    by_name = dict(zip([*names, *dict.fromkeys(further)], runs, strict=True))
    found = make_tables(
        [by_name[name] for name in names],
        seeds={method: [by_name[name] for name in members] for method, members in families.items()},
    )
    files = write_tables(found, runs, out)
    output.show(*terminal(found))
    output.show(f"Tables: {', '.join(map(str, files))}")
    output.finish({"files": [str(file) for file in files], **found.facts()})
    raise typer.Exit(1 if found.failed else 0)


def _families(given: list[str]) -> dict[str, list[str]]:
    """``["nsd=a,b"]`` -> {"nsd": ["a", "b"]}."""
    from turncoat.kernels.errors import ConfigError

    families: dict[str, list[str]] = {}
    for text in given:
        method, found, members = text.partition("=")
        names = [name for name in members.split(",") if name]
        if not found or not method or len(set(names)) < 2 or len(set(names)) < len(names):
            raise ConfigError(
                f"--seeds is {text!r}; expected a method and at least two different files of weights, like nsd=A,B,C."
            )
        families[method] = names
    return families
