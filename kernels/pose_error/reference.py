"""NumPy float64 pose errors: the oracle, one pose at a time where that is the plainest way to say it."""

from collections.abc import Sequence

import numpy as np

from turncoat.kernels.skeleton import BONES


def mpjpe(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """See `turncoat.kernels.pose_error.mpjpe`."""
    with np.errstate(invalid="ignore"):
        return np.linalg.norm(prediction.astype(np.float64) - target, axis=-1).mean(axis=-1)


def n_mpjpe(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """See `turncoat.kernels.pose_error.n_mpjpe`."""
    prediction, target = prediction.astype(np.float64), target.astype(np.float64)
    with np.errstate(invalid="ignore"):
        square = (prediction**2).sum(axis=(1, 2))
        scale = (prediction * target).sum(axis=(1, 2)) / np.where(square == 0, 1, square)
        return mpjpe(scale[:, None, None] * prediction, target)


def procrustes(
    prediction: np.ndarray, target: np.ndarray, *, reflections: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """See `turncoat.kernels.pose_error.procrustes`. Source: Umeyama 1991, equations 40 to 42."""
    aligned = np.full(prediction.shape, np.nan)
    scales, rotations = np.full(len(prediction), np.nan), np.full((len(prediction), 3, 3), np.nan)
    for index, (p, g) in enumerate(zip(prediction.astype(np.float64), target.astype(np.float64), strict=True)):
        if not (np.isfinite(p).all() and np.isfinite(g).all()):
            continue
        centred = p - p.mean(axis=0)
        u, singular, vt = np.linalg.svd((g - g.mean(axis=0)).T @ centred)
        signs = np.ones(3)
        if not reflections and np.linalg.det(u @ vt) < 0:
            signs[2] = -1
        rotation = u @ np.diag(signs) @ vt
        square = (centred**2).sum()
        scale = (singular * signs).sum() / (square if square > 0 else 1)
        aligned[index] = scale * centred @ rotation.T + g.mean(axis=0)
        scales[index], rotations[index] = scale, rotation
    return aligned, scales, rotations


def yaw_deg(rotation: np.ndarray) -> np.ndarray:
    """See `turncoat.kernels.pose_error.yaw_deg`."""
    return np.degrees(
        np.arctan2(rotation[:, 0, 2] - rotation[:, 2, 0], rotation[:, 0, 0] + rotation[:, 2, 2], dtype=np.float64)
    )


def pck(
    prediction: np.ndarray, target: np.ndarray, thresholds: Sequence[float], joints: Sequence[int] | None
) -> np.ndarray:
    """Mean over `thresholds` (mm) of the percentage of joints below each."""
    with np.errstate(invalid="ignore"):
        error = np.linalg.norm(prediction.astype(np.float64) - target, axis=-1)  # (B, J)
    if joints is not None:
        error = error[:, list(joints)]
    percentage = 100 * np.mean([(error < threshold).mean(axis=1) for threshold in thresholds], axis=0)
    return np.where(np.isfinite(error).all(axis=1), percentage, np.nan)


def bone_ratios(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """See `turncoat.kernels.pose_error.bone_ratios`."""
    parent, child = np.array(BONES).T

    def lengths(pose: np.ndarray) -> np.ndarray:
        return np.linalg.norm(pose[:, child].astype(np.float64) - pose[:, parent], axis=-1)

    with np.errstate(divide="ignore", invalid="ignore"):
        return lengths(prediction) / lengths(target)
