"""How good a network is before anybody attacks it: poses, pictures, masks, and the error a repainting alone makes.

Everything is measured on frames the network never saw, by split and group, everyday and acrobatic apart; walks are
shown apart too, because they flatter. The pictures' error is taken over the person's pixels, with the background's own
beside it: an average over the whole frame would flatter as well. Pose errors stand beside those of two mean poses, that
of all training frames and that of the training frames of the same group: everyday poses differ little from their own
mean, and the first alone would flatter them. docs/evaluation.md defines every number.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from turncoat.kernels import ConfigError, DataError
from turncoat.kernels.device import exact_float32
from turncoat.kernels.pose_error import mpjpe
from turncoat.kernels.settings import Settings
from turncoat.training.checkpoint import Network
from turncoat.training.data import Dataset
from turncoat.training.data.tensors import as_float
from turncoat.training.encoding import check_frame_size
from turncoat.training.evaluation import (
    THRESHOLD_MM,
    bootstrap,
    joint_errors,
    picture_errors,
    pose_errors,
    summarise,
)
from turncoat.training.evaluation.cells import cells, spread
from turncoat.training.evaluation.people import People
from turncoat.training.evaluation.poses import mean_pose_errors
from turncoat.training.evaluation.summary import Measured
from turncoat.training.networks import Codes, guided_by
from turncoat.training.targets import check_targets

__all__ = ["LEGEND", "THRESHOLD_MM", "EvaluationSettings", "bootstrap", "evaluate"]

Progress = Callable[..., None]
LEGEND = {
    "mpjpe, n_mpjpe, pa_mpjpe": "mm over 17 joints; after the best scale; after similarity alignment, no reflections",
    "pck_150, auc_150": "percentage of the 14 official joints within 150 mm, and its mean over 0, 5, ..., 150 mm (96.8 "
    "at most: nothing is below 0 mm)",
    "mean_pose_mm, mean_pose_ratio": "the mean pose of all training frames: its MPJPE, and the network's as a share",
    "mean_pose_n_mm, mean_pose_pa_mm, mean_pose_pck_150, mean_pose_auc_150": "the other errors of that mean pose",
    "group_mean_pose_mm, group_mean_pose_ratio": "the same with the mean pose of the training frames of the same group",
    "supervised_mm, mpjpe_of_supervised": "MPJPE of the supervised ceiling on the same frames; the network's over it",
    "person_db, background_db, crop_limit_db": "mean over frames of each frame's PSNR over the person's pixels, in dB; "
    "not the PSNR of the mean squared error",
    "mask_iou, rectangle_iou": "of the person's silhouette with the network's mask, and with its tightest rectangle",
    "initial_mask, initial_rgb, initial_box": "initial error with only the network's mask, colours or box (and crop's "
    "resolution), the rest true; these parts overlap and do not add up to the initial error",
    "unpainted": "how far the prediction moves when the person is not painted at all: the empty background",
    "low, high, clustered_by": "95 % interval: whole sequences are drawn, and whole motion clips (motion_id), and the "
    "wider is kept, of which clustered_by says which; of shares at least Wilson's; null: fewer than 3 of either",
    "identity": "how often probes are right about who it is, on held-out and validation sequences of people that were "
    "trained on; asked of true_pose (joints), true_lengths (of bones), true_directions (of all bones), true_limbs (of "
    "those of arms and legs alone) too; over_true_pose: accuracy minus that of the probe which tells most from "
    "true_pose or true_lengths, paired by frame",
    "sequences, motions": "different sequences, and different motion clips (motion_id) they play",
}
"""What the names in a document mean where they could be read otherwise."""
NO_DECODER = "This network has no decoder, so nothing is said about pictures, masks and initial errors."
OTHER_FRAMES = "The supervised ceiling takes frames of another size, so nothing is set beside it."


class EvaluationSettings(Settings):
    """What is measured and on how much.

    splits: of the dataset; all that are there but the training split, where None.
    poses: frames of each split and group for pose errors, spread evenly; all where None.
    pictures: frames of each split and group for pictures, masks and the initial error; a subset of those.
    identity: training frames, spread evenly, whose codes the probes of who it is are fitted on; none are where it is 0.
        [choice]
    draws: bootstrap draws of sequences and of motion clips, for the 95 % intervals.
    """

    splits: tuple[str, ...] | None = None
    poses: int | None = Field(None, ge=1)
    pictures: int = Field(800, ge=1)
    identity: int = Field(8000, ge=0)
    batch: int = Field(32, ge=1)
    draws: int = Field(1000, ge=1)
    seed: int = 0


@exact_float32()
def evaluate(
    network: Network,
    dataset: Dataset,
    settings: EvaluationSettings | None = None,
    *,
    ceiling: Network | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure `network` on `dataset`, in the network's precision and where it lies.

    ceiling: a network trained with labels, run on the same frames where it lies and set beside this one.

    Returns:
        a JSON-ready document: ``splits[split][group]`` with ``poses``, ``pictures`` (each a name -> {mean, low, high,
        clustered_by}; some with a median), ``joints``, ``actions`` and ``not walking``; ``identity`` (`who_is_it`, []
        where nobody is asked); beside it what was measured with what, ``targets`` (what was asked, what was measured,
        whether it holds), ``notes`` and a ``legend``.
        ``group_mean_pose_*`` are None where the dataset has no training frames of a group, ``supervised_mm`` and
        ``mpjpe_of_supervised`` without a ceiling. A network without a decoder has no ``pictures``.

    Raises:
        ConfigError: the network has no regressor, or an unknown split.
        DataError: frames of another size, or none to measure on.
    """
    settings = settings or EvaluationSettings()
    check_frame_size(network, dataset)
    if not network.has_regressor:
        raise ConfigError("This network has no pose regressor; run `turncoat fit-regressor` on it first.")
    notes = [] if network.has_decoder else [NO_DECODER]
    if ceiling is not None and ceiling.settings.frame_size != dataset.size:
        ceiling, notes = None, [*notes, OTHER_FRAMES]
    measured = list(cells(dataset, settings.splits, settings.poses))
    if not measured:
        raise DataError("The dataset has no frames outside its training split; choose other splits.")
    people = People(dataset, [split for split, _, _ in measured], settings.identity)
    notes = [*notes, f"Nobody was asked who it is: {people.reason}."] if people.reason else notes
    total = sum(len(rows) for _, _, rows in measured) + len(people.rows)
    done = unreadable = 0
    splits: dict[str, dict[str, Any]] = {}
    for split, group, rows in measured:
        cell = _Cell(network, dataset, rows, settings, ceiling)
        for frames, valid, bad in dataset.frames_in_order(rows, settings.batch):
            unreadable += len(bad)
            if len(valid):
                people.keep(split, group, valid, cell.measure(frames, valid))
            done += len(valid) + len(bad)
            if progress is not None:
                progress(done, total, split=split, group=group)
        if not cell.kept:
            raise DataError(f"No frame of split {split!r}, group {group!r} could be read; render the dataset again.")
        splits.setdefault(split, {})[group] = cell.summary()

    def advance(step: int, _: int) -> None:
        if progress is not None:
            progress(done + step, total, split="train", group="all")

    identity, damaged = people.answer(network, draws=settings.draws, progress=advance)
    return {
        "kind": "evaluation",
        "weights_hash": network.weights_hash,
        "precision": str(network.compute_dtype).removeprefix("torch."),
        "dataset": {key: dataset.info.get(key) for key in ("name", "recipe", "preset", "fingerprint")},
        "settings": settings.model_dump(mode="json"),
        "ceiling": None if ceiling is None else {"name": ceiling.path.stem, "weights_hash": ceiling.weights_hash},
        "threshold_mm": THRESHOLD_MM,
        "unreadable": unreadable + damaged,
        "notes": notes,
        "legend": LEGEND,
        "targets": check_targets(splits, given=network.needs_given),
        "splits": splits,
        "identity": identity,
    }


