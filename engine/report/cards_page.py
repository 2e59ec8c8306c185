"""Leakage cards side by side, as a table and as a page."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from turncoat.engine.report.cards_figure import draw_cards, interval_of, lines_of, listed
from turncoat.engine.report.cells import INTERVALS, NONE, Cell, Row, Table, Titled
from turncoat.engine.report.number_tables import UNITS, number_cell
from turncoat.engine.report.page import template
from turncoat.engine.report.plain import markdown
from turncoat.kernels.errors import ConfigError
from turncoat.kernels.files import write_text


def cards_table(cards: Sequence[Mapping[str, Any]]) -> Titled:
    """Cards side by side: a line for each number, a column for each card. `cards` are documents of cards."""
    rows = []
    for found in lines_of(cards).values():
        first = next(one for one in found if one is not None)
        unit = UNITS.get(first["unit"], first["unit"])
        cells = tuple(NONE if one is None else _beside(one) for one in found)
        rows.append(Row(f"{first['label']}{f', {unit}' if unit else ''}", cells))
    words = "Small: 95 % interval, and after the slash what is found where there is nothing to find."
    return Titled("Leakage cards", Table((), ("number", *card_names(cards)), tuple(rows)), words)


def card_names(cards: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each card is called: its network, and a number where two cards are of networks of one name."""
    names = [str(card["network"]) for card in cards]
    return [
        name if names.count(name) == 1 else f"{name} ({names[: place + 1].count(name)})"
        for place, name in enumerate(names)
    ]


def write_cards(cards: Sequence[Mapping[str, Any]], out: str | Path) -> list[Path]:
    """Write cards.html, cards.md, and the picture as cards.png, .pdf and .svg into a folder; returns their paths.

    Args:
        cards: documents of cards, as `read_leakage_card` returns them.
        out: the folder; it is made.

    Raises:
        ConfigError: the folder cannot be written.
    """
    folder, names, titled = Path(out), card_names(cards), cards_table(cards)
    try:
        pictures = draw_cards(names, cards, folder)
    except OSError as error:
        raise ConfigError(f"The folder {folder} cannot be written: {error.strerror}; choose another.") from error
    left_out = [(name, one["why"]) for name, card in zip(names, cards, strict=True) for one in card["left_out"]]
    page = {
        "title": f"Leakage cards of {listed(names)}",
        "headlines": [card["headline"] for card in cards],
        "described": [(name, _described(card)) for name, card in zip(names, cards, strict=True)],
        "picture": f"data:image/png;base64,{b64encode(pictures[0].read_bytes()).decode()}",
        "files": [picture.name for picture in pictures],
        "table": titled,
        "intervals": INTERVALS,
        "left_out": left_out,
    }
    write_text(folder / "cards.html", template("cards.html.j2", page))
    write_text(folder / "cards.md", markdown(titled, 1))
    return [folder / "cards.html", folder / "cards.md", *pictures]


def _described(card: Mapping[str, Any]) -> str:
    """Method, training, weights in a line."""
    return " · ".join(f"{term} {words}" for term, words in card["described"].items())


def _beside(line: Mapping[str, Any]) -> Cell:
    """A number of a document, with interval and null."""
    cell = number_cell(interval_of(line), line["unit"])
    null = number_cell(interval_of(line["null"]), line["unit"]) if line["null"] else NONE
    return Cell(cell.text, cell.small + (f" / {null.text}" if null is not NONE else ""))
