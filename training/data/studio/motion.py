"""Motion capture on the studio's bodies: clips, splits by trial, retargeting and the composition of ten-second sequences.

Splits are cut before mirroring, time warp and yaw multiply a trial: other clips of an action are held out, or, of a motion
with a single clip, another segment at least 0.5 s away (design.md section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from turncoat.training.data.studio.body import ASSETS, Body

#: seconds between the training part of a clip and the part that is held out of it
GAP_S = 0.5
BLEND_S = 0.3
EVERYDAY = ("walking", "running", "jumping", "basketball", "directing_traffic", "referee_signals", "soccer", "washing_window")
UNSEEN_ACTIONS = ("soccer", "washing_window")
ACROBATIC = {
    "backflip": ("backflip",), "cartwheel": ("cartwheel",), "crawl": ("crawl",), "dance": ("dance_a", "dance_b"),
    "getup": ("getup_facedown", "getup_faceup"), "kick": ("kick",), "punch": ("punch",), "roll": ("roll",), "spin": ("spin",),
    "spinkick": ("spinkick",),
}  # fmt: skip
ACTIONS = EVERYDAY + tuple(ACROBATIC)
#: actions in which both feet may leave the floor: the lowest tenth of the sequence stands on it, the rest may fly
_FLYING = ("running", "jumping", "basketball", "soccer", "backflip", "cartwheel", "spinkick", "kick", "dance")
#: DeepMimic axes (x forward, y up, z right) to ours (x left, y up, z forward)
_DEEPMIMIC_AXES = np.array([[0, 0, -1.0], [0, 1, 0], [1, 0, 0]])
_DEEPMIMIC_LEG_M = 0.4220 + 0.4099
_FLIP = np.array([-1.0, 1.0, 1.0])


def group_of(action: str) -> str:
    return "everyday" if action in EVERYDAY else "acrobatic"


@dataclass(frozen=True)
class Clip:
    """``rotation`` (T, 31, 3, 3): world rotation of each bone of the rig relative to the source's rest pose; ``root_mm`` (T, 3)."""

    name: str
    fps: float
    rotation: np.ndarray
    root_mm: np.ndarray
    leg_mm: float
    source: str

    @property
    def seconds(self) -> float:
        return (len(self.root_mm) - 1) / self.fps


@dataclass(frozen=True)
class Segment:
    clip: str
    start_s: float
    end_s: float


