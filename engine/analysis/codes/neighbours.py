"""What the nearest frames say: k nearest neighbours by distance between codes, never of the same recording."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from turncoat.kernels.errors import DataError


def nearest(queries: Tensor, library: Tensor, ties: Iterable[tuple[np.ndarray, np.ndarray]], k: int) -> np.ndarray:
    """Places (N, k) in the library of the frames nearest to each query by Euclidean distance, nearest first.

    queries: codes (N, C). library: codes (M, C). ties: pairs of labels (N,) and (M,), of sequences and of motion
        clips; a library frame that shares one with the query is left out.

    Raises:
        DataError: a query has fewer than k frames left.
    """
    apart = torch.cdist(queries.double(), library.double())
    for own, other in ties:
        apart[torch.from_numpy(own[:, None] == other[None])] = torch.inf
    if len(library) < k or not torch.isfinite(apart.topk(k, largest=False).values).all():
        raise DataError(
            f"A frame has fewer than {k} frames of other recordings and motion clips to compare with; encode more "
            "training frames, or ask fewer neighbours."
        )
    return apart.topk(k, largest=False).indices.numpy()


def vote(labels: np.ndarray) -> np.ndarray:
    """The commonest of each row of labels (N, k); of equally common ones that whose nearest bearer is nearest."""
    equal = labels[:, :, None] == labels[:, None, :]
    counts = equal.sum(axis=2)  # a bearer of the commonest label that stands first is the nearest
    return labels[np.arange(len(labels)), counts.argmax(axis=1)]
