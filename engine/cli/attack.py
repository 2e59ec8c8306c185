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
from turncoat.engine.cli.options import Optimisers, Ray, Workers, for_each, optimisers
from turncoat.engine.cli.output import Output
from turncoat.engine.cli.source import DOUBTFUL, new_run_folder, source_of
from turncoat.engine.cli.transfer import attack_matrix
from turncoat.engine.runs import Run
from turncoat.engine.sweep import Selection, Shard, attack_dataset
from turncoat.kernels.errors import ConfigError


def attack(
    dataset: Annotated[Path, typer.Argument(help="Folder of the dataset to attack on; with --images, the network.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Run folder to write; must be empty or missing. Default: a new one below runs/."),
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="Generator: shipped name, or path of its weights. Default: nsd.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Own pictures: a folder of them. The argument is the network then.")
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(
            help="Of --images: a picture of the empty scene, a folder with one for each (same names), or median."
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Network to attack, if it is another one; or the .toml of a foreign target.")
    ] = None,
    generators: Annotated[
        str | None,
        typer.Option(help="A,B,C: a transfer matrix of every generator on every target; see docs/transfer.md."),
    ] = None,
    targets: Annotated[str | None, typer.Option(help="A,B,C: its targets. Default: the generators.")] = None,
    attacks: Annotated[
        list[str] | None,
        typer.Option(
            "--attack",
            help="paper, free, natural, budget-4, smallest, towards, colours-0.1, colours-0.2, colours-free, pixels-8; "
            "repeatable.",
        ),
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
    towards: Annotated[
        str | None, typer.Option(help="Pose for --attack towards: a sample's id, FILE.npy (17, 3) in mm, or mirror.")
    ] = None,
    reach: Annotated[float | None, typer.Option(help="Distance, mm, at which that pose is reached.")] = None,
    psnr_floor: Annotated[float | None, typer.Option(help="Attacks on codes: no less like the repainting, dB.")] = None,
    ssim_floor: Annotated[float | None, typer.Option(help="The same, as SSIM.")] = None,
    step_size: Annotated[
        list[str] | None, typer.Option(help="0.3, or natural=0.3; repeatable. Default: chosen on validation frames.")
    ] = None,
    objective: Annotated[str | None, typer.Option(help="squared (the paper's), mpjpe, n-mpjpe or pa-mpjpe.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32, bfloat16 or auto.")] = None,
    backend: Annotated[
        str | None, typer.Option(help="torch, auto (the fastest that is right here), or a backend by name.")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Samples computed together: slots in flight.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of frames, draws and controls.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 ... Default: where the network lies.")] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="Network that is asked whether it still sees the old pose; none. Default: the shipped one."),
    ] = None,
    no_controls: Annotated[bool, typer.Option("--no-controls", help="Leave the controls out.")] = False,
    settings: Annotated[Path | None, typer.Option("--settings", help="TOML file of settings; options win.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the killed run in the folder.")] = False,
    shard: Annotated[str | None, typer.Option(help="2/4: only the second of four shares; see turncoat merge.")] = None,
    workers: Workers = 1,
    ray: Ray = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
) -> None:
    """Attack a network by appearance alone, with controls beside it, and write a run folder.

    turncoat attack DATASET --network NETWORK, or on pictures of your own, without labels:
    turncoat attack NETWORK --images DIR --background FILE.

    Exit code 1 when samples failed (unreadable pictures, numbers that are not finite) or parts are missing.
    """
    chosen = AttackSettings.load(
        settings,
        {
            "attacks": attacks or (["towards"] if towards and settings is None else None),
            "iterations": iterations,
            "restarts": restarts,
            "optimiser": optimisers(optimiser),
            "threshold_mm": threshold,
            "towards": towards,
            "reach_mm": reach,
            "psnr_floor": psnr_floor,
            "ssim_floor": ssim_floor,
            "step_size": _sizes(step_size) if step_size else None,
            "objective": objective,
            "precision": precision,
            "backend": backend,
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
    if generators is not None or targets is not None:
        if network or target or images or out is None:
            raise ConfigError(
                "--generators and --targets want --out, and name all networks; leave --network, --target and --images "
                "out."
            )
        matrix = attack_matrix(generators, targets, dataset, out, chosen, selection, output, groups_given=bool(group),
                               resume=resume)  # fmt: skip
        raise typer.Exit(1 if matrix.failed else 0)
    source, generator = source_of(dataset, network, images, background, selection)
    doubt = (source.info.get("background") or {}).get("doubt", 0.0)
    if doubt > DOUBTFUL:
        output.warn(f"in {doubt:.1%} of the median many pictures differ from it: look in the report for a ghost in it.")
    out = out or new_run_folder(generator.path, images or dataset, resume)
    with ExitStack() as stack:
        bar: list[Callable[..., None]] = []

        def advance(done: int, total: int, **facts: Any) -> None:
            """Show the bar from the first call on: bad input is refused before it."""
            if not bar:
                bar.append(stack.enter_context(output.progress("attacking", "samples")))
            bar[0](done, total, **facts)

        run = attack_dataset(
            generator,
            source,
            chosen,
            out,
            target=target,
            selection=selection,
            resume=resume,
            shard=Shard.parse(shard) if shard else None,
            workers=workers,
            ray=ray,
            progress=advance,
            command=shlex.join(["turncoat", *sys.argv[1:]]),
        )
    conclude(run, output)


def conclude(run: Run, output: Output) -> None:
    """Show the tables of a run that has ended, and exit."""
    info = run.info
    groups = (None,) if "picture_size" in info["dataset"] else info["selection"]["groups"]
    found = [one for name in groups for one in summaries(run, group=name)]
    for name in groups:
        output.show(_table(f"{name} frames" if name else "pictures", [one for one in found if one.group == name]))
    failed, missing = info["failed"], info.get("missing", [])
    if run.complete:
        said = f"Next: turncoat report {run.folder}"
    elif missing:
        said = f"{_counted(len(missing), 'part')} could not be done. To try again: turncoat resume {run.folder}"
    else:
        said = f"It is {info['status']}. When all are: turncoat merge OUT SHARD..."
    output.show(f"Run: {run.folder}. {said}" + (f". {_counted(failed, 'sample')} failed." if failed else ""))
    output.finish({"run": str(run.folder), "status": info["status"], "failed": failed, "missing": missing,
                   "attacks": info["attacks"], "summaries": [one.facts() for one in found]})  # fmt: skip
    raise typer.Exit(1 if failed or missing else 0)


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


def _table(what: str, rows: list[Summary]) -> Table:
    title = f"{what}{_of(rows) if what != 'pictures' else ''}. Initial: of all; the rest: of those attacked"
    table = Table(title=title, title_justify="left")
    judged = any(row.judge_error_mm is not None for row in rows)
    aimed, nearest = (any(getattr(row, name) is not None for row in rows) for name in ("error_goal_mm", "smallest"))
    headings = ("attack", "frames", "past before", "initial mm", "final mm", "PA mm", "fooled", "95 %", "steps")
    more = (("judge mm", judged), ("to goal mm", aimed), ("smallest", nearest))
    for heading in (*headings, *(name for name, there in more if there)):
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
            *([_one(row.judge_error_mm)] if judged else []),
            *([_one(row.error_goal_mm)] if aimed else []),
            *([_one(row.smallest)] if nearest else []),
        )
    return table


def _one(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
