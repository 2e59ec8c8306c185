"""What a network says of frames, and of the same frames with one grey level of noise."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from turncoat.engine.attack.identity import generator_of
from turncoat.kernels.device import exact_float32
from turncoat.kernels.errors import DataError
from turncoat.training.data import Dataset
from turncoat.training.data.tensors import as_float
from turncoat.training.networks import guided_by

Change = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(frames uint8 (N, 3, H, W), their rows) -> other frames."""


@exact_float32()
@torch.no_grad()
def predict_rows(
    network: Any,
    dataset: Dataset,
    rows: np.ndarray,
    *,
    batch: int,
    change: Change | None = None,
    advance: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Poses float64 (N, J, 3) mm of `rows` (N,), each there once; NaN where a frame is damaged.

    Raises:
        DataError: no frame can be read, or a pose is not finite.
    """
    device, found, place = device_of(network), None, {int(row): n for n, row in enumerate(rows)}
    for frames, valid, bad in dataset.frames_in_order(rows, batch):
        if len(valid):
            frames = frames if change is None else change(frames, valid)
            poses = guided_by(network, dataset, valid, device).predict(as_float(frames, device)).cpu().double().numpy()
            if not np.isfinite(poses).all():
                raise DataError("A predicted pose is NaN or infinite, so the network is damaged; take another.")
            if found is None:
                found = np.full((len(rows), *poses.shape[1:]), np.nan)
            found[[place[int(row)] for row in valid]] = poses
        if advance is not None:
            advance(len(valid) + len(bad))
    if found is None:
        raise DataError(f"None of the {len(rows)} frames in {dataset.folder} can be read; render them again.")
    return found


def grey_level(dataset: Dataset, seed: int, draw: int) -> Change:
    """Every value of a frame one grey level up or down, by a coin that belongs to the frame's name and `draw`."""

    def change(frames: np.ndarray, rows: np.ndarray) -> np.ndarray:
        changed = np.empty(frames.shape, np.uint8)
        for n, sample_id in enumerate(dataset.column("sample_id")[rows].tolist()):
            coins = generator_of(seed, sample_id, draw, "one grey level").integers(0, 2, frames.shape[1:], np.int8)
            changed[n] = np.clip(frames[n].astype(np.int16) + 2 * coins - 1, 0, 255)
        return changed

    return change


def device_of(network: Any) -> torch.device:
    """Where a network computes: networks and sessions say so, others are found by their weights."""
    known = getattr(network, "device", None)
    if known is not None:
        return torch.device(known)
    weights = network.parameters() if hasattr(network, "parameters") else iter(())
    return next((weight.device for weight in weights), torch.device("cpu"))