class _Batch(NamedTuple):
    """One number a frame, on the processor: of all frames (joints (N, 17)), and of those with measured pictures."""

    poses: dict[str, Tensor]
    joints: tuple[Tensor, Tensor]
    pictures: dict[str, Tensor]


class _Cell:
    """What is measured on the frames of one split and group."""

    def __init__(
        self,
        network: Network,
        dataset: Dataset,
        rows: np.ndarray,
        settings: EvaluationSettings,
        ceiling: Network | None,
    ) -> None:
        self.network, self.dataset, self.settings, self.ceiling = network, dataset, settings, ceiling
        self.wanted = spread(rows, settings.pictures if network.has_decoder else 0)
        mean = _group_mean_pose(dataset, rows)
        self.group_mean = None if mean is None else mean.to(network.device)
        self.kept: list[np.ndarray] = []
        self.pictured: list[np.ndarray] = []
        self.batches: list[_Batch] = []

    @torch.no_grad()
    def measure(self, pixels: np.ndarray, rows: np.ndarray) -> Codes:
        """Pose errors of frames uint8 (N, 3, H, W), picture errors of those of them that are wanted; their codes."""
        device = self.network.device
        frames = as_float(pixels, device)
        codes = guided_by(self.network, self.dataset, rows, device).encode(frames)
        clean = self.network.regress(codes.pose_code)
        truth = torch.from_numpy(self.dataset.pose(rows)).to(device)
        assert self.network.regressor is not None
        mean = self.network.regressor.pose_mean
        poses = pose_errors(clean, truth) | mean_pose_errors(mean, truth)
        if self.group_mean is not None:
            poses["group_mean_pose_mm"] = mpjpe(self.group_mean.expand_as(truth), truth)
        if self.ceiling is not None:
            beside = guided_by(self.ceiling, self.dataset, rows, self.ceiling.device)
            poses["supervised_mm"] = mpjpe(beside.predict(frames.to(self.ceiling.device)).to(device), truth)
        if not all(torch.isfinite(values).all() for values in poses.values()):
            raise DataError(
                "A predicted pose is NaN or infinite, so the network's weights are damaged; train it again."
            )
        joints = (joint_errors(clean, truth), joint_errors(mean.expand_as(truth), truth))
        chosen = np.flatnonzero(np.isin(rows, self.wanted))
        pictures = {}
        if len(chosen):
            index = torch.from_numpy(chosen).to(device)
            some = Codes(*(tensor[index] for tensor in codes))
            pictures = picture_errors(self.network, self.dataset, rows[chosen], frames[index], some, clean[index])
            pictures["own_mpjpe"] = poses["mpjpe"][index]
        self.batches.append(_Batch(_home(poses), (joints[0].cpu(), joints[1].cpu()), _home(pictures)))
        self.kept.append(rows)
        self.pictured.append(rows[chosen])
        return codes

    def summary(self) -> dict[str, Any]:
        """Means and intervals of all that was measured."""
        joints = tuple(torch.cat([batch.joints[which] for batch in self.batches]).numpy() for which in (0, 1))
        return summarise(
            self.dataset,
            Measured(np.concatenate(self.kept), _joined([batch.poses for batch in self.batches])),
            Measured(np.concatenate(self.pictured), _joined([batch.pictures for batch in self.batches])),
            (joints[0], joints[1]),
            draws=self.settings.draws,
            seed=self.settings.seed,
        )


def _home(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: each.cpu() for name, each in values.items()}


def _joined(parts: list[dict[str, Tensor]]) -> dict[str, np.ndarray]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: torch.cat([part[name] for part in parts if name in part]).numpy() for name in names}


def _group_mean_pose(dataset: Dataset, rows: np.ndarray) -> Tensor | None:
    """Mean pose (17, 3) mm of the training frames of the group that `rows` are of; None if there are none."""
    group = dataset.column("group")
    same = np.flatnonzero((dataset.column("split") == "train") & (group == group[rows[0]]))
    return torch.from_numpy(dataset.pose(same)).mean(0) if len(same) else None
