"""The five scenes of the studio dataset: calibrated cameras, lights and backgrounds.

World: millimetres, Y up, floor at y = 0, the person near the origin. Camera axes: x right, y down, z forward.
Pixel coordinates have their centres at +0.5. Everything here is a pure function of the scene's name and the frame
size; nothing is random, nothing depends on what was rendered before.

A background is ray cast (`raycast.py`) over the simple solids that `rooms.py` lists, with 4 x 4 samples a pixel. The
light is white: one ambient term and the two directional lights of `LIGHTS`, the same ones that shade the person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from turncoat.kernels.errors import ConfigError
from turncoat.training.data.studio import raycast
from turncoat.training.data.studio.rooms import ROOMS

SCENES: tuple[str, ...] = ("loft", "gym", "kitchen", "studio", "courtyard")
UNSEEN_SCENE: str = "courtyard"

CAMERAS_FOR_ALL: dict[str, tuple[int, ...]] = {
    "loft": (0, 1, 2, 3),
    "gym": (0, 1, 3),
    "kitchen": (0, 1, 2, 3),
    "studio": (0, 1, 3),
}
"""Cameras of the trained scenes that see the person in any scene: the gym's third would stand behind a cypress of the
courtyard, the studio's third outside of loft and kitchen."""

FOCAL = 1.5
"""Focal length in units of the frame's side."""

SUPERSAMPLING = 4
"""Samples a pixel along each axis."""

# Per scene and camera: azimuth (degrees, 0 = on +z, 90 = on +x), height, distance from the centre along the floor, and
# height of the point looked at (mm). A person of 2350 mm with arms raised stays inside with 3 % to spare.
_PLACES: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "loft": ((41, 1480, 4640, 1160), (138, 1120, 4620, 1170), (222, 1700, 4600, 1160), (317, 1330, 4660, 1170)),
    "gym": ((6, 1250, 4620, 1170), (99, 1820, 4640, 1150), (173, 1000, 4680, 1180), (264, 1560, 4600, 1160)),
    "kitchen": ((52, 1620, 4620, 1160), (130, 1380, 4680, 1170), (228, 1180, 4640, 1170), (309, 1880, 4620, 1150)),
    "studio": ((18, 1050, 4640, 1180), (112, 1440, 4620, 1160), (201, 1760, 4660, 1150), (286, 1300, 4640, 1170)),
    "courtyard": ((21, 1540, 4660, 1160), (109, 920, 4640, 1190), (196, 1350, 4640, 1170), (288, 1690, 4600, 1160)),
}


def _lights() -> np.ndarray:
    towards = np.array([[0.48, 0.74, 0.47], [-0.60, 0.46, -0.65]], dtype=np.float64)
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    table = np.concatenate([towards, [[0.42], [0.18]]], axis=1)
    table.setflags(write=False)
    return table


LIGHTS: np.ndarray = _lights()
"""(2, 4) float64: unit direction towards a light (world axes) and its intensity. Both are white."""

AMBIENT: float = 0.40
"""Light from everywhere. With both lights at full incidence it sums to 1, so shading never exceeds 1."""

BOUNCE = 0.36
"""Light that the floor throws back onto walls (half of it) and ceilings; backgrounds only."""


@dataclass(frozen=True)
class Camera:
    """A calibrated pinhole camera: `x_camera = rotation @ x_world + translation`, pixel = intrinsics @ x_camera."""

    rotation: np.ndarray
    """(3, 3) float64, world to camera."""
    translation: np.ndarray
    """(3,) float64, mm."""
    intrinsics: np.ndarray
    """(3, 3) float64, pixels with centres at +0.5."""

    @property
    def position(self) -> np.ndarray:
        """(3,) float64: the optical centre in the world, mm."""
        return -self.rotation.T @ self.translation

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) in mm to pixels (..., 2)."""
        seen = (np.asarray(points, dtype=np.float64) @ self.rotation.T + self.translation) @ self.intrinsics.T
        return seen[..., :2] / seen[..., 2:]


def cameras(scene: str, size: int) -> tuple[Camera, ...]:
    """The four cameras of `scene` for square frames of `size` pixels."""
    _check(scene, size)
    intrinsics = np.array([[FOCAL * size, 0, size / 2], [0, FOCAL * size, size / 2], [0, 0, 1]], dtype=np.float64)
    result = []
    for azimuth, height, distance, look in _PLACES[scene]:
        angle = np.deg2rad(azimuth)
        position = np.array([distance * np.sin(angle), height, distance * np.cos(angle)])
        forward = np.array([0.0, look, 0.0]) - position
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        result.append(Camera(rotation, -rotation @ position, intrinsics.copy()))
    return tuple(result)


def render_backgrounds(scene: str, size: int, views: Sequence[Camera] | None = None) -> np.ndarray:
    """What each camera of `scene` sees without a person: (4, size, size, 3) float32 in [0, 1], as displayed.

    views: cameras that look into it instead, (V, size, size, 3) of them; see `CAMERAS_FOR_ALL`.
    """
    _check(scene, size)
    solids = raycast.Solids(ROOMS[scene]())
    looking = cameras(scene, size) if views is None else views
    out = np.empty((len(looking), size, size, 3), dtype=np.float32)
    for i, camera in enumerate(looking):
        out[i] = _render(solids, camera, size)
    return out


def _render(solids: raycast.Solids, camera: Camera, size: int) -> np.ndarray:
    count = SUPERSAMPLING
    seen = raycast.cast(solids, camera.rotation, camera.position, FOCAL, size, count, LIGHTS, AMBIENT, BOUNCE)
    colour = np.zeros((seen.solid.size, 3), dtype=np.float32)
    order = np.argsort(seen.solid, kind="stable")
    bounds = np.searchsorted(seen.solid[order], np.arange(len(solids) + 1))
    for i, solid in enumerate(solids.list):
        rows = order[bounds[i] : bounds[i + 1]]
        if rows.size:
            albedo = solid.texture(seen.point[rows], seen.normal[rows], solid.half)
            light = solid.glow + (1.0 - solid.glow) * seen.light[rows, None]
            colour[rows] = albedo * light.astype(np.float32)
    samples = colour.reshape(size, count, size, count, 3)
    return np.clip(samples.mean(axis=(1, 3), dtype=np.float64), 0.0, 1.0).astype(np.float32)


def _check(scene: str, size: int) -> None:
    if scene not in SCENES:
        raise ConfigError(f"found no scene named {scene!r}; expected one of {', '.join(SCENES)}; choose one of these.")
    if not (isinstance(size, (int, np.integer)) and 8 <= size <= 4096):
        raise ConfigError(
            f"found a frame size of {size!r}; expected a whole number of pixels from 8 to 4096; choose one of these."
        )
