"""Fixtures for every test folder."""

import os
import sys
from pathlib import Path

# Before torch and numba are imported: several test workers share the processors.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")

import pytest
from hypothesis import settings

THREADS = int(os.environ["OMP_NUM_THREADS"].split(",")[0])

# A test that fails in continuous integration fails the same way on any machine.
settings.register_profile("turncoat", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("turncoat")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `gpu` where there is no GPU, and say why."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device that this PyTorch can use"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """As many threads in every test as at first: a command sets them for its process, and sums come out otherwise."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != THREADS:
        torch.set_num_threads(THREADS)


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the stick-figure dataset (600 frames of 32 x 32, see fixtures/tiny.py). Read it, never change it."""
    from fixtures.tiny import write_tiny_dataset

    return write_tiny_dataset(tmp_path_factory.mktemp("tiny") / "dataset")


@pytest.fixture(scope="session")
def larger_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with frames of 64 x 64, where more than a few pixels have to be seen."""
    from fixtures.tiny import write_tiny_dataset

    return write_tiny_dataset(tmp_path_factory.mktemp("larger") / "dataset", size=64)


@pytest.fixture(scope="session")
def tiny_bundle(larger_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported network for frames of `larger_dataset` (see fixtures/lively.py). Copy it to change it."""
    return _shared_bundle(larger_dataset, tmp_path_factory, "fp32")


@pytest.fixture(scope="session")
def tiny_bundle_half(larger_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network in half precision. Copy it to change it."""
    return _shared_bundle(larger_dataset, tmp_path_factory, "fp16")


def _shared_bundle(dataset: Path, factory: pytest.TempPathFactory, precision: str) -> Path:
    """One bundle for all test workers: the first makes it, the others wait."""
    from filelock import FileLock

    from fixtures.lively import lively_bundle

    common = factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else factory.getbasetemp()
    folder = common / f"lively-{precision}"
    with FileLock(f"{folder}.lock"):
        bundle = folder / "bundle"
        return bundle if (bundle / "bundle.json").is_file() else lively_bundle(folder, dataset, precision)


@pytest.fixture
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes of who it is take two steps: for tests of evaluations that are not about them."""
    from turncoat.training import identity

    monkeypatch.setattr(identity, "FITTED", identity.FITTED.model_copy(update={"steps": 2}))
