"""turncoat engines."""

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from turncoat.engine.cli.output import Output

if TYPE_CHECKING:
    from turncoat.export.engine_inspection import Inspected

_COLOURS = {"ready": "green", "elsewhere": "cyan", "leftover": "yellow"}


class Action(StrEnum):
    """What to do with the engines."""

    LIST = "list"
    VERIFY = "verify"
    PRUNE = "prune"


def engines(
    action: Annotated[Action, typer.Argument(help="list; verify, which reads every file; or prune.")],
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder that `turncoat export` made.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what prune would remove, no more.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
) -> None:
    """List, verify or prune the TensorRT engines in a bundle's cache.

    An engine is ready (it runs here), elsewhere (whole, but for another GPU, or its TensorRT is not installed here),
    outdated (its graph, weights, recipe or TensorRT version are gone) or damaged; leftover is what an interrupted build
    left, foreign what is no engine at all. Prune removes outdated and damaged ones and leftovers. Exit code 1: verify
    found something outdated, damaged or foreign.
    """
    from turncoat.export.bundle import open_bundle
    from turncoat.export.engine_inspection import WRONG, inspect_engines, prune_engines
    from turncoat.export.gpu import find_gpu
    from turncoat.kernels.errors import ConfigError

    if dry_run and action is not Action.PRUNE:
        raise ConfigError(f"--dry-run goes with prune; {action} never removes anything.")
    out = Output(json)
    # A bundle whose weights were damaged still has engines to look at; only verify reads everything.
    bundle = open_bundle(folder, check=action is Action.VERIFY)
    gpu = find_gpu()
    if action is Action.PRUNE:
        found = prune_engines(bundle, gpu, dry_run=dry_run)
    else:
        found = inspect_engines(bundle, gpu, hashes=action is Action.VERIFY)
    if found:
        out.show(_table(found))
    for entry in found:
        if action is not Action.LIST and entry.state in (*WRONG, "leftover"):
            out.show(entry.sentence)
    counts = Counter(entry.state for entry in found)
    size = sum(entry.size for entry in found)
    out.show(_summary(action, dry_run, counts, size, gpu))
    wrong = action is Action.VERIFY and any(entry.state in WRONG for entry in found)
    out.finish(
        {
            "action": action,
            "bundle": folder,
            "dry_run": dry_run,
            "good": not wrong,
            "bytes": size,
            "states": dict(counts),
            "engines": [_facts(entry) for entry in found],
        }
    )
    raise typer.Exit(1 if wrong else 0)


def _table(found: "list[Inspected]") -> Table:
    table = Table()
    for heading in ("graph", "built by", "for", "MB", "state", "key"):
        table.add_column(heading, justify="right" if heading == "MB" else "left", overflow="fold")
    for entry in found:
        record, colour = entry.record, _COLOURS.get(entry.state, "red")
        what = ("-", "-", "-")
        if record is not None:
            version = ".".join(record.version.split(".")[:3])
            what = (record.graph, f"{record.flavour} {version}", record.target.device)
        table.add_row(*what, f"{entry.size / 1e6:.1f}", f"[{colour}]{entry.state}[/]", entry.path.name[:8])
    return table


def _summary(action: Action, dry_run: bool, counts: Counter[Any], size: int, gpu: Any) -> str:
    total = sum(counts.values())
    if action is Action.PRUNE:
        if not total:
            return "Nothing to prune."
        return f"{'Would remove' if dry_run else 'Removed'} {total}, {size / 1e6:.1f} MB."
    if not total:
        return "No engines; `turncoat export --tensorrt-rtx sm89` builds some, and so does running on a GPU."
    here = "has no NVIDIA GPU" if gpu is None else f"has {gpu.name} ({gpu.capability}, driver {gpu.driver})"
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{total} in all, {size / 1e6:.1f} MB: {states}. This machine {here}."


def _facts(entry: "Inspected") -> dict[str, Any]:
    facts: dict[str, Any] = {"path": entry.path, "state": entry.state, "sentence": entry.sentence}
    if entry.record is not None:
        facts |= {"graph": entry.record.graph, "key": entry.record.key, "parts": entry.record.parts}
        facts |= {"bytes": entry.record.size, "build_seconds": entry.record.info.get("build_seconds")}
    return facts
