"""A small ray caster for backgrounds: boxes, cylinders and ellipsoids inside one room, two directional lights.

For every sample it finds the first surface, the light that falls on it (ambient with soft contact occlusion from
signed distances, plus the two lights with shadows whose rays are spread a little so that their edges are soft), and
the point and normal in the solid's own axes, from which the solid's texture then computes a colour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

BOX, CYLINDER, ELLIPSOID, ROOM = 0, 1, 2, 3
Texture = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(points (N, 3) mm from the solid's centre, normals (N, 3), half extents (3,)) -> colours (N, 3) in [0, 1]."""


@dataclass(frozen=True)
class Solid:
    """One shape: `kind`, `centre` (3,) mm, `half` extents (3,) mm, `rotation` (3, 3) whose columns are its axes.

    A cylinder's axis is its y. A ROOM is a box seen from inside. `glow` = 1 shows the texture unlit (sky, glass).
    """

    kind: int
    centre: np.ndarray
    half: np.ndarray
    rotation: np.ndarray
    texture: Texture
    glow: float = 0.0


class Solids:
    """Solids as arrays, for the compiled loops."""

    def __init__(self, solids: Sequence[Solid]) -> None:
        self.list = list(solids)
        self.kind = np.array([s.kind for s in solids], dtype=np.int64)
        self.centre = np.array([s.centre for s in solids], dtype=np.float64)
        self.half = np.array([s.half for s in solids], dtype=np.float64)
        self.rotation = np.array([s.rotation for s in solids], dtype=np.float64)
        self.glow = np.array([s.glow for s in solids], dtype=np.float64)
        self.radius = np.linalg.norm(self.half, axis=1)

    def __len__(self) -> int:
        return len(self.list)


class Seen(NamedTuple):
    """What the samples hit, in raster order of samples."""

    solid: np.ndarray  # (N,) int64: which solid
    point: np.ndarray  # (N, 3) float32: mm, in the solid's axes
    normal: np.ndarray  # (N, 3) float32: in the solid's axes
    light: np.ndarray  # (N,) float32: in [0, 1]
    depth: np.ndarray  # (N,) float32: mm along the optical axis


def cast(
    solids: Solids,
    rotation: np.ndarray,
    position: np.ndarray,
    focal: float,
    size: int,
    samples: int,
    lights: np.ndarray,
    ambient: float,
    bounce: float,
) -> Seen:
    """Cast `samples` x `samples` rays a pixel from a camera (rotation world to camera, focal in frame sides).

    `bounce` is what the floor throws back: nothing onto upward faces, half of it onto walls, all of it onto ceilings.
    """
    relative = solids.centre - position
    along = relative @ rotation[2]
    across = np.linalg.norm(relative - along[:, None] * rotation[2], axis=1)
    slope = np.sqrt(2.0) * 0.5 / focal
    reach = (solids.radius + 700.0) * np.sqrt(1.0 + slope**2)
    visible = (solids.kind == ROOM) | ((along > -solids.radius) & (across - slope * along < reach))
    count = (size * samples) ** 2
    index = np.empty(count, dtype=np.int64)
    point, normal = np.empty((count, 3), dtype=np.float32), np.empty((count, 3), dtype=np.float32)
    light, depth = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.float32)
    _cast(
        np.flatnonzero(visible), solids.kind, solids.centre, solids.half, solids.rotation, solids.radius, solids.glow,
        rotation, position, focal, size, samples, lights, ambient, bounce, index, point, normal, light, depth,
    )  # fmt: skip
    return Seen(index, point, normal, light, depth)


@njit(cache=True)
def _local(v, rot, out):  # type: ignore[no-untyped-def]
    for a in range(3):
        out[a] = v[0] * rot[0, a] + v[1] * rot[1, a] + v[2] * rot[2, a]


