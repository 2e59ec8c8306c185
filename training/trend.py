"""How a network got better over its training: a quick reading of every snapshot of a run.

Snapshots have no regressor, and fitting one for each would take an hour. A ridge regression from the pose code to the
pose stands in for it: worse than the regressor by a margin that hardly changes, and done in a second.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.kernels import DataError
from turncoat.kernels.device import exact_float32, find_device
from turncoat.kernels.pose_error import mpjpe
from turncoat.training.checkpoint import Network, load_network
from turncoat.training.data import Dataset
from turncoat.training.data.tensors import as_float
from turncoat.training.encoding import check_frame_size, encode_rows
from turncoat.training.evaluation.cells import spread
from turncoat.training.evaluation.pictures import decibels, iou
from turncoat.training.networks import guided_by

Progress = Callable[..., None]
RIDGE = 0.03
"""Penalty on the squared weights of a standardised code, as a share of the number of frames. [choice]"""


class Ridge:
    """Pose code (N, C) -> pose (N, 17, 3) in mm: a linear map of the standardised code."""

    def __init__(self, codes: Tensor, poses: Tensor) -> None:
        self.mean, self.std = codes.mean(0), codes.std(0).clamp(min=1e-6)
        self.pose = poses.mean(0)
        x = ((codes - self.mean) / self.std).double()
        gram = x.T @ x + RIDGE * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
        self.weights = torch.linalg.solve(gram, x.T @ (poses - self.pose).flatten(1).double()).float()

    def __call__(self, codes: Tensor) -> Tensor:
        return ((codes - self.mean) / self.std @ self.weights).view(-1, *self.pose.shape) + self.pose


def snapshot_trend(
    folder: str | Path,
    dataset: Dataset,
    *,
    frames: int = 160,
    training_frames: int = 3000,
    batch: int = 32,
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure every snapshot of a training run and its last network.

    frames: everyday held-out frames, spread evenly. training_frames: that the ridge regression is fitted on.
    device: of the networks: a torch device, or "auto": a GPU where there is one. The ridge regression is computed on
        the processor.

    Returns:
        ``points``, by images seen: person_db and mask_iou (None without a decoder), probe_mm (MPJPE of the ridge
        regression) and probe_initial_mm (how far its prediction moves between a frame and its synthesis); beside them
        background_db and mean_pose_mm on the same frames.

    Raises:
        DataError: no network in the folder, or none to measure on.
    """
    folder, place = Path(folder), find_device(device)
    files = sorted((folder / "snapshots").glob("images-*.safetensors"))
    files += [file for file in (folder / "network.safetensors",) if file.exists()]
    if not files:
        raise DataError(f"{folder} holds no snapshots and no network; give the folder of a training run.")
    rows = spread(dataset.select(split="held-out", group="everyday"), frames)
    train = spread(dataset.select(split="train"), training_frames)
    pixels, rows, _ = dataset.read_valid(rows)
    if not len(rows):
        raise DataError("No held-out frame could be read; render the dataset again.")
    truth = torch.from_numpy(dataset.pose(rows))
    mean = torch.from_numpy(dataset.pose(train)).mean(0)
    points: dict[int, dict[str, Any]] = {}
    background_db = None
    for number, file in enumerate(files):
        network = load_network(file, device=place)
        check_frame_size(network, dataset)
        found = _measure(network, dataset, pixels, rows, train, truth, batch)
        background_db = found.pop("background_db", background_db)
        points[network.metadata.get("images") or 0] = found
        if progress is not None:
            progress(number + 1, len(files))
    return {
        "kind": "trend",
        "dataset": {key: dataset.info.get(key) for key in ("name", "recipe", "preset", "fingerprint")},
        "frames": len(rows),
        "training_frames": len(train),
        "background_db": background_db,
        "mean_pose_mm": float(mpjpe(mean.expand_as(truth), truth).mean()),
        "points": [{"images": images} | points[images] for images in sorted(points)],
    }


@exact_float32()
@torch.no_grad()
def _measure(
    network: Network,
    dataset: Dataset,
    pixels: np.ndarray,
    rows: np.ndarray,
    train: np.ndarray,
    truth: Tensor,
    batch: int,
) -> dict[str, Any]:
    device = network.device
    encoded = encode_rows(network, dataset, train)
    probe = Ridge(encoded.codes.pose_code, torch.from_numpy(dataset.pose(encoded.rows)))
    parts: dict[str, list[Tensor]] = {}
    for start in range(0, len(rows), batch):
        some = slice(start, start + batch)
        frames, guided = as_float(pixels[some], device), guided_by(network, dataset, rows[some], device)
        codes = guided.encode(frames)
        clean = probe(codes.pose_code.cpu())
        found = {"probe_mm": mpjpe(clean, truth[some])}
        if network.has_decoder:
            background = as_float(dataset.background(rows[some]), device)
            person = (as_float(dataset.masks(rows[some]), device) > 0.5).float()
            canvas = guided.canvas(codes, background)
            synthesis = guided.paint(codes.appearance, canvas)
            found["person_db"] = decibels(synthesis, frames, person)
            found["background_db"] = decibels(background, frames, person)
            found["mask_iou"] = iou((canvas.mask > 0.5).float(), person)
            found["probe_initial_mm"] = mpjpe(probe(guided.encode(synthesis).pose_code.cpu()), clean)
        for name, values in found.items():
            parts.setdefault(name, []).append(values.cpu())
    means = {name: float(torch.cat(values).mean()) for name, values in parts.items()}
    return dict.fromkeys(("person_db", "mask_iou", "probe_mm", "probe_initial_mm")) | means
