"""Errors of predicted poses under the field's own names, and of a mean pose beside them."""

import torch
from torch import Tensor

from turncoat.kernels.pose_error import auc, mpjpe, n_mpjpe, pa_mpjpe, pck
from turncoat.kernels.skeleton import PCK_JOINTS


def pose_errors(prediction: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """Errors of poses (N, 17, 3) in mm: name -> (N,).

    mpjpe, n_mpjpe, pa_mpjpe: mm, over all 17 joints, the root (error nearly 0) too; reflections forbidden.
    pck_150, auc_150: percentages over the 14 official joints; AUC over thresholds 0, 5, ..., 150 mm.
    """
    return {
        "mpjpe": mpjpe(prediction, truth),
        "n_mpjpe": n_mpjpe(prediction, truth),
        "pa_mpjpe": pa_mpjpe(prediction, truth),
        "pck_150": pck(prediction, truth, threshold=150.0, joints=PCK_JOINTS),
        "auc_150": auc(prediction, truth, joints=PCK_JOINTS),
    }


def mean_pose_errors(mean: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """The same errors of one pose (17, 3) that is predicted whatever the frame: what knowing nothing scores."""
    names = {
        "mpjpe": "mean_pose_mm",
        "n_mpjpe": "mean_pose_n_mm",
        "pa_mpjpe": "mean_pose_pa_mm",
        "pck_150": "mean_pose_pck_150",
        "auc_150": "mean_pose_auc_150",
    }
    errors = pose_errors(mean.expand_as(truth), truth)
    return {names[name]: values for name, values in errors.items()}


def joint_errors(prediction: Tensor, truth: Tensor) -> Tensor:
    """Distance of every joint, (N, 17, 3) twice -> (N, 17) in mm."""
    return torch.linalg.vector_norm(prediction - truth, dim=-1)
