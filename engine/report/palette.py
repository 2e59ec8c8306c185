"""One colour and one mark for each network, the same in every picture of a report.

The colours are Okabe and Ito's with four darker ones of Paul Tol's, told apart with any of the common kinds of colour
blindness; the marks tell the lines apart without colours.
"""

from collections.abc import Iterable, Sequence

COLOURS = {
    "nsd": "#0072b2",
    "nsd-wide": "#56b4e9",
    "cssl": "#d55e00",
    "cssl-da": "#e69f00",
    "drnet": "#009e73",
    "ugar": "#cc79a7",
    "nsd-decorrelated": "#332288",
    "cssl-decorrelated": "#882255",
    "supervised": "#3d3d3d",
    "judge": "#8a8a8a",
}
OTHERS = ("#44aa99", "#999933", "#aa4499", "#117733", "#661100", "#6699cc")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")


_met: list[str] = []
"""Names that are not shipped, in the order in which this program first drew or announced them."""


def announce(names: Iterable[str]) -> None:
    """Fix the colours of networks that are not shipped before a report is drawn: figures that leave one of them out
    would else give the next one its colour.
    """
    _met.extend(name for name in dict.fromkeys(names) if name not in COLOURS and name not in _met)


def network_colours(names: Sequence[str]) -> dict[str, str]:
    """Colour of each network, as #rrggbb. Names that are not shipped get others, in the order in which they came."""
    announce(names)
    return {name: COLOURS.get(name) or OTHERS[_met.index(name) % len(OTHERS)] for name in names}


def network_marks(names: Sequence[str]) -> dict[str, str]:
    """matplotlib's marker of each network, by the same rule."""
    announce(names)
    known = [*COLOURS, *_met]
    places = {name: known.index(name) for name in names}
    return {name: MARKS[place % len(MARKS)] for name, place in places.items()}
