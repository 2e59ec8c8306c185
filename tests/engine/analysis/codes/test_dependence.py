"""Codes that leak fully, half and not at all: what each number of Table 3 says of them."""

import json
import sys

import numpy as np
import pytest
import torch

from fixtures.leaky import LeakyFrames, Nobody, leaky_codes
from turncoat.engine.analysis.codes import DependenceSettings, InformationSettings, dependence
from turncoat.engine.analysis.codes.dependence import STRUCTURAL, _variables, correlations, linear
from turncoat.engine.analysis.codes.information import information_in
from turncoat.kernels.errors import DataError

SETTINGS = DependenceSettings(
    frames=160, permutations=60, draws=20, fits=20, features=100, bootstrap=200, information=None
)


@pytest.fixture(scope="module")
def found():
    """Leak -> key -> Number."""
    frames = LeakyFrames()
    return {
        leak: {
            number.key: number
            for number in dependence(Nobody(), frames, SETTINGS, codes=leaky_codes(leak, leak, frames=frames)).numbers()
        }
        for leak in (0.0, 0.4, 2.0)
    }


def test_a_pose_code_that_knows_the_person_is_found_and_one_that_does_not_is_not(found):
    none, half, fully = (found[leak]["dc_people_given_pose"] for leak in (0.0, 0.4, 2.0))
    assert none.found.value == pytest.approx(none.null.value, abs=0.05)
    assert none.found.value + 0.05 < half.found.value < fully.found.value - 0.1
    assert fully.found.low > fully.null.value and fully.found.value > 0.5


def test_a_code_that_only_knows_which_recording_it_is_tells_no_wardrobe():
    """Every recording in a wardrobe of its own: to tell rooms apart is to tell wardrobes apart; the null says so."""
    frames = LeakyFrames()
    frames._columns["wardrobe"] = np.char.add(
        "w", np.unique(frames.column("sequence"), return_inverse=True)[1].astype(str)
    )
    codes = leaky_codes(frames=frames)
    random = np.random.default_rng(3)
    for part in (codes.train, codes.test):
        number = np.unique(part.column("sequence"), return_inverse=True)[1]
        part.codes["pose_code"] += torch.from_numpy(random.normal(0, 1, (number.max() + 1, 30))[number]).float()
    result = dependence(Nobody(), frames, SETTINGS, codes=codes)
    number = {one.key: one for one in result.numbers()}["dc_people_given_pose"]
    assert number.label == "pose code and wardrobe, given the true pose"
    only = float(number.note.split("nothing else: ")[1].split(";")[0])
    assert number.found.value > only + 0.2, "against the true pose alone it would seem to leak"
    assert number.found.value == pytest.approx(number.null.value, abs=0.05)


def test_an_appearance_code_that_knows_the_pose_is_found(found):
    none, half, fully = (found[leak]["dc_pose_given_people"] for leak in (0.0, 0.4, 2.0))
    assert none.found.value == pytest.approx(none.null.value, abs=0.05)
    assert none.found.value + 0.05 < half.found.value < fully.found.value


def test_the_published_number_is_large_without_any_leak_and_its_null_says_so(found):
    number = found[0.0]["dc"]
    assert 0.15 < number.found.value <= number.null.high
    assert found[2.0]["dc"].found.value > found[2.0]["dc"].null.high
    assert abs(found[0.0]["dc_corrected"].found.value) < 0.05


def test_exchanged_recordings_are_a_harder_null_than_shuffled_frames():
    for one in correlations(leaky_codes(), SETTINGS)[0]:
        if one.frames_null is not None:
            assert one.null.high > one.frames_null.high
            assert one.frames_null.high - one.frames_null.low < one.null.high - one.null.low


def test_the_same_is_measured_every_time():
    once, again = (correlations(leaky_codes(0.4), SETTINGS)[0] for _ in range(2))
    assert once == again


