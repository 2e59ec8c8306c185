"""What each code says of what it should not: pose in the appearance code, people in the pose code (methods section 5).

Every network's regressors and probes are fitted on the same frames in the same way, so that networks can be put side by
side; the label study in a network's card fits on all labels instead, and its numbers are others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from turncoat.engine.analysis.codes.frames import (
    APPEARANCE,
    CODE_NAMES,
    POSE_CODE,
    NetworkCodes,
    Progress,
    gather_codes,
)
from turncoat.engine.analysis.intervals import Interval, bootstrap_mean, success_interval
from turncoat.engine.analysis.number import Number, exactly
from turncoat.kernels.errors import DataError
from turncoat.kernels.pose_error import mpjpe
from turncoat.kernels.settings import Settings
from turncoat.training.data import Dataset
from turncoat.training.evaluation.people import PERFECT, true_codes
from turncoat.training.identity import Kind, fit_probe_to
from turncoat.training.label_study import StudyRegressor
from turncoat.training.networks import preset
from turncoat.training.pose_regressor import train_regressor

CODES = (POSE_CODE, APPEARANCE)
MEAN_POSE = "mean_pose"
NAMES = {**CODE_NAMES, MEAN_POSE: "mean pose", "true_pose": "true pose", "true_lengths": "true lengths of bones"}


class ProbesSettings(Settings):
    """How the regressors and probes are fitted.

    regressor: one on each code, the same. kinds: of probes (`turncoat.training.identity`).
    """

    regressor: StudyRegressor = StudyRegressor(steps=500, hidden=512, threads=1)
    kinds: tuple[Kind, ...] = ("linear",)
    draws: int = Field(1000, ge=1)
    seed: int = 0


class Told(NamedTuple):
    """How often a probe of one kind tells `of` (subject, body, wardrobe) from a code, or from what a true pose says."""

    code: str
    kind: str
    of: str
    accuracy: Interval
    chance: float


@dataclass(frozen=True)
class CodeProbes:
    """Both halves of the leak.

    poses: MPJPE in mm on held-out frames of a regressor on the pose code, on the appearance code, and of the mean pose.
    people: what probes tell.
    """

    network: str
    described: dict[str, Any]
    poses: dict[str, Interval]
    people: list[Told]

    def numbers(self) -> list[Number]:
        """Pose errors against the mean pose, and people against chance."""
        mean = self.poses[MEAN_POSE]
        found = [
            Number(f"pose_{code}_mm", f"MPJPE from the {NAMES[code]}", self.poses[code], "mm", mean, "mean pose",
                   "The nearer to the mean pose's, the less it tells.")
            for code in CODES
        ]  # fmt: skip
        for told in self.people:
            found.append(
                Number(
                    f"{told.of}_{told.code}_{told.kind}",
                    f"{told.of} from the {NAMES.get(told.code, told.code.replace('_', ' '))}, {told.kind} probe",
                    told.accuracy,
                    "share",
                    exactly(told.chance),
                    "the commonest",
                )
            )
        return found

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            **self.described,
            "poses": {name: each.facts() for name, each in self.poses.items()},
            "people": [each._asdict() | {"accuracy": each.accuracy.facts()} for each in self.people],
            "numbers": {number.key: number.facts() for number in self.numbers()},
        }


def probes(
    network: Any,
    dataset: Dataset,
    settings: ProbesSettings | None = None,
    *,
    codes: NetworkCodes | None = None,
    progress: Progress | None = None,
) -> CodeProbes:
    """Pose from either code, people from either code, beside what knowing nothing scores and what a true pose tells.

    network: needs `encode` alone, and nothing where `codes` are given.

    Raises:
        DataError: one person alone, so that there is nobody to tell apart.
    """
    settings = settings or ProbesSettings()
    codes = codes or gather_codes(network, dataset, progress=progress)
    return CodeProbes(
        codes.name,
        codes.described(),
        measure_poses(network, codes, settings, progress),
        measure_people(codes, settings),
    )


def measure_poses(
    network: Any, codes: NetworkCodes, settings: ProbesSettings, progress: Progress | None = None
) -> dict[str, Interval]:
    """MPJPE in mm of a regressor fitted on each code of the training frames, and of their mean pose."""
    dataset, rows = codes.dataset, codes.test.rows
    shape = settings.regressor.shape(getattr(network, "settings", None) or preset("studio"))
    poses, truth = torch.from_numpy(dataset.pose(codes.train.rows)), torch.from_numpy(dataset.pose(rows))
    if not torch.isfinite(poses).all() or not torch.isfinite(truth).all():
        raise DataError("A pose label is NaN or infinite; render the dataset again or leave its sequence out.")

    def interval(predicted: Tensor) -> Interval:
        errors = mpjpe(predicted, truth).numpy()
        return bootstrap_mean(errors, codes.test.clusters, draws=settings.draws, seed=settings.seed)

    found = {}
    for code in CODES:
        regressor = train_regressor(shape, codes.train.codes[code], poses, settings.regressor, progress)
        with torch.no_grad():
            found[code] = interval(regressor(codes.test.codes[code]))
    return found | {MEAN_POSE: interval(poses.mean(0).expand_as(truth))}


def measure_people(codes: NetworkCodes, settings: ProbesSettings) -> list[Told]:
    """What probes tell from both codes, from true poses and from true lengths of bones."""
    train, test = codes.train, codes.test
    fitted, asked = ({**each.codes, **true_codes(codes.dataset, each.rows)} for each in (train, test))
    found = []
    for column in codes.people():
        names, truth = train.column(column), test.column(column)
        known = np.isin(truth, names)
        if not known.any():
            raise DataError(f"No {column} of the frames is known from training, so nobody can be told apart.")
        for code in (*CODES, *PERFECT):
            for kind in settings.kinds:
                probe = fit_probe_to(kind, fitted[code], names, column, code)
                right = (probe.names[probe.tell(asked[code])] == truth)[known]
                share = success_interval(right, test.clusters[known], draws=settings.draws, seed=settings.seed)
                chance = float((truth[known] == probe.names[probe.commonest]).mean())
                found.append(Told(code, kind, column, share, chance))
    return found
