"""`turncoat models`: the weights that come with the package, and what they can do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from turncoat.engine.cli.output import Output


def models(
    name: Annotated[str | None, typer.Argument(help="show this one's whole card")] = None,
    folder: Annotated[Path | None, typer.Option(help="of weights and cards; the shipped ones by default")] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document and nothing else there")] = False,
) -> None:
    """List the shipped weights with their numbers, or show one's card.

    Numbers are of everyday held-out frames and stand in the cards; nothing is measured here.
    """
    from turncoat.engine.cli.model_tables import card_tables, models_tables
    from turncoat.kernels.errors import DataError
    from turncoat.training.cards import cards_in

    output = Output(json)
    cards = cards_in(folder)
    if name is None:
        rows = [model_row(each, card) for each, card in cards.items()]
        for table in models_tables(rows):
            output.show(table)
        output.finish({"kind": "models", "models": rows})
        return
    if name not in cards:
        raise DataError(f"There are no weights {name!r}; choose one of {', '.join(cards) or 'none'}.")
    card = cards[name]
    if card is None:
        raise DataError(f"{name} has no card; write it with `turncoat model-card {name}`.")
    for part in card_tables(card):
        output.show(part)
    output.finish(card)


def model_row(name: str, card: dict[str, Any] | None) -> dict[str, Any]:
    """One line of the table, as plain values; None for what the card does not say."""
    card = card or {}
    network, training = card.get("network") or {}, card.get("training") or {}
    splits = (card.get("evaluation") or {}).get("splits") or {}
    cell = splits.get("held-out", {}).get("everyday", {})
    poses, pictures = cell.get("poses") or {}, cell.get("pictures") or {}
    lines = (card.get("evaluation") or {}).get("targets")
    attacks = card.get("attacks") or {}

    def mean(part: dict[str, Any], key: str, statistic: str = "mean") -> float | None:
        return (part.get(key) or {}).get(statistic)

    return {
        "name": name,
        "method": card.get("method"),
        "head": network.get("head"),
        "recipe": (training.get("dataset") or {}).get("recipe"),
        "images": training.get("images"),
        "bytes": (card.get("file") or {}).get("bytes"),
        "person_db": mean(pictures, "person_db"),
        "mask_iou": mean(pictures, "mask_iou"),
        "mpjpe_mm": mean(poses, "mpjpe"),
        "mean_pose_ratio": mean(poses, "mean_pose_ratio"),
        "mpjpe_of_supervised": mean(poses, "mpjpe_of_supervised"),
        "initial_mm": mean(pictures, "initial"),
        "initial_median_mm": mean(pictures, "initial", "median"),
        "targets": None if lines is None else {str(line["name"]): line["holds"] for line in lines},
        "attacks": {
            found["setting"]: {
                "success": found["success"],
                "error_final_mm": found["error_final_mm"]["value"],
                "strongest_control": max((one["success"]["value"] for one in found["controls"].values()), default=None),
            }
            for found in attacks.values()
            if found.get("group") == "everyday"
        },
    }
