"""Whose clothes a child wears, and how far its pose moves: on a network whose leak is known."""

import numpy as np
import pytest
import torch

from fixtures.oracle import Oracle, colours_of, write_people
from turncoat.engine.analysis.repaint.painting import Painter
from turncoat.engine.analysis.repaint.swap import SwapSettings, swap_appearance
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data import open_dataset

SETTINGS = SwapSettings(frames=48, shown=3)


@pytest.mark.parametrize("leak", [0.0, 0.5, 1.0])
def test_the_share_is_what_the_oracle_leaks(people, leak):
    found = swap_appearance(Oracle(people, leak), people, SETTINGS)
    for part, share in found.share.items():
        assert share.value == pytest.approx(1 - leak, abs=0.02), part
        assert share.low - 1e-9 <= share.value <= share.high + 1e-9
    assert set(found.share) == {"all", "hair", "skin", "shirt", "bottoms", "shoes"} & set(found.share)
    assert {"all", "skin", "shirt", "bottoms"} <= set(found.share)
    assert found.off_line.value < 1e-3


def test_a_third_subject_gets_less_than_the_parent(people):
    found = swap_appearance(Oracle(people, 0.0), people, SETTINGS)
    assert found.other["all"].value < 0.8
    assert found.share["all"].value - found.other["all"].value > 0.2


def test_the_pose_moves_by_what_the_colours_pull(people):
    found = swap_appearance(Oracle(people, 0.0, pull_mm=300.0), people, SETTINGS)
    worn = np.array([_mean_colour(people, name) for name in found.subjects])
    pairs = [abs(worn[i] - worn[j]) for i in range(4) for j in range(4) if i != j]
    assert found.change_mm["swap"]["mpjpe"].value == pytest.approx(300 * np.mean(pairs) * 16 / 17, rel=0.15)
    assert found.change_mm["same"]["mpjpe"].value < 0.1 * found.change_mm["swap"]["mpjpe"].value
    assert found.change_mm["noise"]["mpjpe"].value < 2


def _mean_colour(people, name):
    """What `Oracle.predict` averages, of a person seen whole; materials that nobody sees are grey."""
    rows = people.select(subject=name)
    oracle = Oracle(people)
    frames = people.read(rows).astype(np.float32) / 255
    return float(oracle._clothes(torch.from_numpy(frames), torch.from_numpy(rows)).mean())


def test_without_a_leak_of_colour_into_pose_nothing_moves(people):
    found = swap_appearance(Oracle(people, 0.0), people, SETTINGS)
    assert found.change_mm["swap"]["mpjpe"].value == 0


def test_the_picture_has_parents_on_the_diagonal(people):
    found = swap_appearance(Oracle(people, 0.0), people, SETTINGS).pictures
    assert found.children.shape[:2] == (3, 3)
    for place in range(3):
        assert np.abs(found.children[place, place].astype(int) - found.inputs[place]).max() <= 1
    away = np.abs(found.children[0, 1].astype(int) - found.inputs[0]).max()
    assert away > 20


def test_the_same_numbers_whatever_the_batch(people):
    one = swap_appearance(Oracle(people, 0.5, 100.0), people, SETTINGS)
    two = swap_appearance(Oracle(people, 0.5, 100.0), people, SETTINGS.model_copy(update={"batch": 7}))
    assert one.facts() | {"settings": 0} == two.facts() | {"settings": 0}


def test_two_people_are_enough_but_have_no_third(tmp_path):
    people = open_dataset(write_people(tmp_path / "two", people=2, instants=3))
    found = swap_appearance(Oracle(people, 0.5), people, SETTINGS)
    assert found.other is None
    assert found.share["all"].value == pytest.approx(0.5, abs=0.02)
    assert {number.key for number in found.numbers()} >= {"appearance_share", "pose_change_mpjpe_mm", "pose_noise_mm"}


def test_bad_input_is_one_sentence(people, tmp_path):
    alone = open_dataset(write_people(tmp_path / "one", people=1, instants=2))
    with pytest.raises(DataError, match="has 1 subject in split 'held-out'"):
        swap_appearance(Oracle(alone), alone, SETTINGS)
    unnamed = open_dataset(people.folder)
    del unnamed.info["materials"]
    with pytest.raises(DataError, match="no part labels"):
        swap_appearance(Oracle(unnamed), unnamed, SETTINGS)

    class Blind:
        has_decoder, has_regressor = False, True

    with pytest.raises(ConfigError, match="has no decoder"):
        swap_appearance(Blind(), people, SETTINGS)
    with pytest.raises(DataError, match=r"no two subjects' clothes differ by 0\.9"):
        swap_appearance(Oracle(people), people, SETTINGS.model_copy(update={"apart": 0.9}))


def test_a_subject_of_whom_one_frame_is_left_takes_no_part(people, monkeypatch):
    see = Painter.see

    def damaged(kept):
        def read(self, rows):
            seen = see(self, rows)
            subject = people.column("subject")[seen.rows]
            order = {name: number for number, name in enumerate(np.unique(subject).tolist())}
            first = {name: np.flatnonzero(subject == name)[0] for name in order}
            return seen.at(
                np.array([n for n, name in enumerate(subject.tolist()) if order[name] < kept or n == first[name]])
            )

        return read

    monkeypatch.setattr(Painter, "see", damaged(3))
    assert len(swap_appearance(Oracle(people), people, SETTINGS).subjects) == 3
    monkeypatch.setattr(Painter, "see", damaged(1))
    with pytest.raises(DataError, match="two or more could be read of 1 alone"):
        swap_appearance(Oracle(people), people, SETTINGS)


def test_progress_ends_at_its_total(people):
    steps = []
    swap_appearance(Oracle(people), people, SETTINGS, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1][0] == steps[-1][1]
    assert steps == sorted(steps)


def test_a_painter_paints_everyone_as_they_are(people):
    painter = Painter(Oracle(people, 0.3), people, batch=5, total=1)
    seen = painter.see(people.select(split="held-out")[:12])
    for painted in painter.paint(seen):
        assert np.abs(painted.frames[0].astype(int) - seen.frames[painted.places]).max() <= 1
    assert len({tuple(colours_of(person).ravel()) for person in range(6)}) == 6
