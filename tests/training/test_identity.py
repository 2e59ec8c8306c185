"""Who it is, read from codes whose answers are known and from ground truth, and what may be concluded from it."""

import numpy as np
import pytest
import torch

from fixtures.documents import asked, identity
from turncoat.kernels import DataError
from turncoat.kernels.skeleton import BONES
from turncoat.training.checkpoint import load_network, save_network
from turncoat.training.data import open_dataset
from turncoat.training.encoding import CODES, Encoded
from turncoat.training.evaluate import EvaluationSettings, evaluate
from turncoat.training.evaluation import people
from turncoat.training.evaluation.people import TRUTHS, true_codes, who_is_it
from turncoat.training.identity import PROBES, ask, fit_probe, people_columns, score
from turncoat.training.limits import known_limits
from turncoat.training.networks import Disentangled, preset

CELLS = (
    ("held-out", "everyday"),
    ("held-out", "acrobatic"),
    ("validation", "everyday"),
    ("unseen subject", "everyday"),
)
SHAPE = preset("studio", frame_size=64, crop_size=32, regressor_hidden=64)


@pytest.fixture(scope="module")
def dataset(tiny_dataset):
    return open_dataset(tiny_dataset)


def encoded(dataset, make):
    """Codes by a rule: `make(rows, random) -> (pose code, appearance)`, of the training frames and of `CELLS`."""
    random = np.random.default_rng(0)

    def of(rows):
        codes = (torch.from_numpy(np.asarray(each, dtype=np.float32)) for each in make(rows, random))
        return Encoded(rows, dict(zip(CODES, codes, strict=True)))

    tests = {cell: of(dataset.select(split=cell[0], group=cell[1])) for cell in CELLS}
    return of(dataset.select(split="train")), tests


def noise(rows, random, size=24):
    return random.normal(size=(len(rows), size))


def one_hot(values):
    return (np.asarray(values)[:, None] == np.unique(values)[None]).astype(np.float32)


def asked_of(dataset, train, tests, code, kind="linear", beside=None):
    probe = fit_probe(kind, train, "subject", dataset, code)
    return score(probe, ask(probe, dataset, tests), dataset, beside, draws=50)


@pytest.mark.parametrize("kind", PROBES)
def test_random_codes_tell_nobody_apart_and_codes_that_are_the_subject_everybody(dataset, kind):
    subject = dataset.column("subject")
    hot = one_hot(subject)
    train, tests = encoded(dataset, lambda rows, random: (noise(rows, random), hot[rows] + noise(rows, random, 3) / 99))
    found = {code: asked_of(dataset, train, tests, code, kind) for code in CODES}
    for one in found.values():
        assert one["people"] == 2 and one["chance"] == {"one_of": 0.5, "most_common": 0.5}
        assert set(one["splits"]) == {"held-out", "validation"}, "nobody of the unseen subject is known"
    assert 0.35 < found["pose_code"]["accuracy"]["mean"] < 0.65
    assert found["appearance"]["accuracy"]["mean"] == 1 and found["appearance"]["accuracy"]["low"] < 1


def test_what_is_told_in_one_group_alone_is_shown_there_alone(dataset):
    hot, everyday = one_hot(dataset.column("subject")), dataset.column("group") == "everyday"

    def make(rows, random):
        return np.where(everyday[rows][:, None], hot[rows], noise(rows, random, 3)), noise(rows, random)

    found = asked_of(dataset, *encoded(dataset, make), "pose_code")
    groups = found["groups"]
    assert groups["everyday"]["accuracy"]["mean"] > 0.95 and groups["acrobatic"]["accuracy"]["mean"] < 0.75
    assert groups["everyday"]["frames"] + groups["acrobatic"]["frames"] == found["frames"]


def test_chance_is_the_share_of_the_commonest_person_in_every_group(dataset):
    train, tests = encoded(dataset, lambda rows, random: (noise(rows, random, 4),) * 2)
    subject = dataset.column("subject")

    def thinned(some, who, left):
        own = subject[some.rows] == who
        keep = np.concatenate([np.flatnonzero(~own), np.flatnonzero(own)[:left]])
        return Encoded(some.rows[keep], {code: codes[keep] for code, codes in some.codes.items()})

    tests["held-out", "acrobatic"] = thinned(tests["held-out", "acrobatic"], "S2", 3)
    probe = fit_probe("linear", thinned(train, "S1", 10), "subject", dataset, "pose_code")
    assert str(probe.names[probe.commonest]) == "S2"
    found = score(probe, ask(probe, dataset, tests), dataset, draws=50)
    for part, cells in ((found, CELLS[:3]), (found["groups"]["acrobatic"], CELLS[1:2])):
        rows = np.concatenate([tests[cell].rows for cell in cells])
        assert part["chance"]["most_common"] == pytest.approx((subject[rows] == "S2").mean())
    assert found["groups"]["acrobatic"]["chance"]["most_common"] < 0.2


