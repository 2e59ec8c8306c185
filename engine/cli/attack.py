"""turncoat attack."""

import shlex
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from turncoat.engine.analysis.summary import Summary, summaries
from turncoat.engine.attack import AttackSettings
from turncoat.engine.cli.options import Optimisers, for_each, optimisers
from turncoat.engine.cli.output import Output
from turncoat.engine.sweep import Selection, attack_dataset
from turncoat.kernels.errors import ConfigError
from turncoat.training.checkpoint import load_network


def attack(
    dataset: Annotated[Path, typer.Argument(help="Folder of the dataset to attack on.")],
    out: Annotated[Path, typer.Option("--out", help="Run folder to write; must be empty or missing.")],
    network: Annotated[str, typer.Option(help="Generator: shipped name, or path of its weights.")] = "nsd",
    target: Annotated[
        str | None, typer.Option(help="Network to attack, if it is another one; or the .toml of a foreign target.")
    ] = None,
    attacks: Annotated[
        list[str] | None,
        typer.Option("--attack", help="paper, free, natural, colours-0.1, colours-0.2, colours-free; repeatable."),
    ] = None,
    split: Annotated[str, typer.Option(help="Split whose frames are attacked.")] = "held-out",
    group: Annotated[list[str] | None, typer.Option(help="everyday, acrobatic; repeatable. Default: both.")] = None,
    subject: Annotated[list[str] | None, typer.Option(help="Subject; repeatable. Default: all of the split.")] = None,
    per_subject: Annotated[
        int | None,
        typer.Option(
            min=1, help="Frames of each subject in each group. Default: 100, or as many as every subject has."
        ),
    ] = None,
    iterations: Annotated[int | None, typer.Option(min=1, help="Largest number of steps.")] = None,
    restarts: Annotated[
        int | None, typer.Option(min=1, help="Starts of each appearance attack; the strongest end is kept.")
    ] = None,
    optimiser: Optimisers = None,
    threshold: Annotated[float | None, typer.Option(help="Error, mm, past which a prediction is fooled.")] = None,
    step_size: Annotated[
        list[str] | None, typer.Option(help="0.3, or natural=0.3; repeatable. Default: chosen on validation frames.")
    ] = None,
    objective: Annotated[str | None, typer.Option(help="squared (the paper's) or mpjpe.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32, bfloat16 or auto.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Samples computed together.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of frames, draws and controls.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 ... Default: where the network lies.")] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="Network that is asked whether it still sees the old pose; none. Default: the shipped one."),
    ] = None,
    no_controls: Annotated[bool, typer.Option("--no-controls", help="Leave the controls out.")] = False,
    settings: Annotated[Path | None, typer.Option("--settings", help="TOML file of settings; options win.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the killed run in the folder.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
) -> None:
    """Attack a network by appearance alone, with controls beside it, and write a run folder.

    Exit code 1 when samples failed: unreadable pictures, numbers that are not finite.
    """
    chosen = AttackSettings.load(
        settings,
        {
            "attacks": attacks,
            "iterations": iterations,
            "restarts": restarts,
            "optimiser": optimisers(optimiser),
            "threshold_mm": threshold,
            "step_size": _sizes(step_size) if step_size else None,
            "objective": objective,
            "precision": precision,
            "batch": batch,
            "seed": seed,
            "device": device,
            "judge": judge,
            "controls": False if no_controls else None,
        },
    )
    default = Selection()
    selection = Selection(
        split=split,
        groups=tuple(group) if group else default.groups,
        subjects=tuple(subject) if subject else None,
        per_subject=per_subject,
    )
    output = Output(json)
    generator = load_network(network)
    with ExitStack() as stack:
        bar: list[Callable[..., None]] = []

        def advance(done: int, total: int, **facts: Any) -> None:
            """Show the bar from the first call on: bad input is refused before it."""
            if not bar:
                bar.append(stack.enter_context(output.progress("attacking", "samples")))
            bar[0](done, total, **facts)

        run = attack_dataset(
            generator,
            dataset,
            chosen,
            out,
            target=target,
            selection=selection,
            resume=resume,
            progress=advance,
            command=shlex.join(["turncoat", *sys.argv[1:]]),
        )
    found = [one for name in selection.groups for one in summaries(run, group=name)]
    for name in selection.groups:
        output.show(_table(name, [one for one in found if one.group == name]))
    failed = run.info["failed"]
    output.show(
        f"Run: {out}. Next: turncoat report {out}" + (f". {_counted(failed, 'sample')} failed." if failed else "")
    )
    output.finish({"run": str(out), "failed": failed, "attacks": run.info["attacks"],
                   "summaries": [one.facts() for one in found]})  # fmt: skip
    raise typer.Exit(1 if failed else 0)


def _sizes(pairs: list[str]) -> dict[str, float] | float | None:
    """``["0.3"]`` -> 0.3; ``["paper=1", "natural=0.3"]`` -> a number for each."""
    expected = "a number, or attack=number like natural=0.3"
    found = for_each("--step-size", pairs, expected)
    try:
        return {name: float(size) for name, size in found.items()} if isinstance(found, dict) else float(found or "")
    except ValueError as error:
        raise ConfigError(f"--step-size is {' '.join(pairs)!r}; expected {expected}.") from error


def _of(rows: list[Summary]) -> str:
    """How many sequences and recordings the frames come from, as far as it is known."""
    sequences, recordings = (
        max((getattr(row, name) for row in rows), default=0) for name in ("sequences", "recordings")
    )
    text = f" from {_counted(sequences, 'sequence')}" if sequences else ""
    return text + (f" of {_counted(recordings, 'recording')}" if recordings else "")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _table(group: str, rows: list[Summary]) -> Table:
    title = f"{group} frames{_of(rows)}. Initial: of all; the rest: of those attacked"
    table = Table(title=title, title_justify="left")
    judged = any(row.judge_error_mm is not None for row in rows)
    headings = ("attack", "frames", "past before", "initial mm", "final mm", "PA mm", "fooled", "95 %", "steps")
    for heading in (*headings, *(("judge mm",) if judged else ())):
        table.add_column(heading, justify="left" if heading == "attack" else "right")
    for row in rows:
        name = row.setting if row.control is None else f"  {row.control} ({row.setting})"
        low, high = row.success.low, row.success.high
        table.add_row(
            name,
            str(row.frames),
            f"{row.past_before:.1%}",
            f"{row.error_initial_all_mm:.1f}",
            f"{row.error_final_mm.value:.1f}",
            f"{row.error_pa_mm:.1f}",
            f"{row.success.value:.1%}",
            f"{low:.0%} to {high:.0%}" if low == low else "-",
            f"{row.iterations[1]:.0f}" if row.iterations else "-",
            *((f"{row.judge_error_mm:.1f}" if row.judge_error_mm is not None else "-",) if judged else ()),
        )
    return table
