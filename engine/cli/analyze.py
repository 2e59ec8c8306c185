"""`turncoat analyze`: what is in a network's codes, and how much of its pose is clothes."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from turncoat.engine.cli.options import Device
from turncoat.engine.cli.output import Output


def analyze(
    networks: Annotated[
        list[str],
        typer.Argument(metavar="NETWORK...", help="Shipped names, weights, bundles, or a foreign target's TOML."),
    ],
    data: Annotated[Path, typer.Option(help="Dataset whose frames are looked at.")],
    only: Annotated[
        list[str] | None, typer.Option("--only", help="One analysis by name; repeatable. Default: all.")
    ] = None,
    crossed: Annotated[
        Path | None, typer.Option(help="Set of the recipe crossed. Default: DATA-crossed, if it is there.")
    ] = None,
    split: Annotated[str, typer.Option(help="Whose frames are looked at.")] = "held-out",
    group: Annotated[
        str | None, typer.Option(help="Group of actions, or all. Default: everyday, where the dataset has that.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the page, the figures and the runs.")] = Path("runs/analyses"),
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes, a network each at a time. Default: one a core, 4 at most; 1 on a GPU."),
    ] = None,
    device: Device = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
) -> None:
    """Look inside networks: swaps, zero codes, t-SNE, channels, dependence, probes, the wardrobe test, attacks.

    Writes OUT/analyses.html, analyses.md, analyses.json and OUT/figures (PNG, PDF, SVG). What a network or the dataset
    does not allow is left out with the reason. Finished attacks in OUT/runs are used again.
    """
    from turncoat.engine.analysis.analyse import open_cases, open_crossed
    from turncoat.engine.analysis.apart import default_workers
    from turncoat.engine.analysis.catalogue import chosen
    from turncoat.engine.cli.analyses import looked_at, provenance
    from turncoat.engine.report.analyses_page import analyses_document, write_analyses
    from turncoat.kernels.files import check_output_folder
    from turncoat.training.data import open_dataset

    output = Output(json)
    analyses = chosen(only)
    dataset = open_dataset(data)
    set_apart = open_crossed(dataset, crossed)
    check_output_folder(out, resume=True)
    command = shlex.join(["turncoat", *sys.argv[1:]])
    cases = open_cases(
        networks, dataset, out, crossed=set_apart, device=device, command=command, split=split, group=group
    )
    sections = looked_at(analyses, cases, out / "figures", output, workers or default_workers(len(cases), device))
    names = ", ".join(case.name for case in cases)
    files = write_analyses(
        sections,
        out,
        title=f"What is in the codes of {names}",
        lede=f"{len(dataset):,} frames of {dataset.folder.name}. Every number stands beside what the same measurement "
        "gives where there is nothing to find.",
        provenance=provenance(dataset, cases, command),
    )
    output.show(f"Page: {files[0]}")
    document: dict[str, Any] = {"files": [str(file) for file in files], **analyses_document(sections)}
    output.finish(document)
