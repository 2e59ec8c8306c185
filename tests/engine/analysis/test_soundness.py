"""Soundness: what counts as stronger, which signs are seen, and whether a gradient that lies is caught."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fixtures.small_run import attacked, write_small_run
from fixtures.toys import ToyNetwork, ToyStatistics
from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.analysis.soundness import SoundnessSettings
from turncoat.engine.analysis.soundness.gradient import Slope, slopes
from turncoat.engine.analysis.soundness.measured import (
    Against,
    Measured,
    against,
    attack_rows,
    error_over_steps,
    measure,
    share_over_steps,
    together,
)
from turncoat.engine.analysis.soundness.signs import half_budget, signs_of
from turncoat.engine.analysis.soundness.variants import Variant, checked, variants_of
from turncoat.engine.attack import AttackSettings, Pair
from turncoat.engine.attack.appearance import admit_codes, attack_codes
from turncoat.kernels.errors import DataError

CPU = torch.device("cpu")
SETTINGS = SoundnessSettings(iterations=20)
ATTACK = {"attacks": {"natural": {"step_size": 0.3}}, "wall_s": 60.0}


def frames_of(count: int) -> tuple[Tensor, Tensor]:
    frames = torch.full((count, 3, 32, 32), 128 / 255)
    frames[:, 1] += torch.arange(count)[:, None, None] / 255
    return frames, torch.full((count, 3, 32, 32), 0.25)


class Spread(ToyNetwork):
    """The pose depends on all channels of the code, on the first ones most: red moves by ``w . code``."""

    weights = 1 / torch.arange(1, 129).float()

    def paint(self, appearance: Tensor, canvas: Any) -> Tensor:
        red = 0.5 + 0.01 * (appearance @ self.weights)
        colour = torch.stack([red, 0.5 + 0.01 * appearance[:, 1].detach(), 0.5 + 0 * red], dim=1)
        return (canvas.mask * colour[:, :, None, None] + canvas.base).clamp(0, 1)


def test_in_a_ball_plain_steps_reach_the_best_point_and_adam_stops_short_of_it() -> None:
    """Red is linear in the code, so its largest value in the ball is known: radius times the length of the weights."""
    radius = 6.0
    network = Spread(statistics=ToyStatistics(scale=1.0, radius_p99=radius))
    pair = Pair(network, network, ("toy", "toy"), CPU)
    admitted = admit_codes(pair, *frames_of(2))
    best = radius * float(Spread.weights.norm())
    ends = {}
    for optimiser in ("adam", "sign", "gradient"):
        settings = AttackSettings(iterations=200, threshold_mm=1e6, optimiser={"natural": optimiser})
        code = attack_codes(pair, admitted, "natural", 0.05, settings, None).appearance
        ends[optimiser] = float((code @ Spread.weights).abs().min()) / best
    assert ends["gradient"] > 0.999
    assert ends["adam"] < 0.7 and ends["sign"] < 0.7, "every coordinate has the same speed"


def slopes_of(network: ToyNetwork, **changes: Any) -> list[Slope]:
    pair = Pair(network, network, ("toy", "toy"), CPU)
    settings = AttackSettings(iterations=12, threshold_mm=500.0, **changes)
    return slopes(pair, admit_codes(pair, *frames_of(3)), "natural", 0.1, settings)


def test_an_honest_gradient_agrees_with_finite_differences() -> None:
    found = slopes_of(ToyNetwork(statistics=ToyStatistics(scale=1.0)), optimiser={"natural": "adam"})
    assert [slope.iterate for slope in found] == [0, 1, 3, 10]
    for slope in found:
        assert slope.frames == 3 and slope.zero == 0
        assert max(slope.relative_error_p90, slope.relative_error_step_p90) < 0.01
        assert slope.cosine > 0.999 and slope.step_cosine > 0.99, "one channel alone matters, so Adam goes straight"
        assert slope.rising == 1 and slope.rise_mm > 0
        assert Slope.read(slope.facts()) == slope


class Masked(ToyNetwork):
    """Its gradient sees a tenth of the slope: the rest goes through rounding, as a masked network's would."""

    def paint(self, appearance: Tensor, canvas: Any) -> Tensor:
        return super().paint(0.1 * appearance + 0.9 * appearance.detach(), canvas)


