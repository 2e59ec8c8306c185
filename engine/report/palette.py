"""One colour and one mark for each network, the same in every picture.

The colours are Okabe and Ito's with four darker ones of Paul Tol's, told apart with any of the common kinds of colour
blindness; the marks tell the lines apart without colours.
"""

from collections.abc import Sequence

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


def network_colours(names: Sequence[str]) -> dict[str, str]:
    """Colour of each network, as #rrggbb. Names that are not shipped get others, in the order in which they come."""
    unknown = [name for name in dict.fromkeys(names) if name not in COLOURS]
    others = {name: OTHERS[number % len(OTHERS)] for number, name in enumerate(unknown)}
    return {name: COLOURS.get(name) or others[name] for name in names}


def network_marks(names: Sequence[str]) -> dict[str, str]:
    """matplotlib's marker of each network, by the same rule."""
    known = list(COLOURS)
    unknown = [name for name in dict.fromkeys(names) if name not in COLOURS]
    places = {name: known.index(name) if name in COLOURS else len(known) + unknown.index(name) for name in names}
    return {name: MARKS[place % len(MARKS)] for name, place in places.items()}
