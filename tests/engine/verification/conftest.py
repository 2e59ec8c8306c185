"""Fixtures of the tests of verification."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_dataset(larger_dataset: Path) -> Path:
    """Frames of 64 x 64, which the bundles are for."""
    return larger_dataset