def test_a_gradient_that_hides_most_of_the_slope_is_caught() -> None:
    found = slopes_of(Masked(statistics=ToyStatistics(scale=1.0)))
    assert min(slope.relative_error for slope in found) > 5
    rows = some_rows()
    bad = {sign.name for sign in signs_of(rows, found, {}, (), None) if sign.bad}
    assert "finite differences" in bad and "zero gradient" not in bad


def test_a_gradient_that_is_zero_is_caught() -> None:
    found = slopes_of(ToyNetwork(gain_mm=0.0, statistics=ToyStatistics(scale=1.0)))
    assert {slope.zero for slope in found} == {1.0}
    assert {sign.name for sign in signs_of(some_rows(), found, {}, (), None) if sign.bad} == {"zero gradient"}


def test_reduced_precision_is_held_against_float32() -> None:
    class Rough(ToyNetwork):
        """In reduced precision the other two channels are painted for the first."""

        def paint(self, appearance: Tensor, canvas: Any) -> Tensor:
            rough = self.compute_dtype is torch.bfloat16
            return super().paint(appearance.flip(1) if rough else appearance, canvas)

    network = Rough(statistics=ToyStatistics(scale=1.0))
    pair = Pair(network, network, ("toy", "toy"), CPU, "bfloat16")
    settings = AttackSettings(iterations=4, threshold_mm=500.0)
    found = slopes(pair, admit_codes(pair, *frames_of(2)), "natural", 0.1, settings)
    assert found[0].cosine < 0.5 and found[0].relative_error < 0.01
    assert "precision" in {sign.name for sign in signs_of(some_rows(), found, {}, (), None) if sign.bad}


def written(folder: Path, name: str, rows: list[dict[str, Any]], variant: Variant | None = None) -> Any:
    run = write_small_run(folder / name, rows)
    run.info.update(ATTACK)
    variant = variant or checked(SETTINGS)
    kept = attack_rows(run, variant)
    return kept, measure(variant, run, kept)


def missed(sample: int, error: float = 90.0, **values: Any) -> dict[str, Any]:
    changed = {"error_verified_mm": error, "error_best_mm": error + 1, "iterations": 20, "restart": 0, **values}
    changed.setdefault("error_curve_mm", np.linspace(20, error, 21))
    return attacked(sample, "iterations used up", motion_id=f"clip {sample // 2}", **changed)


def hit(sample: int, iterations: int = 5, restart: int = 0, **values: Any) -> dict[str, Any]:
    changed = {"error_best_mm": 181.0, "error_curve_mm": np.linspace(20, 180, iterations + 1), **values}
    return attacked(sample, iterations=iterations, restart=restart, motion_id=f"clip {sample // 2}", **changed)


def some_rows() -> dict[str, np.ndarray]:
    """Forty frames, none fooled, all risen from 20 to 90 mm."""
    names = ("outcome", "error_best_mm", "error_initial_mm", "error_curve_mm")
    rows = [missed(n) for n in range(40)]
    found = {name: np.array([row[name] for row in rows], dtype=object if name != "error_best_mm" else float)
             for name in names[:3]}  # fmt: skip
    found["error_initial_mm"] = np.full(40, 20.0)
    curves = np.empty(40, dtype=object)
    for n, row in enumerate(rows):
        curves[n] = row["error_curve_mm"]
    return {**found, "error_curve_mm": curves}


def variant(name: str = "restarts", **changes: Any) -> Variant:
    settings = SETTINGS.attack().model_copy(update={"controls": False, **changes})
    return Variant(name, f"{name}, in words", "variant", settings)


def test_a_variant_is_stronger_only_beyond_its_interval(tmp_path: Path) -> None:
    first, own = written(tmp_path, "attack", [hit(n) if n < 4 else missed(n) for n in range(80)])
    assert own.fooled.value == pytest.approx(0.05) and own.steps == (5, 5, 5) and own.seconds == 60

    def compared(fooled: int, error: float = 90.0) -> Against:
        rows = [hit(n) if n < fooled else missed(n, error) for n in range(80)]
        kept, measured = written(tmp_path, f"{fooled}-{error}", rows, variant())
        return against(first, measured, kept)

    same, little, much = compared(4), compared(6), compared(50)
    assert (same.stronger, same.only_variant, same.fooled.value) == (False, 0, 0)
    assert not little.fools_more and little.only_variant == 2 and little.fooled.value == pytest.approx(0.025)
    assert much.fools_more and much.stronger and not much.weaker and much.only_variant == 46
    further = compared(4, 110.0)
    assert further.reaches_further and further.stronger and not further.fools_more
    assert further.reached_mm.value == pytest.approx(20 * 76 / 80)
    assert not compared(4, 93.0).stronger, "3 mm are no merit, however sure"
    shorter = compared(4, 60.0)
    assert shorter.weaker and not shorter.stronger


