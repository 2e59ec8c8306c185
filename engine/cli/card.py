"""`turncoat card`: how much of a network's pose is clothes, on one page."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from turncoat.engine.cli.options import Device
from turncoat.engine.cli.output import Output


def card(
    network: Annotated[str, typer.Argument(help="Shipped name, weights, bundle, or a foreign target's TOML.")],
    data: Annotated[Path, typer.Option(help="Dataset whose frames are attacked and probed.")],
    crossed: Annotated[
        Path | None, typer.Option(help="Set of the recipe crossed. Default: DATA-crossed, if it is there.")
    ] = None,
    split: Annotated[str, typer.Option(help="Whose frames are looked at.")] = "held-out",
    group: Annotated[
        str | None, typer.Option(help="Group of actions, or all. Default: everyday, where the dataset has that.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the card. Default: runs/cards/NETWORK.")] = None,
    device: Device = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
) -> None:
    """Write a network's leakage card: card.html, card.png, card.pdf and card.json.

    The wardrobe test, the attack on colours, attacks on the appearance code at rising budgets, probes of the codes and
    their dependence, each number with interval and null. What cannot be measured is named. Several cards side by side:
    turncoat compare --cards.
    """
    from turncoat.engine.analysis.analyse import open_cases, open_crossed
    from turncoat.engine.analysis.attacked import Attacks
    from turncoat.engine.analysis.catalogue import chosen
    from turncoat.engine.analysis.leakage import ANALYSES, leakage_card
    from turncoat.engine.cli.analyses import looked_at, provenance
    from turncoat.engine.report.card_page import described, write_card
    from turncoat.engine.report.worst import worst_frames
    from turncoat.kernels.files import check_output_folder
    from turncoat.training.data import open_dataset

    output = Output(json)
    dataset = open_dataset(data)
    set_apart = open_crossed(dataset, crossed)
    command = shlex.join(["turncoat", *sys.argv[1:]])
    cases = open_cases(
        [network], dataset, Path(), crossed=set_apart, device=device, command=command, split=split, group=group
    )
    place = out or Path("runs/cards") / cases[0].name
    check_output_folder(place, resume=True)
    cases[0].folder = place / cases[0].folder
    sections = looked_at(chosen(ANALYSES), cases, place / "figures", output)
    results: dict[str, Any] = {}
    for section in sections:
        found = [*section.results.values(), *section.left_out]
        results[section.analysis.key] = found[0]
    made = leakage_card(
        cases[0].name,
        results,
        described=described(cases[0].network),
        provenance=provenance(dataset, cases, command),
    )
    attacks = results.get("attack")
    worst = worst_frames(attacks) if isinstance(attacks, Attacks) else ()
    files = write_card(made, worst, place)
    output.show(made.headline, f"Card: {', '.join(map(str, files))}")
    output.finish({**made.facts(), "worst": [one.facts() for one in worst], "files": [str(file) for file in files]})
