"""Two networks on the same crossed set: differences of their spreads, paired by frame."""

import numpy as np

from turncoat.engine.analysis.intervals import clusters_of
from turncoat.engine.analysis.number import Number, exactly
from turncoat.engine.analysis.paired import paired_difference
from turncoat.engine.analysis.wardrobe.result import WORDS, WardrobeTest
from turncoat.kernels.errors import ConfigError


def compare_wardrobe(a: WardrobeTest, b: WardrobeTest, *, relative: bool = False) -> list[Number]:
    """Spread of `b` minus that of `a`, a number a factor; the null, no difference, is 0.

    relative: of spreads as parts of the network's own distance between poses, so that a network that moves little
        altogether gains nothing by it.

    Raises:
        ConfigError: the two were not measured on the same frames and group, or over the same joints.
    """
    same = np.array_equal(a.rows, b.rows) and a.dataset == b.dataset and a.settings.group == b.settings.group
    if a.joints != b.joints:
        raise ConfigError(
            f"{a.name} was measured over {len(a.joints)} joints and {b.name} over {len(b.joints)}, not the same ones; "
            "their millimetres cannot be subtracted from each other."
        )
    if not same:
        raise ConfigError(
            f"The wardrobe tests of {a.name} and {b.name} are of different frames or groups; measure both on one "
            "crossed set with the same settings."
        )
    found = []
    for factor in a.factors:
        keep = (a.factor == factor) & (a.anchors.group == a.settings.group)[a.of]
        spreads = [each.pairs.mpjpe[keep] for each in (a, b)]
        unit = "mm"
        if relative:
            spreads = [
                values / each.of_anchors(each.anchors.apart_mm).value
                for values, each in zip(spreads, (a, b), strict=True)
            ]
            unit = "ratio"
        columns = {name: getattr(a.anchors, name)[a.of[keep]] for name in ("sequence", "motion_id")}
        difference = paired_difference(spreads[0], spreads[1], clusters_of(columns))
        label = f"spread over {WORDS.get(factor, factor)}, {b.name} minus {a.name}"
        found.append(Number(f"{factor}_difference", label, difference, unit, exactly(0.0), "no difference"))
    return found
