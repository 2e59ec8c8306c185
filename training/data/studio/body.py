"""The studio's bodies: mesh, rig, skinning and the per-vertex coordinates that garments are cut from.

Millimetres; Y up, facing +Z, left is +X, rest pose as in the MakeHuman data (arms lowered, legs straight).
Patterns are looked up by rest-pose coordinates, so they stay on the cloth however the body moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numba
import numpy as np

ASSETS = Path(__file__).with_name("assets")
BODY, LEFT_EYE, RIGHT_EYE, HAIR, SKIRT = range(5)  # triangle groups
#: vertex coordinates that the shader interpolates; see :func:`_coordinates`
ARM, ARM_ALONG, LEG, LEG_ALONG, FOOT, HEAD, UP, HEAD_UP, HEAD_FRONT, U, V = range(11)
COORDINATES = 11

#: body parts of the label image, as bits of the label's high nibble; 0 is background
PARTS = (
    "background",
    "head",
    "torso",
    "pelvis",
    "l_upper_arm",
    "l_forearm",
    "l_hand",
    "r_upper_arm",
    "r_forearm",
    "r_hand",
    "l_thigh",
    "l_shin",
    "l_foot",
    "r_thigh",
    "r_shin",
    "r_foot",
)
_PART_BONES = {
    "head": ("Neck", "Neck1", "Head"),
    "torso": ("LowerBack", "Spine", "Spine1", "LeftShoulder", "RightShoulder"),
    "pelvis": ("Hips", "LHipJoint", "RHipJoint"),
} | {
    f"{side[0].lower()}_{part}": tuple(f"{side}{bone}" for bone in bones) + extra
    for side in ("Left", "Right")
    for part, bones, extra in (
        ("upper_arm", ("Arm",), ()),
        ("forearm", ("ForeArm",), ()),
        ("hand", ("Hand", "FingerBase", "HandFinger1"), (f"{side[0]}Thumb",)),
        ("thigh", ("UpLeg",), ()),
        ("shin", ("Leg",), ()),
        ("foot", ("Foot", "ToeBase"), ()),
    )
}
#: rig bone whose head is each of the 17 joints (methods.md section 10.1); the head top is the tail of "Head"
_JOINT_BONES = (
    "Hips",
    "RightUpLeg",
    "RightLeg",
    "RightFoot",
    "LeftUpLeg",
    "LeftLeg",
    "LeftFoot",
    "Spine1",
    "Neck",
    "Head",
    "Head",
    "LeftArm",
    "LeftForeArm",
    "LeftHand",
    "RightArm",
    "RightForeArm",
    "RightHand",
)
_HEAD_TOP = 10


@dataclass(frozen=True, eq=False)
class Rig:
    """Shared by all bodies: ``bones`` (31 names, parents first), ``parent`` (31,), triangles and skin weights."""

    bones: tuple[str, ...]
    parent: np.ndarray
    triangles: np.ndarray  # (m, 3) int32
    triangle_group: np.ndarray  # (m,) uint8
    weight_bone: np.ndarray  # (n, 8) uint8
    weight: np.ndarray  # (n, 8) float32, rows sum to 1

    def index(self, bone: str) -> int:
        return self.bones.index(bone)


@dataclass(frozen=True, eq=False)
class Body:
    """One shape: ``vertices`` (n, 3) float32 and ``head``, ``tail`` (31, 3) float64 of its bones at rest, mm."""

    name: str
    rig: Rig
    vertices: np.ndarray
    head: np.ndarray
    tail: np.ndarray
    coordinates: np.ndarray  # (n, COORDINATES) float32
    part: np.ndarray  # (n,) uint8, index into PARTS

    def joints(self, rotation: np.ndarray, position: np.ndarray) -> np.ndarray:
        """World joints (..., 17, 3) mm of bone rotations (..., 31, 3, 3) and bone heads (..., 31, 3) mm."""
        index = [self.rig.index(b) for b in _JOINT_BONES]
        joints = position[..., index, :].copy()
        head = self.rig.index("Head")
        joints[..., _HEAD_TOP, :] += rotation[..., head, :, :] @ (self.tail[head] - self.head[head])
        return joints


@cache
def load_rig() -> Rig:
    with np.load(ASSETS / "bodies.npz") as data:
        return Rig(
            bones=tuple(map(str, data["bones"])),
            parent=data["parent"].astype(np.int64),
            triangles=data["triangles"].astype(np.int32),
            triangle_group=data["triangle_group"],
            weight_bone=data["weight_bone"],
            weight=data["weight"],
        )


@cache
def body_names() -> tuple[str, ...]:
    with np.load(ASSETS / "bodies.npz") as data:
        return tuple(map(str, data["names"]))


@cache
def load_body(name: str) -> Body:
    rig = load_rig()
    with np.load(ASSETS / "bodies.npz") as data:
        k = body_names().index(name)
        vertices = data["vertices"][k].astype(np.float32) * np.float32(data["vertex_step_mm"])
        head, tail = data["bone_head_mm"][k].astype(float), data["bone_tail_mm"][k].astype(float)
    groups = [_bone_weight(rig, bones) for bones in _PART_BONES.values()]
    part = np.array([PARTS.index(p) for p in _PART_BONES], np.uint8)[np.argmax(groups, 0)]
    part[np.unique(rig.triangles[rig.triangle_group == HAIR])] = PARTS.index("head")
    return Body(name, rig, vertices, head, tail, _coordinates(rig, vertices.astype(float), head), part)


def _bone_weight(rig: Rig, bones: tuple[str, ...]) -> np.ndarray:
    index = [rig.index(b) for b in bones]
    return np.where(np.isin(rig.weight_bone, index), rig.weight, 0).sum(1)


def _coordinates(rig: Rig, x: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Rest-pose coordinates of every vertex, (n, COORDINATES).

    ARM, LEG, FOOT, HEAD: share of the skin weight on those limbs. ARM_ALONG: 0 shoulder, 1 elbow, 2 wrist. LEG_ALONG:
    0 hip, 1 knee, 2 ankle. UP: 0 waist, 1 neck. HEAD_UP, HEAD_FRONT: in head heights from the head's joint.
    U across and V along the cloth, mm.
    """
    at = {bone: head[k] for k, bone in enumerate(rig.bones)}
    sides = ("Left", "Right")
    fore = _bone_weight(rig, tuple(b for b in rig.bones if any(s in b for s in ("ForeArm", "Hand", "Finger", "Thumb"))))
    arm = fore + _bone_weight(rig, tuple(f"{s}Arm" for s in sides))
    foot = _bone_weight(rig, tuple(f"{s}{b}" for s in sides for b in ("Foot", "ToeBase")))
    leg = foot + _bone_weight(rig, tuple(f"{s}{b}" for s in sides for b in ("UpLeg", "Leg")))
    on_head = _bone_weight(rig, ("Neck", "Neck1", "Head"))
    arm_along, leg_along, arm_across = (np.zeros(len(x)) for _ in range(3))
    for side in sides:
        shoulder, elbow, wrist = (at[f"{side}{b}"] for b in ("Arm", "ForeArm", "Hand"))
        mine = x[:, 0] * shoulder[0] >= 0
        upper = ((x - shoulder) @ (elbow - shoulder)) / ((elbow - shoulder) @ (elbow - shoulder))
        lower = 1 + ((x - elbow) @ (wrist - elbow)) / ((wrist - elbow) @ (wrist - elbow))
        arm_along[mine] = np.where(fore > 0.5, lower, upper)[mine]
        axis = (elbow - shoulder) / np.linalg.norm(elbow - shoulder)
        across = np.cross(axis, (0.0, 0.0, 1.0))
        arm_across[mine] = ((x - shoulder) @ (across / np.linalg.norm(across)))[mine]
        hip, knee, ankle = (at[f"{side}{b}"][1] for b in ("UpLeg", "Leg", "Foot"))
        y = x[:, 1]
        leg_along[mine] = np.where(y > knee, (hip - y) / (hip - knee), 1 + (knee - y) / (knee - ankle))[mine]
    waist, neck = at["LowerBack"][1], at["Neck"][1]
    up = (x[:, 1] - waist) / (neck - waist)
    top = x[np.unique(rig.triangles[rig.triangle_group == BODY]), 1].max()
    in_head = (x - at["Head"]) / (top - at["Head"][1])
    arm_length = np.linalg.norm(at["LeftForeArm"] - at["LeftArm"])
    on_arm = np.clip(arm, 0, 1)
    u = on_arm * arm_across + (1 - on_arm) * x[:, 0]
    v = on_arm * (at["LeftArm"][1] - arm_along * arm_length) + (1 - on_arm) * x[:, 1]
    columns = (arm, arm_along, leg, leg_along, foot, on_head, up, in_head[:, 1], in_head[:, 2], u, v)
    return np.stack(columns, 1).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def skin(vertices, weight_bone, weight, rotation, translation, out):  # type: ignore[no-untyped-def]
    """Linear blend skinning. vertices (n, 3), rotation (31, 3, 3), translation (31, 3) -> out (n, 3), all float32,
    mm.
    """
    for i in range(vertices.shape[0]):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        ox, oy, oz = np.float32(0), np.float32(0), np.float32(0)
        for k in range(weight.shape[1]):
            w = weight[i, k]
            if w == 0:
                continue
            r, t = rotation[weight_bone[i, k]], translation[weight_bone[i, k]]
            ox += w * (r[0, 0] * x + r[0, 1] * y + r[0, 2] * z + t[0])
            oy += w * (r[1, 0] * x + r[1, 1] * y + r[1, 2] * z + t[1])
            oz += w * (r[2, 0] * x + r[2, 1] * y + r[2, 2] * z + t[2])
        out[i, 0], out[i, 1], out[i, 2] = ox, oy, oz


@numba.njit(cache=True, nogil=True)
def vertex_normals(vertices, triangles, out):  # type: ignore[no-untyped-def]
    """Area-weighted unit normals: vertices (n, 3), triangles (m, 3) -> out (n, 3) float32."""
    out[:] = 0
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy, uz = (vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2])
        vx, vy, vz = (vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2])
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in (a, b, c):
            out[k, 0] += nx
            out[k, 1] += ny
            out[k, 2] += nz
    for i in range(vertices.shape[0]):
        length = np.sqrt(out[i, 0] ** 2 + out[i, 1] ** 2 + out[i, 2] ** 2) + np.float32(1e-9)
        out[i, 0] /= length
        out[i, 1] /= length
        out[i, 2] /= length
