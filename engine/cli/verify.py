"""turncoat verify."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from turncoat.engine.cli.output import Output
from turncoat.kernels.errors import ConfigError

if TYPE_CHECKING:
    from turncoat.engine.verification.judge import Verdict


def verify(
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder that `turncoat export` made.")],
    dataset: Annotated[
        Path | None, typer.Option("--data", help="Dataset with frames of the network's size. Default: the demo's.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for verify.json and verify.md.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Held-out frames that every graph is run on.")] = 128,
    attack_frames: Annotated[
        int, typer.Option(min=0, help="Frames on which a reduced precision is judged by its attacks; 0: none.")
    ] = 200,
    backend: Annotated[
        list[str] | None, typer.Option("--backend", help="Only this backend; repeatable. Default: all that are here.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Original weights, where they are not shipped ones.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Run the shorter batch sizes on a few batches, not on every frame.")
    ] = False,
    details: Annotated[
        bool, typer.Option("--details", help="A row for every batch size and kind of codes, not only the worst.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of CPU backends.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
) -> None:
    """Hold every backend's answers against float64: poses, pictures, codes, gradients, and attacks.

    The verdicts go into bundle.json; `auto` uses no backend that failed. Exit code 1: one of them did.
    """
    from turncoat.engine.runtime import available_backends, open_session
    from turncoat.engine.verification import verify_bundle
    from turncoat.engine.verification.report import LEGEND, attack_sentence, write_report
    from turncoat.engine.verification.truth import draw_sample, invented_sample
    from turncoat.engine.verification.verify import source_of
    from turncoat.export.bundle import open_bundle
    from turncoat.kernels.device import find_device
    from turncoat.kernels.files import check_output_folder

    output = Output(json)
    bundle = open_bundle(folder)
    if out is not None:
        check_output_folder(out, resume=True)
    here = available_backends(bundle, device=device)
    names = backend or [name for name, missing in here.items() if not missing]
    for name in names:
        missing = here.get(name, f"there is none of that name; choose from {', '.join(here)}")
        if missing:
            raise ConfigError(f"The backend {name!r} cannot run: {missing}.")
    network, origin = source_of(bundle, weights)
    data = _dataset(dataset) if dataset is not None or network.settings.preset == "studio" else None
    sample = invented_sample(network, frames) if data is None else draw_sample(data, network, frames)
    attacked = None if data is None or attack_frames == 0 else draw_sample(data, network, attack_frames)
    with output.progress("verifying", "parts") as advance:
        verdicts = verify_bundle(
            bundle,
            network,
            names,
            lambda name: open_session(bundle, backend=name, device=device, threads=threads),
            sample,
            attack_sample=attacked,
            quick=quick,
            progress=advance,
        )
    output.show(f"Compared with {origin} in float64, {frames} {'random pictures' if data is None else 'frames'}.")
    for verdict in verdicts.values():
        output.show(_table(verdict, details))
        for setting, facts in (verdict.attack or {}).items():
            output.show("  " + attack_sentence(setting, facts))
        for reason in verdict.reasons:
            output.show(Text.assemble("  ", ("failed", "red"), f" {reason}"))
    output.show(LEGEND)
    for name, missing in here.items():
        if missing:
            output.show(f"not here: {name} ({missing})")
    result = {
        "origin": origin,
        "frames": frames,
        "command": _command(folder, dataset, frames, attack_frames, backend, quick),
        "backends": {n: v.facts() for n, v in verdicts.items()},
    }
    if out is not None:
        write_report(out, bundle, verdicts.values(), result, str(find_device(device)))
        output.show(f"Written: {out / 'verify.json'}, verify.md")
    output.finish(result)
    if not all(verdict.passed for verdict in verdicts.values()):
        raise typer.Exit(1)


def _command(
    folder: Path, dataset: Path | None, frames: int, attack_frames: int, backend: list[str] | None, quick: bool
) -> str:
    """What was asked, without the places that files lie in."""
    parts = ["turncoat verify", folder.resolve().name]
    parts += [] if dataset is None else ["--data", dataset.resolve().name]
    parts += [f"--frames {frames}", f"--attack-frames {attack_frames}"]
    parts += [f"--backend {name}" for name in backend or []]
    return " ".join(parts + ["--quick"] * quick)


def _dataset(folder: Path | None) -> Any:
    from turncoat.training.data import open_dataset

    if folder is not None:
        return open_dataset(folder)
    for candidate in (Path("data"), *sorted(Path("runs/demo").glob("data*"))):
        if (candidate / "dataset.json").is_file():
            return open_dataset(candidate)
    raise ConfigError(
        "Frames to verify on are missing: name a dataset with --data, or make a small one in half a minute with "
        "`turncoat render --preset demo --out data`."
    )


def _table(verdict: "Verdict", details: bool) -> Table:
    from turncoat.engine.verification.report import HEADINGS, rows_of

    state = "[green]passed[/green]" if verdict.passed else "[red]failed[/red]"
    table = Table(title=f"{verdict.backend} ({verdict.precision}): {state}", title_justify="left")
    table.add_column("graph and output", no_wrap=not details)
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows_of(verdict, details):
        table.add_row(f"[red]{row.name}[/red]" if row.failed else row.name, *row.cells)
    return table
