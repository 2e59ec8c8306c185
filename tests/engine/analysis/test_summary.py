"""Intervals and summaries, on rows whose answer can be counted by hand."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from turncoat.engine.analysis.intervals import bootstrap_mean, success_interval, wilson
from turncoat.engine.analysis.summary import (
    error_over_iterations,
    success_over_iterations,
    summaries,
    summarise,
    table_1,
)
from turncoat.engine.runs import Run, RunWriter


def row(sample: int, outcome: str, **values: Any) -> dict[str, Any]:
    return {
        "sample_id": f"sample-{sample}",
        "sequence": f"sequence-{sample // 2}",
        "subject": f"S{sample % 2 + 1}",
        "motion_id": "clip",
        "group": "everyday",
        "attack": "appearance",
        "setting": "paper",
        "outcome": outcome,
        "iterations": 10,
        "error_initial_mm": 20.0,
        "error_final_mm": 180.0,
        "error_curve_mm": np.array([20.0, 100.0, 180.0]),
        **values,
    }


@pytest.fixture
def run(tmp_path: Path) -> Run:
    writer = RunWriter.open(tmp_path / "run", {"settings": {}})
    writer.write(
        0,
        [
            row(0, "fooled", iterations=2, confirmed_first=True),
            row(1, "fooled", iterations=4, error_final_mm=200.0, confirmed_first=False),
            row(2, "iterations used up", error_final_mm=100.0, error_curve_mm=np.array([20.0, 60.0, 100.0])),
            row(3, "zero gradient", error_final_mm=20.0, error_curve_mm=np.array([20.0])),
            row(4, "past the threshold before the attack", error_initial_mm=300.0, error_final_mm=300.0, iterations=0),
            row(5, "not finite", error_initial_mm=None, error_final_mm=None, error_curve_mm=None),
            row(6, "unreadable input", error_initial_mm=None, error_final_mm=None, error_curve_mm=None),
            row(0, "below the threshold", attack="control", control="random direction", draws=1, draws_mean_mm=7.0,
                error_final_mm=7.0, error_curve_mm=None),
        ],
    )  # fmt: skip
    return writer.finish()


def test_success_is_of_the_frames_that_were_really_attacked(run: Run) -> None:
    one = summarise(run, "paper")
    assert (one.frames, one.attacked, one.failed) == (7, 4, 2)
    assert one.success.value == 0.5
    assert one.past_before == pytest.approx(1 / 5)
    assert one.error_initial_all_mm == pytest.approx((4 * 20 + 300) / 5), "the frame that was past it before counts"
    assert (one.sequences, one.recordings) == (2, 1)
    assert one.error_initial_mm.value == 20 and one.error_final_mm.value == pytest.approx((180 + 200 + 100 + 20) / 4)
    assert one.iterations is not None and one.iterations[1] == 3
    assert one.confirmed_first == 0.5
    assert one.outcomes["unreadable input"] == 1


def test_what_the_judge_sees_is_averaged_over_the_attacked_frames(tmp_path: Path) -> None:
    writer = RunWriter.open(tmp_path / "run", {"settings": {}})
    writer.write(
        0,
        [
            row(0, "fooled", judge_error_initial_mm=4.0, judge_error_mm=10.0),
            row(1, "iterations used up", judge_error_initial_mm=8.0, judge_error_mm=30.0),
            row(2, "past the threshold before the attack", judge_error_initial_mm=99.0, judge_error_mm=99.0),
        ],
    )
    one = summarise(writer.finish(), "paper")
    assert (one.judge_error_initial_mm, one.judge_error_mm) == (6, 20)
    assert one.facts()["judge_error_mm"] == 20


def test_without_a_judge_its_errors_are_none_and_not_nan(run: Run) -> None:
    assert summarise(run, "paper").judge_error_mm is None


def test_controls_are_summed_up_beside_the_attacks(run: Run) -> None:
    found = summaries(run)
    assert [(one.attack, one.control) for one in found] == [("appearance", None), ("control", "random direction")]
    assert found[1].error_final_mm.value == 7 and found[1].success.value == 0
    assert summaries(run, group="acrobatic") == []


def test_table_1_averages_subjects_not_frames(run: Run) -> None:
    table = table_1(run, "paper")
    assert [(line.subject, line.frames, line.error_final_mm) for line in table] == [
        ("S1", 2, 140.0),
        ("S2", 2, 110.0),
        ("average", 4, 125.0),
    ]


def test_curves_hold_their_last_error_and_leave_out_what_was_not_attacked(run: Run) -> None:
    rows = run.rows(setting="paper", control=None)
    quantiles = error_over_iterations(rows)
    assert quantiles.shape == (3, 3)
    assert quantiles[1, 0] == 20
    assert quantiles[1, 2] == pytest.approx(np.median([180, 180, 100, 20]))
    np.testing.assert_allclose(success_over_iterations(rows, 5), [0, 0, 0.25, 0.25, 0.5, 0.5])
    np.testing.assert_allclose(success_over_iterations(rows, 3), [0, 0, 0.25, 0.25])


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
    assert (one.value, one.low, one.high) == (0.4, *wilson(0.4, 1)[1:])
    assert one.low < 0.05 and one.high > 0.85
