"""turncoat compare."""

from __future__ import annotations

import shlex
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from turncoat.engine.cli.options import Device
from turncoat.engine.cli.output import Output


def compare(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="A B...", help="Run folders, shipped names or weights: two. Cards: any number."),
    ],
    cards: Annotated[bool, typer.Option("--cards", help="Leakage cards side by side: folders or card.json.")] = False,
    data: Annotated[Path | None, typer.Option(help="Dataset, where something is yet to be attacked.")] = None,
    setting: Annotated[str, typer.Option(help="paper, free, natural, colours-0.1 ...")] = "natural",
    setting_b: Annotated[str | None, typer.Option(help="Setting of B, to compare two settings.")] = None,
    group: Annotated[str | None, typer.Option(help="everyday or acrobatic. Default: all frames of the runs.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for runs that are made (default: a temporary one), or for the page of --cards."),
    ] = None,
    per_subject: Annotated[
        int | None, typer.Option(min=1, help="Frames of each subject, of runs that are made.")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(min=1, help="Largest number of steps, of runs that are made.")
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Threshold, mm, of runs that are made.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32, bfloat16 or auto, of runs that are made.")] = None,
    controls: Annotated[
        bool | None,
        typer.Option(
            "--controls/--no-controls",
            help="Controls beside the attacks. Default: yes, unless --per-subject is given.",
        ),
    ] = None,
    device: Device = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
) -> None:
    """Compare two networks, runs or settings, paired by sample: differences with intervals.

    Frames past the threshold before the attack on either side are left out on both, and counted. Weights are attacked
    first: like the other side where that is a run, else on the frames of `turncoat tables`. With --cards: leakage cards
    side by side, number by number.
    """
    from dataclasses import replace

    from turncoat.engine.analysis.compare import compare_runs
    from turncoat.engine.analysis.family import SELECTION, runs_of_pair
    from turncoat.engine.report.differences import comparison_table, controls_table, success_sentences
    from turncoat.engine.report.plain import rich_table
    from turncoat.kernels.device import find_device
    from turncoat.kernels.errors import ConfigError

    output = Output(json)
    if cards:
        _side_by_side(sources, out, output)
        return
    if len(sources) != 2:
        raise ConfigError(f"{len(sources)} are given, {' '.join(sources)}; expected two, A and B (more with --cards).")
    a, b = sources
    overrides: dict[str, Any] = {"iterations": iterations, "threshold_mm": threshold, "precision": precision}
    overrides = {name: value for name, value in overrides.items() if value is not None}
    selection = replace(SELECTION, per_subject=per_subject) if per_subject else SELECTION
    with ExitStack() as stack:
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="turncoat-compare-")))
        with output.progress("attacking", "samples") as advance:
            first, second = runs_of_pair(
                a,
                b,
                data,
                folder,
                tuple(dict.fromkeys([setting, setting_b or setting])),
                overrides,
                selection,
                controls=False if controls is None and per_subject else controls,
                device=str(find_device(device)),
                progress=advance,
                command=shlex.join(["turncoat", *sys.argv[1:]]),
            )
        found = compare_runs(first, second, setting=setting, setting_b=setting_b, group=group)
    output.show(rich_table(comparison_table(found)))
    for sentence in success_sentences(found):
        output.show(sentence)
    beside = controls_table(found)
    output.show(rich_table(beside) if beside is not None else "No control is in both runs, so none stands beside.")
    output.finish(found.facts())


def _side_by_side(sources: list[str], out: Path | None, output: Output) -> None:
    """`turncoat compare --cards`."""
    from turncoat.engine.analysis.leakage import read_leakage_card
    from turncoat.engine.report.cards_page import cards_table, write_cards
    from turncoat.engine.report.plain import rich_table

    found = [read_leakage_card(source) for source in sources]
    files = [str(file) for file in write_cards(found, out)] if out is not None else []
    output.show(rich_table(cards_table(found)))
    if files:
        output.show(f"Page, table and picture: {files[0]}")
    output.finish({"cards": found, "files": files})
