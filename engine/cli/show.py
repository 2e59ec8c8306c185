"""`turncoat show`: one attacked frame as a picture."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from turncoat.engine.cli.output import Output


def show(
    run: Annotated[Path, typer.Argument(help="Run folder that `turncoat attack` wrote.")],
    sample: Annotated[
        str, typer.Argument(help="A sample id; strongest, median, weakest; or a number: 3 is the third strongest.")
    ],
    setting: Annotated[
        str | None, typer.Option(help="paper, free, natural, colours-0.1 ... Default: natural, where the run has it.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="PNG to write. Default: RUN/show/SAMPLE-SETTING.png.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="The run's dataset, or folder of pictures, if it was moved.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="The run's generator, if its weights were moved.")] = None,
    rerun: Annotated[
        Path | None, typer.Option(help="Also write the attack over its iterations, FILE.rrd for the Rerun viewer.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")] = False,
) -> None:
    """Show an attacked frame: clean, repainted, attacked, the difference, three 3D poses from two sides, numbers.

    The pictures are painted again from the stored code, so dataset and weights have to be those of the run.
    """
    from rich.table import Table

    from turncoat.engine.report.pictures import open_sources
    from turncoat.engine.report.sample import draw_sample, find_sample, numbers_of
    from turncoat.engine.runs import open_run
    from turncoat.kernels.errors import ConfigError

    output, opened = Output(json), open_run(run)
    found = find_sample(opened, sample, setting)
    stem = re.sub(r"\.(png|jpe?g|webp|bmp|tiff?)$", "", found.row["sample_id"], flags=re.IGNORECASE)
    name = f"{stem}-{found.row['setting']}"
    file = out or run / "show" / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.png"
    if file.suffix.lower() != ".png":
        raise ConfigError(f'The picture {file} ends in "{file.suffix}"; choose a name that ends in .png.')
    sources = open_sources(opened, data, weights, generator=found.row["attack"] == "appearance")
    if out is None:
        file.parent.mkdir(exist_ok=True)
    draw_sample(opened, found, sources, file)
    if rerun is not None:
        _film(opened, found, sources, rerun)
        output.show(f"Over its iterations: {rerun}")
    table = Table(title=f"{found.row['sample_id']}, {found.row['setting']}", title_justify="left", show_header=False)
    for what, value in numbers_of(found):
        table.add_row(what, value)
    output.show(table)
    output.show(f"Picture: {file}")
    films = {} if rerun is None else {"rerun": str(rerun)}
    output.finish({"run": str(run), "picture": str(file), **films, **found.facts()})


def _film(run: Any, found: Any, sources: Any, file: Path) -> None:
    """Attack the frame again, looking at it on the way, and write that."""
    from turncoat.engine.attack.film import film_attack
    from turncoat.engine.attack.settings import AttackSettings
    from turncoat.engine.report.rerun_log import write_rerun
    from turncoat.engine.sweep.networks import pair_of
    from turncoat.kernels.errors import ConfigError

    if file.suffix.lower() != ".rrd":
        raise ConfigError(f'The film {file} ends in "{file.suffix}"; choose a name that ends in .rrd.')
    info, name = run.info, str(found.row["setting"])
    alone = info["target"]["weights_hash"] == info["generator"]["weights_hash"]
    settings = AttackSettings.load(None, info["settings"] | {"attacks": [name]})
    pair, _ = pair_of(sources.generator, None if alone else info["target"]["path"], settings)
    step_size = (info["attacks"].get(name) or {}).get("step_size")
    if step_size is None:
        raise ConfigError(f"{name} has no steps to show; choose paper, free, natural or a budget of codes.")
    film = film_attack(pair, sources.dataset, found.row, name, float(step_size), settings)
    write_rerun(film, file, f"{found.row['sample_id']} {name}")
