"""How many labels a pose regressor needs, and what each code tells about the pose (methods section 5).

The frames are encoded once. Then the same regressor is fitted again and again on those codes: on the pose code and on
the appearance code, with all labels, half of them, one subject's, one in a hundred, one in a thousand; everything
stands beside the mean pose of the labels that were used.

A network that was trained on labels is no subject of such a study: its encoder has seen them all, so that few labels
behind it are not few. How it would do with few is a question for further trainings.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from turncoat.kernels import ConfigError, DataError
from turncoat.kernels.intervals import Clusters
from turncoat.kernels.pose_error import mpjpe, pa_mpjpe
from turncoat.kernels.settings import Settings
from turncoat.training.checkpoint import Network
from turncoat.training.data import Dataset
from turncoat.training.encoding import CODES, Encoded, by_name, check_frame_size, encode_rows
from turncoat.training.evaluation import bootstrap, clusters_at
from turncoat.training.evaluation.cells import cells
from turncoat.training.pose_regressor import (
    SMALLEST,
    Progress,
    RegressorSettings,
    labelled,
    method_on_labels,
    train_regressor,
)


class StudyRegressor(RegressorSettings):
    """A regressor of the study: a quarter of the usual steps and half the batch, so that all fits take minutes.

    batch: as many as there are labels, where those are fewer. subjects, fraction, seed: each fit sets its own.
    """

    steps: int = Field(1000, ge=1)
    batch: int = Field(128, ge=2)


class LabelStudySettings(Settings):
    """What is fitted and measured. [choice] all but the fractions, which methods section 5 names.

    fractions: shares of the training frames whose labels are used; a single frame is drawn at a time.
    subject: the one whose labels are used alone; the first training subject, where None. (UGAR: S1.)
    draws: how often labels are drawn (and weights) for fractions of at most `few`; the spread is reported.
    frames: of each split and group that every fit is measured on.
    intervals: bootstrap draws of sequences and of motion clips, for the 95 % intervals.
    """

    fractions: tuple[float, ...] = (1.0, 0.5, 0.01, 0.001)
    subject: str | None = None
    draws: int = Field(3, ge=1)
    few: float = Field(0.05, ge=0, le=1)
    frames: int = Field(1000, ge=1)
    intervals: int = Field(1000, ge=1)
    regressor: StudyRegressor = StudyRegressor()


class Labels(NamedTuple):
    """Labels that one fit may use. name: "all", "50 %", "S1"; chosen: positions in the encoded training frames."""

    name: str
    draw: int
    settings: RegressorSettings
    chosen: np.ndarray


def study_labels(
    network: Network, dataset: Dataset, settings: LabelStudySettings | None = None, *, progress: Progress | None = None
) -> dict[str, Any]:
    """Fit everything where the network lies and measure it; a JSON-ready document (docs/evaluation.md describes it).

    Raises:
        ConfigError: a fraction that is not in (0, 1]; a network that was trained on labels.
        DataError: an unknown subject, frames of another size, none to train or to measure on.
    """
    settings = settings or LabelStudySettings()
    torch.set_num_threads(settings.regressor.threads)
    if (method := method_on_labels(network)) is not None:
        raise ConfigError(
            f"{network.path} was trained on labels, its encoder too (method {method!r}), so regressors on its codes "
            "cannot say how many labels are needed; study a network that was trained without labels."
        )
    check_frame_size(network, dataset)
    _check(settings, dataset)
    train, tests, unreadable = _encode(network, dataset, settings, progress)
    return {
        "kind": "label study",
        "weights_hash": network.weights_hash,
        "precision": settings.regressor.precision,
        "dataset": {key: dataset.info.get(key) for key in ("name", "recipe", "preset", "fingerprint")},
        "settings": settings.model_dump(mode="json"),
        "training_frames": len(train.rows),
        "unreadable": unreadable,
    } | study_codes(network, dataset, train, tests, settings, progress=progress)


def study_codes(
    network: Network,
    dataset: Dataset,
    train: Encoded,
    tests: dict[tuple[str, str], Encoded],
    settings: LabelStudySettings,
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The study on codes that are there already, on the processor.

    network: whose shape the regressors take, where they are fitted, and whose own regressor is measured beside them if
        it has one.
    tests: (split, group) -> codes of the frames that are measured.
    """
    shape, device = settings.regressor.shape(network.settings), network.device
    wanted, left_out = _labels(dataset, train.rows, settings)
    poses = torch.from_numpy(dataset.pose(train.rows))
    truths = {cell: torch.from_numpy(dataset.pose(test.rows)) for cell, test in tests.items()}
    for tensor in (poses, *truths.values()):
        if not torch.isfinite(tensor).all():
            raise DataError("A pose label is NaN or infinite; render the dataset again or leave its sequence out.")
    done, total = 0, len(wanted) * len(CODES) * settings.regressor.steps

    def stage(name: str) -> Progress | None:
        start = done
        if progress is None:
            return None
        return lambda step, _, **facts: progress(start + step, total, stage=name, **facts)

    def measured(predict: Callable[[Tensor], Tensor], code: str, mean: Tensor) -> dict[str, dict[str, Any]]:
        """What a regressor on the device scores on every cell, beside its mean pose (17, 3)."""
        found: dict[str, dict[str, Any]] = {}
        for (split, group), test in tests.items():
            truth, clusters = truths[split, group], clusters_at(dataset, test.rows)
            predicted = predict(test.codes[code].to(device)).cpu()
            errors = _errors(predicted, truth, mean, clusters, settings.intervals)
            found.setdefault(split, {})[group] = errors
        return found

    fits = []
    for labels in wanted:
        truth = poses[labels.chosen]
        for code in CODES:
            codes = train.codes[code][labels.chosen].to(device)
            regressor = train_regressor(shape, codes, truth.to(device), labels.settings, stage(labels.name))
            done += settings.regressor.steps
            fits.append(
                {
                    "labels": labels.name,
                    "draw": labels.draw,
                    "code": code,
                    "labelled_frames": len(labels.chosen),
                    "batch": min(labels.settings.batch, len(labels.chosen)),
                    "cells": measured(regressor, code, truth.mean(0)),
                }
            )
    own = None
    if network.regressor is not None:
        own = measured(network.regress, CODES[0], network.regressor.pose_mean.cpu())
    return {"own_regressor": own, "fits": fits, "table": table(fits), "left_out": left_out}


