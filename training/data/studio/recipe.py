"""What a studio dataset holds: subjects, scenes, actions, splits, and the list of sequences of each preset and recipe.

A sequence is one subject, one action, one yaw and place drawn once, ten seconds, all four cameras of one scene. Its
randomness comes from its identity alone, so that a preset is a subset of a larger one and any frame can be made again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from turncoat.kernels.errors import ConfigError
from turncoat.training.data.studio import clips
from turncoat.training.data.studio.body import ASSETS
from turncoat.training.data.studio.closet import SUBJECT_WARDROBES, random_wardrobe
from turncoat.training.data.studio.scene import SCENES, UNSEEN_SCENE, cameras
from turncoat.training.data.studio.wardrobe import Wardrobe

#: raise when the same recipe would give other bytes
RENDERER_VERSION = 3
FRAME_SIZE = 128
INSTANTS = 25
STEP_S = 0.4
#: training instants come in pairs so far apart, so that methods that learn from time see frames that are nearly the
#: same: in everyday motion poses 0.4 s apart already differ by 107 mm, two seconds and more apart by 150
PAIR_S = 0.12
RECIPES = ("confounded", "decorrelated", "crossed")
TRAINING_SUBJECTS = ("S1", "S2", "S3", "S4", "S5")
UNSEEN_SUBJECTS = ("S6", "S7")
#: size of the pool of wardrobes that the decorrelated recipe draws from, beside the five training wardrobes
POOL = 60
_TRAINING_SCENES = tuple(s for s in SCENES if s != UNSEEN_SCENE)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """``everyday``, ``acrobatic``: training sequences for each subject and action; ``stride``: every n-th instant is
    rendered.
    """

    everyday: int
    acrobatic: int
    stride: int = 1
    tests: int = 1


PRESETS = {
    "demo": Preset(everyday=1, acrobatic=1, stride=5),
    "default": Preset(everyday=13, acrobatic=5),
    "large": Preset(everyday=80, acrobatic=30, tests=2),
}


@dataclass(frozen=True)
class Sequence:
    """``source``: the split of motion segments it is made of; ``key``: its identity, which seeds everything about
    it.
    """

    key: str
    split: str
    source: str
    subject: str
    body: str
    wardrobe: str
    action: str
    scene: str

    @property
    def group(self) -> str:
        return clips.group_of(self.action)


def wardrobe(name: str) -> Wardrobe:
    """``w1``..``w7``: the subjects'; ``p0``..: the decorrelated pool; ``w1+colours:w3``: as `Wardrobe.taking`."""
    own, _, taken = name.partition("+")
    if taken:
        part, _, other = taken.partition(":")
        return wardrobe(own).taking(part, wardrobe(other))
    for known in SUBJECT_WARDROBES:
        if known.name == name:
            return known
    return random_wardrobe(name, int(name[1:]))


def instant_times(split: str) -> np.ndarray:
    """Seconds float64 (25,) of a sequence's instants: every 0.4 s; in training, pairs 0.12 s apart every 0.8 s."""
    number = np.arange(INSTANTS)
    if split == "train":
        return number // 2 * (2 * STEP_S) + number % 2 * PAIR_S
    return number * STEP_S


def sequence_seed(seed: int, key: str) -> list[int]:
    return [seed, *hashlib.sha256(key.encode()).digest()[:16]]


