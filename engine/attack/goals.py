"""Towards a pose: where `towards*` drives predictions, and what counts as having got there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.block import judged, verdicts_of
from turncoat.engine.attack.measure import Admitted, Columns, Effect, to_numpy
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import MIRROR, AttackSettings, is_towards
from turncoat.kernels.errors import ConfigError, DataError, TurncoatError
from turncoat.kernels.pose_error import mpjpe
from turncoat.kernels.skeleton import JOINTS
from turncoat.kernels.skeleton import MIRROR as SIDES
from turncoat.training.data import Dataset

FILE = ".npy"


@dataclass(frozen=True)
class Goal:
    """The pose that predictions are driven to.

    Attributes:
        said: how the settings said it.
        pose: (17, 3) mm, relative to joint 0, the same for all samples; None: each sample's own clean prediction,
            mirrored.
    """

    said: str
    pose: Tensor | None

    def of(self, clean_pose: Tensor) -> Tensor:
        """The goal of every sample, from the target's predictions on its clean frame, (N, 17, 3) mm."""
        return mirrored(clean_pose) if self.pose is None else self.pose.to(clean_pose).expand_as(clean_pose)

    def facts(self) -> dict[str, Any]:
        """As run.json keeps it."""
        read = self.pose if self.said.endswith(FILE) else None  # a prediction follows from dataset and weights
        return {"said": self.said, "pose_mm": None if read is None else read.cpu().tolist()}


def mirrored(pose: Tensor) -> Tensor:
    """Poses (N, 17, 3) with left and right exchanged: x negated, sides renamed."""
    return pose[:, list(SIDES)] * pose.new_tensor([-1.0, 1.0, 1.0])


def find_goal(pair: Pair, data: Dataset, settings: AttackSettings) -> Goal | None:
    """The goal that the settings ask for; None where no attack has one.

    Raises:
        DataError: there is no such sample, its frame cannot be read, or the file holds no pose.
        ConfigError: the target has other joints.
    """
    said = settings.towards
    if said is None:
        return None
    if said == MIRROR:
        return Goal(said, None)
    if said.endswith(FILE):
        return Goal(said, _of_file(Path(said)).to(pair.device))
    try:
        rows = data.rows([said])
    except TurncoatError as error:
        raise DataError(
            f"`towards` is {said!r}, which is no sample of {data.folder}; expected one, a {FILE} file or {MIRROR!r}."
        ) from error
    pictures, valid, _ = data.read_valid(rows)
    if not len(valid):
        raise DataError(f"The frame of {said}, whose pose is the goal, cannot be read; name another sample.")
    pose = pair.predict(pair.frames(pictures), pair.given(data, rows))[0]
    if not pose.isfinite().all():
        raise DataError(f"The prediction on {said}, which is the goal, is not finite; name another sample.")
    return Goal(said, pose)


def _of_file(path: Path) -> Tensor:
    expected = f"expected one array ({len(JOINTS)}, 3) of finite numbers, mm"
    try:
        pose = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"The goal {path} cannot be read as a pose ({error}); {expected}.") from error
    numbers = isinstance(pose, np.ndarray) and pose.dtype.kind in "fiu"
    if not numbers or pose.shape != (len(JOINTS), 3) or not np.isfinite(pose).all():
        found = f"{pose.dtype} {pose.shape}" if isinstance(pose, np.ndarray) else "no array"
        raise DataError(f"The goal {path} holds {found}; {expected}.")
    return torch.from_numpy((pose - pose[:1]).astype(np.float32))


def goals_of(admitted: Admitted) -> Tensor:
    """(N, J, 3) mm, the goal of every sample.

    Raises:
        ConfigError: none was given.
    """
    if admitted.goal is None:
        raise ConfigError("An attack towards a pose needs the pose; give the admitted samples a goal.")
    return admitted.goal


def at_start(admitted: Admitted, name: str, settings: AttackSettings) -> tuple[Tensor, Tensor]:
    """What the attack `name` begins with: its error on the unattacked synthesis (N,) mm, and whether that is enough
    already, (N,) bool. The error is the distance to the goal for attacks that have one, else from the clean pose."""
    usable = admitted.usable()
    if is_towards(name):
        error = mpjpe(admitted.synthesis_pose, goals_of(admitted))
        return error, usable & (error < settings.reach_mm)
    return admitted.error_initial, usable & (admitted.error_initial > settings.threshold_mm)


def verdicts(
    measured: Effect, admitted: Admitted, name: str, settings: AttackSettings, miss: Outcome
) -> tuple[list[Outcome], Columns]:
    """Outcomes (N,) from the float32 error on 8-bit frames alone, and the columns about the goal if there is one."""
    if not is_towards(name):
        return judged(measured, admitted.error_initial, settings.threshold_mm, miss), {}
    goal = goals_of(admitted)
    initial = mpjpe(admitted.synthesis_pose, goal)
    verified = mpjpe(torch.from_numpy(measured.columns["pose_attacked"]).to(goal), goal)
    found = verdicts_of(initial, measured.error, verified, settings.reach_mm, miss, sign=-1.0)
    return found, {"error_goal_initial_mm": to_numpy(initial), "error_goal_mm": to_numpy(verified)}
