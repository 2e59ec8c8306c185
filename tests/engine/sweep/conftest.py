"""A sweep of eight parts that takes a second: frames far apart, a small network on disk."""

from pathlib import Path

import pytest

from turncoat.training.data import open_dataset


@pytest.fixture(scope="session")
def long_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stick figures in one camera, 480 frames; all 240 held-out ones may be attacked. Read it, never change it."""
    from fixtures.tiny import write_tiny_dataset

    folder = tmp_path_factory.mktemp("long") / "dataset"
    return write_tiny_dataset(folder, instants=40, splits=("train", "held-out"), apart_s=0.53)


@pytest.fixture(scope="session")
def small_weights(long_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network for frames of `long_dataset` on disk (see fixtures/lively.py). Copy it to change it."""
    from fixtures.lively import lively
    from turncoat.training.checkpoint import save_network

    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    network = lively("person", open_dataset(long_dataset))
    save_network(path, network, network.metadata, statistics=network.statistics)
    return path
