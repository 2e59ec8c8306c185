"""Attacks that change nothing but appearance, their controls, and what is measured of them.

Adding a variant is adding a space (`spaces.py`: where the coordinates live and how far they may go) or a painter
(anything with `paint(appearance, canvas)`); the loop in `ascent.py` serves all of them.
"""

from turncoat.engine.attack.outcomes import ATTACKED, FAILED, Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.pictures import Pictures, resynthesise
from turncoat.engine.attack.settings import APPEARANCE_ATTACKS, COLOUR_ATTACKS, AttackSettings, colour_budget

__all__ = [
    "APPEARANCE_ATTACKS",
    "ATTACKED",
    "COLOUR_ATTACKS",
    "FAILED",
    "AttackSettings",
    "Outcome",
    "Pair",
    "Pictures",
    "colour_budget",
    "resynthesise",
]
