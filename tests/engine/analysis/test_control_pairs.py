"""Controls beside a comparison, on runs whose pairs can be counted by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.small_run import attacked, control, write_small_run
from turncoat.engine.analysis.compare import Comparison, compare_runs
from turncoat.engine.report.differences import controls_table
from turncoat.engine.report.plain import rich_table

MISSED, BEFORE = "iterations used up", "past the threshold before the attack"
OTHERS = "other subjects"


def rows_a() -> list[dict[str, Any]]:
    """Ten frames, 0 to 3 fooled; sample 9 past the threshold before. Others' codes move k by 50 + k."""
    rows = [attacked(k, error_verified_mm=200.0 + k) for k in range(4)]
    rows += [attacked(k, MISSED, error_verified_mm=100.0 + k) for k in range(4, 9)]
    rows.append(attacked(9, BEFORE, error_verified_mm=300.0))
    rows += [control(k, OTHERS, error_verified_mm=50.0 + k) for k in range(10)]
    return rows + [control(k, "random direction", "natural", error_verified_mm=30.0) for k in range(10)]


def rows_b() -> list[dict[str, Any]]:
    """In another order: all missed by 40 mm less; others' codes move each by 80 + k, and 0 and 1 past the threshold."""
    rows = [attacked(k, MISSED, error_verified_mm=60.0 + k) for k in range(10)]
    rows += [control(k, OTHERS, error_verified_mm=80.0 + k) for k in range(2, 10)]
    rows += [control(k, OTHERS, outcome="fooled", error_verified_mm=180.0) for k in range(2)]
    rows += [control(k, "random direction", "natural", error_verified_mm=25.0) for k in range(10)]
    rows += [control(k, "random direction", "paper", error_verified_mm=999.0) for k in range(10)]
    rows += [control(k, "same subject", error_verified_mm=10.0) for k in range(10)]
    return rows[::-1]


@pytest.fixture
def found(tmp_path: Path) -> Comparison:
    return compare_runs(
        write_small_run(tmp_path / "a", rows_a(), "nsd"), write_small_run(tmp_path / "b", rows_b(), "cssl")
    )


def test_attack_and_controls_of_both_are_paired_over_the_attacks_own_pairs(found: Comparison) -> None:
    assert [one.name for one in found.beside] == ["attack", OTHERS, "random direction"], "B alone has `same subject`"
    assert found.pairs == 9 and {one.pairs for one in found.beside} == {9}, "sample 9 was past the threshold before"
    attack, others, direction = found.beside
    a, b = [200 + k if k < 4 else 100 + k for k in range(9)], [60 + k for k in range(9)]
    assert attack.difference.value == pytest.approx(sum(b) / 9 - sum(a) / 9) and attack.beyond is None
    assert others.a.value == pytest.approx(54)
    assert others.b.value == pytest.approx((2 * 180 + sum(80 + k for k in range(2, 9))) / 9)
    assert (direction.a.value, direction.b.value) == (30, 25), "of this setting, not of `paper`"
    assert direction.difference.value == pytest.approx(-5) and direction.difference.low == pytest.approx(-5)


def test_beyond_is_the_difference_of_what_the_attack_adds(found: Comparison) -> None:
    attack, others, direction = found.beside
    for one in (others, direction):
        assert one.beyond is not None
        assert one.beyond.value == pytest.approx(attack.difference.value - one.difference.value)
    assert direction.beyond_a is not None and direction.beyond_b is not None
    assert direction.beyond_a.value == pytest.approx(attack.a.value - 30)
    assert direction.beyond_b.value == pytest.approx(attack.b.value - 25)


def test_shares_past_the_threshold_stand_beside_the_attacks(found: Comparison) -> None:
    attack, others, _ = found.beside
    assert (attack.success_a.value, attack.success_b.value) == (pytest.approx(4 / 9), 0)
    assert (others.success_a.value, others.success_b.value) == (0, pytest.approx(2 / 9))
    assert others.success_difference.value == pytest.approx(2 / 9)
    assert found.success.difference.value == attack.success_difference.value


def test_a_control_that_came_to_no_result_is_no_pair(tmp_path: Path) -> None:
    rows = [row for row in rows_b() if not (row.get("control") == OTHERS and row["sample_id"] == "sample-005")]
    rows.append(control(5, OTHERS, "codes", "not finite", error_verified_mm=None))
    found = compare_runs(write_small_run(tmp_path / "a", rows_a()), write_small_run(tmp_path / "b", rows, "cssl"))
    assert {one.name: one.pairs for one in found.beside} == {"attack": 9, OTHERS: 8, "random direction": 9}


def test_runs_without_controls_in_common_have_none_beside(tmp_path: Path) -> None:
    a = write_small_run(tmp_path / "a", [row for row in rows_a() if row["attack"] != "control"])
    found = compare_runs(a, write_small_run(tmp_path / "b", rows_b(), "cssl"))
    assert found.beside == () and controls_table(found) is None and found.facts()["beside"] == {}


def test_two_settings_take_their_own_controls(tmp_path: Path) -> None:
    rows = rows_b() + [attacked(k, MISSED, setting="paper", error_verified_mm=90.0) for k in range(10)]
    run = write_small_run(tmp_path / "run", rows, settings={"attacks": ["paper", "natural"]})
    found = {one.name: one for one in compare_runs(run, run, setting="natural", setting_b="paper").beside}
    assert (found["random direction"].a.value, found["random direction"].b.value) == (25, 999)
    assert found[OTHERS].difference.value == 0


def test_the_table_and_the_document_say_it(found: Comparison) -> None:
    table = controls_table(found)
    assert table is not None and rich_table(table).row_count == 2 + 3 + 3
    text = " ".join([*table.table.columns, *(row.name for row in table.table.rows)])
    for words in ("B − A", "attack beyond it", "strongest of other subjects' codes", "random direction, as long"):
        assert words in text
    document = json.loads(json.dumps(found.facts(), allow_nan=False))["beside"]
    assert document["attack"]["beyond"] is None
    assert document[OTHERS]["beyond"]["value"] == pytest.approx(found.beside[1].beyond.value)  # type: ignore[union-attr]
