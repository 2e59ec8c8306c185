"""The leakage card: on one page, how much of a network's pose is clothes.

A card holds some numbers of the analyses (the wardrobe test, the attack on colours, attacks on appearance codes at
rising budgets, probes, dependence), each with its interval and its null. What could not be measured is named.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from turncoat.engine.analysis.attacked import Attacks
from turncoat.engine.analysis.catalogue import LeftOut, Result
from turncoat.engine.analysis.curves import BudgetCurves
from turncoat.engine.analysis.number import Number
from turncoat.kernels.errors import DataError

KIND = "leakage card"


class Asked(NamedTuple):
    """A line of the card: which number of which analysis, in which group of lines."""

    group: str
    analysis: str
    key: str


CLOTHES, CODES, INSIDE = "The clothes themselves", "The appearance code", "What the codes tell"
GROUPS = {
    CLOTHES: "The same pose and camera, rendered with one thing changed; no generator. Spread: of the error.",
    CODES: "The person repainted by the network, with its appearance code changed and nothing else.",
    INSIDE: "Probes fitted on training recordings and asked about others, and how far the codes depend on each other.",
}
LINES: tuple[Asked, ...] = (
    Asked(CLOTHES, "wardrobe", "colours_seen_mpjpe_mm"),
    Asked(CLOTHES, "wardrobe", "colours_seen_growth_mm"),
    Asked(CLOTHES, "wardrobe", "colours_seen_grows_50mm"),
    Asked(CLOTHES, "wardrobe", "colours_unseen_mpjpe_mm"),
    Asked(CLOTHES, "wardrobe", "shape_mpjpe_mm"),
    Asked(CLOTHES, "wardrobe", "background_mpjpe_mm"),
    Asked(CLOTHES, "attack", "colours_mm"),
    Asked(CODES, "attack", "initial_mm"),
    Asked(CODES, "attack", "codes_area_mm"),
    Asked(CODES, "attack", "codes_fooled"),
    Asked(CODES, "swap", "appearance_share"),
    Asked(INSIDE, "probes", "subject_pose_code_linear"),
    Asked(INSIDE, "probes", "pose_appearance_mm"),
    Asked(INSIDE, "dependence", "dc_corrected"),
    Asked(INSIDE, "dependence", "dc_given_pose"),
)
"""Of every card, in this order."""
ANALYSES = tuple(dict.fromkeys(one.analysis for one in LINES))
"""Which analyses a card takes."""
HEADLINE = ("wardrobe", "colours_seen_mpjpe_mm")


class Line(NamedTuple):
    """A number on the card."""

    group: str
    analysis: str
    number: Number

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {"group": self.group, "analysis": self.analysis, "key": self.number.key, **self.number.facts()}


@dataclass(frozen=True)
class LeakageCard:
    """What `leakage_card` put together.

    Attributes:
        network: its name. described: method, images, training, weights: term and words.
        lines: the numbers. left_out: what could not be measured.
        curves: over budgets of codes, then of colours.
        provenance: command, dataset, machine, versions.
    """

    network: str
    described: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    left_out: tuple[LeftOut, ...]
    curves: tuple[BudgetCurves, ...] = field(repr=False)
    provenance: tuple[tuple[str, str], ...] = ()

    def line(self, analysis: str, key: str) -> Number | None:
        """The number of that name, if it is on the card."""
        return next((one.number for one in self.lines if (one.analysis, one.number.key) == (analysis, key)), None)

    @property
    def headline(self) -> str:
        """The card in a sentence."""
        found = self.line(*HEADLINE)
        if found is not None and found.null is not None:
            times = found.found.value / found.null.value if found.null.value > 0 else math.inf
            many = f", {times:.0f} times what one grey level of noise does" if 1.5 < times < 1e4 else ""
            return f"Other colours on the same body move {self.network}'s pose by {found.found.value:.0f} mm{many}."
        found = self.line("attack", "colours_mm")
        if found is not None:
            return (
                f"Other colours of the clothes, searched for, move {self.network}'s pose by {found.found.value:.0f} mm."
            )
        return f"How much of {self.network}'s pose is clothes."

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "kind": KIND,
            "network": self.network,
            "headline": self.headline,
            "described": dict(self.described),
            "lines": [one.facts() for one in self.lines],
            "left_out": [one.facts() for one in self.left_out],
            "curves": [one.facts() for one in self.curves],
            "provenance": dict(self.provenance),
        }


def leakage_card(
    network: str,
    results: Mapping[str, Result | LeftOut],
    *,
    described: Sequence[tuple[str, str]] = (),
    provenance: Sequence[tuple[str, str]] = (),
    lines: Sequence[Asked] = LINES,
) -> LeakageCard:
    """Put the card together from what the analyses found, by key.

    Raises:
        DataError: nothing at all was found.
    """
    there = {key: found for key, found in results.items() if not isinstance(found, LeftOut)}
    if not there:
        why = " ".join(found.why for found in results.values() if isinstance(found, LeftOut))
        raise DataError(f"Nothing could be measured of {network}, so there is no card. {why}")
    known = {key: {one.key: one for one in found.numbers()} for key, found in there.items()}
    attacks = there.get("attack")
    curves: tuple[BudgetCurves, ...] = ()
    if isinstance(attacks, Attacks):
        curves = tuple(one for one in (attacks.codes, attacks.colours) if one is not None)
    left_out = [found for found in results.values() if isinstance(found, LeftOut)]
    left_out += [LeftOut(key, network, why) for key, found in there.items() for why in getattr(found, "left_out", ())]
    return LeakageCard(
        network,
        tuple(described),
        tuple(
            Line(ask.group, ask.analysis, known[ask.analysis][ask.key])
            for ask in lines
            if ask.key in known.get(ask.analysis, {})
        ),
        tuple(left_out),
        curves,
        tuple(provenance),
    )


def read_leakage_card(place: str | Path) -> dict[str, Any]:
    """The document of a card: ``card.json``, or the folder that holds it.

    Raises:
        DataError: there is none, or it is something else.
    """
    path = Path(place)
    file = path / "card.json" if path.is_dir() else path
    if not file.is_file():
        raise DataError(f"There is no card at {place}; make one with `turncoat card NETWORK --out {place}`.")
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{file} is not JSON ({error}); make the card again with `turncoat card`.") from error
    if not isinstance(document, dict) or document.get("kind") != KIND:
        found = document.get("kind") if isinstance(document, dict) else type(document).__name__
        raise DataError(f"{file} holds {found!r}, expected a {KIND}; choose another file.")
    return document
