"""Tracing records gradients, computes constants once and specialises nothing but sizes."""

import dataclasses

import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from turncoat.export.graphs import Graph
from turncoat.export.onnx_graph import OPERATORS, Ladder, check_operators, forward_graph
from turncoat.export.trace import trace
from turncoat.kernels import ExportError


def graph_of(function, shape=(4,), name="attack", outputs=("y",)) -> Graph:
    def example(batch: int) -> tuple[torch.Tensor, ...]:
        return (torch.rand(batch, *shape, generator=torch.Generator().manual_seed(0)),)

    return Graph(name, function, ("x",), outputs, example)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(2, 3, 3, padding=1)
        self.linear = nn.Linear(3, 5)
        self.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.convolution(x).relu().mean(dim=(2, 3)))

    def gradient(self, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_(True)
            return torch.autograd.grad(self(leaf).square().sum(), leaf)[0]


def test_a_traced_gradient_is_the_gradient():
    small = Small()
    x = torch.rand(3, 2, 6, 6)
    torch.testing.assert_close(trace(small.gradient, (x,))(x), small.gradient(x))


def test_flipped_weights_are_computed_once_and_matrices_are_not_stored_twice():
    traced = trace(Small().gradient, (torch.rand(3, 2, 6, 6),))
    called = [str(node.target) for node in traced.graph.nodes if node.op == "call_function"]
    assert not [name for name in called if "flip" in name]
    stored = [tuple(value.shape) for value in traced.state_dict().values()]
    assert stored.count((5, 3)) <= 1 and (3, 5) not in stored


def test_a_ladder_is_the_graph_of_every_batch():
    small = Small()
    ladder = Ladder(graph_of(small.gradient, (2, 6, 6)))
    for batch in (1, 5):
        model = ladder.at(batch)
        x = torch.rand(batch, 2, 6, 6)
        found = onnx.reference.ReferenceEvaluator(model).run(None, {"x": x.numpy()})[0]
        torch.testing.assert_close(torch.from_numpy(found), small.gradient(x))
        assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [batch, 2, 6, 6]


def test_a_graph_that_mixes_its_samples_by_their_number_is_refused():
    with pytest.raises(ExportError, match=r"depends on the batch|comes out differently"):
        Ladder(graph_of(lambda x: x * (1.0 + len(x))))
    with pytest.raises(ExportError, match=r"depends on the batch|comes out differently"):
        Ladder(graph_of(lambda x: torch.cat([x] + [x[:1]], dim=0)))


def test_a_forward_graph_takes_any_batch():
    small = Small()
    model = forward_graph(dataclasses.replace(graph_of(small.forward, (2, 6, 6)), name="predict"))
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    for batch in (1, 7):
        x = torch.rand(batch, 2, 6, 6)
        found = onnx.reference.ReferenceEvaluator(model).run(None, {"x": x.numpy()})[0]
        torch.testing.assert_close(torch.from_numpy(found), small(x))


def test_operators_that_engines_get_wrong_are_refused():
    for operator in ("GridSample", "ScatterND", "Loop", "If", "NonZero", "AffineGrid", "Resize", "BatchNormalization"):
        assert operator not in OPERATORS
    node = onnx.helper.make_node("GridSample", ["x", "g"], ["y"])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], []))
    with pytest.raises(ExportError, match="GridSample"):
        check_operators(model, "predict")


@pytest.mark.parametrize("make", [forward_graph, Ladder])
def test_a_layer_that_cannot_be_exported_is_one_sentence(make):
    def half(x):
        return torch.nn.functional.avg_pool2d(x, 2, padding=1)

    with pytest.raises(ExportError, match=r"^The graph \w+ cannot be exported: only average pooling over [^\n]*$"):
        make(graph_of(half, (2, 6, 6)))


def test_graphs_carry_no_notes_of_the_tracer():
    model = Ladder(graph_of(Small().gradient, (2, 6, 6))).at(2)
    assert not model.metadata_props and not model.graph.value_info
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert all(numpy_helper.to_array(tensor).size for tensor in model.graph.initializer)