def table(fits: list[dict[str, Any]], split: str = "held-out", group: str = "everyday") -> list[dict[str, Any]]:
    """One line for every choice of labels: MPJPE from each code and of the mean pose, averaged over the draws.

    Of each: mean, and over the draws lowest and highest; low, high and clustered_by are the interval of a single draw,
    None where there are several. Empty where nothing was measured on that cell.
    """
    lines = []
    for name in dict.fromkeys(fit["labels"] for fit in fits):
        same = [fit for fit in fits if fit["labels"] == name and group in fit["cells"].get(split, {})]
        if not same:
            continue
        line: dict[str, Any] = {
            "labels": name,
            "labelled_frames": same[0]["labelled_frames"],
            "draws": 1 + max(fit["draw"] for fit in same),
        }
        for code in CODES:
            line[code] = _over_draws([fit["cells"][split][group]["mpjpe"] for fit in same if fit["code"] == code])
        line["mean_pose"] = _over_draws(
            [fit["cells"][split][group]["mean_pose_mm"] for fit in same if fit["code"] == CODES[0]]
        )
        lines.append(line)
    return lines


def _over_draws(found: list[dict[str, Any]]) -> dict[str, Any]:
    means = [each["mean"] for each in found]
    alone = found[0] if len(found) == 1 else {"low": None, "high": None, "clustered_by": None}
    return {
        "mean": float(np.mean(means)),
        "lowest": min(means),
        "highest": max(means),
        "low": alone["low"],
        "high": alone["high"],
        "clustered_by": alone["clustered_by"],
    }


