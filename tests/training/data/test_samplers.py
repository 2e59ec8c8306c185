"""Batches: what is in them, that they are balanced, and that only (seed, step) decides."""

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.tiny import write_tiny_dataset
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data import open_dataset
from turncoat.training.data.samplers import Uniform, ViewPairs, balanced_selection


@pytest.fixture(scope="module")
def ds(tiny_dataset):
    return open_dataset(tiny_dataset)


def test_a_group_is_two_instants_of_one_sequence_with_two_views_each(ds):
    sampler = ViewPairs(ds, ds.select(split="train"), groups=50, seed=1)
    for step in range(20):
        rows = sampler.batch(step).reshape(50, 2, 2)
        sequence, instant, camera = (ds.column(name)[rows] for name in ("sequence", "instant", "camera"))
        assert (sequence == sequence[:, :1, :1]).all()
        assert (instant[..., 0] == instant[..., 1]).all() and (instant[:, 0, 0] != instant[:, 1, 0]).all()
        assert (camera[..., 0] != camera[..., 1]).all()
        assert set(ds.column("split")[rows].ravel()) == {"train"}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), step=st.integers(0, 2**40))
def test_a_batch_depends_on_seed_and_step_only(ds, seed, step):
    rows = ds.select(split="train")
    used, fresh = ViewPairs(ds, rows, 4, seed), ViewPairs(ds, rows[::-1], 4, seed)
    used.batch(step + 1)
    np.testing.assert_array_equal(used.batch(step), fresh.batch(step))
    np.testing.assert_array_equal(Uniform(rows, 8, seed).batch(step), Uniform(rows, 8, seed).batch(step))


def test_other_seeds_and_steps_give_other_batches(ds):
    rows = ds.select(split="train")
    batches = [ViewPairs(ds, rows, 8, seed).batch(step).tolist() for seed in range(3) for step in range(3)]
    assert len(set(map(tuple, batches))) == 9


def test_view_pairs_are_balanced_over_actions_whatever_their_share(ds):
    walks, waves = ds.select(split="train", action="walk"), ds.select(split="train", action="wave", subject="S1")
    rows = np.concatenate([walks, waves])
    assert len(walks) == 2 * len(waves)
    drawn = np.concatenate([ViewPairs(ds, rows, 100, 0).batch(step) for step in range(20)])
    assert abs((ds.column("action")[drawn] == "walk").mean() - 0.5) < 0.03


def test_view_pairs_reach_every_frame_about_equally_often(ds):
    rows = ds.select(split="train", action="jump")
    drawn = np.concatenate([ViewPairs(ds, rows, 100, 0).batch(step) for step in range(60)])
    counts = np.bincount(drawn, minlength=len(ds))[rows]
    assert counts.min() > 0.8 * counts.mean() and counts.max() < 1.2 * counts.mean()


def test_instants_seen_by_one_camera_are_never_drawn(ds):
    rows = ds.select(split="train", subject="S1", action="walk")
    lonely = rows[(ds.column("instant")[rows] == 2) & (ds.column("camera")[rows] > 0)]
    drawn = np.concatenate([ViewPairs(ds, np.setdiff1d(rows, lonely), 50, 0).batch(step) for step in range(10)])
    assert 2 not in ds.column("instant")[drawn] and len(np.unique(drawn)) == 20


def test_frames_without_partners_are_one_sentence(ds):
    for criteria in ({"camera": 0}, {"split": "train", "action": "crawl"}):
        with pytest.raises(DataError, match="two instants seen by two cameras"):
            ViewPairs(ds, ds.select(**criteria), 4, 0)
    with pytest.raises(DataError, match="no frames to draw from"):
        Uniform(np.zeros(0, np.int64), 4, 0)
    with pytest.raises(ConfigError, match="batch size is 0"):
        Uniform(np.arange(4), 0, 0)
    with pytest.raises(ConfigError, match="number of groups is 0"):
        ViewPairs(ds, ds.select(split="train"), 0, 0)


def test_uniform_draws_from_its_rows_alone(ds):
    rows = ds.select(split="validation", camera=1)
    drawn = np.concatenate([Uniform(rows, 64, 5).batch(step) for step in range(40)])
    assert set(drawn) == set(rows)


def select(ds, per_subject=4, seed=0, **change):
    criteria = {"split": "held-out", "group": "everyday"} | change
    return balanced_selection(ds, per_subject=per_subject, seed=seed, **criteria)


def test_a_selection_is_balanced_over_subjects_and_actions(ds):
    rows = select(ds)
    pairs = list(zip(ds.column("subject")[rows], ds.column("action")[rows], strict=True))
    assert len(rows) == 8 and all(pairs.count(pair) == 2 for pair in set(pairs)) and len(set(pairs)) == 4
    assert set(ds.column("split")[rows]) == {"held-out"} and set(ds.column("group")[rows]) == {"everyday"}


@pytest.mark.parametrize("seed", range(5))
def test_chosen_frames_of_a_sequence_are_half_a_second_apart(ds, seed):
    rows = select(ds, seed=seed, group=None, per_subject=6)
    for sequence in np.unique(ds.column("sequence")[rows]):
        here = rows[ds.column("sequence")[rows] == sequence]
        for name in ("time_s", "motion_time_s"):
            assert (np.diff(np.sort(ds.column(name)[here])) >= 0.5 - 1e-9).all()


def test_a_smaller_selection_begins_a_larger_one(ds):
    np.testing.assert_array_equal(select(ds, 2), select(ds, 4)[:4])


def test_a_selection_follows_sample_ids_not_rows(ds, tmp_path):
    other = open_dataset(write_tiny_dataset(tmp_path / "other", size=16, shards=5))  # the same samples in another order
    ids, others = (set(d.column("sample_id")[select(d)]) for d in (ds, other))
    assert ids == others
    assert set(ds.column("sample_id")[select(ds, seed=1)]) != ids
    shutil.rmtree(tmp_path / "other")


def test_too_few_frames_are_counted(ds):
    with pytest.raises(DataError, match=r"expected 40 of each subject") as error:
        select(ds, 40)
    most = int(str(error.value).split("ask for ")[1].split(",")[0])
    assert f"S1: {most}" in str(error.value) or f"S2: {most}" in str(error.value)
    assert len(select(ds, most)) == 2 * most
    with pytest.raises(DataError, match="Found no frame"):
        select(ds, action="crawl")
    with pytest.raises(ConfigError, match="per subject is 0"):
        select(ds, 0)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_a_share_of_everyday_actions_is_kept_and_actions_within_a_group_are_balanced(ds, share):
    rows = ds.select(split="train")
    drawn = np.concatenate([ViewPairs(ds, rows, 100, 0, everyday=share).batch(step) for step in range(30)])
    action = ds.column("action")[drawn]
    assert abs((ds.column("group")[drawn] == "everyday").mean() - share) < 0.03
    assert abs((action == "walk").mean() - share / 2) < 0.03 and abs((action == "jump").mean() - (1 - share)) < 0.03


def test_a_share_without_the_other_group_changes_nothing_and_one_past_1_is_refused(ds):
    rows = ds.select(split="train", group="acrobatic")
    assert set(ds.column("action")[ViewPairs(ds, rows, 20, 0, everyday=0.7).batch(0)]) == {"jump"}
    with pytest.raises(ConfigError, match=r"share of everyday actions is 1.5; expected a number from 0 to 1"):
        ViewPairs(ds, rows, 20, 0, everyday=1.5)