@njit(cache=True)
def _hit(kind, o, d, h):  # type: ignore[no-untyped-def]
    """Distance along the ray (local axes) to the surface, or a huge number."""
    far = 1e30
    if kind in (BOX, ROOM):
        near, end = -far, far
        for a in range(3):
            if abs(d[a]) < 1e-12:
                if abs(o[a]) > h[a]:
                    return far
                continue
            t0, t1 = (-h[a] - o[a]) / d[a], (h[a] - o[a]) / d[a]
            if t0 > t1:
                t0, t1 = t1, t0
            near, end = max(near, t0), min(end, t1)
        if kind == ROOM:
            return end
        return near if near < end and near > 1e-6 else far
    if kind == ELLIPSOID:
        a = b = c = 0.0
        for k in range(3):
            u, w = d[k] / h[k], o[k] / h[k]
            a, b, c = a + u * u, b + u * w, c + w * w
        disc = b * b - a * (c - 1.0)
        if disc <= 0.0:
            return far
        t = (-b - np.sqrt(disc)) / a
        return t if t > 1e-6 else far
    best = far
    dx, dz, ox, oz = d[0] / h[0], d[2] / h[2], o[0] / h[0], o[2] / h[2]
    a = dx * dx + dz * dz
    if a > 1e-18:
        b = dx * ox + dz * oz
        disc = b * b - a * (ox * ox + oz * oz - 1.0)
        if disc <= 0.0:
            return far
        t = (-b - np.sqrt(disc)) / a
        if t > 1e-6 and abs(o[1] + t * d[1]) <= h[1]:
            best = t
    if abs(d[1]) > 1e-12:
        t = ((h[1] if d[1] < 0 else -h[1]) - o[1]) / d[1]
        x, z = ox + t * dx, oz + t * dz
        if t > 1e-6 and t < best and x * x + z * z <= 1.0:
            best = t
    return best


@njit(cache=True)
def _normal(kind, p, h, out):  # type: ignore[no-untyped-def]
    out[0] = out[1] = out[2] = 0.0
    if kind in (BOX, ROOM):
        best, axis = 1e30, 0
        for a in range(3):
            gap = abs(h[a] - abs(p[a]))
            if gap < best:
                best, axis = gap, a
        out[axis] = 1.0 if p[axis] > 0 else -1.0
        if kind == ROOM:
            out[axis] = -out[axis]
        return
    if kind == CYLINDER and abs(abs(p[1]) - h[1]) < 1e-3:
        out[1] = 1.0 if p[1] > 0 else -1.0
        return
    for a in range(3):
        out[a] = p[a] / (h[a] * h[a])
    if kind == CYLINDER:
        out[1] = 0.0
    length = np.sqrt(out[0] ** 2 + out[1] ** 2 + out[2] ** 2)
    for a in range(3):
        out[a] /= length


@njit(cache=True)
def _distance(kind, p, h):  # type: ignore[no-untyped-def]
    """Signed distance (for an ellipsoid: roughly) from a local point, positive in free space."""
    if kind == ROOM:
        return min(h[0] - abs(p[0]), h[1] - abs(p[1]), h[2] - abs(p[2]))
    if kind == BOX:
        x, y, z = abs(p[0]) - h[0], abs(p[1]) - h[1], abs(p[2]) - h[2]
        outside = np.sqrt(max(x, 0.0) ** 2 + max(y, 0.0) ** 2 + max(z, 0.0) ** 2)
        return outside + min(max(x, y, z), 0.0)
    if kind == ELLIPSOID:
        length = np.sqrt((p[0] / h[0]) ** 2 + (p[1] / h[1]) ** 2 + (p[2] / h[2]) ** 2)
        slope = np.sqrt((p[0] / h[0] ** 2) ** 2 + (p[1] / h[1] ** 2) ** 2 + (p[2] / h[2] ** 2) ** 2)
        return length * (length - 1.0) / max(slope, 1e-12)
    x, y = np.sqrt(p[0] ** 2 + p[2] ** 2) - h[0], abs(p[1]) - h[1]
    return np.sqrt(max(x, 0.0) ** 2 + max(y, 0.0) ** 2) + min(max(x, y), 0.0)


