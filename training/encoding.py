"""Codes of many frames of a dataset."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from turncoat.kernels import DataError
from turncoat.kernels.device import exact_float32
from turncoat.training.data import Dataset
from turncoat.training.data.tensors import as_float
from turncoat.training.networks import Codes, Disentangled, guided_by

Progress = Callable[..., None]
CODES = ("pose_code", "appearance")
"""The two codes that are asked about pose and about people."""


class Encoded(NamedTuple):
    """codes: name -> (N, C) float32, for the dataset's `rows` (N,)."""

    rows: np.ndarray
    codes: dict[str, Tensor]


class EncodedRows(NamedTuple):
    """Codes of the readable rows, in order, on the processor.

    rows: (N,) int64. unreadable: how many records were damaged and skipped.
    """

    codes: Codes
    rows: np.ndarray
    unreadable: int


def by_name(rows: np.ndarray, codes: Codes) -> Encoded:
    """The two codes `CODES` of the dataset's `rows` (N,)."""
    return Encoded(rows, {name: getattr(codes, name) for name in CODES})


@exact_float32()
@torch.no_grad()
def encode_rows(
    network: Disentangled, dataset: Dataset, rows: np.ndarray, *, batch: int = 128, progress: Progress | None = None
) -> EncodedRows:
    """Encode `rows` of a dataset with the network as it is (mode, precision, device), given its boxes if it needs them.

    network: or whatever else encodes frames, a session on a bundle for one.

    Raises:
        DataError: no row could be read, or a code is not finite.
    """
    check_frame_size(network, dataset)
    device = getattr(network, "device", torch.device("cpu"))
    parts: list[Codes] = []
    kept: list[np.ndarray] = []
    unreadable = 0
    for frames, valid, bad in dataset.frames_in_order(rows, batch):
        unreadable += len(bad)
        if len(valid):
            codes = guided_by(network, dataset, valid, device).encode(as_float(frames, device))
            parts.append(Codes(*(each.cpu() for each in codes)))
            kept.append(valid)
        if progress is not None:
            progress(sum(map(len, kept)) + unreadable, len(rows))
    if not parts:
        raise DataError(f"None of the {len(rows)} chosen frames could be read; render the dataset again.")
    codes = Codes(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
    if not all(torch.isfinite(tensor).all() for tensor in codes):
        raise DataError("A code is NaN or infinite, so the network's weights are damaged; train it again.")
    return EncodedRows(codes, np.concatenate(kept), unreadable)


def check_frame_size(network: Disentangled, dataset: Dataset) -> None:
    """DataError if the dataset's frames are not of the network's size; a network that does not say one takes any."""
    if not hasattr(network, "settings"):
        return
    if dataset.size != network.settings.frame_size:
        raise DataError(
            f"The dataset's frames are {dataset.size} pixels wide and the network's {network.settings.frame_size}; "
            "choose another dataset or network."
        )
