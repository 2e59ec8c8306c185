"""Windows of time and pairs of people, on a dataset whose right answers are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data.samplers import InstantPairs, SubjectPairs, TemporalWindows


class Known:
    """Columns alone. Rows are shuffled, so that no order on disk helps a sampler."""

    folder = "known"

    def __init__(self, videos, cameras=2, step_s=0.4):
        """``videos``: (sequence, subject, action, group, instants) each; every one seen by `cameras` cameras."""
        table = [
            (sequence, subject, action, group, camera, i, i * step_s)
            for sequence, subject, action, group, instants in videos
            for camera in range(cameras)
            for i in range(instants)
        ]
        order = np.random.default_rng(0).permutation(len(table))
        names = ("sequence", "subject", "action", "group", "camera", "instant", "time_s")
        self.columns = {name: np.array([table[i][k] for i in order]) for k, name in enumerate(names)}
        self.columns["motion_id"] = np.full(len(table), "")
        self.columns["motion_time_s"] = np.full(len(table), np.nan)

    def column(self, name):
        return self.columns[name]

    @property
    def rows(self):
        return np.arange(len(self.columns["instant"]))


TWO = Known([("a", "S1", "walk", "everyday", 11), ("b", "S2", "walk", "everyday", 11), ("c", "S1", "flip", "acro", 4)])
SETTINGS = {"groups": 8, "aways": 2, "near_s": 0.4, "far_s": 2.0, "seed": 0}


def drawn(sampler, steps=50):
    return np.stack([sampler.batch(step) for step in range(steps)])


def test_a_window_is_one_camera_of_one_sequence_with_the_times_it_promises():
    rows = drawn(TemporalWindows(TWO, TWO.rows, **SETTINGS)).reshape(-1, 5)
    for name in ("sequence", "camera"):
        assert (TWO.column(name)[rows] == TWO.column(name)[rows[:, :1]]).all()
    apart = np.abs(TWO.column("time_s")[rows] - TWO.column("time_s")[rows[:, :1]])
    assert np.allclose(apart[:, 1], 0.4)  # the only near frames are one instant away
    assert (apart[:, 2] > 0.4 + 1e-6).all() and (apart[:, 2] < 2.0 - 1e-6).all()
    assert (apart[:, 3:] >= 2.0 - 1e-6).all()
    assert all(len(set(window.tolist())) == 5 for window in rows)  # 11 instants have 2 aways for every reference


def test_all_that_can_be_reference_near_and_away_is_drawn_at_the_ends_too():
    rows = drawn(TemporalWindows(TWO, TWO.rows, **SETTINGS), 400).reshape(-1, 5)
    instant = TWO.column("instant")[rows]
    pairs = set(zip(instant[:, 0].tolist(), instant[:, 1].tolist(), strict=True))
    # instant 5 has only 0 and 10 at least five instants away; the ends have a near frame on one side only
    assert pairs == {(i, j) for i in range(11) for j in (i - 1, i + 1) if 0 <= j < 11}
    first = instant[instant[:, 0] == 0]
    assert set(first[:, 2].tolist()) == {2, 3, 4} and set(first[:, 3:].ravel().tolist()) == {5, 6, 7, 8, 9, 10}


def test_sequences_too_short_for_a_window_are_left_out():
    rows = drawn(TemporalWindows(TWO, TWO.rows, **SETTINGS))
    assert set(TWO.column("sequence")[rows].ravel()) == {"a", "b"}


def test_aways_repeat_only_where_there_are_too_few():
    short = Known([("a", "S1", "walk", "everyday", 7)])
    rows = drawn(TemporalWindows(short, short.rows, **SETTINGS)).reshape(-1, 5)
    reference = short.column("instant")[rows[:, 0]]
    assert set(reference.tolist()) == {0, 1, 5, 6}  # the middle has nothing two seconds away
    assert (short.column("instant")[rows[reference == 0]][:, 3:].sum(1) == 11).all()  # five and six, each once
    assert (short.column("instant")[rows[reference == 1]][:, 3:] == 6).all()


def test_the_same_moment_of_a_looped_recording_is_no_away_frame():
    looped = Known([("a", "S1", "walk", "everyday", 11)])
    looped.columns["motion_id"] = np.full(len(looped.rows), "clip")
    looped.columns["motion_time_s"] = looped.columns["time_s"] % 2.4  # instants 0, 6; 1, 7; ... are the same moment
    rows = drawn(TemporalWindows(looped, looped.rows, **SETTINGS), 400).reshape(-1, 5)
    moment = looped.column("motion_time_s")[rows]
    assert (np.abs(moment[:, 3:] - moment[:, :1]) > 0.4 + 1e-6).all()
    unknown = drawn(TemporalWindows(TWO, TWO.rows, **SETTINGS), 400).reshape(-1, 5)
    assert {6} <= set(TWO.column("instant")[unknown[TWO.column("instant")[unknown[:, 0]] == 0]][:, 3:].ravel().tolist())


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"near_s": 2.0}, ConfigError, "near must end first"),
        ({"far_s": 60.0}, DataError, "the longest video spans 4 s"),
        ({"near_s": 0.1}, DataError, "set d_near_s and d_far_s"),
        ({"aways": 0}, ConfigError, "aways is 0"),
    ],
)
def test_windows_that_cannot_be_are_refused(changes, error, words):
    with pytest.raises(error, match=words):
        TemporalWindows(TWO, TWO.rows, **(SETTINGS | changes))


def test_a_dataset_without_times_is_refused():
    timeless = Known([("a", "S1", "walk", "everyday", 11)])
    timeless.columns["time_s"] = np.full(len(timeless.rows), np.nan)
    for make in (
        lambda: TemporalWindows(timeless, timeless.rows, **SETTINGS),
        lambda: InstantPairs(timeless, timeless.rows, 4, 0),
    ):
        with pytest.raises(DataError, match="does not say when its frames were taken"):
            make()


def test_a_pair_of_instants_is_one_video_twice():
    rows = drawn(InstantPairs(TWO, TWO.rows, 8, seed=0)).reshape(-1, 2)
    for name in ("sequence", "camera"):
        column = TWO.column(name)[rows]
        assert (column[:, 0] == column[:, 1]).all()
    assert (TWO.column("instant")[rows[:, 0]] != TWO.column("instant")[rows[:, 1]]).all()
    flips = (TWO.column("action")[rows[:, 0]] == "flip").mean()
    assert abs(flips - 0.5) < 0.1  # balanced over actions


PEOPLE = Known(
    [(f"{who}{n}", who, "walk", "everyday", 3) for who in ("S1", "S2", "S3") for n in range(3)]
    + [("c", "S1", "flip", "acro", 4)]
)


def test_a_group_of_people_is_two_videos_each_of_two_subjects():
    rows = drawn(SubjectPairs(PEOPLE, PEOPLE.rows, 8, seed=0)).reshape(-1, 2, 2, 2)  # person, video, instant
    sequence, camera, subject = (PEOPLE.column(name)[rows] for name in ("sequence", "camera", "subject"))
    assert (sequence[..., 0] == sequence[..., 1]).all() and (camera[..., 0] == camera[..., 1]).all()
    assert (PEOPLE.column("instant")[rows][..., 0] != PEOPLE.column("instant")[rows][..., 1]).all()
    assert (subject[:, :, 0, 0] == subject[:, :, 1, 0]).all() and (subject[:, 0] != subject[:, 1]).all()


def test_the_two_videos_of_a_person_are_different_sequences_by_any_camera():
    rows = drawn(SubjectPairs(PEOPLE, PEOPLE.rows, 8, seed=0)).reshape(-1, 2, 2, 2)
    sequence, camera = (PEOPLE.column(name)[rows][..., 0] for name in ("sequence", "camera"))
    assert (sequence[..., 0] != sequence[..., 1]).all()
    assert abs((camera[..., 0] == camera[..., 1]).mean() - 0.5) < 0.1  # of two cameras


def test_everybody_in_a_group_does_the_same_where_somebody_does():
    rows = drawn(SubjectPairs(PEOPLE, PEOPLE.rows, 8, seed=0)).reshape(-1, 4, 2)
    action = PEOPLE.column("action")[rows][..., 0]
    walks = action[:, 0] == "walk"
    assert (action[walks] == "walk").all() and walks.any()
    assert (action[~walks, 1:] == "walk").all() and (~walks).any()  # nobody flips twice, nobody else flips


def test_one_subject_alone_is_refused():
    alone = Known([("a", "S1", "walk", "everyday", 11)])
    with pytest.raises(DataError, match=r"one subject only \(S1\); drnet learns from telling people apart"):
        SubjectPairs(alone, alone.rows, 4, seed=0)


@given(seed=st.integers(0, 2**32), step=st.integers(0, 2**40))
def test_batches_depend_on_seed_and_step_only(seed, step):
    for make in (
        lambda rows: TemporalWindows(TWO, rows, **(SETTINGS | {"seed": seed})),
        lambda rows: InstantPairs(TWO, rows, 4, seed),
        lambda rows: SubjectPairs(TWO, rows, 4, seed),
    ):
        used = make(TWO.rows)
        used.batch(step + 1)
        np.testing.assert_array_equal(used.batch(step), make(TWO.rows[::-1]).batch(step))
