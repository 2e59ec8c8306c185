"""People for the oracle."""

import pytest

from fixtures.oracle import write_people
from turncoat.training.data import open_dataset


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    """Four people of one body: only clothes tell them apart."""
    return open_dataset(write_people(tmp_path_factory.mktemp("people") / "data"))


@pytest.fixture(scope="session")
def bodies(tmp_path_factory):
    """Four people of four heights."""
    return open_dataset(write_people(tmp_path_factory.mktemp("bodies") / "data", same_body=False))
