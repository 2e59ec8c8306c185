"""Paired statistics against scipy, against enumeration, and against what a null must give."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.stats import binomtest

from turncoat.engine.analysis.intervals import bootstrap_mean, bootstrap_mean_over_groups
from turncoat.engine.analysis.paired import mcnemar, paired_difference, paired_share_difference, swap_test


@given(some.integers(0, 400), some.integers(0, 400))
def test_mcnemar_is_the_exact_binomial_test(only_a: int, only_b: int) -> None:
    expected = binomtest(only_a, only_a + only_b, 0.5).pvalue if only_a + only_b else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_takes_counts_whose_powers_leave_floating_point() -> None:
    assert mcnemar(2000, 2000) == 1
    assert 0 < mcnemar(1900, 2100) == pytest.approx(binomtest(1900, 4000).pvalue, rel=1e-9)


def test_a_difference_is_of_pairs_and_cancels_what_both_share() -> None:
    random = np.random.default_rng(0)
    frames, clusters = random.normal(100, 50, 120), np.repeat(np.arange(30), 4)
    found = paired_difference(frames, frames + 3, clusters)
    assert found.value == pytest.approx(3) and found.low == pytest.approx(3) and found.high == pytest.approx(3)
    noisy = paired_difference(frames, frames + random.normal(3, 1, 120), clusters)
    assert noisy.low < 3.3 and noisy.high > 2.7 and noisy.high - noisy.low < 1


def test_pairs_without_a_value_on_one_side_are_left_out() -> None:
    a, b = np.array([1.0, np.nan, 3.0, 4.0]), np.array([2.0, 5.0, np.nan, 6.0])
    assert paired_difference(a, b, np.arange(4)).value == 1.5


def test_no_differing_pair_is_not_certainty() -> None:
    same = np.zeros(60, bool)
    found = paired_share_difference(same, same, np.repeat(np.arange(20), 3))
    assert found.value == 0 and -0.2 < found.low < -0.05 and found.high == -found.low
    one_sequence = paired_share_difference(same, ~same, np.zeros(60))
    assert one_sequence.value == 1 and one_sequence.low < 0.9 and one_sequence.high == 1


def test_the_interval_of_a_share_is_never_inside_the_bootstraps() -> None:
    random = np.random.default_rng(1)
    clusters = np.repeat(np.arange(12), 10)
    a = np.repeat(random.random(12) < 0.5, 10)
    b = np.repeat(random.random(12) < 0.5, 10)
    found, drawn = paired_share_difference(a, b, clusters), paired_difference(a, b, clusters)
    assert found.low <= drawn.low and found.high >= drawn.high
    assert math.isnan(paired_share_difference(np.zeros(0, bool), np.zeros(0, bool), np.zeros(0)).value)


def test_swapping_few_sequences_counts_every_way() -> None:
    sums = np.array([3.0, 1.0, -2.0, 4.0])
    differences, clusters = np.repeat(sums / 2, 2), np.repeat(np.arange(4), 2)
    ways = [abs(np.dot(signs, sums)) for signs in itertools.product((-1, 1), repeat=4)]
    assert swap_test(differences, clusters) == pytest.approx(np.mean(np.array(ways) >= abs(sums.sum()) - 1e-9))
    assert swap_test(np.zeros(8), clusters) == 1
    assert swap_test(np.ones(5), np.zeros(5)) == 1, "one sequence says nothing"


def test_under_the_null_p_is_small_as_often_as_it_says_though_frames_depend_on_each_other() -> None:
    """Ten frames a sequence that are alike: a test that takes them for independent would be wrong most of the time."""
    random = np.random.default_rng(2)
    clusters = np.repeat(np.arange(16), 10)
    swaps, frames = 0, 0
    for trial in range(200):
        a, b = (np.repeat(random.random(16) < 0.4, 10) for _ in range(2))
        swaps += swap_test(b.astype(float) - a, clusters, draws=400, seed=trial) < 0.05
        frames += mcnemar(int((a & ~b).sum()), int((b & ~a).sum())) < 0.05
    assert swaps / 200 < 0.09
    assert frames / 200 > 0.3


def test_a_mean_over_subjects_weighs_them_alike_and_draws_within_them() -> None:
    values = np.array([10.0] * 8 + [40.0] * 2)
    subjects, clusters = np.array(["a"] * 8 + ["b"] * 2), np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 5])
    found = bootstrap_mean_over_groups(values, clusters, subjects)
    assert found == (25, 25, 25, "sequence"), "subjects differ, but they are given and not drawn"
    drawn = bootstrap_mean(values, clusters)
    assert drawn.value == 16 and drawn.high - drawn.low > 10
    assert math.isnan(bootstrap_mean_over_groups(values, subjects, subjects).low), "one sequence a subject"
    assert math.isnan(bootstrap_mean_over_groups(np.full(3, np.nan), np.arange(3), np.zeros(3)).value)
