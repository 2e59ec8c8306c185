"""A bundle is whole or not there, holds every graph over one file of weights, and is the network it came from."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn
from torch.nn import functional as F

from turncoat.export import exporter
from turncoat.export.attack_step import attack_step
from turncoat.export.bundle import open_bundle
from turncoat.export.exporter import export_bundle
from turncoat.export.fold import folded
from turncoat.export.graphs import Graph, graphs_of
from turncoat.export.onnx_graph import OPERATORS, Ladder, forward_graph
from turncoat.kernels import ConfigError, DataError, ExportError
from turncoat.kernels.composite import paint
from turncoat.kernels.resample import resample
from turncoat.training.checkpoint import load_network, save_network
from turncoat.training.data import open_dataset
from turncoat.training.networks import Canvas


@pytest.fixture
def copied(tiny_bundle, tmp_path):
    """A bundle of one's own."""
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


def run(model, feed):
    """All outputs of a graph by ONNX Runtime, as a dictionary. model: a path, or a float32 `ModelProto`."""
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    return dict(zip([value.name for value in session.get_outputs()], session.run(None, feed), strict=True))


def test_every_graph_is_there_and_needs_known_operators_only(tiny_bundle):
    bundle = open_bundle(tiny_bundle)
    expected = {"predict", "encode", "canvas", "decode", "paint"}
    expected |= {f"{ladder}-b{b}" for ladder in ("attack", "target", "decode-vjp") for b in (1, 2)}
    assert set(bundle.graphs) == expected
    for name in bundle.graphs:
        model = onnx.load(bundle.path(name), load_external_data=False)
        assert {node.op_type for node in model.graph.node} <= OPERATORS
        assert {opset.version for opset in model.opset_import if opset.domain == ""} == {18}
        for tensor in model.graph.initializer:
            located = {entry.key: entry.value for entry in tensor.external_data}
            assert located.get("location", "weights.safetensors") == "weights.safetensors"


def test_weights_are_stored_once_and_can_be_read_by_whoever_reads_the_graphs(tiny_bundle):
    info = open_bundle(tiny_bundle).info
    assert len({(tiny_bundle / name).stat().st_mode for name in info["files"]}) == 1
    assert info["bytes_over_weights"] <= 2.2
    graphs = sum(file["bytes"] for name, file in info["files"].items() if name.endswith(".onnx"))
    assert graphs < 0.1 * info["bytes"]


def test_the_network_in_a_bundle_is_the_one_that_was_exported(tiny_bundle):
    bundle = open_bundle(tiny_bundle)
    source = load_network(tiny_bundle.parent / "network.safetensors")
    frames = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(bundle.network.predict(frames), source.predict(frames), atol=0.01, rtol=0)
    assert bundle.weights_hash == source.weights_hash
    assert bundle.network.statistics.radius_p99 == source.statistics.radius_p99
    torch.testing.assert_close(bundle.network.statistics.factor, source.statistics.factor)


@pytest.mark.parametrize(
    "name", ["predict", "encode", "canvas", "decode", "paint", "attack-b2", "target-b1", "decode-vjp-b2"]
)
def test_a_graph_says_what_its_function_says(tiny_bundle, name):
    bundle = open_bundle(tiny_bundle)
    kind = name.split("-b")[0]
    graph = next(graph for graph in graphs_of(bundle.network) if graph.name == kind)
    arguments = graph.example(bundle.graphs[name]["batch"] or 2)
    wanted = graph.function(*arguments)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    found = run(bundle.path(name), dict(zip(graph.inputs, (a.numpy() for a in arguments), strict=True)))
    for output, right in zip(graph.outputs, wanted, strict=True):
        scale = float(right.abs().max())
        np.testing.assert_allclose(found[output], right.numpy(), atol=2e-4 * max(scale, 1e-6), err_msg=output)


