"""Clips on the studio's bodies: retargeting, and the composition of ten-second sequences."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from turncoat.training.data.studio.body import Body
from turncoat.training.data.studio.clips import (
    ACROBATIC,
    FLYING,
    Clip,
    Segment,
    cmu_data,
    load_clip,
    orthonormal,
    rotation_matrix,
    segments,
)

#: seconds over which two segments are joined
BLEND_S = 0.3
_FLIP = np.array([-1.0, 1.0, 1.0])


def _swing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotation that takes direction a to direction b."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    v = np.cross(a, b)
    k = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + k + k @ k / (1 + a @ b)


@cache
def _alignment(body: Body, source: str) -> np.ndarray:
    """(31, 3, 3): turns each bone of the body's rest pose into the source's rest pose."""
    rig, head = body.rig, body.head
    turn = np.tile(np.eye(3), (len(rig.bones), 1, 1))
    data = cmu_data()
    joints = [str(j) for j in data["joints"]]

    def rest(side: str, bone: str, child: str) -> np.ndarray:
        if source == "cmu":
            return data["offset_mm"][joints.index(side + child)].astype(float)
        return (
            np.array([0, -1.0, 0])
            if child != "ToeBase"
            else head[rig.index(side + child)] - head[rig.index(side + bone)]
        )

    for side in ("Left", "Right"):
        at = lambda bone, side=side: head[rig.index(side + bone)]  # noqa: E731
        for bone, child in (("UpLeg", "Leg"), ("Leg", "Foot"), ("Foot", "ToeBase"), ("Arm", "ForeArm")):
            turn[rig.index(side + bone)] = _swing(at(child) - at(bone), rest(side, bone, child))
        upper = turn[rig.index(f"{side}Arm")]
        fore = _swing(upper @ (at("Hand") - at("ForeArm")), rest(side, "ForeArm", "Hand")) @ upper
        for bone in ("ForeArm", "Hand", "FingerBase", "HandFinger1"):
            turn[rig.index(side + bone)] = fore
        turn[rig.index(f"{side[0]}Thumb")] = fore
    return turn


@cache
def _mirror_index(bones: tuple[str, ...]) -> list[int]:
    def other(bone: str) -> str:
        for a, b in (("Left", "Right"), ("Right", "Left")):
            if bone.startswith(a):
                return b + bone[len(a) :]
        return {"L": "R", "R": "L"}[bone[0]] + bone[1:] if bone[1:] in ("HipJoint", "Thumb") else bone

    return [bones.index(other(b)) for b in bones]


def place_bones(body: Body, rotation: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Bone heads (T, 31, 3) mm of world rotations (T, 31, 3, 3) and root positions (T, 3)."""
    heads = np.empty((len(root), len(body.rig.bones), 3))
    for j, p in enumerate(body.rig.parent):
        step = body.head[j] - body.head[p] if p >= 0 else None
        heads[:, j] = root if step is None else heads[:, p] + rotation[:, p] @ step
    return heads


@dataclass(frozen=True)
class Movement:
    """A sequence's instants before it is placed: bone rotations (T, 31, 3, 3), root (T, 3) mm, and what was played."""

    rotation: np.ndarray
    root_mm: np.ndarray
    motion_id: list[str]
    motion_time_s: np.ndarray
    mirrored: bool
    flying: bool


