"""A changed frame beside its anchor: how far the error moved, and whether it grew.

The error of a frame is its prediction minus its truth, both relative to the root, a vector a joint. Where only the
picture changes the truth stays, and the difference of the errors is that of the predictions. Where the body changes its
joints do, and what a network rightly says of them is no difference.
"""

from typing import NamedTuple

import numpy as np

from turncoat.kernels.pose_error import joint_errors, mpjpe, n_mpjpe, pa_mpjpe


class Pairs(NamedTuple):
    """M changed frames against their anchors; NaN where either frame is damaged.

    joints: (M, J) mm, length of each joint's difference of errors. mpjpe, n_mpjpe, pa_mpjpe: (M,) mm, between the
        changed prediction and the anchor's plus the change of the truth; of one pose twice that is what the names say.
    growth: (M,) mm, MPJPE to the truth, changed minus anchor. truth_moves: (M,) mm, MPJPE between the two truths.
    """

    joints: np.ndarray
    mpjpe: np.ndarray
    n_mpjpe: np.ndarray
    pa_mpjpe: np.ndarray
    growth: np.ndarray
    truth_moves: np.ndarray

    def of(self, keep: np.ndarray) -> "Pairs":
        """Those that `keep` (mask or places) names."""
        return Pairs(*(values[keep] for values in self))


def pair_up(anchor: np.ndarray, changed: np.ndarray, anchor_truth: np.ndarray, truth: np.ndarray) -> Pairs:
    """Predictions and truths (M, J, 3) mm, relative to the same root."""
    whole = np.isfinite(anchor).all(axis=(1, 2)) & np.isfinite(changed).all(axis=(1, 2))
    expected = anchor + (truth - anchor_truth)
    joints = np.full(changed.shape[:2], np.nan)
    columns = np.full((5, len(changed)), np.nan)
    if whole.any():
        p, q = changed[whole], expected[whole]
        joints[whole] = joint_errors(p, q)
        growth = mpjpe(p, truth[whole]) - mpjpe(anchor[whole], anchor_truth[whole])
        moves = mpjpe(truth[whole], anchor_truth[whole])
        columns[:, whole] = mpjpe(p, q), n_mpjpe(p, q), pa_mpjpe(p, q), growth, moves
    return Pairs(joints, *columns)


def apart(poses: np.ndarray, sequence: np.ndarray) -> np.ndarray:
    """How far each pose lies from those of other sequences, MPJPE on average: (P, J, 3), (P,) names -> (P,) mm.

    NaN where a pose is, or there is no other.
    """
    found = np.full(len(poses), np.nan)
    for n, pose in enumerate(poses):
        others = poses[sequence != sequence[n]]
        distance = mpjpe(others, np.broadcast_to(pose, others.shape))
        if np.isfinite(distance).any():
            found[n] = np.nanmean(distance)
    return found


def mean_pose_errors(truth: np.ndarray, sequence: np.ndarray) -> np.ndarray:
    """MPJPE of the mean pose of all other sequences, which knows nothing of the frame: (P, J, 3) -> (P,) mm."""
    found = np.full(len(truth), np.nan)
    for n, pose in enumerate(truth):
        others = truth[sequence != sequence[n]]
        if len(others):
            found[n] = mpjpe(others.mean(axis=0, keepdims=True), pose[None])[0]
    return found