def test_one_person_is_nobody_to_tell_apart(dataset):
    train, _ = encoded(dataset, lambda rows, random: (noise(rows, random, 4),) * 2)
    alone = np.flatnonzero(dataset.column("subject")[train.rows] == "S1")
    train = Encoded(train.rows[alone], {code: codes[alone] for code, codes in train.codes.items()})
    with pytest.raises(DataError, match="one subject, so there is nobody to tell apart"):
        fit_probe("linear", train, "subject", dataset, "pose_code")


def test_a_subject_of_several_wardrobes_is_asked_for_body_and_wardrobe(dataset, monkeypatch):
    rows = dataset.select(split="train")
    assert people_columns(dataset, rows) == ["subject"]
    column = dataset.column
    mixed = np.array([f"w{row % 3}" for row in range(len(column("subject")))])
    monkeypatch.setattr(dataset, "column", lambda name: mixed if name == "wardrobe" else column(name))
    assert people_columns(dataset, rows) == ["body", "wardrobe"]


def test_truths_hold_what_they_say(dataset, monkeypatch):
    rows = dataset.select(split="held-out")
    found, pose = true_codes(dataset, rows), dataset.pose(rows)
    monkeypatch.setattr(dataset, "pose", lambda _: 2 * pose)
    twice = true_codes(dataset, rows)
    assert {name: each.shape[1] for name, each in found.items()} == dict(zip(TRUTHS, (51, 16, 48, 24), strict=True))
    for name, factor in zip(TRUTHS, (2, 2, 1, 1), strict=True):
        torch.testing.assert_close(twice[name], factor * found[name], msg=f"a person twice as large, {name}")
    torch.testing.assert_close(found["true_directions"].view(-1, 16, 3).norm(dim=-1), torch.ones(len(rows), 16))
    arms_and_legs = [(1, 2), (2, 3), (4, 5), (5, 6), (11, 12), (12, 13), (14, 15), (15, 16)]
    limbs = [BONES.index(bone) for bone in arms_and_legs]
    torch.testing.assert_close(found["true_limbs"].view(-1, 8, 3), found["true_directions"].view(-1, 16, 3)[:, limbs])


