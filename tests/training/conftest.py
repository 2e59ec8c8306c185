"""Fixtures of the tests of training: stick figures large enough to be learned from."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_dataset(larger_dataset: Path) -> Path:
    """Frames of 64 x 64."""
    return larger_dataset
