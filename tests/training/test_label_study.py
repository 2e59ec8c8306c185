"""Few labels and many, one code and the other: on codes whose answers are known."""

import numpy as np
import pytest
import torch

from turncoat.kernels import ConfigError, DataError
from turncoat.training.checkpoint import load_network, save_network
from turncoat.training.data import open_dataset
from turncoat.training.encoding import CODES, Encoded
from turncoat.training.label_study import LabelStudySettings, StudyRegressor, study_codes, study_labels, table
from turncoat.training.networks import Disentangled, preset

SHAPE = preset("studio", frame_size=64, crop_size=32, regressor_hidden=64, regressor_dropout=0.0)
QUICK = StudyRegressor(steps=150, batch=32, threads=1)
CELLS = (
    ("held-out", "everyday"),
    ("held-out", "acrobatic"),
    ("validation", "everyday"),
    ("unseen subject", "everyday"),
)


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


@pytest.fixture(scope="module")
def informed(dataset):
    """The pose code is the pose, the appearance code is noise."""

    def make(rows, random):
        pose = dataset.pose(rows).reshape(len(rows), 51) / 300
        return pose, random.normal(size=(len(rows), 20))

    train, tests = encoded(dataset, make)
    settings = LabelStudySettings(fractions=(1.0, 0.5, 0.1, 0.001), few=0.2, intervals=50, regressor=QUICK)
    return study_codes(Disentangled(SHAPE), dataset, train, tests, settings)


def test_a_code_that_is_the_pose_beats_the_mean_pose_and_noise_does_not(informed):
    line = informed["table"][0]
    assert line["labels"] == "all" and line["labelled_frames"] == 144
    assert line["pose_code"]["mean"] < 0.7 * line["mean_pose"]["mean"] < line["appearance"]["mean"]


def test_every_choice_of_labels_is_there_with_its_own_mean_pose(informed, dataset):
    lines = {line["labels"]: line for line in informed["table"]}
    assert list(lines) == ["all", "50 %", "S1", "10 %"]
    assert [lines[name]["labelled_frames"] for name in lines] == [144, 72, 72, 14]
    assert [lines[name]["draws"] for name in lines] == [1, 1, 1, 3]
    truth = dataset.pose(dataset.select(split="held-out", group="everyday"))
    for name, chosen in (("all", {}), ("S1", {"subject": "S1"})):
        mean = dataset.pose(dataset.select(split="train", **chosen)).mean(0)
        expected = np.linalg.norm(truth - mean, axis=-1).mean()
        assert lines[name]["mean_pose"]["mean"] == pytest.approx(expected, rel=1e-4)


def test_few_labels_are_drawn_several_times_and_the_spread_is_shown(informed):
    line = informed["table"][-1]
    assert line["pose_code"]["lowest"] < line["pose_code"]["mean"] < line["pose_code"]["highest"]
    assert line["pose_code"]["low"] is None and line["pose_code"]["clustered_by"] is None
    fits = [fit for fit in informed["fits"] if fit["labels"] == "10 %" and fit["code"] == "pose_code"]
    assert [fit["draw"] for fit in fits] == [0, 1, 2] and {fit["batch"] for fit in fits} == {14}


def test_a_single_draw_keeps_its_interval_and_what_it_was_drawn_by():
    number = {"mean": 60.0, "low": 50.0, "high": 70.0, "clustered_by": "motion_id"}
    cells = {"held-out": {"everyday": {"mpjpe": number, "mean_pose_mm": number}}}
    fits = [{"labels": "all", "draw": 0, "code": code, "labelled_frames": 9, "cells": cells} for code in CODES]
    line = table(fits)[0]["appearance"]
    assert (line["low"], line["high"], line["clustered_by"]) == (50, 70, "motion_id")


def test_too_few_labels_are_left_out_in_words(informed):
    assert informed["left_out"] == ["0.1 %: a regression needs 8 labels, this share has 1."]


@pytest.fixture(scope="module")
def network(dataset, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    torch.manual_seed(0)
    net = Disentangled(SHAPE)
    net.add_regressor().pose_mean.copy_(torch.from_numpy(dataset.pose(dataset.select(split="train"))).mean(0))
    save_network(path, net.eval(), {"method": "nsd"})
    return load_network(path)


def test_a_network_is_encoded_once_and_its_own_regressor_stands_beside(network, dataset, monkeypatch):
    settings = LabelStudySettings(
        fractions=(1.0, 0.2), draws=2, few=0.3, frames=16, intervals=20, regressor=QUICK.model_copy(update={"steps": 3})
    )
    seen, calls = [], []
    encode = network.encode
    monkeypatch.setattr(
        network, "encode", lambda frames, **given: (seen.append(len(frames)), encode(frames, **given))[1]
    )
    document = study_labels(
        network, dataset, settings, progress=lambda done, total, **f: calls.append((done, total, f))
    )
    cells = {(s, g) for s, g in zip(dataset.column("split"), dataset.column("group"), strict=True) if s != "train"}
    assert sum(seen) == len(dataset.select(split="train")) + 16 * len(cells)
    assert {(split, group) for split, groups in document["own_regressor"].items() for group in groups} == cells
    assert document["kind"] == "label study" and document["training_frames"] == 144
    assert calls[-1][0] == calls[-1][1] and calls[-1][2]["stage"] == "20 %"
    for fit in document["fits"]:
        assert {(split, group) for split, groups in fit["cells"].items() for group in groups} == cells


def test_a_study_of_the_same_seed_is_the_same(network, dataset):
    settings = LabelStudySettings(
        fractions=(0.2,), draws=1, frames=4, intervals=10, regressor=QUICK.model_copy(update={"steps": 2})
    )
    first, second = (study_labels(network, dataset, settings) for _ in range(2))
    assert first == second


def test_unusable_choices_are_refused_before_anything_is_encoded(network, dataset, monkeypatch):
    monkeypatch.setattr(network, "encode", lambda frames: pytest.fail("must not be reached"))
    with pytest.raises(ConfigError, match="fraction of the labels is 0"):
        study_labels(network, dataset, LabelStudySettings(fractions=(0.0,)))
    with pytest.raises(DataError, match="S9"):
        study_labels(network, dataset, LabelStudySettings(subject="S9"))


@pytest.mark.parametrize("paints", ["nothing", "person"])
def test_a_network_that_was_trained_on_labels_is_refused_before_anything_is_encoded(dataset, tmp_path, paints):
    """Its encoder has seen all labels, so that few of them behind it are not few."""
    path = tmp_path / "ceiling.safetensors"
    net = Disentangled(SHAPE.model_copy(update={"paints": paints}))
    net.add_regressor()
    save_network(path, net.eval(), {"method": "supervised"})
    with pytest.raises(ConfigError, match=r"ceiling.* trained on labels, its encoder too .*study a network"):
        study_labels(load_network(path), dataset, progress=lambda *_, **__: pytest.fail("must not be reached"))
