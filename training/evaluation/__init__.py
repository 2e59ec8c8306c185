"""The parts of an evaluation: errors of poses and pictures, and their intervals."""

from turncoat.training.evaluation.intervals import bootstrap, clusters_at, share, share_difference
from turncoat.training.evaluation.pictures import picture_errors
from turncoat.training.evaluation.poses import joint_errors, pose_errors
from turncoat.training.evaluation.summary import THRESHOLD_MM, summarise

__all__ = [
    "THRESHOLD_MM",
    "bootstrap",
    "clusters_at",
    "joint_errors",
    "picture_errors",
    "pose_errors",
    "share",
    "share_difference",
    "summarise",
]
