"""Which of the 17 joints a target predicts, and what can be said of a pose that lacks some.

A target of another origin may have fewer joints and another root. It says so by two attributes: `joints`, its joints'
numbers among ours in rising order, and `root_joints`, those whose mean is its origin. Networks without them have all 17
and the pelvis. Errors are over the target's own joints; a ground truth is compared over the joints that both have.
"""

from typing import Any

import torch
from torch import Tensor

from turncoat.kernels.pose_error import bone_ratios
from turncoat.kernels.skeleton import BONES, JOINTS, ROOT

ALL: tuple[int, ...] = tuple(range(len(JOINTS)))


def joints_of(target: Any) -> tuple[int, ...]:
    """Numbers of the target's joints among the 17."""
    found: tuple[int, ...] = getattr(target, "joints", ALL)
    return found


def truth_for(target: Any, truth: Tensor) -> Tensor:
    """Ground truth (N, 17, 3) mm as the target would have to predict it: (N, J, 3) mm, its joints, its root."""
    roots: tuple[int, ...] = getattr(target, "root_joints", (ROOT,))
    if joints_of(target) == ALL and roots == (ROOT,):
        return truth
    return truth[:, list(joints_of(target))] - truth[:, list(roots)].mean(dim=1, keepdim=True)


def ratios_of_bones(target: Any, pose: Tensor, reference: Tensor) -> Tensor | None:
    """Lengths of the bones of `pose` over those of `reference`, (N, J, 3) mm both -> (N, K).

    K bones have both their ends among the target's joints: 16 of 17 joints. None where there is no such bone.
    """
    joints = joints_of(target)
    if joints == ALL:
        return bone_ratios(pose, reference)
    whole = [number for number, ends in enumerate(BONES) if set(ends) <= set(joints)]
    if not whole:
        return None
    return bone_ratios(on_all_joints(target, pose), on_all_joints(target, reference))[:, whole]


def on_all_joints(target: Any, pose: Tensor) -> Tensor:
    """The target's pose (N, J, 3) at its places among the 17, (N, 17, 3): NaN where it has no joint."""
    joints = joints_of(target)
    if joints == ALL:
        return pose
    whole = torch.full((len(pose), len(ALL), 3), torch.nan, dtype=pose.dtype, device=pose.device)
    whole[:, list(joints)] = pose
    return whole
