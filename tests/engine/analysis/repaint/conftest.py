"""People for the oracle, and stick figures that an untrained network repaints in colours of their own."""

import pytest

from fixtures.oracle import write_people
from turncoat.training.data import open_dataset


@pytest.fixture(scope="session")
def tiny_dataset(larger_dataset):
    """Frames of 64 x 64."""
    return larger_dataset


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    """Four people of one body: only clothes tell them apart."""
    return open_dataset(write_people(tmp_path_factory.mktemp("people") / "data"))


@pytest.fixture(scope="session")
def bodies(tmp_path_factory):
    """Four people of four heights."""
    return open_dataset(write_people(tmp_path_factory.mktemp("bodies") / "data", same_body=False))
