"""Draws a base pose of the ``crossed`` recipe with everything that may take a thing's place in it.

What a factor does not touch is the same to the last bit: bone rotations, joints and placing are the anchor's own,
unless the body is another. Another body holds its limbs alike, with its pelvis over the same point of the floor and
its lowest point as high above it. Another room is seen from the camera that stands where it stood, or it is a picture
that training shows, of the room's own camera that looks most nearly the same way; the light on people is the same in
all rooms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from turncoat.training.data.index import CROSSED_COLUMNS
from turncoat.training.data.store import ShardWriter
from turncoat.training.data.studio import motion
from turncoat.training.data.studio.crossed import FACTORS, SPLIT, Level, Pose, levels, plan_poses
from turncoat.training.data.studio.recipe import Sequence, instant_times
from turncoat.training.data.studio.scene import SCENES, cameras, render_backgrounds
from turncoat.training.data.studio.stage import Staged, View, dressed_as, inside_picture, movement, skin_dressed, stage
from turncoat.training.data.studio.work import Work

_POSES_PER_SHARD = 8
_VIEWS_PER_SCENE = 4
Seen = tuple[str, int, str, int | None]
"""Scene whose camera it is, number of the camera there, scene behind the person, and the camera of that scene whose
picture it is; None: as the camera itself sees it."""


@dataclass(frozen=True, eq=False)
class Cast:
    """A base pose at its instant, and everybody in its place. ``staged``: (body, wardrobe) -> one instant of them."""

    pose: Pose
    instant: int
    anchor: Staged
    levels: list[Level]
    staged: dict[tuple[str, str], Staged]

    @property
    def key(self) -> str:
        """The id that the anchor's frame has in the recipe ``confounded``."""
        return f"{self.pose.sequence.key}.i{self.instant:02d}.c{self.pose.camera}"

    def drawn(self, view: View, level: Level) -> Staged:
        """Draw a level's person and shadow."""
        staged = self.staged[level.body, level.wardrobe]
        view.shadow = level.shadow
        view.draw(staged, 0, self.pose.camera)
        return staged


@lru_cache(maxsize=4)
def _anchor(sequence: Sequence, seed: int, size: int) -> Staged:
    return stage(sequence, seed, size)


@lru_cache(maxsize=16)
def _movement(sequence: Sequence, seed: int) -> motion.Movement:
    return movement(sequence, seed)[0]


def cast(pose: Pose, seed: int, size: int) -> Cast:
    """Stage everybody at the first instant at which they all are wholly in the picture (else at the first)."""
    anchor, shown = _anchor(pose.sequence, seed, size), levels(pose, seed)
    pairs = list(dict.fromkeys((level.body, level.wardrobe) for level in shown))
    for instant in (*pose.instants, pose.instants[0]):
        staged = {pair: instead(anchor, instant, *pair, seed=seed) for pair in pairs}
        camera = anchor.cameras[pose.camera]
        if all(inside_picture(one.vertices, one.dressed, camera, size) for one in staged.values()):
            break
    return Cast(pose, instant, anchor, shown, staged)


def instead(anchor: Staged, instant: int, body: str, wardrobe: str, *, seed: int) -> Staged:
    """Another body, another wardrobe or both in a sequence's place, at one of its instants: T = 1."""
    dressed = dressed_as(body, wardrobe)
    person = replace(anchor.sequence, body=body, wardrobe=wardrobe)
    vertices = np.empty((1, len(dressed.vertices), 3), np.float32)
    if body == anchor.sequence.body:
        rotation, heads, offset = anchor.rotation[instant], anchor.heads[instant], anchor.offset[instant]
        skin_dressed(dressed, rotation, heads, vertices[0])
        joints = anchor.joints[instant]
    else:
        rotation = anchor.turn @ _movement(replace(person, wardrobe=anchor.sequence.wardrobe), seed).rotation[instant]
        heads = motion.place_bones(dressed.body, rotation[None], np.zeros((1, 3)))[0]
        skin_dressed(dressed, rotation, heads, vertices[0])
        local = dressed.body.joints(rotation, heads)
        lowest = float(anchor.vertices[instant, anchor.dressed.used, 1].min())
        offset = anchor.joints[instant, 0].astype(float) - local[0]
        offset[1] = lowest - float(vertices[0, dressed.used, 1].min())
        joints = (local + offset).astype(np.float32)
    vertices += offset.astype(np.float32)
    return Staged(
        person,
        dressed,
        anchor.movement,
        vertices,
        joints[None],
        anchor.cameras,
        anchor.turn,
        rotation[None],
        heads[None],
        offset[None],
    )


