"""People for the oracle, and stick figures that an untrained network repaints in colours of their own."""

import pytest

from fixtures.oracle import write_people
from fixtures.tiny import write_tiny_dataset
from turncoat.training.data import open_dataset


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory):
    """Folder of the stick-figure dataset, frames of 64 x 64."""
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny-64") / "dataset", size=64)


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    """Four people of one body: only clothes tell them apart."""
    return open_dataset(write_people(tmp_path_factory.mktemp("people") / "data"))


@pytest.fixture(scope="session")
def bodies(tmp_path_factory):
    """Four people of four heights."""
    return open_dataset(write_people(tmp_path_factory.mktemp("bodies") / "data", same_body=False))
