"""Errors of predicted poses under the field's own names, and of a mean pose beside them."""

from torch import Tensor

from turncoat.kernels.pose_error import joint_errors, pose_errors

__all__ = ["joint_errors", "mean_pose_errors", "pose_errors"]


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
