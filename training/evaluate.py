"""How good a network is before anybody attacks it: poses, pictures, masks, and the error a repainting alone makes.

Everything is measured on frames the network never saw, by split and group, everyday and acrobatic apart; walks are
shown apart too, because they flatter. The pictures' error is taken over the person's pixels, with the background's own
beside it: an average over the whole frame would flatter as well. Pose errors stand beside those of two mean poses, that
of all training frames and that of the training frames of the same group: everyday poses differ little from their own
mean, and the first alone would flatter them.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from turncoat.kernels import ConfigError, DataError
from turncoat.kernels.composite import composite
from turncoat.kernels.pose_error import mpjpe, n_mpjpe, pa_mpjpe
from turncoat.kernels.resample import invert_box, resample
from turncoat.kernels.settings import Settings
from turncoat.training.checkpoint import Network
from turncoat.training.data import Dataset
from turncoat.training.encoding import check_frame_size
from turncoat.training.methods.nsd import as_float

Progress = Callable[..., None]
THRESHOLD_MM = 175.0
"""The error past which an attack has succeeded (seed paper, section 4.3)."""
OWN_COLOUR = 0.1
"""The person's own colour is read off pixels that the person covers by at least this much; below, rounding hides it."""
LEGEND = {
    "mean_pose_mm, mean_pose_ratio": "the mean pose of all training frames: its MPJPE, and the network's as a share",
    "group_mean_pose_mm, group_mean_pose_ratio": "the same with the mean pose of the training frames of the same group",
    "person_db, background_db, crop_limit_db": "mean over frames of each frame's PSNR over the person's pixels, in dB; "
    "not the PSNR of the mean squared error",
    "initial_mask, initial_rgb, initial_box": "initial error with only the network's mask, colours or box (and crop's "
    "resolution), the rest true; these parts overlap and do not add up to the initial error",
    "low, high": "95 % interval over whole sequences drawn with replacement",
    "sequences, motions": "different sequences, and different motion clips (motion_id) they play",
}
"""What the names in a document mean where they could be read otherwise."""


class EvaluationSettings(Settings):
    """What is measured and on how much.

    splits: of the dataset; all that are there but the training split, where None.
    poses: frames of each split and group for pose errors, spread evenly; all where None.
    pictures: frames of each split and group for pictures, masks and the initial error; a subset of those.
    draws: bootstrap draws over sequences, for the 95 % intervals.
    """

    splits: tuple[str, ...] | None = None
    poses: int | None = Field(None, ge=1)
    pictures: int = Field(800, ge=1)
    batch: int = Field(32, ge=1)
    draws: int = Field(1000, ge=1)
    seed: int = 0


