"""Comparisons of runs whose pairs can be counted by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from fixtures.small_run import attacked, write_small_run
from turncoat.engine.analysis.compare import compare_runs
from turncoat.engine.analysis.rows import error_rows
from turncoat.engine.analysis.summary import summarise
from turncoat.kernels.errors import ConfigError, DataError

SHIFTS = (("nsd", 0.0), ("cssl", 40.0))
BEFORE, MISSED = "past the threshold before the attack", "iterations used up"


def rows_a() -> list[dict[str, Any]]:
    """Twelve frames: 0 to 5 fooled, 6 to 9 not, 10 past the threshold before, 11 unreadable."""
    rows = [attacked(k, error_final_mm=180.0 + k, error_initial_mm=20.0, error_gt_clean_mm=70.0) for k in range(6)]
    rows += [attacked(k, MISSED, error_final_mm=100.0 + k, error_gt_clean_mm=70.0) for k in range(6, 10)]
    rows.append(attacked(10, BEFORE, error_initial_mm=300.0, error_final_mm=300.0))
    unread = dict.fromkeys(("error_initial_mm", "error_final_mm", "psnr_db"))
    return [*rows, attacked(11, "unreadable input", **unread)]


def rows_b() -> list[dict[str, Any]]:
    """The same frames in another order, one of them missing, one more: 0 and 6 to 8 fooled, 9 past it before."""
    rows = [attacked(k, error_final_mm=190.0 + k, error_initial_mm=25.0, error_gt_clean_mm=60.0) for k in (0, 6, 7, 8)]
    rows += [attacked(k, MISSED, error_final_mm=90.0 + k, error_initial_mm=25.0, error_gt_clean_mm=60.0)
             for k in (1, 2, 3, 4)]  # fmt: skip
    rows.append(attacked(9, BEFORE, error_initial_mm=400.0, error_final_mm=400.0))
    rows.append(attacked(10, MISSED, error_initial_mm=25.0))
    rows.append(attacked(11, MISSED))
    return [attacked(99), *reversed(rows)]


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Any, Any]:
    return write_small_run(tmp_path / "a", rows_a(), "nsd"), write_small_run(tmp_path / "b", rows_b(), "cssl")


def test_pairs_are_samples_attacked_under_both(runs: tuple[Any, Any]) -> None:
    found = compare_runs(*runs)
    assert found.shared == 11, "sample 5 is not in B, 99 not in A"
    assert found.pairs == 8 and found.left_out == 3
    assert (found.a.past_before, found.b.past_before, found.a.failed, found.b.failed) == (1, 1, 1, 0)
    assert (found.a.name, found.b.name, found.a.samples, found.b.samples) == ("nsd", "cssl", 12, 12)
    assert (found.sequences, found.recordings) == (5, 5)


def test_success_is_counted_in_four_kinds_of_pairs(runs: tuple[Any, Any]) -> None:
    one = compare_runs(*runs).success
    assert (one.both, one.only_a, one.only_b, one.neither) == (1, 4, 3, 0)
    assert one.a.value == 5 / 8 and one.b.value == 4 / 8 and one.difference.value == pytest.approx(-1 / 8)
    assert one.difference.low < -1 / 8 < one.difference.high
    assert one.mcnemar_p == pytest.approx(binomtest(4, 7).pvalue)
    assert 0 < one.swap_p <= 1


def test_differences_are_b_minus_a_sample_by_sample(runs: tuple[Any, Any]) -> None:
    found = compare_runs(*runs)
    final = found.get("error_final_mm")
    assert final is not None and final.pairs == 8
    a = {k: 180 + k for k in range(6)} | {k: 100 + k for k in range(6, 10)}
    b = {k: 190 + k for k in (0, 6, 7, 8)} | {k: 90 + k for k in (1, 2, 3, 4)}
    assert final.difference.value == pytest.approx(sum(b[k] - a[k] for k in b) / 8)
    initial, truth = found.get("error_initial_mm"), found.get("error_gt_clean_mm")
    assert initial is not None and initial.difference == (5, 5, 5, "sequence")
    assert truth is not None and truth.difference.value == -10
    assert found.get("judge_error_mm") is None, "no judge looked at either"


def test_the_initial_error_of_all_counts_those_that_were_left_out(runs: tuple[Any, Any]) -> None:
    everyone = compare_runs(*runs).initial_of_all
    assert everyone.pairs == 10, "all shared frames but the unreadable one"
    assert everyone.a.value == pytest.approx((9 * 20 + 300) / 10)
    assert everyone.b.value == pytest.approx((9 * 25 + 400) / 10)


def test_turning_the_comparison_round_turns_its_signs(runs: tuple[Any, Any]) -> None:
    one, other = compare_runs(*runs), compare_runs(*reversed(runs))
    assert one.success.difference.value == -other.success.difference.value
    assert one.success.difference.low == pytest.approx(-other.success.difference.high, abs=1e-3)
    assert one.success.mcnemar_p == other.success.mcnemar_p
    a, b = one.get("error_final_mm"), other.get("error_final_mm")
    assert a is not None and b is not None and a.difference.value == -b.difference.value


def test_two_settings_of_one_run_can_be_compared(tmp_path: Path) -> None:
    rows = [attacked(k, MISSED, error_final_mm=90.0) for k in range(4)]
    rows += [attacked(k, setting="paper", error_final_mm=200.0) for k in range(4)]
    run = write_small_run(tmp_path / "run", rows, settings={"attacks": ["paper", "natural"]})
    found = compare_runs(run, run.folder, setting="paper", setting_b="natural")
    assert (found.a.setting, found.b.setting) == ("paper", "natural")
    assert found.success.difference.value == -1 and found.success.only_a == 4


def test_a_comparison_is_json(runs: tuple[Any, Any]) -> None:
    document = json.loads(json.dumps(compare_runs(*runs).facts(), allow_nan=False))
    assert document["success"]["only_b"] == 3 and document["differences"]["error_final_mm"]["unit"] == "mm"
    assert document["a"]["weights_hash"] == "nsd" and document["left_out"] == 3


@pytest.mark.parametrize(
    "change, words",
    [
        ({"settings": {"threshold_mm": 150.0}}, "threshold_mm 175.0 and .* with threshold_mm 150.0"),
        ({"settings": {"iterations": 200}}, "iterations 100 and .* with iterations 200"),
        ({"settings": {"objective": "mpjpe"}}, "objective"),
        ({"settings": {"attacks": ["paper"]}}, "has no setting 'natural'; it has paper"),
        ({"dataset": {"fingerprint": "studio-2"}}, "fingerprint studio-1 and .* studio-2"),
    ],
)
def test_attacks_that_were_not_alike_are_refused_in_a_sentence(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    a = write_small_run(tmp_path / "a", rows_a())
    b = write_small_run(tmp_path / "b", rows_b(), **change)
    with pytest.raises(ConfigError, match=words):
        compare_runs(a, b)


def test_runs_without_a_pair_are_refused_in_a_sentence(tmp_path: Path) -> None:
    a = write_small_run(tmp_path / "a", [attacked(1), attacked(2)])
    with pytest.raises(DataError, match="share no sample"):
        compare_runs(a, write_small_run(tmp_path / "b", [attacked(3)]))
    with pytest.raises(DataError, match="None of the 2 shared samples was attacked"):
        compare_runs(a, write_small_run(tmp_path / "c", [attacked(1, BEFORE), attacked(2, BEFORE)]))
    with pytest.raises(DataError, match="3 rows of 2 samples"):
        compare_runs(a, write_small_run(tmp_path / "d", [attacked(1), attacked(2), attacked(2, restart=1)]))
    with pytest.raises(DataError, match="not a run"):
        compare_runs(a, tmp_path)


def clipped(folder: Path, shift: float, name: str, clips: bool = True) -> Any:
    """24 frames of 12 sequences that play four clips; the clip decides the error, and who is fooled."""
    rows = []
    for k in range(24):
        clip, fooled = k // 6, k // 6 < 2 - shift / 40
        values = {"error_final_mm": (180.0 if fooled else 100.0) + 5 * clip * (1 + shift), "motion_id": f"clip-{clip}"}
        rows.append(attacked(k, "fooled" if fooled else MISSED, **values | ({} if clips else {"motion_id": None})))
    return write_small_run(folder, rows, name)


def test_sequences_that_play_one_clip_are_not_counted_as_independent(tmp_path: Path) -> None:
    one, other = (clipped(tmp_path / name, shift, name) for name, shift in SHIFTS)
    found = compare_runs(one, other)
    facts = found.facts()
    assert (found.sequences, found.recordings) == (12, 4)
    final, success = facts["differences"]["error_final_mm"], facts["success"]
    for interval in (final["a"], final["difference"], success["a"], success["difference"]):
        assert interval["clustered_by"] == "motion_id"
    assert success["swap_clustered_by"] == "motion_id" and success["swap_p"] == 1, "one clip differs of four"
    summary, row = summarise(one, "natural").facts(), error_rows(one, "natural", "everyday")[-1].facts()
    for interval in (summary["success"], summary["error_final_mm"], row["success"], row["beside"]["attack"]["success"]):
        assert interval["clustered_by"] == "motion_id"


def test_runs_that_name_no_clips_are_of_sequences(tmp_path: Path) -> None:
    named, unnamed = (
        compare_runs(*(clipped(tmp_path / f"{clips}-{name}", shift, name, clips) for name, shift in SHIFTS))
        for clips in (True, False)
    )
    assert unnamed.recordings == 0 and unnamed.success.swap_clustered_by == "sequence"
    wide, narrow = (found.success.difference for found in (named, unnamed))
    assert narrow.clustered_by == "sequence" and wide.high - wide.low > 1.2 * (narrow.high - narrow.low)
