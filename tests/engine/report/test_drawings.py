"""Charts, skeletons and pictures: what is drawn is where it should be."""

import re

import numpy as np
import pytest

from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.report import skeletons
from turncoat.engine.report.gallery import pick, strength
from turncoat.engine.report.names import percent, short_name
from turncoat.engine.report.numbers import Group, Measured, measure
from turncoat.engine.report.pictures import SIDE, around, data_url, difference
from turncoat.engine.report.svg import Scale, log_ticks, swarm, ticks
from turncoat.engine.report.words import headline


@pytest.mark.parametrize("kind", ["linear", "log", "log1p"])
def test_a_scale_meets_its_ends_and_keeps_order(kind: str) -> None:
    scale = Scale(0.5, 200, 10, 400, kind)
    places = [scale(value) for value in np.linspace(0.5, 200, 50)]
    assert places[0] == pytest.approx(10)
    assert places[-1] == pytest.approx(400)
    assert np.all(np.diff(places) > 0)
    assert scale(1e6) == 400
    assert scale(-5) == 10


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0, 190) == [0, 50, 100, 150]
    assert log_ticks(0.4, 400) == pytest.approx([1, 3, 10, 30, 100, 300])
    assert log_ticks(9, 40) == [16, 32]


def test_dots_of_a_swarm_do_not_hide_each_other_and_stay_in_reach() -> None:
    positions = np.random.default_rng(0).uniform(0, 100, 300)
    offsets = swarm(positions, 2.0, 15.0)
    assert np.abs(offsets).max() <= 15
    bins = np.floor(positions / 4)
    for one in np.unique(bins):
        here = offsets[bins == one]
        assert len(np.unique(here.round(6))) == len(here)


def test_an_unturned_view_is_the_cameras_and_a_quarter_turn_puts_depth_to_the_right() -> None:
    assert skeletons.view(0, raise_deg=0) == pytest.approx(np.eye(3), abs=1e-12)
    side = skeletons.view(90, raise_deg=0)
    assert side @ np.array([0, 0, 1.0]) == pytest.approx([1, 0, 0], abs=1e-12)
    assert side @ np.array([0, 1.0, 0]) == pytest.approx([0, 1, 0], abs=1e-12)


@pytest.mark.parametrize("turn", [0, 38, 90, 200])
@pytest.mark.parametrize("up", [(0, -1, 0), (0.1, -0.9, -0.4), (0, 0, -1.0)])
def test_a_view_is_a_rotation_in_which_up_points_up(turn: float, up: tuple[float, float, float]) -> None:
    turned = skeletons.view(turn, np.array(up))
    assert turned @ turned.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(turned) == pytest.approx(1)
    right, down, _ = turned @ np.array(up)
    assert right == pytest.approx(0, abs=1e-9)
    assert down < 0


def test_all_poses_of_an_example_fit_into_their_panels() -> None:
    rng = np.random.default_rng(1)
    poses = [rng.normal(0, 400, (17, 3)) for _ in range(3)]
    for drawing in skeletons.panels(*poses).values():
        bones = re.findall(r'points="([^"]+)" class="bone', str(drawing))
        numbers = np.array([float(number) for bone in bones for number in re.split("[ ,]", bone)])
        assert numbers.min() >= 0
        assert numbers.max() <= skeletons.SIZE


@pytest.mark.parametrize("box", [(10, 5, 40, 60), (-5, 100, 30, 140), (60, 60, 61, 61), (0, 0, 128, 128)])
def test_the_square_around_a_person_stays_in_the_frame(box: tuple[float, ...]) -> None:
    x0, y0, x1, y1 = around(np.array(box, dtype=float), (128, 128))
    assert x1 - x0 == y1 - y0 >= 24
    assert min(x0, y0) >= 0
    assert max(x1, y1) <= 128
    assert around(np.full(4, np.nan), (128, 128)) == (0, 0, 128, 128)


def test_a_difference_is_grey_where_nothing_changed_and_fourfold_where_something_did() -> None:
    before = np.full((4, 4, 3), 100, np.uint8)
    after = before.copy()
    after[0, 0] = (110, 90, 255)
    shown = difference(before, after)
    assert (shown[1:] == 128).all()
    assert shown[0, 0].tolist() == [168, 88, 255]


def test_pictures_are_inline_and_of_one_size() -> None:
    assert data_url(np.zeros((40, 40, 3), np.uint8)).startswith("data:image/jpeg;base64,")
    assert SIDE >= 256


def invented(errors: list[float], steps: list[int], kind: str = "appearance") -> Measured:
    """An attack whose frames had these errors; those past 175 mm were fooled."""
    count = len(errors)
    rows = {
        "sample_id": np.array([f"s{i}" for i in range(count)], dtype=object),
        "sequence": np.array([f"q{i // 2}" for i in range(count)], dtype=object),
        "outcome": np.array([(Outcome.FOOLED if e > 175 else Outcome.USED_UP).value for e in errors], dtype=object),
        "iterations": np.array(steps),
        "error_verified_mm": np.array(errors, dtype=float),
        "pose_attacked": np.array([np.zeros(51)] * count + [None], dtype=object)[:-1],
    }
    return measure("paper" if kind == "appearance" else "colours-0.1", "paper", kind, rows)


def test_the_strongest_frame_is_fooled_in_fewest_iterations_or_moved_furthest() -> None:
    errors, steps = [176, 180, 100, 50, 179], [30, 5, 200, 200, 60]
    assert strength(invented(errors, steps)).tolist() == [1, 0, 4, 2, 3]
    assert strength(invented(errors, steps, "colours")).tolist() == [1, 4, 0, 2, 3]


def test_examples_are_the_ends_and_the_middle_each_shown_once() -> None:
    for count in (1, 2, 3, 4, 5, 9, 20):
        attack = invented(list(np.linspace(20, 170, count)), [200] * count)
        chosen = pick(attack)
        assert len({index for _, index in chosen}) == len(chosen) == min(count, 5)
        assert chosen[0] == ("strongest", count - 1)
        if count > 1:
            assert chosen[-1] == ("weakest", 0)
        if count >= 3:
            assert ("median", (count - 1) - (count - 1) // 2) in chosen


def test_shares_are_never_rounded_to_all_or_none() -> None:
    assert percent(0) == "0\u00a0%"
    assert percent(0.001) == "0.1\u00a0%"
    assert percent(0.999) == "99.9\u00a0%"
    assert percent(1) == "100\u00a0%"
    assert percent(float("nan")) == "–"
    assert short_name("colours-0.1") == "colours ±0.1"
    assert short_name("colours-free") == "colours free"


def test_the_headline_says_how_many_frames_were_fooled() -> None:
    paper, nothing = invented([180] * 4, [9] * 4), invented([20] * 4, [200] * 4)
    natural = Measured("natural", "natural", "appearance", nothing.rows, nothing.attacked, nothing.fooled)
    assert headline(Group("everyday", (paper, natural)), "nsd") == (
        "Repainted without limits, people fool nsd on all 4 frames. "
        "With codes no further out than those of 99\xa0% of real pictures, on none."
    )
    assert headline(Group("everyday", (natural,)), "nsd").endswith("people fool nsd on none of 4 frames.")
