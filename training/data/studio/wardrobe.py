"""What the subjects wear: colours of eight materials, and the cut and pattern of the garments.

Colours and pattern are one axis of the ``crossed`` set, the cut (sleeves, legs, skirt, hair, looseness) another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from turncoat.training.data.studio.body import (
    ARM, ARM_ALONG, BODY, FOOT, HAIR, HEAD, HEAD_FRONT, HEAD_UP, LEFT_EYE, LEG, LEG_ALONG, RIGHT_EYE, SKIRT, UP, Body,
    vertex_normals,
)  # fmt: skip

#: order of the colour layers; the label image stores index + 1
MATERIALS = ("skin", "hair", "shirt", "shirt_pattern", "bottoms", "bottoms_pattern", "shoes", "eyes")
#: the materials that are clothes: all that the colour attack may touch
GARMENTS = ("shirt", "shirt_pattern", "bottoms", "bottoms_pattern", "shoes")
PATTERNS = ("plain", "hoops", "stripes", "checks", "dots", "yoke", "side stripe")
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Pattern:
    """``kind`` of PATTERNS; ``period_mm`` its repeat (for a yoke: its lower edge, UP * 100), ``share`` of the second colour."""

    kind: str = "plain"
    period_mm: float = 90.0
    share: float = 0.4


@dataclass(frozen=True)
class Wardrobe:
    """Colours in [0, 1]; ``sleeve`` as ARM_ALONG, ``leg`` and ``boot`` as LEG_ALONG, looseness in mm."""

    name: str
    skin: Colour
    hair: Colour
    shirt: Colour
    shirt_pattern: Colour
    bottoms: Colour
    bottoms_pattern: Colour
    shoes: Colour
    eyes: Colour = (0.86, 0.86, 0.84)
    shirt_cut: Pattern = Pattern()
    bottoms_cut: Pattern = Pattern()
    sleeve: float = 0.75
    leg: float = 1.85
    boot: float = 9.0
    neckline: float = 0.97
    skirt: bool = False
    long_hair: bool = False
    hairline: float = 0.62
    loose_shirt_mm: float = 8.0
    loose_bottoms_mm: float = 10.0

    def colours(self) -> np.ndarray:
        """(8, 3) float32, in the order of MATERIALS."""
        return np.array([getattr(self, m) for m in MATERIALS], np.float32)

    def with_style_of(self, other: Wardrobe) -> Wardrobe:
        """This cut in the other's garment colours and patterns."""
        style = {m: getattr(other, m) for m in GARMENTS}
        return replace(self, name=f"{self.name}/{other.name}", shirt_cut=other.shirt_cut, bottoms_cut=other.bottoms_cut, **style)

    def parameters(self) -> np.ndarray:
        """(13,) float32 for the shader: lengths, then (kind, period, share) of the two patterns."""
        cuts = [x for p in (self.shirt_cut, self.bottoms_cut) for x in (PATTERNS.index(p.kind), p.period_mm, p.share)]
        return np.array([self.sleeve, self.leg, self.boot, self.neckline, self.hairline, self.long_hair, self.skirt, *cuts], np.float32)


@dataclass(frozen=True)
class Dressed:
    """A body in a wardrobe, ready to be skinned: ``vertices`` (n, 3) mm at rest with the cloth's thickness, ``triangles`` (m, 3)."""

    body: Body
    wardrobe: Wardrobe
    vertices: np.ndarray
    triangles: np.ndarray
    group: np.ndarray
    used: np.ndarray  # (k,) vertices that some triangle shows
    outer_seam: np.ndarray  # (n,) bool, for the stripe along the side of the trousers


