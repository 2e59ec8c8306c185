"""Pose and people from either code: read off a card, or measured on codes whose answers are known."""

import json

import pytest

from fixtures.leaky import LeakyFrames, Nobody, leaky_codes
from turncoat.engine.analysis.codes import ProbesSettings, probes
from turncoat.engine.analysis.codes.probes import CARD, HERE
from turncoat.kernels.errors import DataError
from turncoat.training.label_study import StudyRegressor

QUICK = ProbesSettings(regressor=StudyRegressor(steps=150, hidden=32, dropout=0.0, batch=32, threads=1), draws=100)


def card(**parts):
    def bounded(mean):
        return {"mean": mean, "low": mean - 1, "high": mean + 1, "clustered_by": "sequence"}

    table = [{"labels": "all", "pose_code": bounded(60.0), "appearance": bounded(70.0), "mean_pose": bounded(180.0)}]
    share = {"mean": 0.9, "low": None, "high": None, "clustered_by": None}
    everyday = {"accuracy": share, "chance": {"most_common": 0.25}}
    together = {"of": "subject", "probe": "mlp", "accuracy": {**share, "mean": 0.5}, "groups": {"everyday": everyday}}
    identity = [together | {"code": code} for code in ("pose_code", "appearance", "true_pose", "true_limbs")]
    whole = {"name": "known", "file": {"sha256": "0"}, "labels": {"table": table}, "evaluation": {"identity": identity}}
    return whole | parts


def test_a_card_that_has_all_of_it_is_read_and_nothing_is_encoded():
    found = probes(Nobody(), None, card=card())
    assert found.network == "known" and (found.poses_from, found.people_from) == (CARD, CARD)
    numbers = {number.key: number for number in found.numbers()}
    assert numbers["pose_appearance_mm"].found[:3] == (70.0, 69.0, 71.0)
    assert numbers["pose_appearance_mm"].null.value == 180.0
    assert numbers["subject_pose_code_mlp"].found.value == 0.9, "of everyday frames"
    assert numbers["subject_pose_code_mlp"].null.value == 0.25 and not numbers["subject_pose_code_mlp"].found.known
    assert "subject_true_limbs_mlp" not in numbers
    json.dumps(found.facts(), allow_nan=False)


def test_what_a_card_lacks_is_measured():
    codes = leaky_codes(2.0)
    found = probes(Nobody(), codes.dataset, QUICK, codes=codes, card=card(evaluation=None))
    assert (found.poses_from, found.people_from) == (CARD, HERE) and found.poses["appearance"].value == 70.0
    told = {one.code: one for one in found.people}
    assert told["pose_code"].accuracy.value == told["appearance"].accuracy.value == 1
    assert told["true_pose"].accuracy.value < 0.5 and told["true_pose"].chance == pytest.approx(0.25)


def test_a_card_of_other_weights_is_refused():
    with pytest.raises(DataError, match="other weights"):
        probes(Nobody("1"), None, card=card())


def test_pose_is_read_from_the_code_that_holds_it():
    frames = LeakyFrames()
    none, fully = (probes(Nobody(), frames, QUICK, codes=leaky_codes(0, back, frames=frames)) for back in (0.0, 3.0))
    mean = none.poses["mean_pose"].value
    assert none.poses["pose_code"].value < 0.75 * mean < none.poses["appearance"].value
    assert fully.poses["appearance"].value < 0.85 * mean
    assert {one.code: one.accuracy.value < 0.5 for one in none.people}["pose_code"]