def _encode(
    network: Network, dataset: Dataset, settings: LabelStudySettings, progress: Progress | None
) -> tuple[Encoded, dict[tuple[str, str], Encoded], int]:
    """Codes of all training frames and of the frames of every cell, and how many frames could not be read."""
    wanted = {("train", ""): dataset.select(split="train")}
    wanted |= {(split, group): rows for split, group, rows in cells(dataset, None, settings.frames)}
    if len(wanted) < 2:
        raise DataError("The dataset has no frames outside its training split, so there is nothing to measure on.")
    total, done, unreadable = sum(map(len, wanted.values())), 0, 0
    found: dict[tuple[str, str], Encoded] = {}
    before, network.compute_dtype = network.compute_dtype, getattr(torch, settings.regressor.precision)
    try:
        for cell, rows in wanted.items():
            start = done

            def advance(step: int, _: int, start: int = start) -> None:
                if progress is not None:
                    progress(start + step, total, stage="encoding")

            encoded = encode_rows(network, dataset, rows, progress=advance)
            found[cell] = by_name(encoded.rows, encoded.codes)
            unreadable += encoded.unreadable
            done += len(rows)
    finally:
        network.compute_dtype = before
    return found.pop(("train", "")), found, unreadable


def _labels(dataset: Dataset, rows: np.ndarray, settings: LabelStudySettings) -> tuple[list[Labels], list[str]]:
    """Every choice of labels, and a sentence for each that has too few."""
    subject = settings.subject or str(np.unique(dataset.column("subject")[rows])[0])
    shares = sorted(settings.fractions, reverse=True)
    choices: list[tuple[str, dict[str, Any], int]] = []
    for share in shares:
        draws = settings.draws if share <= settings.few else 1
        choices.append(("all" if share == 1 else f"{100 * share:g} %", {"fraction": share}, draws))
    choices.insert(sum(share > settings.few for share in shares), (subject, {"subjects": (subject,)}, 1))
    found, left_out = [], []
    for name, changes, draws in choices:
        for draw in range(draws):
            seed = settings.regressor.seed + draw
            chosen = labelled(dataset, rows, settings.regressor.model_copy(update=changes | {"seed": seed}))
            if len(chosen) < SMALLEST:
                left_out.append(f"{name}: a regression needs {SMALLEST} labels, this share has {len(chosen)}.")
                break
            found.append(Labels(name, draw, settings.regressor.model_copy(update=changes | {"seed": seed}), chosen))
    return found, left_out


def _errors(poses: Tensor, truth: Tensor, mean: Tensor, clusters: Clusters, draws: int) -> dict[str, Any]:
    error, beside = mpjpe(poses, truth).numpy(), mpjpe(mean.expand_as(truth), truth).numpy()
    if not np.isfinite(error).all():
        raise DataError("A predicted pose is NaN or infinite; lower the regressor's learning rate.")
    return {
        "mpjpe": bootstrap(error, clusters, draws=draws),
        "pa_mpjpe": bootstrap(pa_mpjpe(poses, truth).numpy(), clusters, draws=draws),
        "mean_pose_mm": bootstrap(beside, clusters, draws=draws),
        "mean_pose_ratio": bootstrap(error, clusters, over=beside, draws=draws),
        "frames": len(error),
        "sequences": clusters.counts()["sequence"],
    }


def _check(settings: LabelStudySettings, dataset: Dataset) -> None:
    for fraction in settings.fractions:
        if not 0 < fraction <= 1:
            raise ConfigError(f"A fraction of the labels is {fraction}; it must be above 0 and at most 1.")
    if settings.subject is not None:
        dataset.select(split="train", subject=settings.subject)
