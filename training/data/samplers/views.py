"""Several cameras at one instant: NSD's batches."""

from __future__ import annotations

import numpy as np

from turncoat.kernels.errors import DataError
from turncoat.training.data.dataset import Dataset
from turncoat.training.data.samplers.common import ActionBalance, changes, positive, random_of, two_different


class ViewPairs:
    """NSD's batches (methods.md 1.8): groups of four frames of one sequence, ``[t a, t b, u c, u d]``:
    instants t and u, cameras a, b, c, d.

    Each group draws an action, then a sequence of it, then two different instants, then two different cameras at each,
    every time uniformly: actions are balanced whatever their share of the frames. With ``everyday`` given, that share
    of the groups draws from the everyday actions and the rest from the others.
    """

    VIEWS, INSTANTS = 2, 2

    def __init__(self, dataset: Dataset, rows: np.ndarray, groups: int, seed: int, everyday: float | None = None):
        """``rows`` int64: frames to draw from; ``groups``: groups of four a batch. DataError when no sequence has two
        instants with two cameras each."""
        self.groups, self.seed = positive("the number of groups", groups), seed
        rows = np.asarray(rows, dtype=np.int64)
        sequence, instant = dataset.column("sequence")[rows], dataset.column("instant")[rows]
        camera = dataset.column("camera")[rows]
        order = np.lexsort((camera, instant, sequence))
        rows, sequence, instant = rows[order], sequence[order], instant[order]

        # Rows of one instant lie together, and so do instants of one sequence: (start, count) at each level.
        starts = np.flatnonzero(changes(sequence) | changes(instant))
        counts = np.diff(starts, append=len(rows))
        starts, counts = starts[counts >= self.VIEWS], counts[counts >= self.VIEWS]
        firsts = np.flatnonzero(changes(sequence[starts]))
        lengths = np.diff(firsts, append=len(starts))
        firsts, lengths = firsts[lengths >= self.INSTANTS], lengths[lengths >= self.INSTANTS]
        if not len(firsts):
            raise DataError(
                f"None of the {len(rows)} selected frames is in a sequence with two instants seen by two cameras each; "
                "view pairs need both: widen the selection, or train a method that needs one camera (cssl, drnet)."
            )
        self._rows, self._instants, self._sequences = rows, (starts, counts), (firsts, lengths)
        example = rows[starts[firsts]]
        self._balance = ActionBalance(dataset.column("action")[example], dataset.column("group")[example], everyday)
        self.actions = self._balance.actions

    def batch(self, step: int) -> np.ndarray:
        """Rows int64 (4 * groups,), group after group."""
        random = random_of(self.seed, step)
        sequence = self._balance.draw(random, self.groups)
        first, count = self._sequences
        instant = first[sequence, None] + two_different(random, count[sequence])  # (groups, 2)
        first, count = self._instants
        view = first[instant, None] + two_different(random, count[instant])  # (groups, 2, 2)
        return self._rows[view.reshape(-1)]
