"""What the subjects wear: colours of eight materials, and the cut and pattern of the garments.

Colours and pattern are one axis of the ``crossed`` set, the cut (sleeves, legs, skirt, hair, looseness) another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from turncoat.training.data.studio.body import (
    ARM,
    ARM_ALONG,
    BODY,
    FOOT,
    HAIR,
    HEAD,
    HEAD_FRONT,
    HEAD_UP,
    LEFT_EYE,
    LEG,
    LEG_ALONG,
    RIGHT_EYE,
    SKIRT,
    UP,
    Body,
    vertex_normals,
)

#: order of the colour layers; the label image stores index + 1
MATERIALS = ("skin", "hair", "shirt", "shirt_pattern", "bottoms", "bottoms_pattern", "shoes", "eyes")
#: the materials that are clothes: all that the colour attack may touch
GARMENTS = ("shirt", "shirt_pattern", "bottoms", "bottoms_pattern", "shoes")
PATTERNS = ("plain", "hoops", "stripes", "checks", "dots", "yoke", "side stripe")
#: what one wardrobe may take from another: colours and patterns of the garments, colours of the person, and the cut
PARTS = {
    "colours": (*GARMENTS, "shirt_cut", "bottoms_cut"),
    "skin": ("skin", "hair", "eyes"),
    "shape": (
        "sleeve",
        "leg",
        "boot",
        "neckline",
        "skirt",
        "long_hair",
        "hairline",
        "loose_shirt_mm",
        "loose_bottoms_mm",
    ),
}
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Pattern:
    """``kind`` of PATTERNS; ``period_mm`` its repeat (for a yoke: its lower edge, UP * 100), ``share`` of the second
    colour.
    """

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

    def taking(self, part: str, other: Wardrobe) -> Wardrobe:
        """This wardrobe with one of `PARTS` of the other's, named like "w1+colours:w3"."""
        taken = {field: getattr(other, field) for field in PARTS[part]}
        return replace(self, name=f"{self.name}+{part}:{other.name}", **taken)

    def parameters(self) -> np.ndarray:
        """(13,) float32 for the shader: lengths, then (kind, period, share) of the two patterns."""
        cuts = [x for p in (self.shirt_cut, self.bottoms_cut) for x in (PATTERNS.index(p.kind), p.period_mm, p.share)]
        return np.array(
            [self.sleeve, self.leg, self.boot, self.neckline, self.hairline, self.long_hair, self.skirt, *cuts],
            np.float32,
        )


@dataclass(frozen=True)
class Dressed:
    """A body in a wardrobe, ready to be skinned: ``vertices`` (n, 3) mm at rest with the cloth's thickness,
    ``triangles`` (m, 3).
    """

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
    return Dressed(
        body, wardrobe, vertices, triangles, np.ascontiguousarray(rig.triangle_group[keep]), np.unique(triangles), seam
    )
