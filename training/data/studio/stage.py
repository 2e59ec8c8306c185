"""A sequence in its place, and one view of it: everything that a frame is drawn from, made again from the sequence's
identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np

from turncoat.training.data.studio import motion, raster
from turncoat.training.data.studio.body import load_body, skin, vertex_normals
from turncoat.training.data.studio.recipe import Sequence, instant_times, sequence_seed, wardrobe
from turncoat.training.data.studio.scene import AMBIENT, LIGHTS, Camera, cameras
from turncoat.training.data.studio.wardrobe import Dressed, dress

#: how far from the centre a sequence may be placed, and how far its root may then move, mm
PLACE_MM = 350.0
ROAM_MM = 250.0
_SHADOW_DARKNESS = 0.45
_SWAY = 0.22


@dataclass(frozen=True)
class Staged:
    """A placed sequence. ``vertices`` (T, n, 3) float32 world mm, ``joints`` (T, 17, 3) float32 world mm.

    How it got there, to put somebody else in its place: ``turn`` (3, 3) about the vertical, then bone ``rotation``
    (T, 31, 3, 3) and ``heads`` (T, 31, 3) mm, then ``offset`` (T, 3) mm.
    """

    sequence: Sequence
    dressed: Dressed
    movement: motion.Movement
    vertices: np.ndarray
    joints: np.ndarray
    cameras: tuple[Camera, ...]
    turn: np.ndarray
    rotation: np.ndarray
    heads: np.ndarray
    offset: np.ndarray


@lru_cache(maxsize=64)
def dressed_as(body: str, clothes: str) -> Dressed:
    """A body in a wardrobe, by their names."""
    return dress(load_body(body), wardrobe(clothes))


def stage(sequence: Sequence, seed: int, size: int) -> Staged:
    """The sequence with feet on the floor, turned and placed once, wholly inside all four pictures."""
    dressed = dressed_as(sequence.body, sequence.wardrobe)
    return place(sequence, dressed, *movement(sequence, seed), size=size)


def movement(sequence: Sequence, seed: int) -> tuple[motion.Movement, float, np.ndarray]:
    """How the sequence's body moves, its yaw (radians) and its place on the floor (2,) mm.

    What is drawn does not depend on the body: all bodies hold their limbs alike.
    """
    rng = np.random.default_rng(sequence_seed(seed, sequence.key))
    yaw = float(rng.uniform(0, 2 * np.pi))
    centre = rng.uniform(-PLACE_MM, PLACE_MM, 2)
    sway = float(rng.uniform(0, _SWAY)) if sequence.split == "train" else 0.0
    times_s = instant_times(sequence.split)
    moved = motion.compose(load_body(sequence.body), sequence.action, sequence.source, times_s, rng, sway)
    return moved, yaw, centre


def place(
    sequence: Sequence, dressed: Dressed, moved: motion.Movement, yaw: float, centre: np.ndarray, *, size: int
) -> Staged:
    """A dressed body in a movement.

    Where somebody would leave a picture, place and roaming are reduced; if that is not enough, as for people lying
    towards a camera, the sequence is turned until it fits.
    """
    body, views = dressed.body, cameras(sequence.scene, size)
    root = moved.root_mm.copy()
    flat = root[:, [0, 2]] - root[:, [0, 2]].mean(0)
    root[:, [0, 2]] = ROAM_MM * np.tanh(flat / ROAM_MM)
    vertices = np.empty((len(root), len(dressed.vertices), 3), np.float32)
    for attempt, free in enumerate((1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0)):
        if attempt in (0, 3, 4, 5, 6):
            turn = motion.yaw_matrix(yaw + np.pi / 5 * max(attempt - 2, 0))
            rotation = turn @ moved.rotation
            heads = motion.place_bones(body, rotation, root @ turn.T)
            for t in range(len(root)):
                skin_dressed(dressed, rotation[t], heads[t], vertices[t])
            shown = vertices[:, dressed.used].astype(float)
            low, middle = shown[..., 1].min(1), (shown.min(1) + shown.max(1))[:, [0, 2]] / 2
            floor = np.minimum(low, np.quantile(low, 0.1)) if moved.flying else low
        offset = np.empty((len(root), 3))
        offset[:, 1] = -floor
        offset[:, [0, 2]] = centre * free - middle.mean(0) - (1 - free) * (middle - middle.mean(0))
        placed = vertices + offset[:, None].astype(np.float32)
        if all(inside_picture(placed, dressed, camera, size) for camera in views):
            break
    joints = body.joints(rotation, heads) + offset[:, None]
    return Staged(sequence, dressed, moved, placed, joints.astype(np.float32), views, turn, rotation, heads, offset)


def skin_dressed(dressed: Dressed, rotation: np.ndarray, heads: np.ndarray, out: np.ndarray) -> None:
    """Pose one instant: bone rotation (31, 3, 3) and heads (31, 3) mm, float64 -> out (n, 3) float32 mm."""
    rig = dressed.body.rig
    shift = heads - np.einsum("jik,jk->ji", rotation, dressed.body.head)
    skin(dressed.vertices, rig.weight_bone, rig.weight, rotation.astype(np.float32), shift.astype(np.float32), out)


def inside_picture(vertices: np.ndarray, dressed: Dressed, camera: Camera, size: int) -> bool:
    """Whether all that is shown of posed vertices (T, n, 3) world mm is a pixel or more inside the camera's picture."""
    return bool(inside_frame(vertices, dressed.used, *_projection(camera), np.float32(size)))


