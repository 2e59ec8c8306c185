"""A shipped network can be made again by its name, in stages that are found again."""

import json
import shutil

import pytest

from fixtures.tiny import write_tiny_dataset
from turncoat.engine import reproduce as module
from turncoat.engine.cli.output import Output
from turncoat.engine.reproduce import RECIPES, reproduce
from turncoat.engine.runs import open_run
from turncoat.kernels import ConfigError
from turncoat.training.checkpoint import load_network
from turncoat.training.evaluate import EvaluationSettings
from turncoat.training.label_study import LabelStudySettings
from turncoat.training.pose_regressor import RegressorSettings

pytestmark = pytest.mark.usefixtures("quick_probes")


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
    monkeypatch.setattr(module, "ATTACKED", module.ATTACKED.model_copy(update={"iterations": 3, "draws": 2}))
    chosen = {"step_size_frames": 2, "step_size_iterations": 2}
    settings = module.AttackSettings
    monkeypatch.setattr(module.AttackSettings, "load", classmethod(lambda _, path, given: settings(**given, **chosen)))


def make(name, dataset, out, **more):
    given = {"data": dataset, "out": out, "images": 96, "threads": 1, "device": "cpu", "frames": 6} | more
    return reproduce(name, screen=Output(True), **given)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def made(dataset, folder):
    """nsd, made once: other tests find it there."""
    weights = folder / "nsd" / "nsd.safetensors"
    return weights if weights.with_suffix(".json").exists() else make("nsd", dataset, folder)


def test_nsd_from_nothing_to_its_card(made, dataset, folder):
    weights, tmp_path = made, folder
    network = load_network(weights, regressor=True)
    assert network.metadata["command"] == "turncoat reproduce nsd --images 96"
    assert set(network.metadata["attack_step_size"]) == {"paper", "free", "natural", "ladder", "optimiser"}
    assert network.metadata["training_seconds"] > 0 and network.metadata["images"] == 96
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["evaluation"] and card["labels"] and len(card["trend"]["points"]) > 1
    assert card["training"]["seconds"] > 0 and card["training"]["machine"]["processor"]
    assert str(tmp_path) not in weights.with_suffix(".json").read_text()
    before = weights.stat().st_mtime_ns
    assert make("nsd", dataset, tmp_path) == weights and weights.stat().st_mtime_ns == before


def test_its_card_holds_attacks_on_held_out_everyday_frames_with_their_controls(made, dataset):
    card = json.loads(made.with_suffix(".json").read_text())
    assert set(card["attacks"]) == {"paper, everyday", "natural, everyday"}
    for line in card["attacks"].values():
        assert line["frames"] == 6 and line["selection"]["split"] == "held-out"
        assert set(line["controls"]) == {"random direction", "same subject", "other subjects"}
        assert line["success"]["value"] is not None and line["error_final_mm"]["value"] > 0
    (place,) = made.parent.glob("run-*")
    run = open_run(place)
    subjects = run.rows(attack="appearance", setting="natural")["subject"].tolist()
    assert sorted(subjects) == ["S1"] * 3 + ["S2"] * 3 and run.info["command"] == card["training"]["command"]
    assert run.info["generator"]["weights_hash"] == card["file"]["sha256"]


def test_an_attack_that_was_killed_is_gone_on_with_and_a_finished_one_found_again(made, dataset, tmp_path, monkeypatch):
    """What the card says is what an undisturbed attack makes it say."""
    shutil.copytree(made.parent, tmp_path / "nsd")
    (place,) = (tmp_path / "nsd").glob("run-*")
    info = json.loads((place / "run.json").read_text())
    (place / "run.json").write_text(json.dumps(info | {"status": "running"}))
    (part,) = (place / "results").glob("part-*")
    before = json.loads(made.with_suffix(".json").read_text())["attacks"]
    kept = part.stat().st_mtime_ns
    calls, attack = [], module.attack_dataset
    monkeypatch.setattr(module, "attack_dataset", lambda *a, **k: (calls.append(a[3]), attack(*a, **k))[1])
    for name in ("evaluate", "study_labels", "snapshot_trend"):  # not what this is about
        document = json.loads(made.with_suffix(".json").read_text())
        part_of = {"evaluate": "evaluation", "study_labels": "labels", "snapshot_trend": "trend"}[name]
        monkeypatch.setattr(module, name, lambda *_, found=document[part_of], **__: found)
    for count in (1, 1):
        weights = make("nsd", dataset, tmp_path)
        assert calls == [place] * count and part.stat().st_mtime_ns == kept, "the finished part is not attacked again"
        assert json.loads(weights.with_suffix(".json").read_text())["attacks"] == before
    part.unlink()
    (place / "run.json").write_text(json.dumps(info | {"status": "running"}))
    make("nsd", dataset, tmp_path)
    assert json.loads(weights.with_suffix(".json").read_text())["attacks"] == before and part.exists()
    make("nsd", dataset, tmp_path, frames=4)
    assert len(list((tmp_path / "nsd").glob("run-*"))) == 2, "other frames are another run"


def test_the_ceiling_keeps_the_regressor_it_was_trained_with(dataset, tmp_path):
    weights = make("supervised", dataset, tmp_path)
    network = load_network(weights, regressor=True)
    assert not network.has_decoder and network.metadata["method"] == "supervised"
    card = json.loads(weights.with_suffix(".json").read_text())
    assert "attack_step_size" not in network.metadata and card["evaluation"] and not card.get("labels")
    assert card["attacks"] is None and not list(weights.parent.glob("run-*")), "what cannot repaint is not attacked"


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
