"""Intervals: published bounds, planted truths that they must cover, and frames that are not independent."""

import math
import time
from collections.abc import Callable

import numpy as np
import pytest

from turncoat.kernels.intervals import (
    Clusters,
    Interval,
    bootstrap_mean,
    bootstrap_mean_over_groups,
    clusters_of,
    success_interval,
    wider,
    wilson,
)

Estimate = Callable[[np.ndarray, Clusters | np.ndarray], Interval]


def filmed(clips: int, each: int, frames: int) -> tuple[np.ndarray, np.ndarray, Clusters]:
    """Clip and sequence (N,) of every frame, where `each` sequences of `frames` frames play a clip; and both."""
    clip, sequence = np.repeat(np.arange(clips), each * frames), np.repeat(np.arange(clips * each), frames)
    return clip, sequence, clusters_of({"sequence": sequence.astype(str), "motion_id": clip.astype(str)})


def covered(estimate: Estimate, draw: Callable[[np.random.Generator], np.ndarray], by: Clusters | np.ndarray) -> float:
    """How often an interval of values with mean 0 holds 0."""
    random, hits = np.random.default_rng(1), 0
    for _ in range(200):
        found = estimate(draw(random), by)
        hits += found.low <= 0 <= found.high
    return hits / 200


def quick(values: np.ndarray, by: Clusters | np.ndarray) -> Interval:
    return bootstrap_mean(values, by, draws=400)


@pytest.mark.parametrize(
    "successes, count, low, high", [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)]
)
def test_wilson_gives_the_published_bounds(successes: int, count: int, low: float, high: float) -> None:
    """Newcombe 1998, table I, method 3 (0 and 5 of 10; 10 of 10 mirrors 0)."""
    interval = wilson(successes, count)
    assert interval.value == successes / count
    assert interval.low == pytest.approx(low, abs=1e-4) and interval.high == pytest.approx(high, abs=1e-4)


def test_the_bootstrap_draws_whole_sequences() -> None:
    """Twenty frames that all agree within their sequence tell no more than four frames of four sequences."""
    random = np.random.default_rng(0)
    sequences = np.repeat(np.arange(40), 5)
    values = np.repeat(random.standard_normal(40), 5)
    clustered, naive = bootstrap_mean(values, sequences), bootstrap_mean(values, np.arange(200))
    assert clustered.value == naive.value == pytest.approx(values.mean())
    ratio = (clustered.high - clustered.low) / (naive.high - naive.low)
    assert ratio == pytest.approx(math.sqrt(5), rel=0.15)


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    hits = 0
    for trial in range(200):
        clusters = np.repeat(np.arange(30), 4)
        values = np.repeat(random.standard_normal(30), 4) + random.standard_normal(120)
        interval = bootstrap_mean(values, clusters, draws=400, seed=trial)
        hits += interval.low <= 0 <= interval.high
    assert 0.88 <= hits / 200 <= 0.985


def test_a_rate_of_zero_or_one_still_has_an_interval() -> None:
    none = success_interval(np.zeros(60, bool), np.repeat(np.arange(20), 3))
    assert none.value == 0 and none.low == 0 and 0.1 < none.high < 0.2  # of 20 sequences, not of 60 frames
    assert math.isnan(success_interval(np.zeros(0, bool), np.zeros(0)).value)


def test_one_success_in_a_hundred_does_not_rule_out_ten() -> None:
    """Of 30 sequences, one frame fooled: the bootstrap alone would end near 3 %."""
    sequences, fooled = np.arange(100) % 30, np.arange(100) == 7
    alone, both = bootstrap_mean(fooled, sequences), success_interval(fooled, sequences)
    assert alone.high < 0.04
    assert both.value == 0.01 and both.low == 0 and both.high == pytest.approx(wilson(0.3, 30).high) and both.high > 0.1
    mirrored = success_interval(~fooled, sequences)
    assert mirrored.high == 1 and mirrored.low == pytest.approx(1 - both.high)


