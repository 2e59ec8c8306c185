"""`turncoat paper`: every figure and table of the paper, for all shipped networks, and the ones it could not make."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from turncoat.engine.cli.options import Device
from turncoat.engine.cli.output import Output


def paper(
    networks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NETWORK]...", help="Shipped names or weights. Default: all shipped that can repaint."),
    ] = None,
    data: Annotated[Path, typer.Option(help="Dataset whose frames are attacked and looked at.")] = Path("data"),
    crossed: Annotated[
        Path | None, typer.Option(help="Set of the recipe crossed. Default: DATA-crossed, if it is there.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the report, the figures and the runs.")] = Path("runs/paper"),
    per_subject: Annotated[int, typer.Option(min=1, help="Frames of each subject that the tables attack.")] = 20,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes, a network each at a time. Default: one a core, 4 at most; 1 on a GPU."),
    ] = None,
    device: Device = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
) -> None:
    """Make Tables 1 to 4 and Figures 2 to 10 for several networks, beside the paper's printed values, in one report.

    Writes OUT/analyses.html, analyses.md, analyses.json, OUT/figures and OUT/tables. Finished runs in OUT are used
    again, killed ones gone on with. What a network or the dataset does not allow is left out with the reason.
    """
    from dataclasses import replace

    from turncoat.engine.analysis import paper_values
    from turncoat.engine.analysis.analyse import open_cases, open_crossed
    from turncoat.engine.analysis.apart import default_workers
    from turncoat.engine.analysis.catalogue import chosen
    from turncoat.engine.analysis.family import SELECTION, SETTINGS, attack_family, default_networks
    from turncoat.engine.analysis.tables import make_tables
    from turncoat.engine.cli.analyses import looked_at, provenance
    from turncoat.engine.report.analyses_page import analyses_document, write_analyses
    from turncoat.engine.report.cells import Titled
    from turncoat.engine.report.family import MARK, marks, printed_table
    from turncoat.engine.report.family_page import all_tables, write_tables
    from turncoat.engine.report.family_words import headline
    from turncoat.engine.runs import Run
    from turncoat.kernels.device import find_device
    from turncoat.kernels.files import check_output_folder
    from turncoat.training.data import open_dataset

    output = Output(json)
    dataset = open_dataset(data)
    set_apart = open_crossed(dataset, crossed)
    names = list(networks or default_networks())
    check_output_folder(out, resume=True)
    command = shlex.join(["turncoat", *sys.argv[1:]])
    place = str(find_device(device))
    workers = workers or default_workers(len(names), device)

    def notify(name: str, run: Run, cached: bool) -> None:
        state = "there already" if cached else f"{run.info['wall_s']:.0f} s"
        output.show(f"{name}: {run.info['selection']['frames']} frames attacked, {run.folder} ({state})")

    with output.progress("attacking", "samples") as advance:
        runs = attack_family(
            names,
            dataset,
            out,
            SETTINGS.model_copy(update={"device": place}),
            replace(SELECTION, per_subject=per_subject),
            progress=advance,
            notify=notify,
            command=command,
            workers=workers,
        )
    tables = make_tables(runs)
    (out / "tables").mkdir(exist_ok=True)
    files = list(write_tables(tables, runs, out / "tables"))
    cases = open_cases(names, dataset, out / "analyses", crossed=set_apart, device=place, command=command)
    sections = looked_at(chosen(), cases, out / "figures", output, workers)
    printed = printed_table()
    notes = " ".join(paper_values.NOTES[2:])
    first, *others = (one for group in tables.groups for one in all_tables(tables, group))
    marked = " ".join(f"{MARK} {name}: {words}." for name, words in marks(tables))
    before = {
        "Tables 1, 2 and 4": [replace(first, caption=f"{marked} {first.caption}".strip()), *others],
        "What the paper printed": [Titled(printed.title, printed.table, f"{printed.caption} {notes}".strip())],
    }
    files = [
        *write_analyses(
            sections,
            out,
            title="Tables 1 to 4 and Figures 2 to 10, on frames whose truth is known",
            lede=headline(tables),
            provenance=provenance(dataset, cases, command),
            before=before,
        ),
        *files,
    ]
    output.show(f"Report: {files[0]}")
    document: dict[str, Any] = {
        "files": [str(file) for file in files],
        "tables": tables.facts(),
        **analyses_document(sections),
    }
    output.finish(document)
    raise typer.Exit(1 if tables.failed else 0)
