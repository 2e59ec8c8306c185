"""From one number a frame to means with intervals: by cell, by action, by joint."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from turncoat.kernels.intervals import Clusters
from turncoat.kernels.skeleton import JOINTS
from turncoat.training.data import Dataset
from turncoat.training.evaluation.intervals import bootstrap, clusters_at, share

THRESHOLD_MM = 175.0
"""The error past which an attack has succeeded (seed paper, section 4.3)."""
MEAN_POSES = ("mean_pose", "group_mean_pose")
INITIAL = ("initial", "initial_mask", "initial_rgb", "initial_box", "unpainted")


class Measured(NamedTuple):
    """One number a frame: rows (N,) of the dataset, and name -> values (N,)."""

    rows: np.ndarray
    values: dict[str, np.ndarray]

    def only(self, keep: np.ndarray) -> "Measured":
        """Those of the frames whose `keep` (N,) is true."""
        return Measured(self.rows[keep], {name: each[keep] for name, each in self.values.items()})


def summarise(
    dataset: Dataset,
    poses: Measured,
    pictures: Measured,
    joints: tuple[np.ndarray, np.ndarray],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """A cell of an evaluation as a JSON-ready document.

    pictures: may be of fewer frames, or of none.
    joints: distance of every joint in mm, (N, 17), of the prediction and of the mean pose, for the rows of `poses`.
    """
    sequence, action, motion = (dataset.column(name) for name in ("sequence", "action", "motion_id"))

    def interval(clusters: Clusters, values: np.ndarray, over: np.ndarray | None = None) -> dict[str, Any]:
        return bootstrap(values, clusters, over=over, draws=draws, seed=seed)

    def counts(rows: np.ndarray) -> dict[str, int]:
        return {
            "frames": len(rows),
            "sequences": len(np.unique(sequence[rows])),
            "motions": len(np.unique(motion[rows])),
        }

    def pose_part(rows: np.ndarray, values: dict[str, np.ndarray]) -> dict[str, Any]:
        clusters = clusters_at(dataset, rows)
        part: dict[str, Any] = {name: interval(clusters, each) for name, each in values.items()}
        part.setdefault("group_mean_pose_mm", None)
        part.setdefault("supervised_mm", None)
        beside = {f"{name}_ratio": f"{name}_mm" for name in MEAN_POSES} | {"mpjpe_of_supervised": "supervised_mm"}
        for ratio, name in beside.items():
            part[ratio] = interval(clusters, values["mpjpe"], values[name]) if name in values else None
        return part | counts(rows)

    def picture_part(rows: np.ndarray, values: dict[str, np.ndarray]) -> dict[str, Any]:
        clusters = clusters_at(dataset, rows)
        part: dict[str, Any] = {name: interval(clusters, each) for name, each in values.items()}
        for name in INITIAL:
            part[name]["median"] = float(np.median(values[name]))
        part["initial_past"] = share(values["initial"] > THRESHOLD_MM, clusters, draws=draws, seed=seed)
        part["initial_of_mpjpe"] = interval(clusters, values["initial"], values["own_mpjpe"])
        return part | counts(rows)

    def chosen(which: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
        part = {}
        for name, measured, summary in (("poses", poses, pose_part), ("pictures", pictures, picture_part)):
            kept = measured.only(which(action[measured.rows]))
            if len(kept.rows) and kept.values:
                part[name] = summary(*kept)
        return part

    result = chosen(lambda names: np.ones(len(names), dtype=bool))
    clusters = clusters_at(dataset, poses.rows)
    result["joints"] = {
        name: {
            "mpjpe": interval(clusters, joints[0][:, joint]),
            "mean_pose_mm": interval(clusters, joints[1][:, joint]),
        }
        for joint, name in enumerate(JOINTS)
    }
    result["actions"] = {str(name): chosen(partial(np.equal, name)) for name in np.unique(action[poses.rows])}
    if "walking" in result["actions"] and len(result["actions"]) > 1:
        result["not walking"] = chosen(lambda names: names != "walking")
    return result