def test_where_sequences_differ_much_the_bootstrap_is_the_wider_one() -> None:
    sequences = np.repeat(np.arange(12), [89, *[1] * 11])
    fooled = sequences == 0
    interval = success_interval(fooled, sequences)
    assert interval.low == bootstrap_mean(fooled, sequences).low < wilson(0.89 * 12, 12).low


def test_one_sequence_counts_as_one_observation() -> None:
    one = success_interval(np.arange(10) < 4, np.zeros(10))
    assert one[:3] == wilson(0.4, 1)[:3]
    assert one.low < 0.05 and one.high > 0.85


def test_where_clips_decide_drawing_sequences_alone_is_wrong_and_the_wider_one_is_right() -> None:
    """Twelve clips, three sequences each, that move a prediction by what the clip is, whoever plays it."""
    clip, sequence, both = filmed(12, 3, 4)

    def draw(random: np.random.Generator) -> np.ndarray:
        return random.standard_normal(12)[clip] + 0.3 * random.standard_normal(len(clip))

    assert covered(quick, draw, sequence) < 0.82
    assert 0.91 <= covered(quick, draw, both) <= 0.99
    found = quick(draw(np.random.default_rng(0)), both)
    assert found.clustered_by == "motion_id"
    assert found[:3] == pytest.approx(quick(draw(np.random.default_rng(0)), clip)[:3], abs=0.05)


def test_where_sequences_decide_the_interval_is_theirs() -> None:
    clip, sequence, both = filmed(12, 3, 4)
    random, names = np.random.default_rng(2), []
    for _ in range(40):
        values = random.standard_normal(36)[sequence]
        values -= (np.bincount(clip, values) / np.bincount(clip))[clip]  # clips do not differ at all
        names.append(quick(values, both).clustered_by)
    assert set(names) == {"sequence"}


@pytest.mark.parametrize("clusters", [3, 5, 12])
def test_few_clusters_are_covered_as_often_as_many(clusters: int) -> None:
    """Percentiles alone would hold the truth 76, 82 and 90 % of the time."""
    of = np.repeat(np.arange(clusters), 4)
    found = covered(quick, lambda random: random.standard_normal(clusters)[of] + random.standard_normal(len(of)), of)
    assert 0.9 <= found <= 0.99


def test_a_share_is_covered_where_clips_decide_it() -> None:
    clip, sequence, both = filmed(12, 3, 4)
    random, hits, alone = np.random.default_rng(3), 0, 0
    for _ in range(200):
        fooled = random.random(len(clip)) < (random.random(12) < 0.3)[clip] * 0.9 + 0.05
        for by, count in ((both, 1), (sequence, 0)):
            found = success_interval(fooled, by, draws=400)
            held = found.low <= 0.3 * 0.9 + 0.05 <= found.high
            hits, alone = hits + held * count, alone + held * (1 - count)
    assert alone / 200 < 0.85 and hits / 200 > 0.92


def test_clips_that_nobody_named_leave_the_sequences() -> None:
    random = np.random.default_rng(4)
    values, sequence = random.standard_normal(60), np.repeat(np.arange(20), 3).astype(str)
    alone = bootstrap_mean(values, sequence)
    for unknown in (np.full(60, None), np.full(60, ""), np.full(60, np.nan)):
        columns = {"sequence": sequence, "motion_id": unknown}
        assert bootstrap_mean(values, clusters_of(columns)) == alone and alone.clustered_by == "sequence"
        assert clusters_of(columns).counts() == {"sequence": 20}
    assert bootstrap_mean(values, clusters_of({"sequence": sequence})) == alone


def test_a_frame_without_a_clip_counts_as_its_sequences_own() -> None:
    columns = {"sequence": np.array(list("aabbcc")), "motion_id": np.array(["b", "b", "b", "b", None, None], object)}
    assert clusters_of(columns).counts() == {"sequence": 3, "motion_id": 2}, "sequence b is not clip b"
    assert clusters_of(columns)[np.array([0, 4])].counts() == {"sequence": 2, "motion_id": 2}


