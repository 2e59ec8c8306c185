"""NumPy float64 pose errors: the oracle, one pose at a time where that is the plainest way to say it."""

import numpy as np

from turncoat.kernels.skeleton import BONES


def joint_errors(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """See `turncoat.kernels.pose_error.joint_errors`."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.linalg.norm(prediction.astype(np.float64) - target, axis=-1)


def mpjpe(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """See `turncoat.kernels.pose_error.mpjpe`."""
    return joint_errors(prediction, target).mean(axis=-1)


def mpjpe_with_gradient(
    prediction: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """See `turncoat.kernels.pose_error.mpjpe_with_gradient`."""
    share = np.ones(prediction.shape[1]) if weight is None else weight.astype(np.float64)
    error = joint_errors(prediction, target)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = share / share.sum()
        away = (prediction.astype(np.float64) - target) / np.where(error == 0, 1, error)[..., None]
        return (share * error).sum(axis=1), share[:, None] * away


def n_mpjpe(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """See `turncoat.kernels.pose_error.n_mpjpe`."""
    prediction, target = prediction.astype(np.float64), target.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
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
        with np.errstate(invalid="ignore", over="ignore"):
            centred, spread = _centred(p), _centred(g)
            covariance, square = spread.T @ centred, (centred**2).sum()
        if not (np.isfinite(covariance).all() and np.isfinite(square)):
            continue
        u, singular, vt = np.linalg.svd(covariance)
        signs = np.ones(3)
        if not reflections and np.linalg.det(u @ vt) < 0:
            signs[2] = -1
        rotation = u @ np.diag(signs) @ vt
        scale = (singular * signs).sum() / (square if square > 0 else 1)
        aligned[index] = scale * centred @ rotation.T + g.mean(axis=0)
        scales[index], rotations[index] = scale, rotation
    return aligned, scales, rotations


def _centred(pose: np.ndarray) -> np.ndarray:
    """A pose (J, 3) about its mean; by way of its first joint, so that joints in one place become exactly 0."""
    pose = pose - pose[0]
    return pose - pose.mean(axis=0)


def pa_mpjpe(prediction: np.ndarray, target: np.ndarray, *, reflections: bool = False) -> np.ndarray:
    """See `turncoat.kernels.pose_error.pa_mpjpe`."""
    return mpjpe(procrustes(prediction, target, reflections=reflections)[0], target)


def yaw_deg(rotation: np.ndarray) -> np.ndarray:
    """See `turncoat.kernels.pose_error.yaw_deg`."""
    return np.degrees(
        np.arctan2(rotation[:, 0, 2] - rotation[:, 2, 0], rotation[:, 0, 0] + rotation[:, 2, 2], dtype=np.float64)
    )


def share_below(prediction: np.ndarray, target: np.ndarray, *, first: float, step: float, count: int) -> np.ndarray:
    """Mean over thresholds first, first + step, ... of the percentage of joints below each, in mm; see `pck`, `auc`."""
    error = joint_errors(prediction, target)
    below = [(error < first + step * place).mean(axis=1) for place in range(count)]
    return np.where(np.isfinite(error).all(axis=1), 100 * np.mean(below, axis=0), np.nan)


def bone_ratios(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """See `turncoat.kernels.pose_error.bone_ratios`."""
    parent, child = np.array(BONES).T

    def lengths(pose: np.ndarray) -> np.ndarray:
        return np.linalg.norm(pose[:, child].astype(np.float64) - pose[:, parent], axis=-1)

    with np.errstate(divide="ignore", invalid="ignore"):
        return lengths(prediction) / lengths(target)
