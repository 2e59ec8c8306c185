"""Who is it, painted from one code for all: on a network whose leak is known."""

import numpy as np
import pytest

from fixtures.oracle import Oracle, write_people
from turncoat.engine.analysis.repaint.zero import ZeroSettings, zero_appearance
from turncoat.kernels.errors import DataError
from turncoat.training.data import open_dataset

SETTINGS = ZeroSettings(frames=64, train=64, shown=3)


def test_a_full_leak_keeps_everyone_and_all_colours(people):
    found = zero_appearance(Oracle(people, 1.0), people, SETTINGS)
    assert found.told["subject"]["zero"].accuracy.value == 1
    for share in found.kept.values():
        assert share.value == pytest.approx(1, abs=0.02)


def test_without_a_leak_everyone_looks_alike(people):
    found = zero_appearance(Oracle(people, 0.0), people, SETTINGS)
    told = found.told["subject"]
    assert told["own"].accuracy.value == 1
    for name in ("zero", "mean"):
        assert told[name].accuracy.value < 0.4, name
        assert told[name].chance == pytest.approx(0.25, abs=0.08)
        assert found.kept[name].value == pytest.approx(0, abs=0.02)


def test_half_a_leak_keeps_half_of_the_colours(people):
    found = zero_appearance(Oracle(people, 0.5), people, SETTINGS)
    for share in found.kept.values():
        assert share.value == pytest.approx(0.5, abs=0.02)
        assert share.low <= share.value <= share.high


def test_silhouettes_tell_bodies_apart_and_are_the_second_null(people, bodies):
    alike = zero_appearance(Oracle(people, 0.0), people, SETTINGS).told["subject"]["silhouette"]
    assert alike.accuracy.value < 0.4
    tall = zero_appearance(Oracle(bodies, 0.0), bodies, SETTINGS).told["subject"]
    assert tall["silhouette"].accuracy.value > alike.accuracy.value
    assert tall["zero"].over_silhouette.value == pytest.approx(
        tall["zero"].accuracy.value - tall["silhouette"].accuracy.value, abs=1e-9
    )


def test_people_in_changing_clothes_are_asked_for_body_and_wardrobe(people):
    mixed = open_dataset(people.folder)
    columns = {name: mixed.column(name) for name in ("subject", "body", "wardrobe")}
    columns["body"] = np.array([f"body-{int(name[1:]) % 2}" for name in columns["subject"]])
    column = mixed.column
    mixed.column = lambda name: columns[name] if name in columns else column(name)
    found = zero_appearance(Oracle(people, 1.0), mixed, SETTINGS)
    assert list(found.told) == ["body", "wardrobe"]
    assert found.told["body"]["zero"].people == 2


def test_its_pictures_show_one_code_for_all(people):
    found = zero_appearance(Oracle(people, 0.0), people, SETTINGS).pictures
    assert found.painted["own"].shape == found.inputs.shape == (3, 3, 48, 48)
    assert np.abs(found.painted["own"].astype(int) - found.inputs).max() <= 1
    assert np.abs(found.painted["zero"].astype(int) - found.inputs).max() > 20


def test_without_labels_one_number_is_missing(people):
    unnamed = open_dataset(people.folder)
    del unnamed.info["materials"]
    found = zero_appearance(Oracle(people, 0.0), unnamed, SETTINGS)
    assert found.kept is None
    assert not any(number.key.startswith("colours") for number in found.numbers())
    assert found.facts()["kept"] is None


def test_bad_input_is_one_sentence(people, tmp_path):
    alone = open_dataset(write_people(tmp_path / "one", people=1, instants=2))
    with pytest.raises(DataError, match="nobody can be told apart with fewer than 2"):
        zero_appearance(Oracle(alone), alone, SETTINGS)
    with pytest.raises(DataError, match="cannot be the one they are scored on"):
        zero_appearance(Oracle(people), people, ZeroSettings(split="train"))
