"""The ``crossed`` recipe: one pose and one camera held, and one thing about the picture changed at a time.

A base pose is an instant of a held-out or unseen-motion sequence of the recipe ``confounded``, seen by one camera: the
same person, place and bytes as there. Of each there is the frame itself, its anchor, and one frame for each level of
each factor. Poses are spread evenly over actions, subjects and cameras.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from turncoat.training.data.studio import clips
from turncoat.training.data.studio import recipe as recipes
from turncoat.training.data.studio.scene import CAMERAS_FOR_ALL, UNSEEN_SCENE, cameras

#: raise when this recipe alone would give other bytes
VERSION = 1
RECIPE = "crossed"
SPLIT = "crossed"
ANCHOR = "anchor"
#: what may change; everything else stays. ``subject`` is body, clothes, cut and skin of another subject at once
FACTORS = ("colours", "shape", "skin", "body", "subject", "background", "shadow")
#: new wardrobes, which no recipe trains on, whose colours and patterns are levels too: so many a pose, of so many
NEW_COLOURS = 2
_NEW_FIRST, _NEW = 100, 40
#: base poses of a preset: of each everyday action and subject, and of each acrobatic action
POSES = {"demo": (1, 1), "default": (4, 4), "large": (16, 20)}
_QUARTERS = 4
_TRAINED = tuple(f"{number}" for number in range(1, len(recipes.TRAINING_SUBJECTS) + 1))
_UNSEEN = tuple(subject[1:] for subject in recipes.UNSEEN_SUBJECTS)


@dataclass(frozen=True)
class Pose:
    """A base pose: ``camera`` of the sequence's scene, and its instant, the first of ``instants`` at which everybody
    who takes its place is wholly in the picture.
    """

    sequence: recipes.Sequence
    camera: int
    instants: tuple[int, ...]


@dataclass(frozen=True)
class Level:
    """What one frame of a base pose shows. ``seen``: training with the recipe ``confounded`` shows this body, scene or
    part of a wardrobe, though not this combination of them. ``picture``: the camera of ``scene`` whose picture stands
    behind the person; None: the scene as the pose's own camera sees it from where it stands.
    """

    factor: str
    name: str
    seen: bool
    subject: str
    body: str
    wardrobe: str
    scene: str
    picture: int | None = None
    shadow: bool = False


def plan_poses(preset: str, seed: int = 0) -> list[Pose]:
    """All base poses in the order they are stored. Raises ConfigError on unknown names.

    A preset's are among a larger one's. All are of sequences that the preset ``default`` holds.
    """
    recipes.plan(preset, RECIPE, seed)  # are there such names?
    everyday, acrobatic = POSES[preset]
    chosen: dict[tuple[str, str], list[recipes.Sequence]] = {}
    for sequence in recipes.plan("default", "confounded", seed)[0]:
        if sequence.split in ("held-out", "unseen motion"):
            chosen.setdefault((sequence.action, sequence.subject), []).append(sequence)
    poses, people = [], recipes.TRAINING_SUBJECTS
    for number, action in enumerate(clips.ACTIONS):
        if clips.group_of(action) == "everyday":
            wanted = [(subject, k) for subject in people for k in range(everyday)]
        else:
            wanted = [(people[(number + k) % len(people)], k) for k in range(acrobatic)]
        for subject, k in wanted:
            among = chosen[action, subject]
            poses.append(_pose(among[k % len(among)], k, k + number + people.index(subject), seed))
    return poses


def _pose(sequence: recipes.Sequence, k: int, turn: int, seed: int) -> Pose:
    """The k-th of a sequence: each looks at another quarter of it, and with another camera."""
    random = np.random.default_rng([*recipes.sequence_seed(seed, sequence.key), 2])
    length = recipes.INSTANTS // _QUARTERS
    quarters = [random.permutation(length) + q * length for q in range(_QUARTERS)]
    own = np.roll(quarters[k % _QUARTERS], -(k // _QUARTERS))
    others = [instant for q in range(1, _QUARTERS) for instant in quarters[(k + q) % _QUARTERS]]
    free = CAMERAS_FOR_ALL[sequence.scene]
    return Pose(sequence, free[turn % len(free)], tuple(int(instant) for instant in (*own, *others)))


def levels(pose: Pose, seed: int = 0) -> list[Level]:
    """The frames of a base pose, its anchor first, in the order they are stored."""
    of = pose.sequence
    own = of.subject[1:]
    anchor = Level(ANCHOR, "", True, of.subject, of.body, of.wardrobe, of.scene)
    others = [(number, True) for number in _TRAINED if number != own] + [(number, False) for number in _UNSEEN]

    def dressed(factor: str, body: str, wardrobe: str, name: str, seen: bool) -> Level:
        subject = f"{body}-{wardrobe}"
        return replace(anchor, factor=factor, name=name, seen=seen, subject=subject, body=body, wardrobe=wardrobe)

    found = [anchor]
    random = np.random.default_rng([*recipes.sequence_seed(seed, of.key), 3, pose.instants[0]])
    new = [(f"p{_NEW_FIRST + int(n)}", False) for n in random.choice(_NEW, NEW_COLOURS, replace=False)]
    for part in ("colours", "shape", "skin"):
        worn = [(f"w{number}", seen) for number, seen in others] + (new if part == "colours" else [])
        found += [dressed(part, of.body, f"{of.wardrobe}+{part}:{name}", name, seen) for name, seen in worn]
    found += [dressed("body", f"b{number}", of.wardrobe, f"b{number}", seen) for number, seen in others]
    found += [
        replace(dressed("subject", f"b{number}", f"w{number}", f"S{number}", seen), subject=f"S{number}")
        for number, seen in others
    ]
    for scene in [scene for scene in CAMERAS_FOR_ALL if scene != of.scene]:
        at = _nearest(scene, of.scene, pose.camera)
        found.append(replace(anchor, factor="background", name=f"{scene} c{at}", scene=scene, picture=at))
    rooms = [scene for scene in (*CAMERAS_FOR_ALL, UNSEEN_SCENE) if scene != of.scene]
    found += [replace(anchor, factor="background", name=scene, seen=False, scene=scene) for scene in rooms]
    return [*found, replace(anchor, factor="shadow", name="cast", seen=False, shadow=True)]


@cache
def _nearest(scene: str, other: str, camera: int) -> int:
    """The camera of a scene that looks most nearly the way in which a camera of another scene does."""
    size = recipes.FRAME_SIZE
    direction = cameras(other, size)[camera].rotation[2]
    return int(np.argmax([each.rotation[2] @ direction for each in cameras(scene, size)]))


def facts() -> str:
    """All that the recipe depends on besides what every recipe does, for the fingerprint: its plan, in short."""
    some = plan_poses("demo")[:: len(recipes.TRAINING_SUBJECTS) + 1]
    return f"{VERSION} {POSES} {[(pose, levels(pose)) for pose in some]}"