def test_errors_past_the_threshold_count_no_more_than_the_threshold(tmp_path: Path) -> None:
    first, own = written(tmp_path, "a", [hit(n, error_verified_mm=180.0) for n in range(12)])
    other, measured = written(tmp_path, "b", [hit(n, error_verified_mm=900.0) for n in range(12)], variant())
    assert own.reached_mm.value == measured.reached_mm.value == 175
    assert against(first, measured, other).reached_mm.value == 0


def test_frames_past_the_threshold_before_under_either_are_left_out(tmp_path: Path) -> None:
    before = "past the threshold before the attack"
    first, own = written(tmp_path, "a", [attacked(0, before), *(hit(n) for n in range(1, 8))])
    other, measured = written(tmp_path, "b", [hit(0), attacked(1, before), *(hit(n) for n in range(2, 8))], variant())
    assert (own.frames, own.past_before, measured.past_before) == (7, 1, 1)
    assert against(first, measured, other).pairs == 6
    with pytest.raises(DataError, match="other samples"):
        against(first, measured, written(tmp_path, "c", [hit(n) for n in range(8, 16)])[0])


def test_all_together_fool_what_any_of_them_fooled(tmp_path: Path) -> None:
    first, _ = written(tmp_path, "a", [hit(n) if n < 4 else missed(n) for n in range(40)])
    others = [written(tmp_path, name, [hit(n) if n in fooled else missed(n) for n in range(40)], variant())[0]
              for name, fooled in (("b", range(2, 8)), ("c", range(30, 34)))]  # fmt: skip
    found = together(first, others)
    assert found.fooled.value == pytest.approx(12 / 40) and found.difference.value == pytest.approx(8 / 40)
    assert found.variants == 2 and found.difference.low < 8 / 40 < found.difference.high


def test_steps_are_those_of_all_starts(tmp_path: Path) -> None:
    many = variant(restarts=3)
    rows = [hit(0, 5), hit(1, 7, restart=2), missed(2), missed(3)]
    kept, measured = written(tmp_path, "a", rows, many)
    steps, shares = share_over_steps(kept, many)
    assert steps.tolist() == [0, 5, 2 * 20 + 7, 60] and shares.tolist() == [0, 0.25, 0.5, 0.5]
    assert measured.steps == pytest.approx((5 + 0.1 * 42, 26, 5 + 0.9 * 42))
    assert error_over_steps(kept, many) is None
    curve = error_over_steps(kept, variant())
    assert curve is not None and len(curve) == 21
    assert curve[0] == 20 and curve[-1] == pytest.approx((175 + 175 + 90 + 90) / 4)


def sign_names(rows: dict[str, np.ndarray], **given: Any) -> set[str]:
    given = {"slopes": [], "compared": {}, "budgets": (), "easier": None, **given}
    return {sign.name for sign in signs_of(rows, **given) if sign.bad}


def test_signs_of_a_hidden_gradient_are_seen_and_absent_ones_are_not() -> None:
    rows = some_rows()
    assert sign_names(rows) == set()
    flat = {**rows, "error_best_mm": np.where(np.arange(40) < 10, 21.0, 90.0)}
    assert sign_names(flat) == {"flat"}
    jumped = {**rows, "error_curve_mm": rows["error_curve_mm"].copy()}
    for n in range(10):
        jumped["error_curve_mm"][n] = np.linspace(100, 90, 21)
    assert sign_names(jumped) == {"one step"}
    ended = {**rows, "outcome": np.array(["zero gradient"] * 5 + ["iterations used up"] * 35, dtype=object)}
    assert sign_names(ended) == {"zero gradient"}
    fooled = {**flat, "outcome": np.array(["fooled"] * 40, dtype=object)}
    assert sign_names(fooled) == set(), "where every frame is fooled, nothing was hidden"


