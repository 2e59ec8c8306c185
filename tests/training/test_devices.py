"""What runs after training runs where the network lies, and its answers come back to the processor.

On a pretended GPU (fixtures/pretended.py), which refuses what a real one refuses and computes what the processor does:
so every number must be the processor's own, and a tensor that was left behind fails.
"""

import numpy as np
import pytest
import torch

from fixtures.lively import lively
from fixtures.pretended import PretendedGPU
from fixtures.tiny import write_tiny_dataset
from turncoat.kernels.device import exact_float32
from turncoat.training.checkpoint import load_network, read_tensors, save_network
from turncoat.training.data import open_dataset
from turncoat.training.encoding import by_name, encode_rows
from turncoat.training.evaluate import EvaluationSettings, evaluate
from turncoat.training.identity import PROBES, ask, fit_probe
from turncoat.training.label_study import LabelStudySettings, StudyRegressor, study_labels
from turncoat.training.pose_regressor import RegressorSettings, fit_regressor
from turncoat.training.trend import snapshot_trend

pytestmark = pytest.mark.usefixtures("quick_probes")

PAINTS = ("person", "crop", "nothing")


@pytest.fixture(scope="module")
def dataset(tiny_dataset):
    return open_dataset(tiny_dataset)


@pytest.fixture(scope="module")
def weights(dataset, tmp_path_factory):
    """Networks of all three kinds on disk."""
    folder = tmp_path_factory.mktemp("weights")
    for paints in PAINTS:
        save_network(folder / f"{paints}.safetensors", lively(paints, dataset), {"method": "nsd", "images": 100})
    return folder


@pytest.fixture
def gpu():
    with PretendedGPU() as pretended:
        yield pretended


def on_both(weights, paints, measure):
    """What `measure(network)` says on the processor and on the pretended GPU, where all layers have to run."""
    here = measure(load_network(weights / f"{paints}.safetensors"))
    with PretendedGPU() as gpu:
        there = measure(load_network(weights / f"{paints}.safetensors", device="cuda"))
    assert gpu.ran("conv2d") == {"cuda"} and gpu.ran("linear") == {"cuda"}
    return here, there


def test_the_pretended_gpu_refuses_what_was_left_behind(gpu, weights, dataset):
    network = load_network(weights / "person.safetensors").to("cuda")
    frames = torch.rand(2, 3, 64, 64)
    assert str(network.device) == "cuda:0" and str(frames.device) == "cpu" and not frames.is_cuda
    with pytest.raises(RuntimeError, match="on the same device"):
        network.predict(frames)
    poses = network.predict(frames.to("cuda"))
    for use in (torch.Tensor.numpy, np.asarray, lambda values: values - torch.zeros(17, 3)):
        with pytest.raises((TypeError, RuntimeError), match=r"same device|to numpy"):
            use(poses)
    assert poses[torch.tensor([1])].is_cuda and str(poses.cpu().device) == "cpu" and poses.double().is_cuda
    with pytest.raises(RuntimeError, match="on the same device"):
        frames[torch.tensor([1], device="cuda")]


@pytest.mark.parametrize("paints", PAINTS)
def test_frames_are_encoded_where_the_network_lies(weights, dataset, paints):
    rows = dataset.select(split="held-out")[:20]

    def encoded(network):
        codes = encode_rows(network, dataset, rows, batch=8).codes
        assert not any(each.is_cuda for each in codes)
        return codes

    here, there = on_both(weights, paints, encoded)
    assert all(torch.equal(a, b) and len(a) == 20 for a, b in zip(here, there, strict=True))


