"""Sweeps that are refused, in a sentence, before anything is written; and which frames are chosen."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from fixtures.toys import LayeredDataset, ToyNetwork, ToyStatistics
from turncoat.engine import AttackSettings, attack_dataset
from turncoat.engine.sweep import Selection
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data import Dataset, open_dataset

FEW = Selection(groups=("everyday",), per_subject=3)
QUICK = AttackSettings(attacks=("paper", "natural", "colours-0.1"), step_size={"paper": 1.0, "natural": 0.1})


def toy() -> ToyNetwork:
    return ToyNetwork(statistics=ToyStatistics())


@pytest.fixture(scope="module")
def layered(tiny_dataset: Path) -> Dataset:
    return LayeredDataset(tiny_dataset)


def test_an_output_folder_that_is_taken_or_not_writable_is_refused(layered: Dataset, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        attack_dataset(toy(), layered, QUICK, tmp_path / "taken", selection=FEW)
    with pytest.raises(ConfigError, match="no run to resume"):
        attack_dataset(toy(), layered, QUICK, tmp_path / "taken", selection=FEW, resume=True)
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["thesis.txt"]
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        attack_dataset(toy(), layered, QUICK, tmp_path / "file", selection=FEW)
    with pytest.raises(ConfigError, match="cannot be created"):  # nobody can, the superuser neither
        attack_dataset(toy(), layered, QUICK, tmp_path / "file" / "run", selection=FEW)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"batch": 0}, "greater than or equal to 1"),
        ({"attacks": ("papier",)}, "there is no attack 'papier'"),
        ({"attacks": ()}, "at least one"),
        ({"attacks": ("colours-7",)}, "there is no attack"),
        ({"step_size": -1}, "above 0"),
        ({"step_size": {"colours-0.1": 1.0}}, "has no step size"),
        ({"threshold_mm": float("nan")}, "finite"),
        ({"bacth": 3}, "not permitted|unknown"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        AttackSettings(**changes)


def test_unknown_selections_and_impossible_demands_are_refused_before_anything_is_written(
    layered: Dataset, tiny_dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    for selection, words in [
        (Selection(split="held out"), "held-out"),
        (Selection(groups=("sporty",)), "everyday"),
        (Selection(subjects=("S9",)), "S1"),
        (Selection(per_subject=10_000), "Too few frames"),
    ]:
        with pytest.raises(DataError, match=words):
            attack_dataset(toy(), layered, QUICK, out, selection=selection)
    with pytest.raises(DataError, match="studio"):
        attack_dataset(toy(), open_dataset(tiny_dataset), QUICK, out, selection=FEW)  # has no layers
    with pytest.raises(ConfigError, match="'natural' needs statistics"):
        attack_dataset(ToyNetwork(), layered, QUICK, out, selection=FEW)
    network = toy()
    network.has_regressor = False
    with pytest.raises(ConfigError, match="no pose regressor"):
        attack_dataset(network, layered, QUICK, out, selection=FEW)
    assert not out.exists()


def test_unless_told_a_sweep_takes_as_many_frames_as_every_subject_has(layered: Dataset) -> None:
    rows = Selection(groups=("everyday",)).rows(layered, 0)
    subjects = layered.column("subject")[rows].tolist()
    count = subjects.count("S1")
    assert subjects.count("S2") == count < 100
    np.testing.assert_array_equal(rows, Selection(groups=("everyday",), per_subject=count).rows(layered, 0))
    with pytest.raises(DataError, match="Too few"):
        Selection(groups=("everyday",), per_subject=count + 1).rows(layered, 0)
    both = Selection().rows(layered, 0)
    assert set(layered.column("group")[both].tolist()) == {"everyday", "acrobatic"}
