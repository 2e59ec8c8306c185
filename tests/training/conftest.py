"""Fixtures of the tests of training: stick figures large enough to be learned from."""

from pathlib import Path

import pytest

from fixtures.tiny import write_tiny_dataset


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the stick-figure dataset, frames of 64 x 64 (elsewhere 32 x 32, which is quicker to attack)."""
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny-64") / "dataset", size=64)