def evaluate(
    network: Network, dataset: Dataset, settings: EvaluationSettings | None = None, *, progress: Progress | None = None
) -> dict[str, Any]:
    """Measure `network` on `dataset`, in the network's precision.

    Returns:
        a JSON-ready document: ``splits[split][group]`` with ``poses``, ``pictures`` (each a name -> {mean, low, high};
        some with a median), ``actions`` and ``not walking``; beside it what was measured with what, and a ``legend``.
        ``group_mean_pose_*`` are None where the dataset has no training frames of a group.

    Raises:
        ConfigError: the network has no regressor, or an unknown split.
        DataError: frames of another size, or none to measure on.
    """
    settings = settings or EvaluationSettings()
    check_frame_size(network, dataset)
    if network.regressor is None:
        raise ConfigError("This network has no pose regressor; run `turncoat fit-regressor` on it first.")
    cells = list(_cells(dataset, settings))
    if not cells:
        raise DataError("The dataset has no frames outside its training split; choose other splits.")
    total = sum(len(rows) for _, _, rows in cells)
    done = unreadable = 0
    splits: dict[str, dict[str, Any]] = {}
    for split, group, rows in cells:
        wanted = set(_spread(rows, settings.pictures).tolist())
        group_mean = _group_mean_pose(dataset, rows)
        columns: dict[str, list[Tensor]] = {}
        pictures: dict[str, list[Tensor]] = {}
        kept, pictured = [], []
        for frames, valid, bad in dataset.frames_in_order(rows, settings.batch):
            unreadable += len(bad)
            if len(valid):
                chosen = np.flatnonzero([row in wanted for row in valid.tolist()])
                pose, picture = _measure(network, dataset, frames, valid, chosen, group_mean)
                for name, values in pose.items():
                    columns.setdefault(name, []).append(values)
                for name, values in picture.items():
                    pictures.setdefault(name, []).append(values)
                kept.append(valid)
                pictured.append(valid[chosen])
            done += len(valid) + len(bad)
            if progress is not None:
                progress(done, total, split=split, group=group)
        if not kept:
            raise DataError(f"No frame of split {split!r}, group {group!r} could be read; render the dataset again.")
        splits.setdefault(split, {})[group] = _summarise(
            dataset,
            (np.concatenate(kept), {name: torch.cat(v).numpy() for name, v in columns.items()}),
            (np.concatenate(pictured), {name: torch.cat(v).numpy() for name, v in pictures.items()}),
            settings,
        )
    return {
        "kind": "evaluation",
        "weights_hash": network.weights_hash,
        "precision": str(network.compute_dtype).removeprefix("torch."),
        "dataset": {key: dataset.info.get(key) for key in ("name", "recipe", "preset", "fingerprint")},
        "settings": settings.model_dump(mode="json"),
        "threshold_mm": THRESHOLD_MM,
        "unreadable": unreadable,
        "legend": LEGEND,
        "splits": splits,
    }