def _projection(camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        camera.rotation.astype(np.float32),
        camera.translation.astype(np.float32),
        camera.intrinsics.astype(np.float32),
    )


@numba.njit(cache=True, nogil=True)
def inside_frame(vertices, used, rotation, translation, intrinsics, size):  # type: ignore[no-untyped-def]
    """Whether the used vertices (T, n, 3) world mm all project at least one pixel inside a frame of ``size``."""
    for t in range(vertices.shape[0]):
        for k in range(used.shape[0]):
            v = vertices[t, used[k]]
            z = rotation[2, 0] * v[0] + rotation[2, 1] * v[1] + rotation[2, 2] * v[2] + translation[2]
            x = rotation[0, 0] * v[0] + rotation[0, 1] * v[1] + rotation[0, 2] * v[2] + translation[0]
            y = rotation[1, 0] * v[0] + rotation[1, 1] * v[1] + rotation[1, 2] * v[2] + translation[1]
            px, py = intrinsics[0, 0] * x / z + intrinsics[0, 2], intrinsics[1, 1] * y / z + intrinsics[1, 2]
            if px < 1 or py < 1 or px > size - 1 or py > size - 1:
                return False
    return True


@numba.njit(cache=True, nogil=True)
def _project(vertices, rotation, translation, intrinsics, scale, points, depth):  # type: ignore[no-untyped-def]
    """World mm (n, 3) -> points (n, 2) in samples (``scale`` a pixel), depth (n,) mm."""
    for i in range(vertices.shape[0]):
        v = vertices[i]
        z = rotation[2, 0] * v[0] + rotation[2, 1] * v[1] + rotation[2, 2] * v[2] + translation[2]
        x = rotation[0, 0] * v[0] + rotation[0, 1] * v[1] + rotation[0, 2] * v[2] + translation[0]
        y = rotation[1, 0] * v[0] + rotation[1, 1] * v[1] + rotation[1, 2] * v[2] + translation[1]
        points[i, 0] = (intrinsics[0, 0] * x / z + intrinsics[0, 2]) * scale
        points[i, 1] = (intrinsics[1, 1] * y / z + intrinsics[1, 2]) * scale
        depth[i] = z


