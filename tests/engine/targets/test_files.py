"""ONNX and LiteRT files as targets."""

import sys
import types

import numpy as np
import pytest
import torch

from fixtures.foreign import write_onnx, write_target
from turncoat.engine.targets import load_target
from turncoat.kernels.errors import ConfigError, DataError, EngineError, TurncoatError

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def frames(count=5):
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("batch", ["batch", 1, 4])
@pytest.mark.parametrize("extra", [False, True])
def test_a_file_answers_as_the_callable_does(tmp_path, loaded, batch, extra):
    write_onnx(tmp_path / "toy.onnx", batch=batch, extra=extra)
    output = {"name": "joints"} if extra else {}
    target = load_target(write_target(tmp_path, "toy.onnx", output=output, input={"batch": 3}))
    assert not target.differentiable
    torch.testing.assert_close(target.predict(frames()), loaded("joints").predict(frames()))


@pytest.mark.parametrize(
    "graph, changes, said",
    [
        ({}, {"output": {"count": 7}}, "'joints' of .* has the shape .batch, 6, 3., which is not 7 joints of 3"),
        ({"extra": True}, {}, r"has the outputs joints .*, score .*, and \[output\] name is None; name one of them"),
        ({"extra": True}, {"output": {"name": "score"}}, "'score' of .* which is not 6 joints of 3 numbers each in 3D"),
        ({}, {"output": {"name": "pose"}}, "name is 'pose'; name one of them"),
        ({"side": 24}, {}, r"wants pictures of shape .batch, 3, 24, 24.; the description says NCHW, .batch, 3, 16, 16"),
        ({}, {"input": {"layout": "NHWC"}}, r"the description says NHWC, .batch, 16, 16, 3"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_the_description_says(tmp_path, graph, changes, said):
    write_onnx(tmp_path / "toy.onnx", **graph)
    with pytest.raises(ConfigError, match=said) as error:
        load_target(write_target(tmp_path, "toy.onnx", **changes))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["toy.onnx", "toy.tflite"])
def test_a_missing_file(tmp_path, name):
    with pytest.raises(DataError, match=f"There is no file .*{name}"):
        load_target(write_target(tmp_path, name))


def test_a_damaged_file(tmp_path):
    (tmp_path / "toy.onnx").write_bytes(b"no model")
    with pytest.raises(DataError, match="cannot be read as an ONNX model"):
        load_target(write_target(tmp_path, "toy.onnx"))


def test_litert_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    (tmp_path / "toy.tflite").write_bytes(b"")
    with pytest.raises(EngineError, match=r"run .pip install 'turncoat.tflite.'"):
        load_target(write_target(tmp_path, "toy.tflite"))


class Interpreter:
    """LiteRT's, of a network for one picture: its joints all lie at the mean colours, that of the pelvis doubled."""

    def __init__(self, path, num_threads):
        assert num_threads >= 1

    def allocate_tensors(self):
        self.answer = None

    def get_input_details(self):
        return [{"name": "in", "index": 0, "shape": np.array([1, 16, 16, 3]), "dtype": np.float32}]

    def get_output_details(self):
        return [{"name": "Identity", "index": 7, "shape": np.array([1, 18]), "dtype": np.float32}]

    def set_tensor(self, index, value):
        assert index == 0 and value.shape == (1, 16, 16, 3) and value.dtype == np.float32
        self.picture = value

    def invoke(self):
        joints = np.repeat(self.picture.mean((1, 2))[:, None], 6, axis=1)
        joints[:, 0] *= 2
        self.answer = joints.reshape(1, 18)

    def get_tensor(self, index):
        assert index == 7
        return self.answer


def test_a_litert_file_is_asked_picture_by_picture(tmp_path, monkeypatch):
    package = types.ModuleType("ai_edge_litert.interpreter")
    package.Interpreter = Interpreter
    monkeypatch.setitem(sys.modules, "ai_edge_litert", types.ModuleType("ai_edge_litert"))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", package)
    (tmp_path / "toy.tflite").write_bytes(b"model")
    target = load_target(write_target(tmp_path, "toy.tflite", input={"layout": "NHWC"}))
    mean = frames().mean((2, 3))
    torch.testing.assert_close(target.predict(frames()), torch.stack([0 * mean, *[-mean] * 4], dim=1))
    with pytest.raises(TurncoatError, match="the description says NCHW"):
        load_target(write_target(tmp_path, "toy.tflite"))