def crossed_work(preset: str, seed: int, size: int) -> Work:
    """The shards of the recipe; the rooms are rendered here, once, and given to them."""
    poses = plan_poses(preset, seed)
    shards = [poses[i : i + _POSES_PER_SHARD] for i in range(0, len(poses), _POSES_PER_SHARD)]
    views = list(dict.fromkeys(seen for pose in poses for seen in _seen(pose, seed)))
    views.sort(key=lambda seen: (SCENES.index(seen[2]), seen[3] is None, SCENES.index(seen[0]), seen[1]))
    pictures = np.empty((len(views), size, size, 3), np.uint8)
    for room in SCENES:
        looking = [(room, seen[3]) if seen[3] is not None else seen[:2] for seen in views if seen[2] == room]
        different = list(dict.fromkeys(looking))
        if different:
            rendered = render_backgrounds(room, size, [cameras(scene, size)[number] for scene, number in different])
            rendered = (rendered * np.float32(255) + np.float32(0.5)).astype(np.uint8)
            mine = [n for n, seen in enumerate(views) if seen[2] == room]
            pictures[mine] = rendered[[different.index(each) for each in looking]]
    of = [cameras(scene, size)[number] for scene, number, _, _ in views]
    table = {
        "scene": [room for _, _, room, _ in views],
        "camera": [camera_number(scene, number) for scene, number, _, _ in views],
        "rotation": np.stack([camera.rotation for camera in of]),
        "translation": np.stack([camera.translation for camera in of]),
        "intrinsics": np.stack([camera.intrinsics for camera in of]),
    }
    place = {seen: n for n, seen in enumerate(views)}
    arguments = []
    for shard in shards:
        needed = {seen: place[seen] for pose in shard for seen in _seen(pose, seed)}
        arguments.append((shard, seed, size, needed, {n: pictures[n] for n in needed.values()}))
    frames = [sum(len(levels(pose, seed)) for pose in shard) for shard in shards]
    return Work(render_shard, arguments, frames, pictures, table, {"factors": list(FACTORS)})


def camera_number(scene: str, number: int) -> int:
    """The column ``camera``: four numbers for the cameras of each scene, because each looks into every scene."""
    return _VIEWS_PER_SCENE * SCENES.index(scene) + number


def _seen(pose: Pose, seed: int) -> list[Seen]:
    rooms = dict.fromkeys((level.scene, level.picture) for level in levels(pose, seed))
    return [(pose.sequence.scene, pose.camera, *room) for room in rooms]


def render_shard(
    out: str,
    shard: int,
    mark: str,
    poses: list[Pose],
    seed: int,
    size: int,
    views: dict[Seen, int],
    pictures: dict[int, np.ndarray],
) -> int:
    """Write the frames of some base poses. ``pictures``: background (size, size, 3) uint8 of every view they need."""
    view = View(size)
    with ShardWriter(Path(out), shard, fingerprint=mark, more=CROSSED_COLUMNS) as writer:
        for pose in poses:
            acted = cast(pose, seed, size)
            for level in acted.levels:
                number = views[pose.sequence.scene, pose.camera, level.scene, level.picture]
                staged = acted.drawn(view, level)
                background = pictures[number].astype(np.float32) / np.float32(255)
                frame, alpha = view.picture(staged.dressed.wardrobe.colours(), background)
                writer.add_frame(
                    frame,
                    alpha,
                    view.labels,
                    rectangle=view.shadow_rectangle() if level.shadow else None,
                    joints_world=staged.joints[0],
                    **_columns(acted, level),
                    view=number,
                )
    return shard


def _columns(acted: Cast, level: Level) -> dict[str, Any]:
    """The index columns of a frame, all but its view."""
    sequence, instant, moved = acted.pose.sequence, acted.instant, acted.anchor.movement
    return {
        "sample_id": ".".join([acted.key, level.factor] + [level.name] * bool(level.name)),
        "sequence": sequence.key,
        "instant": instant,
        "camera": camera_number(sequence.scene, acted.pose.camera),
        "scene": level.scene,
        "subject": level.subject,
        "body": level.body,
        "wardrobe": level.wardrobe,
        "action": sequence.action,
        "group": sequence.group,
        "motion_id": moved.motion_id[instant],
        "motion_time_s": float(moved.motion_time_s[instant]),
        "mirrored": moved.mirrored,
        "time_s": float(instant_times(sequence.split)[instant]),
        "split": SPLIT,
        "crossed_pose": acted.key,
        "factor": level.factor,
        "level": level.name,
        "seen": level.seen,
    }