@torch.no_grad()
def _measure(
    network: Network,
    dataset: Dataset,
    pixels: np.ndarray,
    rows: np.ndarray,
    chosen: np.ndarray,
    group_mean: Tensor | None,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Pose errors of all of a batch's frames, picture errors of those `chosen`: name -> (N,) float32.

    group_mean: mean pose (17, 3) mm of the training frames of these frames' group.
    """
    frames = as_float(pixels)
    codes = network.encode(frames)
    clean = network.regress(codes.pose_code)
    truth = torch.from_numpy(dataset.pose(rows))
    assert network.regressor is not None
    pose = {
        "mpjpe": mpjpe(clean, truth),
        "n_mpjpe": n_mpjpe(clean, truth),
        "pa_mpjpe": pa_mpjpe(clean, truth),
        "mean_pose_mm": mpjpe(network.regressor.pose_mean.expand_as(truth), truth),
    }
    if group_mean is not None:
        pose["group_mean_pose_mm"] = mpjpe(group_mean.expand_as(truth), truth)
    if not all(torch.isfinite(values).all() for values in pose.values()):
        raise DataError("A predicted pose is NaN or infinite, so the network's weights are damaged; train it again.")
    if not len(chosen):
        return pose, {}
    index = torch.from_numpy(chosen)
    codes = type(codes)(*(tensor[index] for tensor in codes))
    return pose, _pictures(network, dataset, rows[chosen], frames[index], codes, clean[index]) | {
        "own_mpjpe": pose["mpjpe"][index]
    }


def _pictures(
    network: Network, dataset: Dataset, rows: np.ndarray, frames: Tensor, codes: Any, clean: Tensor
) -> dict[str, Tensor]:
    """What a repainting gets wrong, and how far each part of it alone moves the prediction.

    The initial error (Algorithm 1, line 4) is the distance between predictions on a frame and on its synthesis. Its
    parts, each a picture over the empty background with one thing the network's and the rest true:

    mask: the network's mask; the person's own colours under it, and the decoder's where it reaches past the person, so
        that a mask that is too large shows a halo and one that is too small cuts the person.
    RGB: the decoder's colours through the true mask.
    box: the person's own colours, cropped and uncropped, through the true mask: what box and resolution cost.

    The parts overlap and do not add up: wrong colours matter only where there is a mask, and the box is in all of them.
    """
    background = as_float(dataset.background(rows))
    true_mask = as_float(dataset.masks(rows))
    height, width = frames.shape[-2:]
    inverse = invert_box(codes.box)
    rgb, mask = network.decode(codes.appearance, codes.pose_code)
    synthesis, full_mask = composite(rgb, mask, codes.box, background, renormalise=network.settings.renormalise_mask)
    size = network.settings.crop_size
    uncropped = resample(rgb, inverse, height, width, padding="border").clamp(0, 1)
    crop = resample(frames, codes.box, size, size)
    through_crop = resample(crop, inverse, height, width, padding="border").clamp(0, 1)
    own = _own_colours(frames, true_mask, background)
    boxed = resample(resample(own, codes.box, size, size), inverse, height, width, padding="border").clamp(0, 1)
    masked = torch.where(true_mask >= OWN_COLOUR, own, uncropped)

    def over(colours: Tensor, mask: Tensor) -> Tensor:
        return mask * colours + (1 - mask) * background

    def moved(picture: Tensor) -> Tensor:
        return mpjpe(network.predict(picture), clean)

    person = (true_mask > 0.5).float()
    painted = (full_mask > 0.5).float()
    union = torch.maximum(person, painted).sum((1, 2, 3)).clamp(min=1)
    return {
        "person_db": _decibels(synthesis, frames, person),
        "background_db": _decibels(background, frames, person),
        "crop_limit_db": _decibels(through_crop, frames, person),
        "mask_iou": (person * painted).sum((1, 2, 3)) / union,
        "initial": moved(synthesis),
        "initial_mask": moved(over(masked, full_mask)),
        "initial_rgb": moved(over(uncropped, true_mask)),
        "initial_box": moved(over(boxed, true_mask)),
    }


def _own_colours(frames: Tensor, mask: Tensor, background: Tensor) -> Tensor:
    """The person's colours (B, 3, H, W) with no background in them: of ``frame = mask own + (1 - mask) background``.

    Where the person covers less than `OWN_COLOUR` of a pixel the frame is kept.
    """
    own = (frames - (1 - mask) * background) / mask.clamp(min=OWN_COLOUR)
    return torch.where(mask >= OWN_COLOUR, own, frames).clamp(0, 1)


def _group_mean_pose(dataset: Dataset, rows: np.ndarray) -> Tensor | None:
    """Mean pose (17, 3) mm of the training frames of the group that `rows` are of; None if there are none."""
    group = dataset.column("group")
    same = np.flatnonzero((dataset.column("split") == "train") & (group == group[rows[0]]))
    return torch.from_numpy(dataset.pose(same)).mean(0) if len(same) else None


def _decibels(picture: Tensor, frames: Tensor, pixels: Tensor) -> Tensor:
    """PSNR (B,) of each of the frames, in [0, 1], over the chosen pixels (B, 1, H, W)."""
    squared = ((picture - frames) ** 2 * pixels).sum((1, 2, 3)) / (3 * pixels.sum((1, 2, 3)) + 1e-6)
    return -10 * torch.log10(squared + 1e-9)


def _cells(dataset: Dataset, settings: EvaluationSettings) -> Iterator[tuple[str, str, np.ndarray]]:
    """Split, group and rows of everything that is measured."""
    splits, groups = dataset.column("split"), dataset.column("group")
    known = sorted(set(splits.tolist()))
    for split in settings.splits or [name for name in known if name != "train"]:
        if split not in known:
            raise ConfigError(f"There is no split {split!r} in this dataset; it has {', '.join(known)}.")
        for group in ("everyday", "acrobatic", ""):
            rows = np.flatnonzero((splits == split) & (groups == group))
            if len(rows):
                yield split, group or "all", rows if settings.poses is None else _spread(rows, settings.poses)


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the rows, evenly spread over their order, at an uneven step so that no camera is favoured."""
    if len(rows) <= most:
        return rows
    random = np.random.default_rng(len(rows))
    edges = np.linspace(0, len(rows), most + 1)
    return rows[(edges[:-1] + random.random(most) * np.diff(edges)).astype(int)]


def _summarise(
    dataset: Dataset,
    poses: tuple[np.ndarray, dict[str, np.ndarray]],
    pictures: tuple[np.ndarray, dict[str, np.ndarray]],
    settings: EvaluationSettings,
) -> dict[str, Any]:
    sequence, action, motion = (dataset.column(name) for name in ("sequence", "action", "motion_id"))

    def interval(rows: np.ndarray, values: np.ndarray, over: np.ndarray | None = None) -> dict[str, float]:
        return bootstrap(values, sequence[rows], over=over, draws=settings.draws, seed=settings.seed)

    def counts(rows: np.ndarray) -> dict[str, int]:
        return {
            "frames": len(rows),
            "sequences": len(np.unique(sequence[rows])),
            "motions": len(np.unique(motion[rows])),
        }

    def pose_part(rows: np.ndarray, values: dict[str, np.ndarray]) -> dict[str, Any]:
        part: dict[str, Any] = {name: interval(rows, each) for name, each in values.items()}
        part.setdefault("group_mean_pose_mm", None)
        for name in ("mean_pose", "group_mean_pose"):
            beside = values.get(f"{name}_mm")
            part[f"{name}_ratio"] = None if beside is None else interval(rows, values["mpjpe"], beside)
        return part | counts(rows)

    def picture_part(rows: np.ndarray, values: dict[str, np.ndarray]) -> dict[str, Any]:
        part: dict[str, Any] = {name: interval(rows, each) for name, each in values.items()}
        for name in ("initial", "initial_mask", "initial_rgb", "initial_box"):
            part[name]["median"] = float(np.median(values[name]))
        part["initial_past"] = interval(rows, (values["initial"] > THRESHOLD_MM).astype(np.float64))
        part["initial_of_mpjpe"] = interval(rows, values["initial"], values["own_mpjpe"])
        return part | counts(rows)

    def chosen(which: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
        part = {}
        for name, (rows, values), summary in (("poses", poses, pose_part), ("pictures", pictures, picture_part)):
            keep = which(action[rows])
            if keep.any():
                part[name] = summary(rows[keep], {key: each[keep] for key, each in values.items()})
        return part

    result = chosen(lambda names: np.ones(len(names), dtype=bool))
    result["actions"] = {str(name): chosen(partial(np.equal, name)) for name in np.unique(action[poses[0]])}
    if "walking" in result["actions"] and len(result["actions"]) > 1:
        result["not walking"] = chosen(lambda names: names != "walking")
    return result


def bootstrap(
    values: np.ndarray, sequences: np.ndarray, *, over: np.ndarray | None = None, draws: int = 1000, seed: int = 0
) -> dict[str, float]:
    """Mean of `values` (N,), or the ratio of their sum to that of `over`, with a 95 % interval.

    Whole sequences are drawn with replacement, because the frames of one are not independent.

    Returns:
        mean, low, high; low and high are None where there is only one sequence.
    """
    _, index = np.unique(sequences, return_inverse=True)
    count = index.max() + 1
    top = np.bincount(index, values.astype(np.float64), count)
    bottom = np.bincount(index, None if over is None else over.astype(np.float64), count).astype(np.float64)
    mean = float(top.sum() / bottom.sum())
    if count < 2:
        return {"mean": mean, "low": None, "high": None}  # type: ignore[dict-item]
    weight = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    means = (weight @ top) / (weight @ bottom)
    low, high = np.quantile(means, (0.025, 0.975))
    return {"mean": mean, "low": float(low), "high": float(high)}