@pytest.mark.parametrize("paints", PAINTS)
def test_an_evaluation_is_the_same_and_so_is_its_ceiling(weights, dataset, paints):
    settings = EvaluationSettings(splits=("held-out",), poses=12, pictures=6, batch=8, draws=10)

    def measure(network):
        ceiling = load_network(weights / "nothing.safetensors", device=network.device)
        return evaluate(network, dataset, settings, ceiling=ceiling)

    here, there = on_both(weights, paints, measure)
    assert here == there and there["splits"]["held-out"]["everyday"]["poses"]["supervised_mm"]["mean"] > 0
    assert ("pictures" in there["splits"]["held-out"]["everyday"]) == (paints != "nothing")


def test_a_ceiling_may_lie_elsewhere(gpu, weights, dataset):
    settings = EvaluationSettings(splits=("held-out",), poses=4, pictures=2, draws=5)
    network = load_network(weights / "person.safetensors", device="cuda")
    evaluate(network, dataset, settings, ceiling=load_network(weights / "nothing.safetensors"))
    assert gpu.ran("conv2d") == {"cuda", "cpu"}


def test_a_label_study_is_the_same(weights, dataset):
    settings = LabelStudySettings(
        fractions=(1.0, 0.2), draws=1, frames=8, intervals=10, regressor=StudyRegressor(steps=3, batch=16, threads=1)
    )
    here, there = on_both(weights, "person", lambda network: study_labels(network, dataset, settings))
    assert here == there and there["own_regressor"]


def test_a_probe_is_fitted_and_asked_on_its_device(gpu, weights, dataset):
    network = load_network(weights / "person.safetensors")
    train, test = (
        by_name(rows, encode_rows(network, dataset, rows).codes)
        for rows in (dataset.select(split="train"), dataset.select(split="held-out", group="everyday"))
    )
    gpu.work.clear()
    for kind in PROBES:
        probe = fit_probe(kind, train, "subject", dataset, "pose_code", device="cuda")
        assert len(ask(probe, dataset, {("held-out", "everyday"): test}).right) == len(test.rows)
    assert gpu.ran("linear") == {"cuda"}


def test_a_regressor_is_fitted_on_the_device_it_is_told(weights, tmp_path):
    folder = write_tiny_dataset(tmp_path / "longer", size=64, instants=12)  # enough codes for their statistics
    data = open_dataset(folder)
    settings = RegressorSettings(steps=3, batch=32, threads=1, hidden=16, noise=0.1)
    source, reports = weights / "person.safetensors", []
    reports.append(fit_regressor(data, source, tmp_path / "cpu.safetensors", settings, device="cpu"))
    with PretendedGPU() as gpu:
        reports.append(fit_regressor(data, source, tmp_path / "cuda.safetensors", settings, device="cuda"))
    assert gpu.ran("conv2d") == gpu.ran("linear") == {"cuda"} and reports[0] == reports[1]
    here, there = (read_tensors(tmp_path / f"{name}.safetensors", "network") for name in ("cpu", "cuda"))
    assert here[1] == there[1] and all(torch.equal(here[0][name], there[0][name]) for name in here[0])


@pytest.mark.parametrize("paints", PAINTS)
def test_a_trend_is_the_same(weights, dataset, tmp_path, paints):
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "network.safetensors").write_bytes((weights / f"{paints}.safetensors").read_bytes())
    given = {"frames": 10, "training_frames": 40, "batch": 4}
    here = snapshot_trend(tmp_path, dataset, device="cpu", **given)
    with PretendedGPU() as gpu:
        there = snapshot_trend(tmp_path, dataset, device="cuda", **given)
    assert here == there and gpu.ran("conv2d") == {"cuda"}


@pytest.mark.parametrize("allowed", [True, False])
def test_float32_is_exact_inside_and_as_it_was_outside(allowed):
    backends = (torch.backends.cudnn, torch.backends.cuda.matmul)

    @exact_float32()
    def inside():
        return [backend.allow_tf32 for backend in backends]

    with exact_float32():  # puts back what other tests count on
        for backend in backends:
            backend.allow_tf32 = allowed
        assert inside() == [False, False] and [backend.allow_tf32 for backend in backends] == [allowed, allowed]