def plan(preset: str, recipe: str, seed: int = 0) -> tuple[list[Sequence], Preset]:
    """All sequences in the order they are stored, and the preset's settings. Raises ConfigError on unknown names.

    Those of "crossed" are the ones of "confounded": `crossed.plan_poses` says which of their instants it takes.
    """
    if preset not in PRESETS:
        raise ConfigError(f"there is no preset {preset!r}: choose one of {', '.join(PRESETS)}")
    if recipe not in RECIPES:
        raise ConfigError(f"there is no recipe {recipe!r}: choose one of {', '.join(RECIPES)}")
    chosen = PRESETS[preset]
    rows: list[tuple[str, str, str, str, int, tuple[str, ...]]] = []
    seen = [a for a in clips.ACTIONS if a not in clips.UNSEEN_ACTIONS]
    for subject in TRAINING_SUBJECTS:
        for action in seen:
            count = chosen.everyday if clips.group_of(action) == "everyday" else chosen.acrobatic
            rows += [("train", "train", subject, action, k, _TRAINING_SCENES) for k in range(count)]
            for split in ("validation", "held-out"):
                if clips.segments(action, split):
                    rows += [(split, split, subject, action, k, _TRAINING_SCENES) for k in range(chosen.tests)]
        for action in clips.UNSEEN_ACTIONS:
            rows += [
                ("unseen motion", "unseen motion", subject, action, k, _TRAINING_SCENES)
                for k in range(2 * chosen.tests)
            ]
    for subject in UNSEEN_SUBJECTS:
        rows += [
            ("unseen subject", "held-out", subject, action, k, _TRAINING_SCENES)
            for action in seen
            for k in range(chosen.tests)
        ]
    for n, action in enumerate(seen):
        for k in range(2 * chosen.tests):
            subject = TRAINING_SUBJECTS[(n + 2 * k) % len(TRAINING_SUBJECTS)]
            rows.append(("unseen scene", "held-out", subject, action, k, (UNSEEN_SCENE,)))
    return [_sequence(*row, recipe=recipe, seed=seed) for row in rows], chosen


def _sequence(
    split: str, source: str, subject: str, action: str, k: int, scenes: tuple[str, ...], *, recipe: str, seed: int
) -> Sequence:
    key = f"{split.replace(' ', '-')}.{subject}.{action}.{k:03d}"
    number = int(subject[1:])
    body, clothes = f"b{number}", f"w{number}"
    rng = np.random.default_rng([*sequence_seed(seed, key), 1])
    scene = scenes[int(rng.integers(len(scenes)))]
    if recipe == "decorrelated":
        unseen = subject in UNSEEN_SUBJECTS
        bodies = ("b6", "b7") if unseen else ("b1", "b2", "b3", "b4", "b5")
        pool = ("w6", "w7") if unseen else tuple(f"w{i}" for i in range(1, 6)) + tuple(f"p{i}" for i in range(POOL))
        body, clothes = str(rng.choice(bodies)), str(rng.choice(pool))
        subject = f"{body}-{clothes}"
    return Sequence(key, split, source, subject, body, clothes, action, scene)


def fingerprint(recipe: str, preset: str, seed: int, size: int, shadow: bool, more: str = "") -> str:
    """Hash of recipe, splits, wardrobes, cameras, assets and renderer version: the same on every machine.

    more: what else the recipe depends on.
    """
    digest = hashlib.sha256()
    digest.update(
        f"studio {RENDERER_VERSION} {recipe} {preset} {PRESETS[preset]} {seed} {size} {shadow} "
        f"{INSTANTS} {STEP_S} {PAIR_S}".encode()
    )
    digest.update(more.encode())
    digest.update(repr((SUBJECT_WARDROBES, random_wardrobe("p0", 0))).encode())
    for action in clips.ACTIONS:
        for split in ("train", "validation", "held-out", "unseen motion"):
            for piece in clips.segments(action, split):
                digest.update(f"{split} {piece.clip} {piece.start_s:.6f} {piece.end_s:.6f}".encode())
    for scene in SCENES:
        digest.update(
            repr(
                [(c.rotation.round(9).tolist(), c.translation.round(6).tolist()) for c in cameras(scene, size)]
            ).encode()
        )
    for name in ("bodies.npz", "motion_cmu.npz", "motion_deepmimic.npz"):
        digest.update(Path(ASSETS / name).read_bytes())
    return digest.hexdigest()[:32]