def dress(body: Body, wardrobe: Wardrobe) -> Dressed:
    rig, c = body.rig, body.coordinates
    shown = [BODY, LEFT_EYE, RIGHT_EYE] + [HAIR] * wardrobe.long_hair + [SKIRT] * wardrobe.skirt
    keep = np.isin(rig.triangle_group, shown)
    if wardrobe.skirt:  # the skirt of the source reaches the ankles: cut it at the hem
        hem = c[rig.triangles, LEG_ALONG].mean(1) > wardrobe.leg
        keep &= ~((rig.triangle_group == SKIRT) & hem & (body.vertices[rig.triangles, 1].mean(1) < 0))
    normals = np.empty_like(body.vertices)
    vertex_normals(body.vertices, rig.triangles[rig.triangle_group == BODY], normals)
    on_arm, on_leg, on_foot, on_head = (c[:, k] > 0.5 for k in (ARM, LEG, FOOT, HEAD))
    thick = np.zeros(len(c), np.float32)
    thick[~on_arm & ~on_leg & ~on_head & (c[:, UP] > 0)] = wardrobe.loose_shirt_mm
    thick[on_arm & (c[:, ARM_ALONG] < wardrobe.sleeve)] = wardrobe.loose_shirt_mm
    bottoms = ~on_arm & ((on_leg & (c[:, LEG_ALONG] < wardrobe.leg)) | (~on_leg & (c[:, UP] <= 0)))
    thick[bottoms & (not wardrobe.skirt)] = wardrobe.loose_bottoms_mm
    thick[on_foot | (on_leg & (c[:, LEG_ALONG] > wardrobe.boot))] = 6.0
    scalp = (c[:, HEAD_UP] > wardrobe.hairline) | ((c[:, HEAD_FRONT] < 0.3) & (c[:, HEAD_UP] > 0.1))
    thick[on_head & scalp] = 9.0
    in_body = np.zeros(len(c), bool)
    in_body[np.unique(rig.triangles[rig.triangle_group == BODY])] = True
    vertices = body.vertices + np.where(in_body, thick, 0)[:, None].astype(np.float32) * normals
    triangles = np.ascontiguousarray(rig.triangles[keep])
    seam = normals[:, 0] * np.sign(body.vertices[:, 0]) > 0.85
    return Dressed(body, wardrobe, vertices, triangles, np.ascontiguousarray(rig.triangle_group[keep]), np.unique(triangles), seam)


_P = Pattern
#: the seven subjects' wardrobes (w1 to w5 are trained on, w6 and w7 are not)
SUBJECT_WARDROBES = (
    Wardrobe("w1", skin=(0.85, 0.65, 0.54), hair=(0.30, 0.19, 0.11), shirt=(0.74, 0.14, 0.14), shirt_pattern=(0.90, 0.88, 0.84),
             bottoms=(0.17, 0.24, 0.45), bottoms_pattern=(0.30, 0.38, 0.60), shoes=(0.13, 0.11, 0.10), shirt_cut=_P("hoops", 170, 0.45),
             sleeve=0.8, leg=1.85),
    Wardrobe("w2", skin=(0.45, 0.30, 0.22), hair=(0.06, 0.05, 0.05), shirt=(0.12, 0.48, 0.38), shirt_pattern=(0.92, 0.84, 0.34),
             bottoms=(0.56, 0.20, 0.40), bottoms_pattern=(0.80, 0.55, 0.70), shoes=(0.86, 0.85, 0.83), shirt_cut=_P("stripes", 120, 0.35),
             bottoms_cut=_P("dots", 190, 0.40), sleeve=1.85, leg=1.15, skirt=True, long_hair=False, hairline=0.60, loose_shirt_mm=5),
    Wardrobe("w3", skin=(0.82, 0.64, 0.48), hair=(0.08, 0.07, 0.07), shirt=(0.20, 0.36, 0.74), shirt_pattern=(0.95, 0.78, 0.22),
             bottoms=(0.36, 0.34, 0.31), bottoms_pattern=(0.85, 0.84, 0.80), shoes=(0.55, 0.22, 0.10), shirt_cut=_P("checks", 260, 0.5),
             bottoms_cut=_P("side stripe", 60, 0.4), sleeve=0.5, leg=0.85, hairline=0.66, loose_bottoms_mm=18),
    Wardrobe("w4", skin=(0.89, 0.72, 0.62), hair=(0.74, 0.71, 0.67), shirt=(0.52, 0.38, 0.64), shirt_pattern=(0.82, 0.76, 0.88),
             bottoms=(0.20, 0.20, 0.23), bottoms_pattern=(0.40, 0.40, 0.45), shoes=(0.28, 0.17, 0.11), shirt_cut=_P("hoops", 110, 0.4),
             sleeve=1.9, leg=1.88, long_hair=True, hairline=0.64, loose_shirt_mm=12),
    Wardrobe("w5", skin=(0.36, 0.25, 0.19), hair=(0.05, 0.04, 0.04), shirt=(0.90, 0.80, 0.22), shirt_pattern=(0.14, 0.14, 0.16),
             bottoms=(0.50, 0.48, 0.42), bottoms_pattern=(0.32, 0.30, 0.26), shoes=(0.78, 0.30, 0.20), shirt_cut=_P("yoke", 62, 0.5),
             bottoms_cut=_P("checks", 200, 0.3), sleeve=0.65, leg=1.85, hairline=0.64),
    Wardrobe("w6", skin=(0.84, 0.67, 0.54), hair=(0.12, 0.08, 0.06), shirt=(0.88, 0.48, 0.18), shirt_pattern=(0.36, 0.18, 0.12),
             bottoms=(0.13, 0.30, 0.34), bottoms_pattern=(0.45, 0.65, 0.66), shoes=(0.30, 0.42, 0.72), shirt_cut=_P("dots", 180, 0.4),
             sleeve=0.9, leg=1.25, long_hair=True, hairline=0.64),
    Wardrobe("w7", skin=(0.90, 0.74, 0.65), hair=(0.58, 0.57, 0.56), shirt=(0.32, 0.46, 0.32), shirt_pattern=(0.80, 0.84, 0.70),
             bottoms=(0.56, 0.46, 0.32), bottoms_pattern=(0.36, 0.28, 0.18), shoes=(0.22, 0.14, 0.09), shirt_cut=_P("stripes", 150, 0.4),
             sleeve=1.9, leg=1.85, boot=1.55, hairline=0.68, loose_shirt_mm=14),
)  # fmt: skip