def test_too_few_clusters_have_no_interval_rather_than_a_narrow_one() -> None:
    values = np.array([1.0, 1.0, 1.0, 5.0, 5.0, 5.0])
    two = bootstrap_mean(values, np.array([0, 0, 0, 1, 1, 1]))
    assert two.value == 3 and not two.known and two.clustered_by is None
    assert bootstrap_mean(np.ones(6), np.zeros(6)).facts() == {"value": 1, "low": None, "high": None} | {
        "clustered_by": None
    }
    six_sequences_of_two_clips = clusters_of({"sequence": np.arange(6), "motion_id": np.array(list("xxxyyy"))})
    assert not bootstrap_mean(values, six_sequences_of_two_clips).known, "who plays two clips has shown two things"
    share, alone = (
        success_interval(values > 3, by) for by in (six_sequences_of_two_clips, np.array([0, 0, 0, 1, 1, 1]))
    )
    assert alone[:3] == wilson(1, 2)[:3] and share.low <= alone.low and share.high >= alone.high
    assert math.isnan(bootstrap_mean(np.full(3, np.nan), np.arange(3)).value)


def test_a_mean_over_subjects_knows_that_they_play_the_same_clips() -> None:
    """Five subjects, twelve clips each plays once, all told by the clip: twelve answers, not sixty."""
    random = np.random.default_rng(5)
    clip, subject = np.tile(np.arange(12), 5), np.repeat(np.arange(5), 12)
    values = random.standard_normal(12)[clip] + 10 * subject
    sequence = np.arange(60)
    alone = bootstrap_mean_over_groups(values, sequence, subject)
    both = bootstrap_mean_over_groups(values, Clusters({"sequence": sequence, "motion_id": clip}), subject)
    assert both.value == pytest.approx(alone.value) and both.clustered_by == "motion_id"
    expected = 2 * 2.2 * values[:12].std(ddof=1) / math.sqrt(12)  # Student's t of 11 degrees of freedom
    assert both.high - both.low == pytest.approx(expected, rel=0.12)
    assert (both.high - both.low) / (alone.high - alone.low) == pytest.approx(math.sqrt(5), rel=0.2)


def test_a_ratio_is_of_sums_and_drawn_together() -> None:
    random = np.random.default_rng(6)
    below, clusters = random.uniform(50, 150, 90), np.repeat(np.arange(30), 3)
    found = bootstrap_mean(0.4 * below, clusters, over=below)
    assert found[:3] == pytest.approx((0.4, 0.4, 0.4)), "numerator and denominator move together"
    noisy = 0.4 * below + random.normal(0, 5, 90)
    assert bootstrap_mean(noisy, clusters, over=below).value == pytest.approx(noisy.sum() / below.sum())


def test_what_is_never_negative_has_no_negative_bound() -> None:
    values, clusters = np.repeat([0.0, 0.0, 9.0], 4), np.repeat(np.arange(3), 4)
    assert bootstrap_mean(values, clusters).low == 0 and bootstrap_mean(values - 3, clusters).low < -3


def test_the_wider_of_two_is_the_first_of_equals_and_an_unknown_one() -> None:
    one, same, none = Interval(1, 0, 2, "sequence"), Interval(1, 0, 2, "motion_id"), Interval(1, math.nan, math.nan)
    assert wider([one, same]) is one and wider([one, none]) is none and wider([none, one]) is none
    assert wider([one, Interval(1, 0.5, 3, "motion_id")]).clustered_by == "motion_id"


def test_thousands_of_frames_take_less_than_a_second() -> None:
    random = np.random.default_rng(7)
    clusters = clusters_of({"sequence": np.arange(5000), "motion_id": random.integers(2000, size=5000)})
    values = random.standard_normal(5000)
    bootstrap_mean(values[:10], np.arange(10))
    start = time.process_time()
    bootstrap_mean(values, clusters, draws=2000)
    assert time.process_time() - start < 1