class View:
    """Buffers for one frame size; ``draw`` fills shading, coverage, labels and bounds, ``picture`` makes the 8-bit
    frame.
    """

    def __init__(self, size: int, *, shadow: bool = False) -> None:
        s = size * raster.SUPERSAMPLING
        self.size, self.shadow = size, shadow
        self.depth_buffer = np.empty((s, s), np.float32)
        self.triangle_id = np.empty((s, s), np.int32)
        self.weight_b, self.weight_c = np.empty((s, s), np.float32), np.empty((s, s), np.float32)
        self.shading = np.zeros((raster.MATERIAL_COUNT, size, size), np.float32)
        self.coverage = np.zeros((size, size), np.float32)
        self.labels = np.zeros((size, size), np.uint8)
        self.bounds = np.zeros(4, np.int64)
        self._lights, self._ambient = LIGHTS.astype(np.float32), np.float32(AMBIENT)
        self._normals_of: tuple[Staged, int] | None = None

    def draw(self, staged: Staged, instant: int, camera: int) -> None:
        d = staged.dressed
        vertices = staged.vertices[instant]
        last = self._normals_of
        if last is None or last[0] is not staged or last[1] != instant:
            self.normals = np.empty_like(vertices)
            vertex_normals(vertices, d.triangles, self.normals)
            self._normals_of = (staged, instant)
        points, depth = np.empty((len(vertices), 2), np.float32), np.empty(len(vertices), np.float32)
        view = _projection(staged.cameras[camera])
        _project(vertices, *view, np.float32(raster.SUPERSAMPLING), points, depth)
        raster.rasterise(points, depth, d.triangles, self.depth_buffer, self.triangle_id, self.weight_b, self.weight_c)
        seen = points[d.used]
        low = np.floor(seen.min(0) / raster.SUPERSAMPLING) - 1
        high = np.ceil(seen.max(0) / raster.SUPERSAMPLING) + 1
        self.shading[:] = 0
        self.coverage[:] = 0
        self.labels[:] = 0
        self.bounds[:] = np.clip(np.concatenate([low, high]), 0, self.size)
        raster.shade(
            self.triangle_id,
            self.weight_b,
            self.weight_c,
            d.triangles,
            d.group,
            self.normals,
            d.body.coordinates,
            d.body.part,
            d.outer_seam,
            d.wardrobe.parameters(),
            self._lights,
            self._ambient,
            self.bounds,
            self.shading,
            self.coverage,
            self.labels,
        )
        self.darkness = self._cast_shadow(vertices, d, view) if self.shadow else None

    def lit_background(self, background: np.ndarray) -> np.ndarray:
        """The background (h, w, 3) float32 under the cast shadow, if there is one."""
        return background if self.darkness is None else background * (1 - _SHADOW_DARKNESS * self.darkness[..., None])

    def picture(self, colours: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Frame (h, w, 3) and alpha (h, w), uint8. colours (8, 3); background (h, w, 3) float32 in [0, 1] holding
        8-bit levels.
        """
        lit = self.lit_background(background)
        frame = (lit * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        alpha = np.zeros((self.size, self.size), np.uint8)
        raster.compose_pixels(self.shading, self.coverage, colours, lit, self.bounds, alpha, frame)
        return frame, alpha

    def shadow_rectangle(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) pixels around all that differs from the background, the cast shadow included."""
        assert self.darkness is not None
        dark = (self.darkness > 1e-3) | (self.coverage > 0)
        rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    def depth(self) -> np.ndarray:
        """(h, w) float32 mm along the optical axis: the nearest sample of each pixel; inf on the background."""
        s = raster.SUPERSAMPLING
        return self.depth_buffer.reshape(self.size, s, self.size, s).min((1, 3))

    def _cast_shadow(
        self, vertices: np.ndarray, d: Dressed, view: tuple[np.ndarray, np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """Soft shadow of the first light on the floor, (h, w) in [0, 1]."""
        from scipy.ndimage import gaussian_filter

        light = self._lights[0]
        floor = vertices - (vertices[:, 1:2] / light[1]) * light[None, :3]
        points, depth = np.empty((len(floor), 2), np.float32), np.empty(len(floor), np.float32)
        _project(floor.astype(np.float32), *view, np.float32(1), points, depth)
        n = self.size
        buffers = (
            np.empty((n, n), np.float32),
            np.empty((n, n), np.int32),
            np.empty((n, n), np.float32),
            np.empty((n, n), np.float32),
        )
        both = np.concatenate([d.triangles, d.triangles[:, ::-1]])
        raster.rasterise(points, depth, np.ascontiguousarray(both), *buffers)
        return gaussian_filter((buffers[1] >= 0).astype(np.float32), 0.011 * n)
