"""Samples of a dataset as an attack begins on them."""

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.appearance import admit_in_batches
from turncoat.engine.attack.measure import Admitted
from turncoat.engine.attack.pair import Pair
from turncoat.kernels.errors import DataError
from turncoat.training.data import Dataset


def admit_rows(pair: Pair, data: Dataset, rows: np.ndarray, batch: int) -> tuple[Admitted, np.ndarray]:
    """Admit the readable ones of the samples at `rows`; also returns which those are."""
    pictures, valid, _ = data.read_valid(rows)
    if not len(valid):
        raise DataError(f"None of {len(rows)} frames of {data.folder} can be read; render it again.")
    return admit_in_batches(pair, pictures, data.background(valid), batch, pair.given(data, valid)), valid


def truth_of(pair: Pair, data: Dataset, rows: np.ndarray) -> Tensor:
    """Ground truth poses (N, 17, 3) mm on the device."""
    return torch.from_numpy(data.pose(rows)).to(pair.device)