# ---------------------------------------------------------------- sources
def _matrix(vector: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3) in radians to matrices (..., 3, 3) (Rodrigues)."""
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vector / np.maximum(angle[..., 0], 1e-12), -1, 0)
    o = np.zeros_like(x)
    k = np.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*x.shape, 3, 3)
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def _quaternion_matrix(q: np.ndarray) -> np.ndarray:
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), 2 * (x * y + w * z), 1 - 2 * (x * x + z * z),
            2 * (y * z - w * x), 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y))  # fmt: skip
    return np.stack(rows, -1).reshape(*w.shape, 3, 3)


def orthonormal(m: np.ndarray) -> np.ndarray:
    """The nearest rotations (..., 3, 3): chordal blends of rotations end here."""
    u, _, v = np.linalg.svd(m)
    u[..., 2] *= np.sign(np.linalg.det(u @ v))[..., None]
    return u @ v


def _clip_names(action: str) -> tuple[str, ...]:
    if action in ACROBATIC:
        return ACROBATIC[action]
    with np.load(ASSETS / "motion_cmu.npz") as data:
        return tuple(sorted(k[5:] for k in data.files if k.startswith(f"clip/{action}_")))


@cache
def _cmu() -> dict[str, np.ndarray]:
    with np.load(ASSETS / "motion_cmu.npz") as data:
        return {k: data[k] for k in data.files}


@cache
def _deepmimic() -> dict[str, np.ndarray]:
    with np.load(ASSETS / "motion_deepmimic.npz") as data:
        return {k: data[k].astype(float) for k in data.files}


@lru_cache(maxsize=None)
def load_clip(name: str, bones: tuple[str, ...]) -> Clip:
    """The clip for a rig with these bones."""
    if name in _deepmimic():
        return _load_deepmimic(name, bones)
    data = _cmu()
    joints, parent = [str(j) for j in data["joints"]], data["parent"]
    rows = data[f"clip/{name}"].astype(float)
    local = _matrix(rows[:, 3:].reshape(len(rows), len(joints), 3))
    world = np.zeros_like(local)  # row vectors: child = local @ parent
    for j, p in enumerate(parent):
        world[:, j] = local[:, j] if p < 0 else local[:, j] @ world[:, p]
    source = [joints.index(b if b in joints else "LeftHand" if b[0] == "L" else "RightHand") for b in bones]
    offset = data["offset_mm"]
    leg = sum(float(np.linalg.norm(offset[joints.index(j)])) for j in ("LeftLeg", "LeftFoot"))
    return Clip(name, float(data["fps"]), world[:, source].swapaxes(-1, -2), rows[:, :3], leg, "cmu")


def _load_deepmimic(name: str, bones: tuple[str, ...]) -> Clip:
    """44 columns: seconds, root xyz, root quaternion wxyz, then joints as quaternions or, for knees and elbows, one angle about z."""
    f = _deepmimic()[name]

    def hinge(angle: np.ndarray) -> np.ndarray:
        return _matrix(angle[:, None] * np.array([0, 0, 1.0]))

    root = _quaternion_matrix(f[:, 4:8])
    chest = root @ _quaternion_matrix(f[:, 8:12])
    neck = chest @ _quaternion_matrix(f[:, 12:16])
    limb = {}
    for side, leg, arm in (("Right", 16, 25), ("Left", 30, 39)):
        hip = root @ _quaternion_matrix(f[:, leg : leg + 4])
        knee = hip @ hinge(f[:, leg + 4])
        shoulder = chest @ _quaternion_matrix(f[:, arm : arm + 4])
        limb[side] = {"UpLeg": hip, "Leg": knee, "Foot": knee @ _quaternion_matrix(f[:, leg + 5 : leg + 9]),
                      "Arm": shoulder, "ForeArm": shoulder @ hinge(f[:, arm + 4])}  # fmt: skip

    def world(bone: str) -> np.ndarray:
        if bone in ("Hips", "LHipJoint", "RHipJoint"):
            return root
        spine = {"LowerBack": (root, chest, 1 / 3), "Spine": (root, chest, 2 / 3), "Spine1": (chest, chest, 0.0),
                 "Neck": (chest, neck, 0.4), "Neck1": (chest, neck, 0.7), "Head": (neck, neck, 0.0)}  # fmt: skip
        if bone in spine:
            a, b, t = spine[bone]
            return orthonormal(a * (1 - t) + b * t) if t else a
        side = "Left" if bone.startswith("L") else "Right"
        if bone.endswith("Shoulder"):
            return chest
        name = bone.removeprefix(side)
        return limb[side].get("Foot" if name == "ToeBase" else name, limb[side]["ForeArm"])

    c = _DEEPMIMIC_AXES
    rotation = np.stack([c @ world(b) @ c.T for b in bones], 1)
    return Clip(name, 1 / float(f[0, 0]), rotation, f[:, 1:4] @ c.T * 1000, _DEEPMIMIC_LEG_M * 1000, "deepmimic")


# ---------------------------------------------------------------- splits
@cache
def segments(action: str, split: str) -> tuple[Segment, ...]:
    """Pieces of clips that a split may use. ``split``: train, validation, held-out; unseen actions have "unseen motion" alone."""
    from turncoat.training.data.studio.body import load_rig

    clips = [load_clip(name, load_rig().bones) for name in _clip_names(action)]
    if action in UNSEEN_ACTIONS:
        return tuple(Segment(c.name, 0.0, c.seconds) for c in clips) if split == "unseen motion" else ()
    if action in EVERYDAY:
        held = {c.name for k, c in enumerate(clips) if k % 5 == 2}
        watched = {c.name for k, c in enumerate(clips) if len(clips) >= 8 and k % 10 == 5}
        whole = {"held-out": held, "validation": watched, "train": {c.name for c in clips} - held - watched}[split]
        pieces = [Segment(c.name, 0.0, c.seconds) for c in clips if c.name in whole]
        if not watched:  # the validation part is the end of the longest training clip
            longest = max((c for c in clips if c.name not in held), key=lambda c: c.seconds)
            cut = 0.85 * longest.seconds
            if split == "validation":
                return (Segment(longest.name, cut, longest.seconds),)
            if split == "train":
                pieces = [Segment(s.clip, 0.0, cut - GAP_S) if s.clip == longest.name else s for s in pieces]
        return tuple(pieces)
    if split == "train":
        return tuple(Segment(c.name, 0.0, 0.8 * c.seconds - GAP_S) for c in clips)
    return tuple(Segment(c.name, 0.8 * c.seconds, c.seconds) for c in clips) if split == "held-out" else ()


# ---------------------------------------------------------------- retargeting
def _swing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotation that takes direction a to direction b."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    v = np.cross(a, b)
    k = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + k + k @ k / (1 + a @ b)


@lru_cache(maxsize=None)
def _alignment(body: Body, source: str) -> np.ndarray:
    """(31, 3, 3): turns each bone of the body's rest pose into the source's rest pose."""
    rig, head = body.rig, body.head
    turn = np.tile(np.eye(3), (len(rig.bones), 1, 1))
    data = _cmu()
    joints = [str(j) for j in data["joints"]]

    def rest(side: str, bone: str, child: str) -> np.ndarray:
        if source == "cmu":
            return data["offset_mm"][joints.index(side + child)].astype(float)
        return np.array([0, -1.0, 0]) if child != "ToeBase" else head[rig.index(side + child)] - head[rig.index(side + bone)]

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


# ---------------------------------------------------------------- sequences
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
    rotation = orthonormal(r[i] * (1 - f)[:, None, None, None] + r[i + 1] * f[:, None, None, None]) @ _alignment(body, clip.source)
    leg = body.head[body.rig.index("LeftUpLeg"), 1] - body.head[body.rig.index("LeftFoot"), 1]
    root = (clip.root_mm[i] * (1 - f)[:, None] + clip.root_mm[i + 1] * f[:, None]) * (leg / clip.leg_mm)
    return rotation, root


def _stay(clip: Clip, scale: float, t: np.ndarray) -> np.ndarray:
    """Where the root would be, on the floor plane, if its path were smoothed over one second: taken away so that a walk stays."""
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


def compose(body: Body, action: str, split: str, instants: int, step_s: float, rng: np.random.Generator, sway: float = 0.0) -> Movement:
    """``instants`` poses, ``step_s`` apart: segments of the split joined (everyday) or swung through (acrobatic), warped, mirrored.

    ``sway``: radians of slow random turns of spine and limbs, the cheapest source of new poses (training only).
    """
    pieces = segments(action, split)
    warp = rng.uniform(0.8, 1.25)
    clock = np.arange(instants) * step_s * warp  # seconds of source motion
    plays, begin, k = [], 0.0, int(rng.integers(len(pieces)))
    while begin < clock[-1] + BLEND_S:  # (first second, segment, offset into it, reversed?)
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
        probe = piece.start_s + np.array([np.clip(offset, 0, length), np.clip(end - begin + offset, 0, length) if end < np.inf else length])
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
    return Movement(rotation, root, names, times, mirrored, action in _FLYING)


_SWAYING = ("LowerBack", "Neck", "LeftArm", "RightArm", "LeftForeArm", "RightForeArm", "LeftUpLeg", "RightUpLeg", "LeftLeg", "RightLeg")


def _swayed(body: Body, rotation: np.ndarray, clock: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    parent = body.rig.parent
    local = np.stack([rotation[:, j] if p < 0 else rotation[:, p].swapaxes(-1, -2) @ rotation[:, j] for j, p in enumerate(parent)], 1)
    for bone in _SWAYING:
        j = body.rig.index(bone)
        phase = clock[:, None] * rng.uniform(0.2, 1.2) + rng.uniform(0, 2 * np.pi, 3)
        local[:, j] = _matrix(amount * (rng.normal(0, 0.6, 3) + 0.8 * np.sin(phase) * rng.normal(0, 1, 3))) @ local[:, j]
    out = local.copy()
    for j, p in enumerate(parent):
        if p >= 0:
            out[:, j] = out[:, p] @ local[:, j]
    return out
