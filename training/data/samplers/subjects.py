"""Two people: what a method needs that tells identity from the rest."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from turncoat.kernels.errors import DataError
from turncoat.training.data.dataset import Dataset
from turncoat.training.data.samplers.common import ActionBalance, positive, random_of, two_different, videos_of


class SubjectPairs:
    """Groups of eight frames, ``[A t, A u, A' t, A' u, B t, B u, B' t, B' u]``: A and A' are videos of one subject, B
    and B' of another, two instants of each.

    A group draws an action, then a video of it, then the three others among videos of the same action, as far as there
    are any: who tells the two people apart is not to do so by what they are doing. A and A' are of different sequences
    where the subject has several, seen by any camera: two instants of one video have their camera, place and direction
    in common, and an adversary that is shown them learns to compare directions (from the direction of the hips alone
    it is right in 80 % of cases; with other sequences in 51 %), not people. [choice]
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
        self._sequence = dataset.column("sequence")[videos.rows[videos.first]]
        self._theirs: dict[tuple[str, str], np.ndarray] = {}  # (subject, action) -> their videos of that action
        places: dict[tuple[str, str], list[int]] = defaultdict(list)
        for video, key in enumerate(zip(videos.subject.tolist(), videos.action.tolist(), strict=True)):
            places[key].append(video)
        self._theirs = {key: np.array(found) for key, found in places.items()}
        self._all = {name: np.flatnonzero(videos.subject == name) for name in names}
        self._doing = {a: [n for n in names if (n, a) in self._theirs] for a in set(videos.action.tolist())}
        self._names = names

    def batch(self, step: int) -> np.ndarray:
        """Rows int64 (8 * groups,), group after group."""
        random = random_of(self.seed, step)
        chosen = np.array([self._four(random, video) for video in self._balance.draw(random, self.groups).tolist()])
        place = self._videos.first[chosen, None] + two_different(random, self._videos.length[chosen])  # (groups, 4, 2)
        return self._videos.rows[place.reshape(-1)]

    def _four(self, random: np.random.Generator, video: int) -> list[int]:
        """The videos [A, A', B, B'] of a group that begins with A."""
        subject, action = str(self._videos.subject[video]), str(self._videos.action[video])
        others = [name for name in self._doing[action] if name != subject]
        other = str(random.choice(others or [name for name in self._names if name != subject]))
        theirs = self._theirs.get((other, action), self._all[other])
        second = int(random.choice(theirs))
        return [video, self._mate(random, video), second, self._mate(random, second)]

    def _mate(self, random: np.random.Generator, video: int) -> int:
        """Another video of the same subject: same action and another sequence, another sequence, or any."""
        subject, action = str(self._videos.subject[video]), str(self._videos.action[video])
        for pool in (self._theirs[subject, action], self._all[subject]):
            apart = pool[self._sequence[pool] != self._sequence[video]]
            if len(apart):
                return int(random.choice(apart))
        return int(random.choice(self._all[subject]))
