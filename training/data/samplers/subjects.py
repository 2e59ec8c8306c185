"""Two people: what a method needs that tells identity from the rest."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from turncoat.kernels.errors import DataError
from turncoat.training.data.dataset import Dataset
from turncoat.training.data.samplers.common import ActionBalance, positive, random_of, two_different, videos_of


class SubjectPairs:
    """Groups of four frames, ``[A t, A u, B v, B w]``: two instants of a video of one subject, two of another's.

    A group draws an action, then a video of it, then a video of somebody else doing the same action, if there is one,
    or any: who tells the two people apart is not to do so by what they are doing. [choice]
    """

    def __init__(self, dataset: Dataset, rows: np.ndarray, groups: int, seed: int, everyday: float | None = None):
        """``rows`` int64: frames to draw from. DataError when they show one subject only, or no video has two
        instants."""
        self.groups, self.seed = positive("the number of groups", groups), seed
        videos = videos_of(dataset, rows)
        self._videos = videos = videos.only(videos.length >= 2)
        if not len(videos.first):
            raise DataError(
                f"None of the {len(rows)} selected frames is in a video with two instants, which pairs of subjects "
                "need; widen the selection, or use a dataset of sequences."
            )
        names = sorted(set(videos.subject.tolist()))
        if len(names) < 2:
            raise DataError(
                f"The selected frames show one subject only ({names[0] or 'unknown'}); drnet learns from telling "
                "people apart and needs at least two: widen the selection, or train another method."
            )
        self._balance = ActionBalance(videos.action, videos.group, everyday)
        doing: dict[str, list[int]] = defaultdict(list)
        for video, action in enumerate(videos.action.tolist()):
            doing[action].append(video)
        everyone = np.arange(len(videos.first))
        self._others: dict[tuple[str, str], np.ndarray] = {}  # (subject, action) -> videos of the others
        for action, found in doing.items():
            for name in names:
                others = np.array([v for v in found if videos.subject[v] != name], dtype=np.int64)
                self._others[name, action] = others if len(others) else everyone[videos.subject != name]

    def batch(self, step: int) -> np.ndarray:
        """Rows int64 (4 * groups,), group after group."""
        random = random_of(self.seed, step)
        videos = self._videos
        one = self._balance.draw(random, self.groups)
        keys = zip(videos.subject[one].tolist(), videos.action[one].tolist(), strict=True)
        other = np.array([random.choice(self._others[key]) for key in keys])
        both = np.stack([one, other], axis=1)  # (groups, 2)
        place = videos.first[both, None] + two_different(random, videos.length[both])  # (groups, 2, 2)
        return videos.rows[place.reshape(-1)]
