"""The wardrobes there are: the seven subjects' and the pool that the ``decorrelated`` recipe draws from."""

from __future__ import annotations

import numpy as np

from turncoat.training.data.studio.wardrobe import Colour, Pattern, Wardrobe

_P = Pattern
#: the seven subjects' wardrobes (w1 to w5 are trained on, w6 and w7 are not)
SUBJECT_WARDROBES = (
    Wardrobe(
        "w1",
        skin=(0.85, 0.65, 0.54),
        hair=(0.30, 0.19, 0.11),
        shirt=(0.74, 0.14, 0.14),
        shirt_pattern=(0.90, 0.88, 0.84),
        bottoms=(0.17, 0.24, 0.45),
        bottoms_pattern=(0.30, 0.38, 0.60),
        shoes=(0.13, 0.11, 0.10),
        shirt_cut=_P("hoops", 170, 0.45),
        sleeve=0.8,
        leg=1.85,
    ),
    Wardrobe(
        "w2",
        skin=(0.45, 0.30, 0.22),
        hair=(0.06, 0.05, 0.05),
        shirt=(0.12, 0.48, 0.38),
        shirt_pattern=(0.92, 0.84, 0.34),
        bottoms=(0.56, 0.20, 0.40),
        bottoms_pattern=(0.80, 0.55, 0.70),
        shoes=(0.86, 0.85, 0.83),
        shirt_cut=_P("stripes", 120, 0.35),
        bottoms_cut=_P("dots", 190, 0.40),
        sleeve=1.85,
        leg=1.15,
        skirt=True,
        long_hair=False,
        hairline=0.60,
        loose_shirt_mm=5,
    ),
    Wardrobe(
        "w3",
        skin=(0.82, 0.64, 0.48),
        hair=(0.08, 0.07, 0.07),
        shirt=(0.20, 0.36, 0.74),
        shirt_pattern=(0.95, 0.78, 0.22),
        bottoms=(0.36, 0.34, 0.31),
        bottoms_pattern=(0.85, 0.84, 0.80),
        shoes=(0.55, 0.22, 0.10),
        shirt_cut=_P("checks", 260, 0.5),
        bottoms_cut=_P("side stripe", 60, 0.4),
        sleeve=0.5,
        leg=0.85,
        hairline=0.66,
        loose_bottoms_mm=18,
    ),
    Wardrobe(
        "w4",
        skin=(0.89, 0.72, 0.62),
        hair=(0.74, 0.71, 0.67),
        shirt=(0.52, 0.38, 0.64),
        shirt_pattern=(0.82, 0.76, 0.88),
        bottoms=(0.20, 0.20, 0.23),
        bottoms_pattern=(0.40, 0.40, 0.45),
        shoes=(0.28, 0.17, 0.11),
        shirt_cut=_P("hoops", 110, 0.4),
        sleeve=1.9,
        leg=1.88,
        long_hair=True,
        hairline=0.64,
        loose_shirt_mm=12,
    ),
    Wardrobe(
        "w5",
        skin=(0.36, 0.25, 0.19),
        hair=(0.05, 0.04, 0.04),
        shirt=(0.90, 0.80, 0.22),
        shirt_pattern=(0.14, 0.14, 0.16),
        bottoms=(0.50, 0.48, 0.42),
        bottoms_pattern=(0.32, 0.30, 0.26),
        shoes=(0.78, 0.30, 0.20),
        shirt_cut=_P("yoke", 62, 0.5),
        bottoms_cut=_P("checks", 200, 0.3),
        sleeve=0.65,
        leg=1.85,
        hairline=0.64,
    ),
    Wardrobe(
        "w6",
        skin=(0.84, 0.67, 0.54),
        hair=(0.12, 0.08, 0.06),
        shirt=(0.88, 0.48, 0.18),
        shirt_pattern=(0.36, 0.18, 0.12),
        bottoms=(0.13, 0.30, 0.34),
        bottoms_pattern=(0.45, 0.65, 0.66),
        shoes=(0.30, 0.42, 0.72),
        shirt_cut=_P("dots", 180, 0.4),
        sleeve=0.9,
        leg=1.25,
        long_hair=True,
        hairline=0.64,
    ),
    Wardrobe(
        "w7",
        skin=(0.90, 0.74, 0.65),
        hair=(0.58, 0.57, 0.56),
        shirt=(0.32, 0.46, 0.32),
        shirt_pattern=(0.80, 0.84, 0.70),
        bottoms=(0.56, 0.46, 0.32),
        bottoms_pattern=(0.36, 0.28, 0.18),
        shoes=(0.22, 0.14, 0.09),
        shirt_cut=_P("stripes", 150, 0.4),
        sleeve=1.9,
        leg=1.85,
        boot=1.55,
        hairline=0.68,
        loose_shirt_mm=14,
    ),
)


def random_wardrobe(name: str, seed: int) -> Wardrobe:
    """A wardrobe of the ``decorrelated`` pool: every colour, pattern and cut drawn anew from (seed)."""
    rng = np.random.default_rng([seed, 0x57A7])

    def colour(low: float = 0.1, high: float = 0.92) -> Colour:
        r, g, b = rng.uniform(low, high, 3)
        return float(r), float(g), float(b)

    def cut(kinds: tuple[str, ...]) -> Pattern:
        kind = str(rng.choice(kinds))
        return Pattern(
            kind,
            float(rng.uniform(30, 75) if kind == "yoke" else rng.uniform(100, 220)),
            float(rng.uniform(0.25, 0.55)),
        )

    tone = rng.uniform(0, 1)
    r, g, b = (1 - tone) * np.array([0.36, 0.25, 0.19]) + tone * np.array([0.90, 0.74, 0.64])
    grey = float(rng.uniform(0.05, 0.75))
    skirt = bool(rng.random() < 0.25)
    return Wardrobe(
        name,
        skin=(float(r), float(g), float(b)),
        hair=(grey, grey * float(rng.uniform(0.6, 0.98)), grey * float(rng.uniform(0.4, 0.95))),
        shirt=colour(),
        shirt_pattern=colour(),
        bottoms=colour(),
        bottoms_pattern=colour(),
        shoes=colour(),
        shirt_cut=cut(("plain", "hoops", "stripes", "checks", "dots", "yoke")),
        bottoms_cut=cut(("plain", "checks", "dots", "side stripe")),
        sleeve=float(rng.choice([0.45, 0.8, 1.3, 1.9])),
        leg=float(rng.choice([0.9, 1.15, 1.6]) if skirt else rng.choice([0.7, 0.9, 1.25, 1.86])),
        boot=float(rng.choice([9.0, 9.0, 1.5])),
        skirt=skirt,
        long_hair=bool(rng.random() < 0.4),
        hairline=float(rng.uniform(0.58, 0.7)),
        loose_shirt_mm=float(rng.uniform(4, 14)),
        loose_bottoms_mm=float(rng.uniform(5, 18)),
    )
