"""Budget curves of runs whose areas can be computed by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.small_run import attacked, control, write_small_run
from turncoat.engine.analysis.budgets import BUDGETS, budget_of, curve_settings
from turncoat.engine.analysis.curve_differences import compare_curves
from turncoat.engine.analysis.curves import area, budget_curves
from turncoat.engine.runs import Run
from turncoat.kernels.errors import ConfigError, DataError

AT = (1.0, 2.0, 4.0, 8.0)
SETTINGS = tuple(f"budget-{budget:g}" for budget in AT)
INITIAL, THRESHOLD = 20.0, 175.0
MISSED, BEFORE = "iterations used up", "past the threshold before the attack"

Error = Callable[[int, float], float]


def rows_of(frames: int, error: Error, random: Error | None = None, initial: float = INITIAL) -> list[dict[str, Any]]:
    """Every frame at every budget; of the attack, and of a random direction as long if it has an error."""
    found = []
    for sample in range(frames):
        for setting, budget in zip(SETTINGS, AT, strict=True):
            moved = error(sample, budget)
            outcome = "fooled" if moved > THRESHOLD else MISSED
            found.append(attacked(sample, outcome, setting=setting, budget=budget, error_verified_mm=moved,
                                  error_initial_mm=initial))  # fmt: skip
            if random is not None:
                by_chance = random(sample, budget)
                outcome = "fooled" if by_chance > THRESHOLD else "below the threshold"
                found.append(control(sample, "random direction", setting, outcome, error_verified_mm=by_chance,
                                     error_initial_mm=initial, budget=budget))  # fmt: skip
    return found


def write(folder: Path, rows: list[dict[str, Any]], name: str = "nsd", **settings: Any) -> Run:
    return write_small_run(
        folder, rows, name, settings={"attacks": list(SETTINGS), "budget_iterations": 60, **settings}
    )


def line(sample: int, budget: float) -> float:
    """20 mm at budget 0, as the initial error, and 20 + 10 (sample + 1) mm further at every unit of budget."""
    return INITIAL + 10.0 * (sample + 1) * budget


def test_the_area_of_a_constant_is_that_of_a_line_its_middle_and_of_a_parabola_by_trapezoids() -> None:
    budgets = np.array([0.0, 1.0, 2.0, 4.0, 8.0])
    values = np.stack([np.full(5, 7.0), 3 + 2 * budgets, budgets**2])
    np.testing.assert_allclose(area(values, budgets), [7.0, 3 + 2 * 4, (0.5 + 2.5 + 2 * 10 + 4 * 40) / 8])


def test_the_area_of_a_run_is_the_mean_of_its_samples_areas(tmp_path: Path) -> None:
    (found,) = budget_curves(write(tmp_path / "run", rows_of(12, line)))
    assert (found.family, found.budgets) == ("codes", (0.0, *AT))
    assert (found.frames, found.attack.frames, found.past_before, found.incomplete, found.fell) == (12, 12, 0, 0, 0)
    assert (found.sequences, found.recordings) == (6, 6)
    slope = 10 * np.mean([sample + 1 for sample in range(12)])
    assert found.attack.error_area_mm.value == pytest.approx(INITIAL + slope * 8 / 2)
    for point in found.attack.points:
        assert point.error_mm.value == pytest.approx(INITIAL + slope * point.budget)
        assert point.median_mm == pytest.approx(INITIAL + 65 * point.budget)
    shares = [0, 0, 5 / 12, 9 / 12, 11 / 12]  # past 175 mm are at budget 2 the samples 7 to 11, then 3 to 11, 1 to 11
    assert [point.success.value for point in found.attack.points] == pytest.approx(shares)
    expected = float(area(np.array([shares]), found.budgets)[0])
    assert found.attack.success_area.value == pytest.approx(expected)
    assert found.attack.success_area.low <= expected <= found.attack.success_area.high
    assert found.attack.error_area_mm.low < found.attack.error_area_mm.value < found.attack.error_area_mm.high
    assert found.controls == () and found.levels == ()


def test_a_control_equal_to_the_attack_leaves_no_difference(tmp_path: Path) -> None:
    (found,) = budget_curves(write(tmp_path / "run", rows_of(12, line, line)))
    (random,) = found.controls
    assert random.error_area_mm == found.attack.error_area_mm and random.success_area == found.attack.success_area
    assert random.beyond_mm is not None and random.beyond_success is not None
    assert tuple(random.beyond_mm)[:3] == (0, 0, 0)
    assert random.beyond_success.value == 0 and random.beyond_success.low < 0 < random.beyond_success.high


def test_a_weaker_control_is_compared_on_its_own_samples(tmp_path: Path) -> None:
    """The control of sample 0 is lost at one budget: the pairs are the other eleven."""
    rows = rows_of(12, line, lambda sample, budget: INITIAL + 2.0 * budget)
    lost = next(row for row in rows if row["sample_id"] == "sample-000" and row.get("control"))
    lost["error_verified_mm"] = None
    (found,) = budget_curves(write(tmp_path / "run", rows))
    random = found.control("random direction")
    assert random is not None and random.frames == 11 and found.attack.frames == 12
    slopes = [10 * (sample + 1) - 2 for sample in range(1, 12)]
    assert random.beyond_mm is not None
    assert random.beyond_mm.value == pytest.approx(np.mean(slopes) * 4)
    assert random.beyond_mm.low > 0


def test_frames_past_the_threshold_before_and_holes_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = rows_of(12, line)
    for row in rows:
        if row["sample_id"] == "sample-011":
            row |= {"outcome": BEFORE, "error_initial_mm": 300.0, "error_verified_mm": 300.0}
        if row["sample_id"] == "sample-010" and row["setting"] == "budget-4":
            row |= {"outcome": "not finite", "error_verified_mm": None}
    rows += [attacked(12, "unreadable input", setting=name, error_verified_mm=None, error_initial_mm=None)
             for name in SETTINGS]  # fmt: skip
    rows = [row for row in rows if not (row["sample_id"] == "sample-009" and row["setting"] == "budget-8")]
    (found,) = budget_curves(write(tmp_path / "run", rows))
    assert (found.frames, found.past_before, found.incomplete, found.attack.frames) == (13, 1, 3, 9)
    assert found.attack.error_area_mm.value == pytest.approx(INITIAL + 10 * 5 * 4)
    assert all(point.success.value <= 1 for point in found.attack.points)


def test_errors_that_fall_with_the_budget_are_counted(tmp_path: Path) -> None:
    def error(sample: int, budget: float) -> float:
        return 100.0 if sample >= 3 else 100.0 - 0.6 * sample * (budget == 4.0)  # by 0, .6 and 1.2 mm

    (found,) = budget_curves(write(tmp_path / "run", rows_of(12, error)))
    assert found.fell == 1


def test_controls_without_a_budget_are_levels(tmp_path: Path) -> None:
    rows = rows_of(12, line) + [control(sample, "other subjects", error_verified_mm=40.0 + sample)
                                for sample in range(12)]  # fmt: skip
    (found,) = budget_curves(write(tmp_path / "run", rows))
    (level,) = found.levels
    assert (level.name, level.frames, level.median_mm) == ("other subjects", 12, 45.5)
    assert level.error_mm.value == pytest.approx(45.5) and level.success.value == 0


def test_the_interval_of_an_area_covers_what_was_planted(tmp_path: Path) -> None:
    """Frames of one sequence share most of their error: an interval over frames would cover far too seldom."""
    random, covered, runs = np.random.default_rng(0), 0, 30
    for number in range(runs):
        slope = random.normal(10.0, 3.0, 12)[np.arange(24) // 2] + random.normal(0, 0.3, 24)
        rows = rows_of(24, lambda sample, budget, slope=slope: INITIAL + slope[sample] * budget)  # type: ignore[misc]
        area_mm = budget_curves(write(tmp_path / str(number), rows))[0].attack.error_area_mm
        covered += area_mm.low <= INITIAL + 10.0 * 4 <= area_mm.high
    assert covered >= 25, "95 % of 30 runs are 28.5; three standard deviations less are 25"


def test_two_networks_are_compared_by_pairs(tmp_path: Path) -> None:
    """B moves 3 mm less a unit of budget, on every frame; frame 0 is past the threshold before the attack under B."""
    a = write(tmp_path / "a", rows_of(12, line), "nsd")
    rows = rows_of(12, lambda sample, budget: line(sample, budget) - 3.0 * budget)
    for row in rows:
        if row["sample_id"] == "sample-000":
            row |= {"outcome": BEFORE, "error_initial_mm": 200.0, "error_verified_mm": 200.0}
    b = write(tmp_path / "b", [attacked(99, MISSED, setting=name) for name in SETTINGS] + rows, "cssl")
    (found,) = compare_curves(a, b)
    assert (found.a, found.b, found.pairs, found.left_out) == ("nsd", "cssl", 11, 1)
    assert tuple(found.error)[:3] == pytest.approx((-12.0, -12.0, -12.0))
    assert found.error_a.high - found.error_a.low > 50, "each alone is known far less well than the difference"
    assert found.success.value <= 0
    json.dumps(found.facts(), allow_nan=False)


def test_what_was_not_attacked_alike_is_not_compared(tmp_path: Path) -> None:
    a = write(tmp_path / "a", rows_of(6, line))
    with pytest.raises(ConfigError, match=r"budget_iterations 60 .* 200"):
        compare_curves(a, write(tmp_path / "b", rows_of(6, line), budget_iterations=200))
    fewer = [row for row in rows_of(6, line) if row["setting"] != "budget-8"]
    with pytest.raises(ConfigError, match=r"budgets 0, 1, 2, 4, 8 .* 0, 1, 2, 4;"):
        compare_curves(a, write(tmp_path / "c", fewer, attacks=list(SETTINGS[:3])))
    with pytest.raises(DataError, match="no attack with a budget"):
        budget_curves(write_small_run(tmp_path / "d", [attacked(0)]))
    with pytest.raises(DataError, match="none with an error at every budget"):
        budget_curves(write(tmp_path / "e", rows_of(6, line)[:3]))
    with pytest.raises(DataError, match="several rows of sample"):
        budget_curves(write(tmp_path / "f", rows_of(6, line) * 2))


def test_names_of_budgets() -> None:
    assert budget_of("budget-2.5") == ("codes", 2.5) and budget_of("colours-0.05") == ("colours", 0.05)
    for name in ("natural", "paper", "colours-free"):
        assert budget_of(name) is None


def test_settings_of_curves_name_an_attack_for_each_budget(tmp_path: Path) -> None:
    assert curve_settings().attacks == tuple(f"budget-{budget:g}" for budget in BUDGETS)
    found = curve_settings(budgets=[4, 0.00002], colours=[0.1, 0.05], threshold_mm=None, seed=3)
    assert found.attacks == ("budget-0.00002", "budget-4", "colours-0.05", "colours-0.1")
    assert found.controls and (found.threshold_mm, found.seed) == (175.0, 3)
    file = tmp_path / "settings.toml"
    file.write_text('attacks = ["paper", "budget-3"]\ncontrols = false\n')
    assert curve_settings(file=file).attacks == ("budget-3",) and curve_settings(file=file).controls
    for wrong in ({"budgets": []}, {"budgets": [0]}, {"budgets": [1, 1]}, {"colours": [1.5]}, {"budgets": [-1]},
                  {"budgets": [float("nan")]}, {"budgets": [float("inf")]}):  # fmt: skip
        with pytest.raises(ConfigError):
            curve_settings(**wrong)
