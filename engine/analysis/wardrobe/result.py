"""What a wardrobe test found, as numbers, as JSON, and as the arrays that figures and comparisons need."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from turncoat.engine.analysis.intervals import Interval, bootstrap_mean, clusters_of
from turncoat.engine.analysis.number import Number
from turncoat.engine.analysis.wardrobe.pairs import Pairs
from turncoat.engine.analysis.wardrobe.settings import WardrobeSettings
from turncoat.engine.analysis.wardrobe.spread import KINDS, Part, Shares, Spread
from turncoat.training.data import Dataset

NOISE = "noise"
NOISE_NAME = "one grey level of noise"
WORDS = {
    "colours": "colours and pattern of the clothes",
    "shape": "cut of the clothes and hair",
    "skin": "colours of skin and hair",
    "body": "body",
    "subject": "the whole person",
    "background": "background",
    "shadow": "cast shadow",
    NOISE: NOISE_NAME,
}
"""What a factor changes, in words."""
_METRICS = dict(zip(KINDS, ("", ", after scale", ", after Procrustes"), strict=True))
BODIES = ("body", "subject")
HEADLINE = "colours"


class Anchors(NamedTuple):
    """The P base poses, unchanged.

    key, sequence, motion_id, group: (P,) names. error_mm: (P,) the network's MPJPE against the truth. mean_pose_mm:
    that of the mean pose of other sequences. apart_mm: from its prediction to those of other sequences.
    """

    key: np.ndarray
    sequence: np.ndarray
    motion_id: np.ndarray
    group: np.ndarray
    error_mm: np.ndarray
    mean_pose_mm: np.ndarray
    apart_mm: np.ndarray


@dataclass(frozen=True)
class WardrobeTest:
    """One network's wardrobe test. ``found["colours"]`` is the `Spread` of a factor in the group that was asked for.

    Attributes:
        name: of the network. settings: of the test. dataset: which crossed set.
        spreads: group -> factor (and "noise") -> `Spread`.
        anchors: the base poses. unreadable: damaged frames that were left out.
        of, factor, level, seen, pairs: of all M changed frames: number of the base pose, names, and `Pairs`.
        rows: (R,) of the dataset; places (M,), anchor_places (P,): where changed frames and anchors are among them.
        poses, truth: (R, J, 3) mm. joints: numbers of the J joints among the 17. crossed: the set itself.
    """

    name: str
    settings: WardrobeSettings
    dataset: dict[str, Any]
    spreads: dict[str, dict[str, Spread]]
    anchors: Anchors
    unreadable: int
    of: np.ndarray
    factor: np.ndarray
    level: np.ndarray
    seen: np.ndarray
    pairs: Pairs
    rows: np.ndarray
    places: np.ndarray
    anchor_places: np.ndarray
    poses: np.ndarray
    truth: np.ndarray
    joints: tuple[int, ...]
    crossed: Dataset = field(repr=False)

    def __getitem__(self, factor: str) -> Spread:
        return self.spreads[self.settings.group][factor]

    @property
    def factors(self) -> list[str]:
        """Those of the group that was asked for, without the noise."""
        return [name for name in self.spreads[self.settings.group] if name != NOISE]

    @property
    def noise(self) -> Spread:
        """The floor: what one grey level of noise does."""
        return self[NOISE]

    def of_anchors(self, values: np.ndarray, group: str | None = None) -> Interval:
        """Mean over the base poses of a group, of one value (P,) each."""
        mine = self.anchors.group == (group or self.settings.group)
        columns = {"sequence": self.anchors.sequence[mine], "motion_id": self.anchors.motion_id[mine]}
        return bootstrap_mean(values[mine], clusters_of(columns))

    def numbers(self) -> list[Number]:
        """Each with its interval, and with what one grey level of noise does as its null. The headline comes first."""
        found = [number for factor in _headline_first(self.factors) for number in self._of_factor(factor)]
        for group in sorted(set(self.spreads) - {self.settings.group}):
            found += self._of_group(group)
        error, anchors = self.of_anchors(self.anchors.error_mm), self.anchors
        knows_nothing = self.of_anchors(anchors.mean_pose_mm)
        return [
            *found,
            Number("noise_mpjpe_mm", f"spread under {NOISE_NAME}", self.noise.mpjpe_mm),
            Number("poses_mpjpe_mm", "between predictions of different sequences", self.of_anchors(anchors.apart_mm)),
            Number("own_error_mm", "error of unchanged frames", error, null=knows_nothing, null_name="mean pose"),
        ]

    def _of_factor(self, factor: str) -> list[Number]:
        spread, noise, words = self[factor], self.noise, WORDS.get(factor, factor)

        def beside(key: str, label: str, one: Interval, null: Interval, unit: str = "mm", note: str = "") -> Number:
            return Number(f"{factor}_{key}", label, one, unit, null, NOISE_NAME, note)

        found = []
        for kind, after in _METRICS.items():
            note = _no_body(spread) if factor in BODIES and not after else ""
            label = f"spread over {words}{after}"
            found.append(beside(kind, label, getattr(spread, kind), getattr(noise, kind), note=note))
        label = f"spread over {words}, as part of that between poses"
        found.append(beside("of_poses", label, spread.of_poses, noise.of_poses, "ratio"))
        label = f"growth of the error with {words}"
        found.append(beside("growth_mm", label, spread.growth_mm, noise.growth_mm))
        for threshold, shares in spread.grows.items():
            key, far = f"grows_{threshold:g}mm", f"error grows by more than {threshold:g} mm"
            floor = noise.grows[threshold]
            found.append(beside(key, f"{words}: {far}", shares.change, floor.change, "share", _falls(shares)))
            if factor == HEADLINE:
                note = f"The worst of {spread.levels} levels; of {noise.levels} for the noise."
                found.append(beside(f"any_{key}", f"some {words}: {far}", shares.any, floor.any, "share", note))
                found.append(beside(f"mean_{key}", f"all {words}: {far} on average", shares.mean, floor.mean, "share"))
        for side, part in (("seen", spread.seen), ("unseen", spread.unseen)):
            if part is not None:
                found += self._of_part(factor, side, part)
        return found

    def _of_part(self, factor: str, side: str, part: Part) -> list[Number]:
        """Of the levels that training shows, or of the others."""
        noise, words = self.noise, f"{WORDS.get(factor, factor)}, {side} in confounded data"
        note = _no_body(part) if factor in BODIES else ""
        parts = [
            ("mpjpe_mm", f"spread over {words}", part.mpjpe_mm, noise.mpjpe_mm, "mm", note),
            ("growth_mm", f"growth of the error with {words}", part.growth_mm, noise.growth_mm, "mm", ""),
        ]
        for threshold, shares in part.grows.items():
            label, null = f"{words}: error grows by more than {threshold:g} mm", noise.grows[threshold].change
            parts.append((f"grows_{threshold:g}mm", label, shares.change, null, "share", _falls(shares)))
        return [
            Number(f"{factor}_{side}_{key}", label, one, unit, null, NOISE_NAME, note)
            for key, label, one, null, unit, note in parts
        ]

    def _of_group(self, group: str) -> list[Number]:
        mine = self.spreads[group]
        return [
            Number(
                f"{factor}_{group}_mpjpe_mm",
                f"spread over {WORDS.get(factor, factor)}, {group} actions",
                mine[factor].mpjpe_mm,
                null=mine[NOISE].mpjpe_mm,
                null_name=NOISE_NAME,
            )
            for factor in _headline_first([name for name in mine if name != NOISE])
        ]

    def facts(self) -> dict[str, Any]:
        """Everything that figures and tables show, as plain values for JSON; pictures apart."""
        return {
            "name": self.name,
            "settings": self.settings.model_dump(mode="json"),
            "dataset": self.dataset,
            "poses": {group: int((self.anchors.group == group).sum()) for group in self.spreads},
            "frames": len(self.rows),
            "unreadable": self.unreadable,
            "joints": list(self.joints),
            "own_error_mm": {group: self.of_anchors(self.anchors.error_mm, group).facts() for group in self.spreads},
            "mean_pose_mm": {
                group: self.of_anchors(self.anchors.mean_pose_mm, group).facts() for group in self.spreads
            },
            "poses_mpjpe_mm": {group: self.of_anchors(self.anchors.apart_mm, group).facts() for group in self.spreads},
            "groups": {
                group: {factor: spread.facts() for factor, spread in spreads.items()}
                for group, spreads in self.spreads.items()
            },
            "numbers": {number.key: number.facts() for number in self.numbers()},
        }


def _falls(shares: Shares) -> str:
    return f"It falls by as much with {100 * shares.falls.value:.1f} % of the changes."


def _no_body(part: Part) -> str:
    return (
        f"The joints of these bodies differ by {part.truth_moves_mm:.0f} mm, which is the spread of a network that "
        "sees no difference between bodies."
    )


def _headline_first(factors: list[str]) -> list[str]:
    return sorted(factors, key=lambda factor: factor != HEADLINE)
