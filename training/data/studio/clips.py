"""Motion capture clips, and which pieces of them each split may use.

Splits are cut before mirroring, time warp and yaw multiply a trial: other clips of an action are held out, or, of a
motion with a single clip, another segment at least 0.5 s away (design.md section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from turncoat.training.data.studio.body import ASSETS, load_rig

#: seconds between the training part of a clip and the part that is held out of it
GAP_S = 0.5
EVERYDAY = (
    "walking",
    "running",
    "jumping",
    "basketball",
    "directing_traffic",
    "referee_signals",
    "soccer",
    "washing_window",
)
UNSEEN_ACTIONS = ("soccer", "washing_window")
#: clips that go on where a training clip of the same trial ends, or the other way round: a faulty piece was cut out
#: between them. Found by the root's path (walking), and by path and pose (directing_traffic). They are in no split.
CONTINUED_IN_TRAINING = (
    "walking_36",
    "walking_38",
    "walking_66",
    "walking_68",
    "directing_traffic_03",
    "directing_traffic_06",
)
ACROBATIC = {
    "backflip": ("backflip",),
    "cartwheel": ("cartwheel",),
    "crawl": ("crawl",),
    "dance": ("dance_a", "dance_b"),
    "getup": ("getup_facedown", "getup_faceup"),
    "kick": ("kick",),
    "punch": ("punch",),
    "roll": ("roll",),
    "spin": ("spin",),
    "spinkick": ("spinkick",),
}
ACTIONS = EVERYDAY + tuple(ACROBATIC)
#: actions in which both feet may leave the floor: the lowest tenth of the sequence stands on it, the rest may fly
FLYING = ("running", "jumping", "basketball", "soccer", "backflip", "cartwheel", "spinkick", "kick", "dance")
#: DeepMimic axes (x forward, y up, z right) to ours (x left, y up, z forward)
_DEEPMIMIC_AXES = np.array([[0, 0, -1.0], [0, 1, 0], [1, 0, 0]])
_DEEPMIMIC_LEG_M = 0.4220 + 0.4099


def group_of(action: str) -> str:
    return "everyday" if action in EVERYDAY else "acrobatic"


@dataclass(frozen=True)
class Clip:
    """``rotation`` (T, 31, 3, 3): world rotation of each bone of the rig relative to the source's rest pose;
    ``root_mm`` (T, 3).
    """

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


def rotation_matrix(vector: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3) in radians to matrices (..., 3, 3) (Rodrigues)."""
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vector / np.maximum(angle[..., 0], 1e-12), -1, 0)
    o = np.zeros_like(x)
    k = np.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*x.shape, 3, 3)
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def _quaternion_matrix(q: np.ndarray) -> np.ndarray:
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = (
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    )
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
def cmu_data() -> dict[str, np.ndarray]:
    """The arrays of the CMU asset: clips, joint names, parents, offsets, frame rate."""
    with np.load(ASSETS / "motion_cmu.npz") as data:
        return {k: data[k] for k in data.files}


@cache
def _deepmimic() -> dict[str, np.ndarray]:
    with np.load(ASSETS / "motion_deepmimic.npz") as data:
        return {k: data[k].astype(float) for k in data.files}


@cache
def load_clip(name: str, bones: tuple[str, ...]) -> Clip:
    """The clip for a rig with these bones."""
    if name in _deepmimic():
        return _load_deepmimic(name, bones)
    data = cmu_data()
    joints, parent = [str(j) for j in data["joints"]], data["parent"]
    rows = data[f"clip/{name}"].astype(float)
    local = rotation_matrix(rows[:, 3:].reshape(len(rows), len(joints), 3))
    world = np.zeros_like(local)  # row vectors: child = local @ parent
    for j, p in enumerate(parent):
        world[:, j] = local[:, j] if p < 0 else local[:, j] @ world[:, p]
    source = [joints.index(b if b in joints else "LeftHand" if b[0] == "L" else "RightHand") for b in bones]
    offset = data["offset_mm"]
    leg = sum(float(np.linalg.norm(offset[joints.index(j)])) for j in ("LeftLeg", "LeftFoot"))
    return Clip(name, float(data["fps"]), world[:, source].swapaxes(-1, -2), rows[:, :3], leg, "cmu")


def _load_deepmimic(name: str, bones: tuple[str, ...]) -> Clip:
    """44 columns: seconds, root xyz, root quaternion wxyz, then joints as quaternions or, for knees and elbows, one
    angle about z.
    """
    f = _deepmimic()[name]

    def hinge(angle: np.ndarray) -> np.ndarray:
        return rotation_matrix(angle[:, None] * np.array([0, 0, 1.0]))

    root = _quaternion_matrix(f[:, 4:8])
    chest = root @ _quaternion_matrix(f[:, 8:12])
    neck = chest @ _quaternion_matrix(f[:, 12:16])
    limb = {}
    for side, leg, arm in (("Right", 16, 25), ("Left", 30, 39)):
        hip = root @ _quaternion_matrix(f[:, leg : leg + 4])
        knee = hip @ hinge(f[:, leg + 4])
        shoulder = chest @ _quaternion_matrix(f[:, arm : arm + 4])
        limb[side] = {
            "UpLeg": hip,
            "Leg": knee,
            "Foot": knee @ _quaternion_matrix(f[:, leg + 5 : leg + 9]),
            "Arm": shoulder,
            "ForeArm": shoulder @ hinge(f[:, arm + 4]),
        }

    def world(bone: str) -> np.ndarray:
        if bone in ("Hips", "LHipJoint", "RHipJoint"):
            return root
        spine = {
            "LowerBack": (root, chest, 1 / 3),
            "Spine": (root, chest, 2 / 3),
            "Spine1": (chest, chest, 0.0),
            "Neck": (chest, neck, 0.4),
            "Neck1": (chest, neck, 0.7),
            "Head": (neck, neck, 0.0),
        }
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


@cache
def segments(action: str, split: str) -> tuple[Segment, ...]:
    """Pieces of clips that a split may use. ``split``: train, validation, held-out; unseen actions have "unseen
    motion" alone.
    """
    clips = [load_clip(name, load_rig().bones) for name in _clip_names(action)]
    if (action in UNSEEN_ACTIONS) != (split == "unseen motion"):
        return ()
    if split == "unseen motion":
        return tuple(Segment(c.name, 0.0, c.seconds) for c in clips)
    if action in EVERYDAY:
        held = {c.name for k, c in enumerate(clips) if k % 5 == 2}
        watched = {c.name for k, c in enumerate(clips) if len(clips) >= 8 and k % 10 == 5}
        whole = {"held-out": held, "validation": watched, "train": {c.name for c in clips} - held - watched}[split]
        if split != "train":
            whole = whole - set(CONTINUED_IN_TRAINING)
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