class Miniature(nn.Module):
    """A generator and target of a few channels with every hard part: strides, pooling, enlarging, cropping, clamps."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.decoder = nn.Conv2d(2 + 3, 3, 3, padding=1)
        self.detector = nn.Linear(3, 4)
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 4, 3, 1, 1), nn.ReLU()
        )
        self.head = nn.Linear(4 * 4, 17 * 3)
        self.double().requires_grad_(False)

    def paint(self, appearance: torch.Tensor, canvas: Canvas) -> torch.Tensor:
        tiled = appearance[:, :, None, None].expand(-1, -1, *canvas.features.shape[2:])
        rgb = F.interpolate(torch.cat([tiled, canvas.features], 1), scale_factor=2, mode="bilinear", align_corners=True)
        return paint(self.decoder(rgb) + 0.4, canvas.box, canvas.mask, canvas.base)

    def predict(self, frames: torch.Tensor) -> torch.Tensor:
        raw = self.detector(F.avg_pool2d(frames, 10).mean(dim=(2, 3)))
        box = torch.cat([0.4 + 0.4 * raw[:, :2].sigmoid(), 0.3 * raw[:, 2:].tanh()], 1)
        return 300 * self.head(self.trunk(resample(frames, box, 8, 8)).flatten(1)).view(-1, 17, 3)


def test_the_exported_gradient_of_a_small_float64_network_is_what_finite_differences_say():
    network = Miniature()
    names = ("appearance", "features", "mask", "base", "box", "reference", "joint_weight", "sign")

    def example(batch: int) -> tuple[torch.Tensor, ...]:
        random = torch.Generator().manual_seed(0)
        shapes = ((2,), (3, 4, 4), (1, 20, 20), (3, 20, 20))
        made = [torch.rand(batch, *shape, generator=random).double() for shape in shapes]
        made.append(torch.tensor([[0.5, 0.7, 0.1, -0.1]]).double().repeat(batch, 1))
        made.append(100 * torch.randn(batch, 17, 3, generator=random).double())
        return (*made, torch.linspace(0.5, 1.5, 17).double(), -torch.ones(batch).double())

    def step(appearance: torch.Tensor, *rest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return attack_step(network, network, appearance, Canvas(*rest[:4]), *rest[4:])

    evaluator = ReferenceEvaluator(Ladder(Graph("attack", step, names, ("pose", "gradient"), example)).at(1))
    feed = dict(zip(names, (tensor.numpy() for tensor in example(1)), strict=True))
    gradient = evaluator.run(["gradient"], feed)[0]
    assert gradient.dtype == np.float64 and np.abs(gradient).min() > 0

    def objective(appearance: np.ndarray) -> float:
        pose = evaluator.run(["pose"], {**feed, "appearance": appearance})[0]
        return float(-(feed["joint_weight"][None, :, None] * ((pose - feed["reference"]) / 1000) ** 2).sum())

    for number in range(2):
        step_along = 1e-6 * np.eye(2)[number : number + 1]
        slope = (objective(feed["appearance"] + step_along) - objective(feed["appearance"] - step_along)) / 2e-6
        np.testing.assert_allclose(gradient[0, number], slope, rtol=1e-6)


@pytest.mark.parametrize("paints", ["crop", "nothing"])
def test_other_kinds_of_networks_are_exported_too(tiny_dataset, paints):
    """UGAR's paints crops where it is told to, a supervised one paints nothing."""
    from fixtures.lively import lively

    network = folded(lively(paints, open_dataset(tiny_dataset)))
    graphs = {graph.name: graph for graph in graphs_of(network)}
    names = {"predict", "encode", "target"}
    assert set(graphs) == (
        names if paints == "nothing" else names | {"canvas", "decode", "paint", "attack", "decode-vjp"}
    )
    chosen = ["target"] if paints == "nothing" else ["encode", "attack"]
    for name in chosen:
        graph = graphs[name]
        model = Ladder(graph).at(2) if graph.ladder else forward_graph(graph)
        arguments = graph.example(2)
        wanted = graph.function(*arguments)
        found = run(model, dict(zip(graph.inputs, (a.numpy() for a in arguments), strict=True)))
        for output, right in zip(graph.outputs, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
            if output == "gradient":  # a ReLU that stands at zero may fall to either side
                cosine = F.cosine_similarity(torch.from_numpy(found[output]).flatten(1), right.flatten(1))
                assert float(cosine.min()) > 0.999
            else:
                np.testing.assert_allclose(found[output], right.numpy(), atol=3e-4 * float(right.abs().max()))


def test_half_precision_keeps_sizes_small_and_answers_close(tiny_bundle, tiny_bundle_half):
    single, half = open_bundle(tiny_bundle), open_bundle(tiny_bundle_half)
    assert half.info["bytes"] < single.info["bytes"]
    model = onnx.load(half.path("attack-b1"), load_external_data=False)
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    weights = [kinds[node.input[1]] for node in model.graph.node if node.op_type == "Conv" and node.input[1] in kinds]
    assert weights and set(weights) == {onnx.TensorProto.FLOAT16}
    graph = next(graph for graph in graphs_of(half.network) if graph.name == "attack")
    arguments = graph.example(1)
    found = run(half.path("attack-b1"), dict(zip(graph.inputs, (a.numpy() for a in arguments), strict=True)))
    pose, gradient = graph.function(*arguments)
    assert found["pose"].dtype == found["gradient"].dtype == np.float32
    assert np.abs(found["pose"] - pose.numpy()).mean() < 5  # mm
    cosine = torch.nn.functional.cosine_similarity(torch.from_numpy(found["gradient"]), gradient)
    assert float(cosine) > 0.9


# What goes wrong


def test_a_changed_or_truncated_file_is_noticed(copied):
    path = copied / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"weights\.safetensors is not the file that was exported"):
        open_bundle(copied)
    path.write_bytes(data[:-100])
    with pytest.raises(DataError, match=r"not the file that was exported"):
        open_bundle(copied, check=False)
    path.unlink()
    with pytest.raises(DataError, match="lacks its file"):
        open_bundle(copied)


