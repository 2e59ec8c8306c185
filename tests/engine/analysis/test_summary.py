"""Summaries, on rows whose answer can be counted by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
