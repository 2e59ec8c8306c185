"""Which frames are attacked: how many, how far apart, and that run.json brings the same ones back."""

from pathlib import Path

import numpy as np
import pytest

from turncoat.engine.analysis.family import SELECTION
from turncoat.engine.sweep import Selection
from turncoat.kernels.errors import DataError
from turncoat.training.data import Dataset, open_dataset


@pytest.fixture(scope="module")
def dataset(tiny_dataset: Path) -> Dataset:
    return open_dataset(tiny_dataset)


def smallest_gap(dataset: Dataset, rows: np.ndarray) -> float:
    sequences, times = dataset.column("sequence")[rows], dataset.column("time_s")[rows]
    gaps = [np.diff(np.sort(times[sequences == name])) for name in set(sequences.tolist())]
    return float(np.concatenate(gaps).min(initial=np.inf))


def test_a_smaller_gap_lets_neighbours_in(dataset: Dataset) -> None:
    """The instants of the stick figures lie .4 s apart."""
    usual = Selection(groups=("everyday",)).rows(dataset, 0)
    closer = Selection(groups=("everyday",), minimum_gap_s=0.35).rows(dataset, 0)
    assert len(closer) > len(usual)
    assert smallest_gap(dataset, usual) >= 0.5 and smallest_gap(dataset, closer) == pytest.approx(0.4)


def test_as_many_as_there_are_but_no_more_than_asked(dataset: Dataset) -> None:
    some = Selection(groups=("everyday",), at_most=2).rows(dataset, 0)
    assert len(some) == 4, "two subjects"
    subjects = dataset.column("subject")[SELECTION.rows(dataset, 0)].tolist()
    assert subjects.count("S1") == subjects.count("S2") > 2


def test_what_run_json_keeps_chooses_the_same_frames_again(dataset: Dataset) -> None:
    for selection in (Selection(), Selection(groups=("everyday",), per_subject=2), SELECTION):
        facts = selection.facts(dataset, selection.rows(dataset, 3))
        known = {name: facts[name] for name in ("per_subject", "at_most", "minimum_gap_s") if name in facts}
        again = Selection(
            split=facts["split"], groups=tuple(facts["groups"]), subjects=tuple(facts["subjects"]), **known
        )
        assert again.facts(dataset, again.rows(dataset, 3)) == facts
    assert "minimum_gap_s" not in Selection().facts(dataset, Selection().rows(dataset, 0)), "as older runs have it"


def test_too_few_frames_are_said_in_a_sentence(dataset: Dataset) -> None:
    with pytest.raises(DataError, match=r"at least 0\.35 s apart"):
        Selection(groups=("everyday",), per_subject=900, minimum_gap_s=0.35).rows(dataset, 0)