@pytest.fixture(scope="module")
def told(dataset):
    """The pose code is the pose, with its bones' lengths; the appearance code is the sequence's wardrobe.

    Wardrobes are drawn for every sequence, half of each body's and of each action's; an interval takes thirds of a
    sequence for independent here, for there are few.
    """
    patched, column = pytest.MonkeyPatch(), dataset.column
    parts = [
        np.unique(names, return_inverse=True)[1]
        for names in (column("subject"), column("action"), np.char.partition(column("motion_id"), "-")[:, 2])
    ]
    thirds = np.char.add(np.char.add(column("sequence"), "-"), (column("instant") // 2).astype(str))
    changed = {"wardrobe": (sum(parts) % 2).astype(str), "sequence": thirds, "motion_id": thirds}
    patched.setattr(people, "PROBES", ("linear",))
    patched.setattr(dataset, "column", lambda name: changed[name] if name in changed else column(name))

    def make(rows, random):
        truth = true_codes(dataset, rows)
        pose = np.concatenate([truth["true_pose"] / 300, truth["true_lengths"] / 100], axis=1)
        return pose, one_hot(changed["wardrobe"])[rows] + 0.01 * noise(rows, random, 2)

    found = who_is_it(dataset, *encoded(dataset, make), draws=100)
    patched.undo()
    return found


def test_bodies_of_two_sizes_are_told_apart_by_a_true_pose_and_not_by_posture(told):
    """So a pose code that says as much has not leaked anything."""
    bodies = {(one["code"], one["probe"]): one for one in told if one["of"] == "body"}
    assert len(bodies) == len(told) / 2 == len(CODES) + len(TRUTHS)
    for code in ("true_lengths", "pose_code"):
        assert bodies[code, "linear"]["accuracy"]["mean"] == 1
    assert bodies["true_limbs", "linear"]["accuracy"]["mean"] < 0.75
    over = bodies["pose_code", "linear"]["over_true_pose"]
    assert over["mean"] == 0 and over["low"] < 0 < over["high"], "alike on all frames is not alike for sure"
    assert bodies["appearance", "linear"]["over_true_pose"]["high"] < 0
    assert "over_true_pose" not in bodies["true_pose", "linear"]


def test_a_wardrobe_that_no_pose_tells_is_a_leak_of_the_code_that_tells_it(told):
    wardrobes = {(one["code"], one["probe"]): one for one in told if one["of"] == "wardrobe"}
    assert wardrobes["appearance", "linear"]["accuracy"]["mean"] == 1
    assert wardrobes["appearance", "linear"]["over_true_pose"]["low"] > 0
    assert wardrobes["pose_code", "linear"]["over_true_pose"]["low"] < 0


def limits_of(found):
    return [sentence for sentence in known_limits({"evaluation": {"identity": found}}) if "photographs" not in sentence]


def test_what_a_correct_pose_would_tell_as_well_is_said_to_be_that():
    assert limits_of(identity(read=1.0, true=0.99)) == [
        "The pose code tells the subject, not more than a correct pose does: probes are right in 100 % of unseen "
        "sequences' frames, from the true pose in 99 %, from the true directions of arms and legs alone in 23 % "
        "(chance 22 %)."
    ]


def test_what_is_more_than_a_correct_pose_tells_is_a_limit_and_chance_is_none():
    (sentence,) = limits_of(identity(read=0.9, true=0.5))
    assert "tells the subject, more than a correct pose does: probes are right in 90 %" in sentence
    assert limits_of(identity(read=0.25, true=0.97)) == [], "little above chance"
    assert limits_of([asked("subject", "pose_code", 0.9)]) == [], "without a truth beside it nothing follows"
    assert limits_of([]) == []


@pytest.fixture
def network(dataset, tmp_path):
    torch.manual_seed(0)
    net = Disentangled(SHAPE.model_copy(update={"paints": "nothing"}))
    net.add_regressor().pose_mean.copy_(torch.from_numpy(dataset.pose(dataset.select(split="train"))).mean(0))
    save_network(tmp_path / "net.safetensors", net.eval(), {"method": "supervised"})
    return load_network(tmp_path / "net.safetensors")


QUICK = EvaluationSettings(splits=("held-out", "unseen motion"), poses=40, pictures=1, identity=60, draws=20)


@pytest.mark.usefixtures("quick_probes")
def test_an_evaluation_asks_both_codes_and_every_truth(network, dataset):
    """A network that was trained with labels too."""
    seen = []
    document = evaluate(network, dataset, QUICK, progress=lambda done, total, **_: seen.append((done, total)))
    found = document["identity"]
    lines = [(code, kind) for code in (*CODES, *TRUTHS) for kind in PROBES]
    assert [(one["code"], one["probe"]) for one in found] == lines
    rows = [part["poses"]["frames"] for part in document["splits"]["held-out"].values()]
    assert all(one["frames"] == sum(rows) and set(one["splits"]) == {"held-out"} for one in found)
    assert (
        seen[-1][0]
        == seen[-1][1]
        == 60 + sum(part["poses"]["frames"] for groups in document["splits"].values() for part in groups.values())
    )
    assert evaluate(network, dataset, QUICK)["identity"] == found, "the same again"


@pytest.mark.usefixtures("quick_probes")
def test_nobody_is_asked_where_there_is_no_way_to_tell(network, dataset, monkeypatch):
    def asked_with(**changes):
        document = evaluate(network, dataset, QUICK.model_copy(update=changes))
        assert document["identity"] == []
        return [note for note in document["notes"] if "who it is" in note]

    assert asked_with(identity=0) == [], "that was wanted"
    assert asked_with(splits=("unseen motion",)) == [
        "Nobody was asked who it is: that takes training frames, and held-out or validation frames."
    ]
    column = dataset.column
    alone = {name: np.full(len(dataset), "one") for name in ("subject", "body", "wardrobe")}
    monkeypatch.setattr(dataset, "column", lambda name: alone[name] if name in alone else column(name))
    assert asked_with() == ["Nobody was asked who it is: there is one person in the training frames."]
