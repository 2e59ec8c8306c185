"""Exchanged recordings stay whole, drawn frames are never drawn twice, and intervals cover."""

import numpy as np
import pytest

from turncoat.engine.analysis.codes.draws import (
    distinct_frames,
    drawn_intervals,
    null_interval,
    partner_sequences,
    shuffled_labels,
    shuffled_sequences,
)
from turncoat.engine.analysis.intervals import Clusters

SEQUENCE = np.repeat([f"s{number}" for number in range(8)], 6)


def test_recordings_are_exchanged_whole():
    partner = shuffled_sequences(SEQUENCE, np.random.default_rng(0))
    assert sorted(partner) == list(range(48)), "every frame is one frame's partner"
    pairs = {(own, other) for own, other in zip(SEQUENCE, SEQUENCE[partner], strict=True)}
    assert len(pairs) == 8, "frames of one recording have partners of one recording"
    assert not np.array_equal(partner, np.arange(48))


def test_recordings_of_different_length_and_mixed_order_are_exchanged_too():
    random = np.random.default_rng(1)
    labels = random.permutation(np.repeat(["a", "b", "c", "d"], [3, 9, 5, 7]))
    partner = shuffled_sequences(labels, random)
    assert sorted(partner) == list(range(24))


def test_a_recording_gets_frames_of_one_other_recording_whatever_their_lengths():
    random = np.random.default_rng(5)
    labels = random.permutation(np.repeat(["a", "b", "c", "d"], [3, 9, 5, 7]))
    for _ in range(20):
        partner = partner_sequences(labels, random)
        given = {own: set(labels[partner[labels == own]].tolist()) for own in "abcd"}
        assert sorted(name for names in given.values() for name in names) == list("abcd")
        assert all((np.diff(partner[labels == own]) >= 0).all() for own in "abcd"), "in order"


def test_labels_are_exchanged_by_recording():
    labels = np.repeat(np.array(["x", "y"]), 24)
    moved = shuffled_labels(labels, SEQUENCE, np.random.default_rng(4))
    assert (moved == "x").sum() == 24
    assert all(len(set(moved[name == SEQUENCE])) == 1 for name in np.unique(SEQUENCE))


def test_drawn_frames_are_distinct_and_about_as_many_as_asked_for():
    labels, random = np.repeat(np.arange(8), 50), np.random.default_rng(0)
    for _ in range(30):
        drawn = distinct_frames(labels, 100, random)
        assert len(set(drawn)) == len(drawn) and 90 <= len(drawn) <= 110
        assert len(set(labels[drawn])) < 8 or len(drawn) == 100


def test_an_interval_of_a_mean_is_as_wide_as_that_of_the_recordings_means():
    random = np.random.default_rng(2)
    means = random.normal(size=20)
    pool = np.repeat(means, 30) + 0.01 * random.normal(size=600)
    clusters = Clusters({"sequence": np.repeat(np.arange(20), 30)})
    (found,) = drawn_intervals(
        np.array([pool.mean()]), lambda some: np.array([pool[some].mean()]), clusters, 200, draws=400, seed=0
    )
    assert found.clustered_by == "sequence" and found.low < found.value < found.high
    assert found.high - found.low == pytest.approx(2 * 2.09 * means.std(ddof=1) / np.sqrt(20), rel=0.2)


def test_two_recordings_have_no_interval():
    clusters = Clusters({"sequence": np.repeat([0, 1], 5)})
    (found,) = drawn_intervals(np.array([1.0]), lambda some: np.array([1.0]), clusters, 5, draws=20, seed=0)
    assert not found.known and found.clustered_by is None


def test_a_null_of_few_is_its_range():
    assert null_interval(np.array([1.0, 2.0, 6.0]))[:3] == (3.0, 1.0, 6.0)