def measured(rate: float, settings: AttackSettings | None = None) -> Measured:
    one = Variant("any", "any", "budget", settings or SETTINGS.attack())
    interval = Interval(rate, max(0.0, rate - 0.1), min(1.0, rate + 0.1), "sequence")
    return Measured(one, 0.3, 1.0, 100, 0, 0, interval, Interval(90.0, 80.0, 100.0, "sequence"), 95.0, None)


def test_larger_budgets_have_to_help() -> None:
    rows = some_rows()

    def ladder(*rates: float) -> set[str]:
        return sign_names(
            rows, budgets=[(factor, measured(rate)) for factor, rate in zip((1, 2, 3), rates, strict=True)]
        )

    assert ladder(0.1, 0.4, 0.9) == set()
    assert ladder(0.1, 0.1, 0.2) == {"larger budgets"}, "not even half of the frames in the largest ball"
    assert ladder(0.7, 0.7, 0.6) == {"larger budgets"}
    assert ladder(1.0, 1.0, 1.0) == set()
    assert sign_names(rows, easier=measured(0.3)) == {"positive control"}
    assert sign_names(rows, easier=measured(0.6)) == set()


def test_the_budget_at_which_half_are_fooled_lies_between_those_that_were_tried() -> None:
    def at(*shares: tuple[float, float, float, float]) -> Interval:
        return half_budget([(factor, Interval(value, low, high)) for factor, low, value, high in shares])

    found = at((1, 0.0, 0.1, 0.2), (2, 0.3, 0.4, 0.6), (3, 0.6, 0.8, 0.9))
    assert (
        found.value == pytest.approx(2.25) and found.low == pytest.approx(1.75) and found.high == pytest.approx(8 / 3)
    )
    never = at((1, 0.0, 0.1, 0.2), (2, 0.1, 0.2, 0.6))
    assert np.isnan(never.value) and np.isnan(never.high) and never.low == pytest.approx(1.75)
    assert at((0.5, 0.5, 0.6, 0.7), (1, 0.8, 0.9, 1.0)).value == 0.5


def test_every_variant_differs_from_the_attack_in_what_it_says() -> None:
    settings = SoundnessSettings(iterations=50, threshold_mm=150.0, optimiser="adam")
    found = {one.name: one for one in variants_of(settings, 0.4, "bfloat16", "other")}
    assert list(found)[:2] == ["longer", "restarts"]
    base = checked(settings).settings
    assert base.controls and not any(one.settings.controls for one in found.values())
    assert found["longer"].settings.iterations == 200 and found["restarts"].settings.restarts == 4
    assert found["step-0.1"].settings.step_size["natural"] == pytest.approx(0.04)
    assert {one.optimiser for one in found.values()} == {"adam", "gradient", "sign", "random"}
    assert found["gradient"].settings.step_size == {}, "another optimiser chooses its own step"
    assert found["float32"].settings.precision == "float32" and found["generator"].other_generator
    assert found["budget-2"].settings.budget_factor == 2 and found["search-budget-2"].optimiser == "random"
    assert all(one.settings.threshold_mm == 150 for one in found.values())
    several = settings.model_copy(update={"starts": 3})
    many = {one.name: one.settings.restarts for one in variants_of(several, 0.4, "float32")}
    assert checked(several).settings.restarts == 3 and many.pop("restarts") == 12 and set(many.values()) == {3}
    names = {one.name for one in variants_of(settings, 0.4, "float32")}
    assert not names & {"float32", "generator"}
    plain = {one.name: one for one in variants_of(SoundnessSettings(), 1.0, "float32")}
    assert "adam" in plain and "gradient" not in plain
    raw = {one.name: one for one in variants_of(SoundnessSettings(setting="paper"), 1.0, "float32")}
    assert raw["easier"].settings.threshold_mm == 87.5 and not any(name.startswith("budget") for name in raw)
    few = variants_of(settings.model_copy(update={"without": ("steps", "budgets", "longer")}), 0.4, "float32")
    assert {one.name for one in few} == {"restarts", "gradient", "sign", "search"}