def random_wardrobe(name: str, seed: int) -> Wardrobe:
    """A wardrobe of the ``decorrelated`` pool: every colour, pattern and cut drawn anew from (seed)."""
    rng = np.random.default_rng([seed, 0x57A7])

    def colour(low: float = 0.1, high: float = 0.92) -> Colour:
        r, g, b = rng.uniform(low, high, 3)
        return float(r), float(g), float(b)

    def cut(kinds: tuple[str, ...]) -> Pattern:
        kind = str(rng.choice(kinds))
        return Pattern(kind, float(rng.uniform(30, 75) if kind == "yoke" else rng.uniform(100, 220)), float(rng.uniform(0.25, 0.55)))

    tone = rng.uniform(0, 1)
    skin = tuple(float(x) for x in (1 - tone) * np.array([0.36, 0.25, 0.19]) + tone * np.array([0.90, 0.74, 0.64]))
    grey = float(rng.uniform(0.05, 0.75))
    skirt = bool(rng.random() < 0.25)
    return Wardrobe(
        name, skin=skin, hair=(grey, grey * float(rng.uniform(0.6, 0.98)), grey * float(rng.uniform(0.4, 0.95))), shirt=colour(),
        shirt_pattern=colour(), bottoms=colour(), bottoms_pattern=colour(), shoes=colour(),
        shirt_cut=cut(("plain", "hoops", "stripes", "checks", "dots", "yoke")), bottoms_cut=cut(("plain", "checks", "dots", "side stripe")),
        sleeve=float(rng.choice([0.45, 0.8, 1.3, 1.9])), leg=float(rng.choice([0.9, 1.15, 1.6]) if skirt else rng.choice([0.7, 0.9, 1.25, 1.86])),
        boot=float(rng.choice([9.0, 9.0, 1.5])), skirt=skirt, long_hair=bool(rng.random() < 0.4), hairline=float(rng.uniform(0.58, 0.7)),
        loose_shirt_mm=float(rng.uniform(4, 14)), loose_bottoms_mm=float(rng.uniform(5, 18)),
    )  # fmt: skip
