"""Fixtures for every test folder."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # makes `fixtures.tiny` importable from any test folder


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the stick-figure dataset (600 frames of 64 x 64, see fixtures/tiny.py). Read it, never change it."""
    from fixtures.tiny import write_tiny_dataset

    return write_tiny_dataset(tmp_path_factory.mktemp("tiny") / "dataset")
