"""The folder of a run is named after what decides its rows, and after nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.small_run import attacked, write_small_run
from fixtures.toys import ToyNetwork, ToyStatistics
from turncoat.engine.attack import AttackSettings
from turncoat.engine.sweep import Selection, again, finished_run, place_of_run
from turncoat.training.data import Dataset, open_dataset

SETTINGS, SELECTION = AttackSettings(judge=None), Selection(groups=("everyday",), at_most=2)


@pytest.fixture
def dataset(tiny_dataset: Path) -> Dataset:
    return open_dataset(tiny_dataset)


def test_what_decides_nothing_does_not_count(dataset: Dataset, tmp_path: Path) -> None:
    network = ToyNetwork(statistics=ToyStatistics())
    place = place_of_run(tmp_path, network, dataset, SETTINGS, SELECTION)
    assert place.parent == tmp_path and place.name.startswith("run-")
    for alike in ({"batch": 7}, {"device": "cpu"}):
        assert place_of_run(tmp_path, network, dataset, SETTINGS.model_copy(update=alike), SELECTION) == place


def test_what_decides_counts(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, other = ToyNetwork(statistics=ToyStatistics()), ToyNetwork(1500.0, ToyStatistics())
    automatic = SETTINGS.model_copy(update={"judge": "auto"})
    monkeypatch.setattr(again, "shipped_weights", dict)
    places = [
        place_of_run(tmp_path, network, dataset, SETTINGS, SELECTION),
        place_of_run(tmp_path, other, dataset, SETTINGS, SELECTION),
        place_of_run(tmp_path, network, dataset, SETTINGS.model_copy(update={"iterations": 3}), SELECTION),
        place_of_run(tmp_path, network, dataset, SETTINGS.model_copy(update={"precision": "bfloat16"}), SELECTION),
        place_of_run(tmp_path, network, dataset, SETTINGS, replace(SELECTION, at_most=3)),
        place_of_run(tmp_path, network, dataset, automatic, SELECTION),
    ]
    (tmp_path / "judge.safetensors").write_bytes(b"a judge")
    monkeypatch.setattr(again, "shipped_weights", lambda: {"judge": tmp_path / "judge.safetensors"})
    places.append(place_of_run(tmp_path, network, dataset, automatic, SELECTION))
    monkeypatch.setattr(dataset, "info", {**dataset.info, "fingerprint": "another"})
    places.append(place_of_run(tmp_path, network, dataset, SETTINGS, SELECTION))
    assert len(set(places)) == len(places) == 8


def test_only_a_finished_run_is_found(tmp_path: Path) -> None:
    assert finished_run(tmp_path / "nothing") is None
    write_small_run(tmp_path / "killed", [attacked(1)], finish=False)
    assert finished_run(tmp_path / "killed") is None
    run = write_small_run(tmp_path / "whole", [attacked(1)])
    found = finished_run(tmp_path / "whole")
    assert found is not None and found.folder == run.folder
