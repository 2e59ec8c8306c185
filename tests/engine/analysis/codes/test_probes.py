"""Pose and people from either code, on codes whose answers are known."""

import json

import pytest

from fixtures.leaky import LeakyFrames, Nobody, leaky_codes
from turncoat.engine.analysis.codes import ProbesSettings, probes
from turncoat.training.label_study import StudyRegressor

QUICK = ProbesSettings(regressor=StudyRegressor(steps=150, hidden=32, dropout=0.0, batch=32, threads=1), draws=100)


def test_people_are_told_from_codes_that_hold_them_and_not_from_poses_that_do_not():
    codes = leaky_codes(2.0)
    found = probes(Nobody(), codes.dataset, QUICK, codes=codes)
    told = {one.code: one for one in found.people}
    assert told["pose_code"].accuracy.value == told["appearance"].accuracy.value == 1
    assert told["true_pose"].accuracy.value < 0.5 and told["true_pose"].chance == pytest.approx(0.25)
    json.dumps(found.facts(), allow_nan=False)


def test_pose_is_read_from_the_code_that_holds_it():
    frames = LeakyFrames()
    none, fully = (probes(Nobody(), frames, QUICK, codes=leaky_codes(0, back, frames=frames)) for back in (0.0, 3.0))
    mean = none.poses["mean_pose"].value
    assert none.poses["pose_code"].value < 0.75 * mean < none.poses["appearance"].value
    assert fully.poses["appearance"].value < 0.85 * mean
    assert {one.code: one.accuracy.value < 0.5 for one in none.people}["pose_code"]