def _sample(clip: Clip, body: Body, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = np.clip(t * clip.fps, 0, len(clip.root_mm) - 1)
    i = np.minimum(x.astype(int), len(clip.root_mm) - 2)
    f = x - i
    r = clip.rotation
    rotation = orthonormal(r[i] * (1 - f)[:, None, None, None] + r[i + 1] * f[:, None, None, None]) @ _alignment(
        body, clip.source
    )
    leg = body.head[body.rig.index("LeftUpLeg"), 1] - body.head[body.rig.index("LeftFoot"), 1]
    root = (clip.root_mm[i] * (1 - f)[:, None] + clip.root_mm[i + 1] * f[:, None]) * (leg / clip.leg_mm)
    return rotation, root


def _stay(clip: Clip, scale: float, t: np.ndarray) -> np.ndarray:
    """Where the root would be, on the floor plane, if its path were smoothed over one second: taken away so that a
    walk stays.
    """
    window = max(3, int(clip.fps) | 1)
    path = clip.root_mm[:, [0, 2]] * scale
    padded = np.concatenate([path[:1].repeat(window // 2, 0), path, path[-1:].repeat(window // 2, 0)])
    kernel = np.ones(window) / window
    smooth = np.stack([np.convolve(padded[:, k], kernel, "valid") for k in (0, 1)], 1)
    x = np.clip(t * clip.fps, 0, len(path) - 1)
    return np.stack([np.interp(x, np.arange(len(path)), smooth[:, k]) for k in (0, 1)], 1)


def _heading(rotation: np.ndarray) -> float:
    forward = rotation[0] @ np.array([0, 0, 1.0])
    return float(np.arctan2(forward[0], forward[2]))


def yaw_matrix(angle: float) -> np.ndarray:
    """(3, 3): a turn about the vertical, from +Z towards +X, radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def compose(
    body: Body, action: str, split: str, times_s: np.ndarray, rng: np.random.Generator, sway: float = 0.0
) -> Movement:
    """A pose at each of ``times_s`` (T,) float64, ascending from 0: segments of the split joined (everyday) or swung
    through (acrobatic), warped, mirrored.

    ``sway``: radians of slow random turns of spine and limbs, the cheapest source of new poses (training only).
    """
    pieces = segments(action, split)
    warp = rng.uniform(0.8, 1.25)
    clock, instants = times_s * warp, len(times_s)  # seconds of source motion
    plays: list[tuple[float, Segment, float]] = []  # first second, segment, offset into it
    begin, k = 0.0, int(rng.integers(len(pieces)))
    while begin < clock[-1] + BLEND_S:
        piece, length = pieces[k], pieces[k].end_s - pieces[k].start_s
        offset = rng.uniform(0, 0.6 * length) if not plays else 0.0
        plays.append((begin, piece, offset))
        if action in ACROBATIC:
            begin += max(8 * length, 4.0)  # swing to and fro through the piece before the next
        else:
            begin += max(length - offset - BLEND_S, 0.2)
        k = int(rng.integers(len(pieces)))
    names, times = [""] * instants, np.zeros(instants)
    rotation, root = np.empty((instants, len(body.rig.bones), 3, 3)), np.empty((instants, 3))
    heading: float | None = None
    for n, (begin, piece, offset) in enumerate(plays):
        end = plays[n + 1][0] if n + 1 < len(plays) else np.inf
        mine = np.flatnonzero((clock >= begin) & (clock < end + BLEND_S))
        clip, length = load_clip(piece.clip, body.rig.bones), piece.end_s - piece.start_s
        since = clock[mine] - begin + offset
        if action in ACROBATIC:
            since = length - np.abs(since % (2 * length) - length)
        source = piece.start_s + np.clip(since, 0, length)
        probe = piece.start_s + np.array(
            [np.clip(offset, 0, length), np.clip(end - begin + offset, 0, length) if end < np.inf else length]
        )
        turn = np.eye(3)
        probe_rotation, _ = _sample(clip, body, probe)
        if heading is not None and action not in ACROBATIC:
            turn = yaw_matrix(heading - _heading(probe_rotation[0]))
        heading = _heading(turn @ probe_rotation[1])
        if len(mine) == 0:
            continue
        r, q = _sample(clip, body, source)
        leg = body.head[body.rig.index("LeftUpLeg"), 1] - body.head[body.rig.index("LeftFoot"), 1]
        q[:, [0, 2]] -= _stay(clip, leg / clip.leg_mm, source)
        r, q = turn @ r, q @ turn.T
        fade = np.clip((clock[mine] - begin) / BLEND_S, 0, 1) if n else np.ones(len(mine))
        for j, m in enumerate(mine):
            w = fade[j]
            rotation[m] = r[j] if w >= 1 else orthonormal(rotation[m] * (1 - w) + r[j] * w)
            root[m] = q[j] if w >= 1 else root[m] * (1 - w) + q[j] * w
            if w >= 0.5 or not names[m]:
                names[m], times[m] = piece.clip, source[j]
    mirrored = bool(rng.random() < 0.5)
    if mirrored:
        rotation = _FLIP[:, None] * rotation[:, _mirror_index(body.rig.bones)] * _FLIP
        root = root * _FLIP
    if sway:
        rotation = _swayed(body, rotation, clock, sway, rng)
    return Movement(rotation, root, names, times, mirrored, action in FLYING)


_SWAYING = (
    "LowerBack",
    "Neck",
    "LeftArm",
    "RightArm",
    "LeftForeArm",
    "RightForeArm",
    "LeftUpLeg",
    "RightUpLeg",
    "LeftLeg",
    "RightLeg",
)


def _swayed(body: Body, rotation: np.ndarray, clock: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    parent = body.rig.parent
    local = np.stack(
        [rotation[:, j] if p < 0 else rotation[:, p].swapaxes(-1, -2) @ rotation[:, j] for j, p in enumerate(parent)], 1
    )
    for bone in _SWAYING:
        j = body.rig.index(bone)
        phase = clock[:, None] * rng.uniform(0.2, 1.2) + rng.uniform(0, 2 * np.pi, 3)
        local[:, j] = (
            rotation_matrix(amount * (rng.normal(0, 0.6, 3) + 0.8 * np.sin(phase) * rng.normal(0, 1, 3))) @ local[:, j]
        )
    out = local.copy()
    for j, p in enumerate(parent):
        if p >= 0:
            out[:, j] = out[:, p] @ local[:, j]
    return out
