"""turncoat bench."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from turncoat.engine.cli.output import Output
from turncoat.kernels.errors import ConfigError

if TYPE_CHECKING:
    from turncoat.engine.latency import Latency


BATCHES = (1, 8, 32)
"""Batch sizes whose latency is measured unless others are named."""


def bench(
    what: Annotated[str, typer.Argument(help="latency: every backend of a bundle. kernels: compositing, pose errors.")],
    folder: Annotated[
        Path | None, typer.Argument(metavar="[BUNDLE]", help="For latency: folder that `turncoat export` made.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for WHAT.json, .md and, of latency, .png.")] = None,
    batch: Annotated[
        str | None, typer.Option(help="Batch sizes, of latency. Default: 1,8,32, as far as the bundle's ladder goes.")
    ] = None,
    backend: Annotated[
        list[str] | None, typer.Option("--backend", help="Only this backend; repeatable. Default: all that are here.")
    ] = None,
    calls: Annotated[int, typer.Option(min=5, help="Calls of every backend in every case, at most.")] = 200,
    seconds: Annotated[float, typer.Option(min=0.1, help="For one case, all that are compared, at most.")] = 30.0,
    weights: Annotated[str | None, typer.Option(help="Original weights, where they are not shipped ones.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of CPU backends. Default: all cores.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
) -> None:
    """Measure latency of a bundle's backends, or times of the kernels: interleaved, against plain PyTorch."""
    import torch

    from turncoat.kernels.files import check_output_folder

    if what not in ("latency", "kernels"):
        raise ConfigError(f"There is nothing called {what!r} to measure; choose latency or kernels.")
    if (folder is None) == (what == "latency"):
        needed = "needs a bundle: turncoat bench latency BUNDLE" if folder is None else "takes no bundle"
        raise ConfigError(f"`turncoat bench {what}` {needed}.")
    if threads is not None:
        torch.set_num_threads(threads)
    if out is not None:
        check_output_folder(out, resume=True)
    output = Output(json)
    if folder is None:
        _kernels(output, out, device, seconds)
    else:
        batches = None if batch is None else _numbers(batch)
        _latency(output, folder, out, batches, backend, calls, seconds, weights, device, threads)


def _kernels(output: Output, out: Path | None, device: str, seconds: float) -> None:
    """`turncoat bench kernels`."""
    from turncoat.engine.latency import kernels
    from turncoat.engine.latency.kernel_report import document, table, write_report
    from turncoat.kernels.device import find_device

    place = find_device(device)
    with output.progress("measuring", "cases") as advance:
        found = kernels.time_kernels(kernels.kernel_cases(place), place, seconds=seconds, progress=advance)
    output.show(table(found))
    result = document(found, place)
    if out is not None:
        write_report(out, result, found)
        output.show(f"Written: {out / 'kernels.json'}, kernels.md")
    output.finish(result)


def _latency(
    output: Output,
    folder: Path,
    out: Path | None,
    batches: list[int] | None,
    backend: list[str] | None,
    calls: int,
    seconds: float,
    weights: str | None,
    device: str,
    threads: int | None,
) -> None:
    """`turncoat bench latency`."""
    import torch

    from turncoat.engine.latency import Case, PlainSession, measure_latency
    from turncoat.engine.latency.report import document, write_report
    from turncoat.engine.runtime import available_backends, open_session
    from turncoat.engine.runtime.ladder import check_batch
    from turncoat.engine.verification.truth import invented_sample
    from turncoat.engine.verification.verify import source_of
    from turncoat.export.bundle import open_bundle
    from turncoat.kernels.device import find_device

    bundle = open_bundle(folder)
    rungs = bundle.rungs("attack") or None
    if batches is None:
        batches = [size for size in BATCHES if rungs is None or size <= rungs[-1]]
    check_batch(max(batches), rungs, f"bundle {bundle.folder}")
    network, _ = source_of(bundle, weights)
    place = find_device(device)
    here = available_backends(bundle, device=device)
    names = backend or [name for name, missing in here.items() if not missing]
    for name in names:
        missing = here.get(name, f"there is none of that name; choose from {', '.join(here)}")
        if missing:
            raise ConfigError(f"The backend {name!r} cannot run: {missing}.")
    sessions: dict[str, Any] = {PlainSession.backend: lambda: PlainSession(_again(network), place)}
    for name in names:
        sessions[name] = lambda name=name: open_session(bundle, backend=name, device=device, threads=threads)
    verbs = ["predict"] * network.has_regressor + ["gradient"] * ("attack" in {g.split("-b")[0] for g in bundle.graphs})
    cases = [Case(verb, size) for verb in verbs for size in batches]
    sample = invented_sample(network, max(batches))
    with output.progress("measuring", "cases") as advance:
        found = measure_latency(sessions, network, sample, cases, calls=calls, seconds=seconds, progress=advance)
    output.show(_table(bundle, found, output.width))
    result = document(bundle, found, device, threads or torch.get_num_threads())
    if out is not None:
        write_report(out, result, found)
        output.show(f"Written: {out / 'latency.json'}, latency.md, latency.png")
    output.finish(result)


_WIDE = 100  # columns of a terminal from which on all percentiles fit


def _table(bundle: Any, found: "list[Latency]", width: int) -> Table:
    """One section a case; a narrow terminal gets the median and the 99th percentile."""
    from turncoat.engine.latency.report import milliseconds

    shown = (50, 90, 95, 99, 99.9) if width >= _WIDE else (50, 99)
    title = f"{bundle.name}, {bundle.info['preset']} size, {bundle.precision}; milliseconds"
    table = Table(title=title, title_justify="left")
    table.add_column("backend", no_wrap=True)
    for heading in (*(f"p{p:g}" for p in shown), "samples/s", "first s", "x plain"):
        table.add_column(heading, justify="right", no_wrap=True)
    case = None
    for one in found:
        if one.case != case:
            table.add_section()
            table.add_row(f"[bold]{one.case.verb}, batch {one.case.batch}[/bold]")
        case = one.case
        table.add_row(
            f"  {one.backend}",
            *(milliseconds(one.percentiles[p]) if p in one.percentiles else "" for p in shown),
            f"{one.per_second:.0f}",
            f"{one.first_s:.2f}",
            f"{one.ratio:.2f}" + ("" if one.stable else "*"),
        )
    if not all(one.stable for one in found):
        table.caption = "*: times were never stable within 5 % while warming up."
    return table


def _again(network: Any) -> Any:
    """A copy of a network, so that its memory layout can be its own."""
    import copy

    return copy.deepcopy(network)


def _numbers(text: str) -> list[int]:
    try:
        numbers = sorted({int(part) for part in text.split(",")})
    except ValueError:
        numbers = []
    if not numbers or numbers[0] < 1:
        raise ConfigError(f"--batch is {text!r}; give positive numbers with commas between them, e.g. 1,8,32.")
    return numbers
