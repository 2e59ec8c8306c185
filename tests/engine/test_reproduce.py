"""A shipped network can be made again by its name, in stages that are found again."""

import json

import pytest

from fixtures.tiny import write_tiny_dataset
from turncoat.engine import reproduce as module
from turncoat.engine.cli.output import Output
from turncoat.engine.reproduce import RECIPES, reproduce
from turncoat.kernels import ConfigError
from turncoat.training.checkpoint import load_network
from turncoat.training.evaluate import EvaluationSettings
from turncoat.training.label_study import LabelStudySettings
from turncoat.training.pose_regressor import RegressorSettings


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Twice the usual sequences' length: a covariance of appearance codes takes 256 training frames."""
    return write_tiny_dataset(tmp_path_factory.mktemp("longer") / "dataset", instants=12)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    few = {"steps": 5, "batch": 64, "hidden": 16}
    monkeypatch.setattr(module, "FITTED", RegressorSettings(**few))
    monkeypatch.setattr(module, "MEASURED", EvaluationSettings(poses=20, pictures=8, draws=20))
    monkeypatch.setattr(module, "STUDIED", LabelStudySettings(regressor=few, draws=1, frames=40, intervals=20))
    chosen = {"step_size_frames": 2, "step_size_iterations": 2}
    settings = module.AttackSettings
    monkeypatch.setattr(module.AttackSettings, "load", classmethod(lambda _, path, given: settings(**given, **chosen)))


def make(name, dataset, out, **more):
    given = {"data": dataset, "out": out, "images": 96, "threads": 1, "device": "cpu"} | more
    return reproduce(name, screen=Output(True), **given)


def test_nsd_from_nothing_to_its_card(dataset, tmp_path):
    weights = make("nsd", dataset, tmp_path)
    network = load_network(weights, regressor=True)
    assert network.metadata["command"] == "turncoat reproduce nsd --images 96"
    assert set(network.metadata["attack_step_size"]) == {"paper", "free", "natural", "ladder"}
    assert network.metadata["training_seconds"] > 0 and network.metadata["images"] == 96
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["evaluation"] and card["labels"] and len(card["trend"]["points"]) > 1
    assert card["training"]["seconds"] > 0 and card["training"]["machine"]["processor"]
    assert str(tmp_path) not in weights.with_suffix(".json").read_text()
    before = weights.stat().st_mtime_ns
    assert make("nsd", dataset, tmp_path) == weights and weights.stat().st_mtime_ns == before


def test_the_ceiling_keeps_the_regressor_it_was_trained_with(dataset, tmp_path):
    weights = make("supervised", dataset, tmp_path)
    network = load_network(weights, regressor=True)
    assert not network.has_decoder and network.metadata["method"] == "supervised"
    card = json.loads(weights.with_suffix(".json").read_text())
    assert "attack_step_size" not in network.metadata and card["evaluation"] and not card.get("labels")


def test_a_seed_is_part_of_the_name(dataset, tmp_path):
    assert make("supervised", dataset, tmp_path, seed=2).name == "supervised-seed2.safetensors"


def test_what_cannot_be_made_is_refused(dataset, tmp_path):
    with pytest.raises(ConfigError, match="no recipe for 'nds'; choose one of nsd, nsd-wide"):
        make("nds", dataset, tmp_path)
    with pytest.raises(ConfigError, match="give such a dataset with --decorrelated"):
        make("judge", dataset, tmp_path)
    assert {name for name, each in RECIPES.items() if each.decorrelated} == {
        "nsd-decorrelated",
        "cssl-decorrelated",
        "judge",
    }
