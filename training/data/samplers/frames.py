"""Single frames, whatever belongs together."""

from __future__ import annotations

import numpy as np

from turncoat.kernels.errors import DataError
from turncoat.training.data.samplers.common import positive, random_of


class Uniform:
    """Single frames drawn uniformly, with replacement, for regressors."""

    def __init__(self, rows: np.ndarray, size: int, seed: int):
        """``rows`` int64: frames to draw from; ``size``: frames a batch."""
        if not len(rows):
            raise DataError("There are no frames to draw from; widen the selection of split, group or action.")
        self.rows, self.size, self.seed = np.asarray(rows), positive("the batch size", size), seed

    def batch(self, step: int) -> np.ndarray:
        """Rows int64 (size,)."""
        return self.rows[random_of(self.seed, step).integers(len(self.rows), size=self.size)]
