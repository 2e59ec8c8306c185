"""From a network's graph to ONNX: dynamic batch for what is run once, fixed batches for what an attack runs often."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from turncoat.export.decompositions import decompositions
from turncoat.export.graphs import Graph
from turncoat.export.trace import trace
from turncoat.kernels import ExportError

OPSET = 18
"""The newest that every engine runs everywhere (onnxruntime #26393, #27729: CUDA falls back above it)."""

# fmt: off
OPERATORS = frozenset((
    "Abs", "Add", "And", "Cast", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv", "ConvTranspose",
    "DepthToSpace", "Div", "Equal", "Expand", "Gather", "Gemm", "Greater", "GreaterOrEqual", "Identity", "Less",
    "LessOrEqual", "MatMul", "Max", "Min", "Mul", "Neg", "Not", "Pad", "Pow", "Range", "Reciprocal", "ReduceMax",
    "ReduceMean", "ReduceSum", "Relu", "Reshape", "Shape", "Sigmoid", "Sign", "Slice", "SpaceToDepth", "Split",
    "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Transpose", "Unsqueeze", "Where",
))
# fmt: on
"""Operators that may appear. Left out on purpose: GridSample (TensorRT samples the nearest pixel), AffineGrid, Resize,
Scatter*, Loop, If, NonZero, BatchNormalization."""

_TRIED = (2, 3)  # batches that a ladder is traced with


def forward_graph(graph: Graph) -> Any:
    """A graph with a free batch axis as `onnx.ModelProto`.

    Raises:
        ExportError: a layer cannot be exported.
    """
    example = graph.example(2)
    axes = [None if name in graph.shared else {0: torch.export.Dim("batch", min=1)} for name in graph.inputs]
    with _quiet(), _said_of(graph):
        program = torch.export.export(_Function(graph.function), example, dynamic_shapes=(tuple(axes),), strict=False)
        program = program.run_decompositions(decompositions())
        made = torch.onnx.export(program, dynamo=True, opset_version=OPSET, verbose=False)
    assert made is not None
    return _tidied(made.model_proto, graph, "batch")


class Ladder:
    """A graph that was traced at two batch sizes and can be had at any.

    The two traces may differ in nothing but integers that are multiples of the batch: that proves that nothing else
    was specialised, and says how to write the graph for another batch.

    Raises:
        ExportError: they differ in more, or a layer cannot be exported.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.first, self.second = (self._traced(batch) for batch in _TRIED)
        self.at(_TRIED[0])

    def at(self, batch: int) -> Any:
        """The graph for `batch` samples as `onnx.ModelProto`."""
        model = copy.deepcopy(self.first)
        _rebatch(model, self.second, batch, self.graph.name)
        return model

    def _traced(self, batch: int) -> Any:
        example = self.graph.example(batch)
        with _quiet(), _said_of(self.graph):
            module = trace(self.graph.function, example)
            made = torch.onnx.export(module, example, dynamo=True, opset_version=OPSET, verbose=False)
        assert made is not None
        return _tidied(made.model_proto, self.graph, batch)


def check_operators(model: Any, name: str) -> None:
    """ExportError if a graph holds an operator that is not known to run right everywhere."""
    foreign = sorted({node.op_type for node in model.graph.node} - OPERATORS)
    if foreign:
        raise ExportError(
            f"The graph {name} needs the ONNX operators {', '.join(foreign)}, which are not known to run right on "
            "every backend; add a decomposition to export/decompositions.py."
        )


class _Function(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function
        owner = getattr(function, "__self__", None)
        self.network = getattr(owner, "network", None)  # so that its weights are seen as weights

    def forward(self, *arguments: Any) -> Any:
        return self.function(*arguments)


def _tidied(model: Any, graph: Graph, batch: int | str) -> Any:
    """Short names in order of appearance, inputs and outputs by their own, no notes of the tracer."""
    import onnx

    model = copy.deepcopy(model)
    proto = model.graph
    names = dict(zip((value.name for value in proto.input), graph.inputs, strict=True))
    if len({value.name for value in proto.output}) != len(graph.outputs) or set(names) & {
        value.name for value in proto.output
    }:
        raise ExportError(f"The graph {graph.name} returns one of its inputs or the same value twice.")
    names |= dict(zip((value.name for value in proto.output), graph.outputs, strict=True))
    for tensor in proto.initializer:
        names[tensor.name] = f"c{len(names)}"
    for node in proto.node:
        for value in node.output:
            names.setdefault(value, f"v{len(names)}")
    for index, node in enumerate(proto.node):
        node.name = f"{node.op_type}_{index}"
        node.input[:] = [names[value] if value else "" for value in node.input]
        node.output[:] = [names[value] if value else "" for value in node.output]
        node.doc_string = ""
        del node.metadata_props[:]
    for tensor in proto.initializer:
        tensor.name = names[tensor.name]
        tensor.doc_string = ""
    for value in [*proto.input, *proto.output]:
        value.name = names[value.name]
        del value.metadata_props[:]
        if isinstance(batch, str) and value.name not in graph.shared:
            value.type.tensor_type.shape.dim[0].Clear()
            value.type.tensor_type.shape.dim[0].dim_param = batch
    del proto.value_info[:]
    del proto.metadata_props[:]
    del model.metadata_props[:]
    del model.functions[:]
    proto.name = graph.name
    model.producer_name = "turncoat"
    model.doc_string = proto.doc_string = ""
    onnx.checker.check_model(model, full_check=False)
    return model


def _rebatch(model: Any, other: Any, batch: int, name: str) -> None:
    """Write `batch` wherever `model` and `other`, traced at `_TRIED`, differ by it."""

    def scaled(a: int, b: int) -> int:
        if a == b:
            return a
        if a * _TRIED[1] != b * _TRIED[0] or a % _TRIED[0]:
            raise ExportError(f"The graph {name} depends on the batch in more than its sizes ({a} against {b}).")
        return a // _TRIED[0] * batch

    def same(condition: bool, what: str) -> None:
        if not condition:
            raise ExportError(f"The graph {name} comes out differently for another batch: {what}.")

    for a, b in zip([*model.graph.input, *model.graph.output], [*other.graph.input, *other.graph.output], strict=True):
        for dim, dim_b in zip(a.type.tensor_type.shape.dim, b.type.tensor_type.shape.dim, strict=True):
            dim.dim_value = scaled(dim.dim_value, dim_b.dim_value)
    same(len(model.graph.node) == len(other.graph.node), "another number of operators")
    for a, b in zip(model.graph.node, other.graph.node, strict=True):
        same(a.op_type == b.op_type and a.input == b.input and a.output == b.output, f"{a.name} and {b.name}")
        for attribute, attribute_b in zip(a.attribute, b.attribute, strict=True):
            same(attribute.name == attribute_b.name, f"{a.name}'s {attribute.name}")
            if attribute.HasField("t"):
                _rescale(attribute.t, attribute_b.t, scaled, same)
            elif list(attribute.ints) != list(attribute_b.ints):
                values = [scaled(x, y) for x, y in zip(attribute.ints, attribute_b.ints, strict=True)]
                attribute.ints[:] = values
            elif attribute.i != attribute_b.i:
                attribute.i = scaled(attribute.i, attribute_b.i)
    same(len(model.graph.initializer) == len(other.graph.initializer), "another number of constants")
    for a, b in zip(model.graph.initializer, other.graph.initializer, strict=True):
        same(a.name == b.name and a.data_type == b.data_type, a.name)
        _rescale(a, b, scaled, same)


def _rescale(tensor: Any, other: Any, scaled: Any, same: Any) -> None:
    from onnx import numpy_helper

    if tensor.dims == other.dims and tensor.raw_data == other.raw_data:
        return
    a, b = numpy_helper.to_array(tensor), numpy_helper.to_array(other)
    if a.dtype == np.int64 and a.shape == b.shape:
        value = np.array([scaled(int(x), int(y)) for x, y in zip(a.ravel(), b.ravel(), strict=True)], np.int64)
        tensor.CopyFrom(numpy_helper.from_array(value.reshape(a.shape), tensor.name))
        return
    same(a.ndim == b.ndim and a.size > 0 and bool((a == a.flat[0]).all() and (b == a.flat[0]).all()), tensor.name)
    shape = tuple(scaled(x, y) for x, y in zip(a.shape, b.shape, strict=True))
    tensor.CopyFrom(numpy_helper.from_array(np.full(shape, a.flat[0], a.dtype), tensor.name))


@contextmanager
def _said_of(graph: Graph) -> Iterator[None]:
    """What the decompositions refuse, as an ExportError that names the graph, however PyTorch has wrapped it."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, NotImplementedError):
            cause = cause.__cause__
        if cause is None or not str(cause):
            raise
        reason = str(cause).splitlines()[0]
        raise ExportError(f"The graph {graph.name} cannot be exported: {reason}.") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes on what it did not register and what it optimised."""
    levels = {name: logging.getLogger(name).level for name in ("torch.onnx", "torch.__trace", "onnxscript", "onnx_ir")}
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
