"""Who is it? Asked of a network's codes in an evaluation, and of ground truth: what a perfect code would say."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.kernels.skeleton import BONES
from turncoat.training.checkpoint import Network
from turncoat.training.data import Dataset
from turncoat.training.encoding import Encoded, by_name, encode_rows
from turncoat.training.evaluation.cells import spread
from turncoat.training.identity import PROBES, SCORED, Kind, Probe, Told, ask, fit_probe, people_columns, score
from turncoat.training.networks import Codes

_WHO = ("subject", "body", "wardrobe")
TRUTHS = ("true_pose", "true_lengths", "true_directions", "true_limbs")
PERFECT = TRUTHS[:2]
"""What a perfect pose code tells: the second is not a linear function of the first, but it follows from it."""
_LIMBS = [number for number, (parent, _) in enumerate(BONES) if parent in (1, 2, 4, 5, 11, 12, 14, 15)]
"""Upper and lower arms and legs."""


def true_codes(dataset: Dataset, rows: np.ndarray) -> dict[str, Tensor]:
    """What a pose code should know, from ground truth: `TRUTHS` -> (N, C) float32, in camera axes.

    true_pose: the joints relative to the pelvis in mm, 51 numbers: a perfect pose code.
    true_lengths: of the 16 bones, mm: what that pose says of the body.
    true_directions: unit vectors along the 16 bones: all bones of one length. Bodies also differ in where on them
        joints lie, so that hips, spine and shoulders still point another way.
    true_limbs: those of the eight bones of arms and legs: posture alone.
    """
    pose = dataset.pose(rows).astype(np.float32)
    bones = np.stack([pose[:, child] - pose[:, parent] for parent, child in BONES], axis=1)
    lengths = np.linalg.norm(bones, axis=-1, keepdims=True)
    directions = bones / lengths.clip(min=1e-6)
    found = zip(TRUTHS, (pose, lengths, directions, directions[:, _LIMBS]), strict=True)
    return {name: torch.from_numpy(np.ascontiguousarray(each.reshape(len(rows), -1))) for name, each in found}


def who_is_it(
    dataset: Dataset,
    train: Encoded,
    tests: dict[tuple[str, str], Encoded],
    *,
    draws: int = 1000,
    device: torch.device | str = "cpu",
) -> list[dict[str, Any]]:
    """Every code and every truth of `TRUTHS`, asked by every probe of everything that says who it is: `score` of each.

    Codes are set beside the probe that tells most from the true pose (`PERFECT`): no probe on joints forms lengths of
    bones as well as a code of many numbers may hold them.

    train: codes of training frames. tests: (split, group) -> codes of the frames that are measured.

    Raises:
        DataError: there is nobody to tell apart.
    """
    found: list[dict[str, Any]] = []
    train, tests = _with_truths(train, dataset), {cell: _with_truths(test, dataset) for cell, test in tests.items()}
    for column in people_columns(dataset, train.rows):
        asked: dict[tuple[str, Kind], tuple[Probe, Told]] = {}
        for code in train.codes:
            for kind in PROBES:
                probe = fit_probe(kind, train, column, dataset, code, device=device)
                asked[code, kind] = probe, ask(probe, dataset, tests)
        known = max((asked[code, kind][1].right for code in PERFECT for kind in PROBES), key=lambda right: right.sum())
        for (code, _), one in asked.items():
            found.append(score(*one, dataset, None if code in TRUTHS else known, draws=draws))
    return found


def _with_truths(encoded: Encoded, dataset: Dataset) -> Encoded:
    return Encoded(encoded.rows, {**encoded.codes, **true_codes(dataset, encoded.rows)})


class People:
    """The question, while an evaluation goes through the frames.

    rows: training frames whose codes the probes are fitted on; empty where nobody is asked.
    reason: why nobody is; "" where that was not wanted.
    """

    def __init__(self, dataset: Dataset, splits: Sequence[str], frames: int) -> None:
        """splits: that are measured. frames: of the training split at most, spread evenly; 0: do not ask."""
        self.dataset, self.reason = dataset, ""
        self.rows = np.flatnonzero(dataset.column("split") == "train")
        if frames and (not len(self.rows) or not set(SCORED) & set(splits)):
            self.reason = "that takes training frames, and held-out or validation frames"
        elif frames and {len(np.unique(dataset.column(name)[self.rows])) for name in _WHO} == {1}:
            self.reason = "there is one person in the training frames"
        self.rows = spread(self.rows, frames) if frames and not self.reason else self.rows[:0]
        self.kept: dict[tuple[str, str], list[tuple[np.ndarray, Codes]]] = {}

    def keep(self, split: str, group: str, rows: np.ndarray, codes: Codes) -> None:
        """Remember the codes of some measured frames, if they will be asked."""
        if len(self.rows) and split in SCORED:
            self.kept.setdefault((split, group), []).append((rows, Codes(*(each.cpu() for each in codes))))

    def answer(
        self, network: Network, *, draws: int = 1000, progress: Callable[..., None] | None = None
    ) -> tuple[list[dict[str, Any]], int]:
        """`who_is_it`, and how many training frames could not be read; [] where nobody is asked."""
        if not len(self.rows):
            return [], 0
        encoded = encode_rows(network, self.dataset, self.rows, progress=progress)
        tests = {
            cell: by_name(
                np.concatenate([rows for rows, _ in parts]),
                Codes(*(torch.cat(each) for each in zip(*(codes for _, codes in parts), strict=True))),
            )
            for cell, parts in self.kept.items()
        }
        train = by_name(encoded.rows, encoded.codes)
        return who_is_it(self.dataset, train, tests, draws=draws, device=network.device), encoded.unreadable