@njit(cache=True)
def _cast(  # type: ignore[no-untyped-def]
    chosen, kind, centre, half, rot, radius, glow, camera, position, focal, size, samples, lights, ambient, bounce,
    out_index, out_point, out_normal, out_light, out_depth,
):  # fmt: skip
    side = size * samples
    o, d, n = np.empty(3), np.empty(3), np.empty(3)
    ray, start, world, q, step, best_p, best_n = (
        np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3),
    )  # fmt: skip
    near = np.empty(chosen.size, dtype=np.int64)
    reach = np.array([70.0, 220.0, 560.0])
    weight = np.array([0.17, 0.20, 0.23])
    for row in range(side):
        for col in range(side):
            x = ((col + 0.5) / side - 0.5) / focal
            y = ((row + 0.5) / side - 0.5) / focal
            scale = 1.0 / np.sqrt(x * x + y * y + 1.0)
            for a in range(3):
                ray[a] = (camera[0, a] * x + camera[1, a] * y + camera[2, a]) * scale
            best, which = 1e29, -1
            for j in range(chosen.size):
                i = chosen[j]
                for a in range(3):
                    q[a] = position[a] - centre[i, a]
                if kind[i] != ROOM:
                    b = q[0] * ray[0] + q[1] * ray[1] + q[2] * ray[2]
                    if q[0] ** 2 + q[1] ** 2 + q[2] ** 2 - b * b > radius[i] ** 2 or -b - radius[i] > best:
                        continue
                _local(q, rot[i], o)
                _local(ray, rot[i], d)
                t = _hit(kind[i], o, d, half[i])
                if t < best:
                    best, which = t, i
                    for a in range(3):
                        best_p[a] = o[a] + t * d[a]
            k = row * side + col
            _normal(kind[which], best_p, half[which], best_n)
            for a in range(3):
                world[a] = position[a] + best * ray[a]
                n[a] = rot[which, a, 0] * best_n[0] + rot[which, a, 1] * best_n[1] + rot[which, a, 2] * best_n[2]
                out_point[k, a] = best_p[a]
                out_normal[k, a] = best_n[a]
            out_index[k] = which
            out_depth[k] = best * scale
            if glow[which] >= 1.0:
                out_light[k] = 1.0
                continue

            # Contact occlusion: how much nearer than in the open are other surfaces, at three steps off this one?
            dark, close = 0.0, 0
            for j in range(chosen.size):
                i = chosen[j]
                if kind[i] == ELLIPSOID and min(half[i, 0], half[i, 2]) < 40.0:
                    continue  # leaves: their many rough distances would add up to a dark halo
                for a in range(3):
                    q[a] = world[a] + n[a] * 0.5 * reach[2] - centre[i, a]
                limit = radius[i] + 1.5 * reach[2]
                if kind[i] == ROOM or (i != which and q[0] ** 2 + q[1] ** 2 + q[2] ** 2 < limit * limit):
                    near[close] = i
                    close += 1
            for s in range(3):
                nearest = reach[s]
                for a in range(3):
                    step[a] = world[a] + n[a] * reach[s]
                for j in range(close):
                    i = near[j]
                    for a in range(3):
                        q[a] = step[a] - centre[i, a]
                    limit = radius[i] + nearest
                    if kind[i] != ROOM and q[0] ** 2 + q[1] ** 2 + q[2] ** 2 > limit * limit:
                        continue
                    _local(q, rot[i], o)
                    nearest = min(nearest, _distance(kind[i], o, half[i]))
                dark += weight[s] * min(max(1.0 - nearest / reach[s], 0.0), 1.0)
            open_share = 1.0 - dark
            total = (ambient + bounce * 0.5 * (1.0 - n[1])) * open_share

            # The two lights; the shadow ray's direction depends on the sample's place in its pixel (soft edges).
            u = ((col % samples) + 0.5) / samples - 0.5
            v = ((row % samples) + 0.5) / samples - 0.5
            for m in range(lights.shape[0]):
                facing = n[0] * lights[m, 0] + n[1] * lights[m, 1] + n[2] * lights[m, 2]
                if facing <= 0.0:
                    continue
                ray[0], ray[1], ray[2] = lights[m, 0] + 0.22 * u, lights[m, 1], lights[m, 2] + 0.22 * v
                length = np.sqrt(ray[0] ** 2 + ray[1] ** 2 + ray[2] ** 2)
                blocked = False
                for a in range(3):
                    ray[a] /= length
                    start[a] = world[a] + n[a]
                for j in range(chosen.size):
                    i = chosen[j]
                    if i == which or kind[i] == ROOM:
                        continue
                    for a in range(3):
                        q[a] = start[a] - centre[i, a]
                    b = q[0] * ray[0] + q[1] * ray[1] + q[2] * ray[2]
                    if b > radius[i] or q[0] ** 2 + q[1] ** 2 + q[2] ** 2 - b * b > radius[i] ** 2:
                        continue
                    _local(q, rot[i], o)
                    _local(ray, rot[i], d)
                    if _hit(kind[i], o, d, half[i]) < 4000.0:
                        blocked = True
                        break
                if not blocked:
                    total += lights[m, 3] * facing * (0.55 + 0.45 * open_share)
            out_light[k] = total