def test_what_is_no_bundle_is_said_to_be_none(tmp_path, copied):
    with pytest.raises(DataError, match="is no bundle"):
        open_bundle(tmp_path)
    (copied / "bundle.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        open_bundle(copied)
    (copied / "bundle.json").write_text(json.dumps({"format": 7, "kind": "bundle"}))
    with pytest.raises(DataError, match="of format 7, expected a bundle of format 1"):
        open_bundle(copied)
    (copied / "bundle.json").write_text(json.dumps({"format": 1, "kind": "bundle", "name": "x"}))
    with pytest.raises(DataError, match=r"damaged \(it lacks its entry 'preset'\)"):
        open_bundle(copied)


def test_a_graph_that_is_not_there_is_named(tiny_bundle):
    with pytest.raises(DataError, match=r"has no graph 'attack-b64'; it has predict, encode"):
        open_bundle(tiny_bundle).path("attack-b64")


def test_nothing_is_overwritten_and_nothing_half_written_is_left(tiny_bundle, tmp_path, copied, monkeypatch):
    weights = tiny_bundle.parent / "network.safetensors"
    before = sorted(os.listdir(copied))
    with pytest.raises(ConfigError, match=r"There is a bundle at .* already"):
        export_bundle(weights, copied)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is no bundle"):
        export_bundle(weights, tmp_path / "other", overwrite=True)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(exporter, "forward_graph", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_bundle(weights, copied, overwrite=True)
    with pytest.raises(KeyboardInterrupt):
        export_bundle(weights, tmp_path / "new")
    assert sorted(os.listdir(copied)) == before and open_bundle(copied)
    assert sorted(os.listdir(tmp_path)) == ["bundle", "other"]


def test_a_bundle_is_replaced_as_a_whole_or_stays(tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "old").touch()
    with pytest.raises(KeyboardInterrupt), exporter._folder(tmp_path / "bundle") as folder:
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["bundle"] and os.listdir(tmp_path / "bundle") == ["old"]
    with pytest.raises(FileNotFoundError), exporter._folder(tmp_path / "bundle") as folder:
        folder.rmdir()  # so that it cannot take its place
    assert os.listdir(tmp_path) == ["bundle"] and os.listdir(tmp_path / "bundle") == ["old"]
    with exporter._folder(tmp_path / "bundle") as folder:
        (folder / "new").touch()
    assert os.listdir(tmp_path) == ["bundle"] and os.listdir(tmp_path / "bundle") == ["new"]


def test_settings_that_make_no_sense_are_refused_before_work(tiny_bundle, tmp_path):
    weights = tiny_bundle.parent / "network.safetensors"
    with pytest.raises(ConfigError, match=r"precision is 'int8'; choose one of fp32, fp16"):
        export_bundle(weights, tmp_path / "x", precision="int8")
    with pytest.raises(ConfigError, match="give positive numbers"):
        export_bundle(weights, tmp_path / "x", batches=(0, 8))
    with pytest.raises(DataError, match="There are no weights at"):
        export_bundle(tmp_path / "nothing.safetensors", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_nan_weight_and_one_that_overflows_are_named(tiny_bundle, tmp_path):
    network = load_network(tiny_bundle.parent / "network.safetensors")
    name, tensor = next((n, p) for n, p in network.named_parameters() if n.endswith("weight") and p.ndim == 4)
    tensor.data[0, 0, 0, 0] = 1e6
    save_network(tmp_path / "large.safetensors", network)
    with pytest.raises(ExportError, match="NaN or infinite as float16"):
        export_bundle(tmp_path / "large.safetensors", tmp_path / "x", precision="fp16")
    tensor.data[0, 0, 0, 0] = torch.nan
    with pytest.raises(ExportError, match=f"NaN or infinite.*{name.split('.')[0]}"):
        export_bundle(network, tmp_path / "x")
    assert not (tmp_path / "x").exists()
