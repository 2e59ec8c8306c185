"""The leakage card as a page, a picture and a document."""

import math
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from turncoat.engine.analysis.leakage import CLOTHES, CODES, GROUPS, LeakageCard, Line
from turncoat.engine.report.card_figure import budget_curve, curve_png, draw_card, reach, whole_of
from turncoat.engine.report.cells import NONE
from turncoat.engine.report.number_tables import UNITS, number_cell
from turncoat.engine.report.page import template
from turncoat.engine.report.pictures import data_url
from turncoat.engine.report.worst import Worst
from turncoat.kernels.files import write_json, write_text

FILES = ("card.html", "card.png", "card.pdf", "card.json")


def write_card(card: LeakageCard, worst: Sequence[Worst], out: Path) -> list[Path]:
    """Write card.html, card.png, card.pdf and card.json into the folder `out`, which exists; returns their paths.

    Raises:
        ConfigError: the folder cannot be written.
    """
    from turncoat.engine.cli.output import plain as json_values

    page, picture, printed, document = (out / name for name in FILES)
    draw_card(card, worst, out)
    write_json(document, json_values({**card.facts(), "worst": [one.facts() for one in worst]}))
    write_text(page, render(card, worst))
    return [page, picture, printed, document]


def described(network: Any) -> list[tuple[str, str]]:
    """What a network is, as terms and words: method, head, images it was trained on, its own error."""
    metadata = getattr(network, "metadata", None) or {}
    settings = getattr(network, "settings", None)
    report = (metadata.get("regressor") or {}).get("report") or {}
    images, recipe = metadata.get("images"), (metadata.get("dataset") or {}).get("recipe")
    found = [
        ("Method", metadata.get("method")),
        ("Head", getattr(settings, "head", None)),
        ("Trained on", f"{images:,} images{f', {recipe}' if recipe else ''}" if isinstance(images, int) else None),
        ("Own MPJPE", f"{report['mpjpe']:.0f} mm on {report['checked_on']} frames" if "mpjpe" in report else None),
        ("Weights", str(getattr(network, "weights_hash", None) or "")[:12] or None),
    ]
    return [(term, str(words)) for term, words in found if words]


def render(card: LeakageCard, worst: Sequence[Worst]) -> str:
    """The page as HTML, self-contained."""
    longest = reach(card)
    groups = []
    for name, words in GROUPS.items():
        mine = [one for one in card.lines if one.group == name]
        if mine:
            curve = budget_curve(card) if name == CODES else None
            picture = None if curve is None else b64encode(curve_png(curve)).decode()
            groups.append(
                {
                    "name": name,
                    "words": words,
                    "lines": [_line(one, longest) for one in mine],
                    "curves": f"data:image/png;base64,{picture}" if picture else None,
                }
            )
    page = {
        "title": f"Leakage card: {card.network}",
        "network": card.network,
        "headline": card.headline,
        "described": list(card.described),
        "groups": groups,
        "worst": [
            {"words": one.words, "pictures": [(name, data_url(each)) for name, each in one.pictures.items()]}
            for one in worst
        ],
        "left_out": [one.why for one in card.left_out],
        "provenance": list(card.provenance),
    }
    return template("card.html.j2", page)


def _line(line: Line, longest: float) -> dict[str, Any]:
    """A line of the page: words, number, and where bar, interval and null lie, in percent."""
    number = line.number
    whole = whole_of(number.unit, longest)
    cell = number_cell(number.found, number.unit)
    null = None if number.null is None else number_cell(number.null, number.unit)

    def at(x: float) -> float | None:
        return max(0.0, min(100.0, 100 * x / whole)) if whole and math.isfinite(x) else None

    return {
        "label": number.label,
        "value": cell.text,
        "unit": "" if cell is NONE or number.unit == "share" else UNITS.get(number.unit, number.unit),
        "interval": cell.small,
        "bar": at(number.found.value),
        "low": at(number.found.low),
        "high": at(number.found.high),
        "null": None if number.null is None else at(number.null.value),
        "null_words": "" if null is None else f"{number.null_name}: {null.text}",
        "note": number.note,
        "css": "colours" if line.group == CLOTHES else "natural",
    }
