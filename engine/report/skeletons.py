"""3D poses drawn as inline SVG: a turned view with a floor, far bones first, near bones thicker."""

from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup

from turncoat.engine.report.svg import Plot
from turncoat.kernels.skeleton import BONES, LEFT

SIZE = 150.0  # user units of a square panel
CAMERA_UP = np.array([0.0, -1.0, 0.0])  # of an upright camera, in camera axes (x right, y down, z forward)
_TURNED, _RAISED = 38.0, 12.0  # degrees: the view of a single pose
_CELL = 400.0  # mm, of the floor's grid
_HEAD = 10  # joint head_top


def view(turn_deg: float, up: np.ndarray = CAMERA_UP, raise_deg: float = _RAISED) -> np.ndarray:
    """Rotation (3, 3) from camera axes to those of a viewer who walked around the person.

    Args:
        turn_deg: 0 looks as the camera does; at 90 the camera's depth runs to the right.
        up: (3,) where up is, in camera axes.
        raise_deg: how far the viewer stands above.

    Returns:
        Rows: right, down, away.
    """
    up = up / np.linalg.norm(up)
    away = np.array([0.0, 0.0, 1.0]) - up[2] * up
    if np.linalg.norm(away) < 1e-3:  # a camera that looks straight down
        away = np.array([0.0, -1.0, 0.0]) + up[1] * up
    away = away / np.linalg.norm(away)
    right = np.cross(away, up) * -1.0
    right = right if right[0] >= 0 else -right
    turn, raised = np.radians(turn_deg), np.radians(raise_deg)
    turned_right = np.cos(turn) * right + np.sin(turn) * away
    turned_away = np.cos(turn) * away - np.sin(turn) * right
    down = -np.cos(raised) * up - np.sin(raised) * turned_away
    return np.stack([turned_right, down, np.cos(raised) * turned_away - np.sin(raised) * up])


def panels(
    truth: np.ndarray | None, clean: np.ndarray, attacked: np.ndarray, up: np.ndarray = CAMERA_UP
) -> dict[str, Markup]:
    """The drawings of one example, all at one scale.

    Args:
        truth, clean, attacked: poses (17, 3) mm, camera axes, relative to the pelvis; truth may be missing. Joints that
            are NaN, which a foreign target lacks, are left out.
        up: (3,) where up is, in camera axes.

    Returns:
        'truth' (if known), 'clean' and 'attacked' as a viewer turned by 38 degrees sees them, and 'side': all of them.
    """
    named = [("truth", truth), ("clean", clean), ("attacked", attacked)]
    poses = [(name, np.asarray(pose, dtype=np.float64)) for name, pose in named if pose is not None]
    reference = poses[0][1]
    out = {}
    turned = view(_TURNED, up)
    frame = _frame([pose @ turned.T for _, pose in poses])
    for name, pose in poses:
        out[name] = _draw([(name, pose)], turned, up, frame, reference, f"3D pose: {name}")
    side = view(90.0, up)
    frame = _frame([pose @ side.T for _, pose in poses])
    out["side"] = _draw(poses, side, up, frame, reference, "All poses from the side")
    return out


def _frame(projected: Sequence[np.ndarray]) -> tuple[np.ndarray, float]:
    """Centre (2,) and user units per mm that show all poses with a margin for the floor."""
    points = np.concatenate(projected)[:, :2]
    low, high = np.nanmin(points, 0), np.nanmax(points, 0)
    span = max(float((high - low).max()), 1200.0)
    return (low + high) / 2, (SIZE - 22) / span


def _draw(
    poses: Sequence[tuple[str, np.ndarray]],
    turned: np.ndarray,
    up: np.ndarray,
    frame: tuple[np.ndarray, float],
    reference: np.ndarray,
    label: str,
) -> Markup:
    plot = Plot(SIZE, SIZE, label)
    centre, scale = frame
    up = up / np.linalg.norm(up)
    floor = float(np.nanmin(reference @ up))

    def place(points: np.ndarray) -> np.ndarray:
        """User units (N, 2) of points (N, 3) mm."""
        return (points @ turned.T)[:, :2] * scale - centre * scale + SIZE / 2

    _floor(plot, place, reference, up, floor)
    for _, pose in poses:
        shadow = place(pose - np.outer(pose @ up - floor, up))
        for parent, child in _bones(pose):
            plot.path([tuple(shadow[parent]), tuple(shadow[child])], "shadow")
    for name, pose in poses:
        places, depth = place(pose), (pose @ turned.T)[:, 2]
        near = (np.nanmax(depth) - depth) / max(float(np.nanmax(depth) - np.nanmin(depth)), 400.0)  # 0 far .. 1 near
        for parent, child in sorted(_bones(pose), key=lambda bone: -(depth[bone[0]] + depth[bone[1]])):
            weight = 1 + int(np.searchsorted((0.34, 0.67), (near[parent] + near[child]) / 2))
            side = " left" if child in LEFT else ""
            plot.path([tuple(places[parent]), tuple(places[child])], f"bone {name} w{weight}{side}")
        if np.isfinite(places[_HEAD]).all():
            plot.dot(float(places[_HEAD, 0]), float(places[_HEAD, 1]), 3.4, f"head {name}")
    return plot.render()


def _bones(pose: np.ndarray) -> list[tuple[int, int]]:
    """Those that have both ends."""
    return [bone for bone in BONES if np.isfinite(pose[list(bone)]).all()]


def _floor(
    plot: Plot, place: Callable[[np.ndarray], np.ndarray], reference: np.ndarray, up: np.ndarray, floor: float
) -> None:
    """A grid of 3 x 3 cells under the person."""
    across = np.cross(up, np.array([0.0, 0.0, 1.0]))
    across = across / np.linalg.norm(across) if np.linalg.norm(across) > 1e-3 else np.array([1.0, 0.0, 0.0])
    along = np.cross(across, up)
    ground = reference - np.outer(reference @ up - floor, up)
    middle = (np.nanmin(ground, 0) + np.nanmax(ground, 0)) / 2
    reach = 1.5 * _CELL
    for step in np.arange(-reach, reach + 1, _CELL):
        for one, other in ((across, along), (along, across)):
            ends = np.stack([middle + step * one - reach * other, middle + step * one + reach * other])
            plot.path([tuple(end) for end in place(ends)], "floor")
