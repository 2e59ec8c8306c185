"""What each code says of what it should not: pose in the appearance code, people in the pose code (methods section 5).

The numbers are those of the label study and the evaluation where the network's card has them, else they are measured
here, on fewer frames: each says which.
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
from turncoat.training.cards import tensors_hash
from turncoat.training.data import Dataset
from turncoat.training.evaluation.people import PERFECT, true_codes
from turncoat.training.identity import Kind, fit_probe_to
from turncoat.training.label_study import StudyRegressor
from turncoat.training.networks import preset
from turncoat.training.pose_regressor import train_regressor

CODES = (POSE_CODE, APPEARANCE)
MEAN_POSE = "mean_pose"
NAMES = {**CODE_NAMES, MEAN_POSE: "mean pose", "true_pose": "true pose", "true_lengths": "true lengths of bones"}
CARD, HERE = "the network's card", "measured here"


class ProbesSettings(Settings):
    """How the regressors and probes are fitted where no card has the numbers.

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
    people: what probes tell. poses_from, people_from: `CARD` or `HERE`.
    """

    network: str
    described: dict[str, Any]
    poses: dict[str, Interval]
    people: list[Told]
    poses_from: str
    people_from: str

    def numbers(self) -> list[Number]:
        """Pose errors against the mean pose, and people against chance."""
        mean = self.poses[MEAN_POSE]
        found = [
            Number(f"pose_{code}_mm", f"MPJPE from the {NAMES[code]}", self.poses[code], "mm", mean, "mean pose",
                   f"From {self.poses_from}.")
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
                    f"From {self.people_from}.",
                )
            )
        return found

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            **self.described,
            "poses": {name: each.facts() for name, each in self.poses.items()},
            "people": [each._asdict() | {"accuracy": each.accuracy.facts()} for each in self.people],
            "poses_from": self.poses_from,
            "people_from": self.people_from,
            "numbers": {number.key: number.facts() for number in self.numbers()},
        }


def probes(
    network: Any,
    dataset: Dataset,
    settings: ProbesSettings | None = None,
    *,
    codes: NetworkCodes | None = None,
    card: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> CodeProbes:
    """Pose from either code, people from either code, beside what knowing nothing scores and what a true pose tells.

    network: needs `encode` alone, and nothing where `codes` are given. card: of these weights, as `read_card` reads it;
        what it has of the label study and of identity is not measured again.

    Raises:
        DataError: a card of other weights; one person alone, so that there is nobody to tell apart.
    """
    settings = settings or ProbesSettings()
    if card is not None:
        _check(card, network)
    poses, people = (None, None) if card is None else (_poses_in(card), _people_in(card))
    described = {"network": codes.name if codes else str((card or {}).get("name"))}
    if poses is None or people is None:
        codes = codes or gather_codes(network, dataset, progress=progress)
        described = codes.described()
    return CodeProbes(
        str(described["network"]),
        described,
        poses or measure_poses(network, _there(codes), settings, progress),
        people or measure_people(_there(codes), settings),
        HERE if poses is None else CARD,
        HERE if people is None else CARD,
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


def _poses_in(card: dict[str, Any], labels: str = "all") -> dict[str, Interval] | None:
    """Of the card's label study, all labels; None where it has none."""
    for line in (card.get("labels") or {}).get("table") or []:
        if line["labels"] == labels:
            return {name: _interval(line[name]) for name in (*CODES, MEAN_POSE)}
    return None


def _people_in(card: dict[str, Any]) -> list[Told] | None:
    """Of the card's evaluation; everyday frames where it has them apart."""
    found = []
    for one in (card.get("evaluation") or {}).get("identity") or []:
        part = one.get("groups", {}).get("everyday") or one
        if one["code"] in (*CODES, *PERFECT) and part["accuracy"] is not None:
            chance = float(part["chance"]["most_common"])
            found.append(Told(one["code"], one["probe"], one["of"], _interval(part["accuracy"]), chance))
    return found or None


def _interval(facts: dict[str, Any]) -> Interval:
    low, high = (float("nan") if facts[name] is None else float(facts[name]) for name in ("low", "high"))
    return Interval(float(facts["mean"]), low, high, facts.get("clustered_by"))


def _check(card: dict[str, Any], network: Any) -> None:
    file, own = card.get("file") or {}, getattr(network, "weights_hash", None)
    path = getattr(network, "path", None)
    if file.get("sha256") == own:
        return
    if path is None or not path.is_file() or file.get("tensors_sha256") != tensors_hash(path):
        raise DataError(
            f"The card {card.get('name')!r} is of other weights than the network; give the card beside its file."
        )


def _there(codes: NetworkCodes | None) -> NetworkCodes:
    assert codes is not None
    return codes
