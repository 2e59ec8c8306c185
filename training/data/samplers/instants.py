"""Several instants of one video: what monocular methods learn from."""

from __future__ import annotations

import numpy as np

from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data.dataset import Dataset
from turncoat.training.data.samplers.common import ActionBalance, Videos, positive, random_of, two_different, videos_of

_SLACK_S = 1e-6  # times are sums of floating steps; .4 is to count as within .4


class InstantPairs:
    """Groups of two frames, ``[t, u]``: two different instants of one sequence, seen by one camera.

    A group draws an action, then a video of it, then the instants, uniformly each time.
    """

    def __init__(self, dataset: Dataset, rows: np.ndarray, groups: int, seed: int, everyday: float | None = None):
        """``rows`` int64: frames to draw from. DataError when no video has two instants, or times are unknown."""
        self.groups, self.seed = positive("the number of groups", groups), seed
        videos = timed_videos(dataset, rows)
        self._videos = videos.only(videos.length >= 2)
        if not len(self._videos.first):
            raise DataError(
                f"None of the {len(rows)} selected frames is in a video with two instants, which pairs of instants "
                "need; widen the selection, or use a dataset of sequences."
            )
        self._balance = ActionBalance(self._videos.action, self._videos.group, everyday)

    def batch(self, step: int) -> np.ndarray:
        """Rows int64 (2 * groups,), pair after pair."""
        random = random_of(self.seed, step)
        video = self._balance.draw(random, self.groups)
        place = self._videos.first[video, None] + two_different(random, self._videos.length[video])
        return self._videos.rows[place.reshape(-1)]


class TemporalWindows:
    """Groups of ``[reference, near, middle, away ...]``, instants of one sequence seen by one camera.

    With d the time to the reference: near 0 < d <= near_s, middle near_s < d < far_s, away d >= far_s. References are
    the frames that have at least one of each, wherever in the sequence they lie, so its ends are treated like the rest:
    near and away frames may lie on either side. Aways are different frames as far as there are enough; frames that show
    the reference's moment of a looped recording again (within near_s of its time, where the motion is known) are none.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: np.ndarray,
        groups: int,
        aways: int,
        near_s: float,
        far_s: float,
        seed: int,
        everyday: float | None = None,
    ):
        """``rows`` int64: frames to draw from; times in seconds. ConfigError unless near_s < far_s; DataError when
        times are unknown or no frame can be a reference."""
        self.groups, self.aways, self.seed = positive("the number of groups", groups), positive("aways", aways), seed
        if not near_s < far_s:
            raise ConfigError(
                f"near frames reach to {near_s:g} s, away frames begin at {far_s:g} s; near must end first."
            )
        self.near_s, self.far_s = near_s, far_s
        videos = timed_videos(dataset, rows)
        self._motion = _motions(dataset, videos.rows)
        self._references = [_references(self._kinds(videos, v)) for v in range(len(videos.first))]
        keep = np.array([len(places) > 0 for places in self._references], dtype=bool)
        if not keep.any():
            longest = max((float(np.ptp(_times(videos, v))) for v in range(len(videos.first))), default=0.0)
            raise DataError(
                f"No selected frame has a near frame within {near_s:g} s, one further, and one at least {far_s:g} s "
                f"away (the longest video spans {longest:g} s); set d_near_s and d_far_s to the dataset's frame rate."
            )
        self._references = [places for places in self._references if len(places)]
        self._videos = videos.only(keep)
        self._balance = ActionBalance(self._videos.action, self._videos.group, everyday)

    def batch(self, step: int) -> np.ndarray:
        """Rows int64 ((3 + aways) * groups,), window after window."""
        random = random_of(self.seed, step)
        windows = [self._window(random, video) for video in self._balance.draw(random, self.groups).tolist()]
        return self._videos.rows[np.concatenate(windows)]

    def _window(self, random: np.random.Generator, video: int) -> np.ndarray:
        """Places in `rows` of one window."""
        first = int(self._videos.first[video])
        reference = random.choice(self._references[video])
        near, middle, away = (np.flatnonzero(kind[reference]) for kind in self._kinds(self._videos, video))
        aways = random.choice(away, size=self.aways, replace=len(away) < self.aways)
        return first + np.array([reference, random.choice(near), random.choice(middle), *aways])

    def _kinds(self, videos: Videos, video: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which frames are near, middle and away for each reference: bool (T, T) each."""
        first, length = int(videos.first[video]), int(videos.length[video])
        time_s = videos.time_s[first : first + length]
        name, moment = (column[first : first + length] for column in self._motion)
        apart = np.abs(time_s[:, None] - time_s)
        near = (apart > _SLACK_S) & (apart <= self.near_s + _SLACK_S)
        away = apart >= self.far_s - _SLACK_S
        same = (name[:, None] == name) & (name != "") & (np.abs(moment[:, None] - moment) <= self.near_s + _SLACK_S)
        return near, (apart > self.near_s + _SLACK_S) & ~away, away & ~same


def _motions(dataset: Dataset, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which recording each frame plays ("" where unknown), and its second in it."""
    name, moment = dataset.column("motion_id")[rows], dataset.column("motion_time_s")[rows]
    return np.where(np.isfinite(moment), name, ""), moment


def timed_videos(dataset: Dataset, rows: np.ndarray) -> Videos:
    """The videos that ``rows`` are of; DataError when the dataset does not know its frames' times."""
    if not len(rows):
        raise DataError("There are no frames to draw from; widen the selection of split, group or action.")
    if not np.isfinite(dataset.column("time_s")[rows]).all():
        raise DataError(
            f"{dataset.folder} does not say when its frames were taken (column time_s), which methods that learn from "
            "time need; add the times, or train a method that needs several cameras (nsd)."
        )
    return videos_of(dataset, rows)


def _times(videos: Videos, video: int) -> np.ndarray:
    first = int(videos.first[video])
    return videos.time_s[first : first + int(videos.length[video])]


def _references(kinds: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Places, within a video, of the frames that have a near, a middle and an away frame."""
    return np.flatnonzero(np.logical_and.reduce([kind.any(axis=1) for kind in kinds]))