def test_linear_r2_is_found_in_both_directions_and_within_people():
    found = linear(leaky_codes(2.0, noise=0.1), SETTINGS)
    assert found["pose_code", "appearance", False].r2.value > 0.8, "both know the person"
    assert found["pose_code", "appearance", True].r2.value < 0.1, "and nothing else of each other"
    assert found["pose_code", "appearance", True].null.value < 0.1
    assert linear(leaky_codes(0.0), SETTINGS)["appearance", "pose_code", False].r2.value < 0.1


def test_the_official_head_is_warned_of(found):
    codes = leaky_codes()
    official = type(codes)(codes.name, None, True, codes.train, codes.test)
    numbers = {number.key: number for number in dependence(Nobody(), codes.dataset, SETTINGS, codes=official).numbers()}
    for key in ("r2_appearance_from_pose_code", "r2_pose_code_from_appearance"):
        assert numbers[key].note == STRUCTURAL and found[0.0][key].note == ""


def test_one_person_leaves_people_out():
    frames = LeakyFrames()
    for name in ("subject", "body", "wardrobe"):
        frames._columns[name] = frames._columns[name].copy()
        frames._columns[name][:] = "P1"
    found, left_out = correlations(leaky_codes(frames=frames), SETTINGS)
    assert [one.key for one in found] == ["dc", "dc_corrected", "dc_standardised", "dc_given_pose"]
    assert left_out == ["The frames show one person, so nothing is said of people."]


def test_where_bodies_have_several_wardrobes_the_wardrobe_is_asked_for():
    frames = LeakyFrames()
    frames._columns["wardrobe"] = np.char.add(
        "w", [str(len(name) + int(name[-1])) for name in frames.column("sequence")]
    )
    codes = leaky_codes(frames=frames)
    assert codes.people() == ["body", "wardrobe"] and codes.described()["people"] == ["body", "wardrobe"]
    who = _variables(codes, SETTINGS)["who"]
    wardrobe = codes.test.column("wardrobe")
    assert who.shape == (240, len(np.unique(wardrobe))) and (who.sum(axis=1) == 1).all()
    assert len({(name, int(place)) for name, place in zip(wardrobe, who.argmax(axis=1), strict=True)}) == who.shape[1]


def test_too_few_frames_are_refused():
    with pytest.raises(DataError, match="240 frames were encoded, a distance correlation of 400"):
        correlations(leaky_codes(), DependenceSettings())


def test_facts_are_plain_and_information_is_in_them(monkeypatch):
    def small(codes, settings, *, progress=None):
        pictures = tuple(torch.zeros(len(each), 3, 16, 16) + each.codes["appearance"][:, :3, None, None] / 4
                         for each in (codes.train, codes.test))  # fmt: skip
        values = {name: (each, codes.test.codes[name]) for name, each in codes.train.codes.items()}
        sequence = codes.train.column("sequence")
        return information_in(values, pictures, sequence, codes.test.clusters, settings, progress=progress)

    monkeypatch.setattr(sys.modules["turncoat.engine.analysis.codes.dependence"], "information", small)
    tiny = InformationSettings(picture=16, hidden=(8, 8), channels=4, epochs=1, seeds=1, precision="float32")
    codes, seen = leaky_codes(), []
    result = dependence(
        Nobody(), codes.dataset, SETTINGS.model_copy(update={"information": tiny}), codes=codes,
        progress=lambda step, total, **facts: seen.append((step, total, facts["stage"])),
    )  # fmt: skip
    facts = json.loads(json.dumps(result.facts(), allow_nan=False))
    assert facts["numbers"]["iob_appearance"]["unit"] == "ratio"
    assert facts["information"]["by_seed"].keys() == {"appearance", "pose_code"}
    assert facts["frames_null"].keys() == {"dc", "dc_corrected", "dc_standardised", "dc_perfect"}
    assert seen[-1] == (5, 6, "decoders")
