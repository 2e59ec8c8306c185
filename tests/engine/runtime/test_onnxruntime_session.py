"""The session on ONNX Runtime: every verb, any batch, and one sentence for everything that is wrong."""

import builtins
import shutil

import pytest
import torch
from torch.nn.functional import cosine_similarity

from turncoat.engine.runtime import available_backends, open_session
from turncoat.engine.runtime.onnxruntime import OnnxRuntimeSession
from turncoat.export.bundle import open_bundle
from turncoat.kernels import DataError, EngineError

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture
def copied(tiny_bundle, tmp_path):
    """A bundle to damage."""
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    return open_bundle(tmp_path / "bundle", check=False)


def test_every_verb_gives_what_the_network_gives(bundle, asked):
    network = bundle.network
    with open_session(bundle, "onnxruntime-cpu", "cpu") as session, torch.no_grad():
        assert (session.backend, session.precision, session.batches) == ("onnxruntime-cpu", "float32", (1, 2))
        for mine, other in zip(session.encode(asked.frames), asked.codes, strict=True):
            torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)
        for mine, other in zip(session.canvas(asked.codes, asked.background), asked.canvas, strict=True):
            torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(session.predict(asked.frames), asked.pose, atol=0.05, rtol=0)
        rgb = network.decode_colours(asked.appearance, asked.canvas.features)
        torch.testing.assert_close(session.decode(asked.appearance, asked.canvas.features), rgb, atol=1e-4, rtol=1e-4)
        painted = network.paint(asked.appearance, asked.canvas)
        torch.testing.assert_close(session.paint(asked.appearance, asked.canvas), painted, atol=1e-4, rtol=1e-4)
        pose, gradient = session.attack_step(asked.appearance, asked.canvas, *asked.aim)
        torch.testing.assert_close(pose, asked.step[0], atol=0.05, rtol=0)
        assert cosine_similarity(gradient, asked.step[1]).min() > 0.9999
        pose, by_frame = session.target_step(painted, *asked.aim)
        torch.testing.assert_close(pose, asked.step[0], atol=0.05, rtol=0)
        assert by_frame.shape == painted.shape
        pulled = session.decode_vjp(asked.appearance, asked.canvas.features, torch.ones_like(rgb))
    leaf = asked.appearance.clone().requires_grad_(True)
    (truth,) = torch.autograd.grad(network.decode_colours(leaf, asked.canvas.features).sum(), leaf)
    assert cosine_similarity(pulled, truth).min() > 0.9999


def test_memory_is_the_callers_in_any_layout_and_results_are_not_overwritten(bundle, asked):
    with OnnxRuntimeSession(bundle, threads=1) as session:
        first = session.predict(asked.frames.contiguous(memory_format=torch.channels_last))
        kept = first.clone()
        session.predict(asked.frames.flip(0))
        assert torch.equal(first, kept)
        torch.testing.assert_close(session.predict(asked.frames[::2]), kept[::2], atol=0.01, rtol=0)
        assert len(session._sessions) == 1, "one loaded graph serves any batch"


def test_graphs_are_loaded_when_they_are_first_used(bundle, asked):
    with OnnxRuntimeSession(bundle) as session:
        assert not session._sessions
        session.target_step(asked.frames, *asked.aim)  # 2 + 2 + 1
        assert set(session._sessions) == {("target", 2), ("target", 1)}


@pytest.mark.parametrize("content", [b"", b"hello", None], ids=["empty", "foreign", "truncated"])
def test_a_file_that_is_no_graph_is_one_sentence(copied, asked, content):
    path = copied.path("predict")
    path.write_bytes(path.read_bytes()[:5000] if content is None else content)
    with OnnxRuntimeSession(copied) as session, pytest.raises(DataError) as error:
        session.predict(asked.frames)
    assert str(error.value).startswith(f"{path} is") and "export the network again." in str(error.value)
    assert "\n" not in str(error.value)


def test_another_graph_than_described_and_a_missing_one_are_sentences(copied, asked):
    few = asked.rows(1)
    shutil.copy(copied.path("decode"), copied.path("predict"))
    copied.path("attack-b1").unlink()
    with OnnxRuntimeSession(copied) as session:
        with pytest.raises(DataError, match="its inputs are appearance, features, expected frames; export"):
            session.predict(asked.frames)
        with pytest.raises(DataError, match=r"lacks its file .*attack-b1.onnx"):
            session.attack_step(few.appearance, few.canvas, *few.aim)


def test_weights_that_are_not_there_are_one_sentence(copied, asked):
    (copied.folder / "weights.safetensors").unlink()
    with OnnxRuntimeSession(copied) as session, pytest.raises(DataError, match="is no graph that ONNX Runtime reads"):
        session.predict(asked.frames)


def test_without_the_package_or_a_gpu_it_says_what_to_install(bundle, monkeypatch):
    with pytest.raises(EngineError, match="onnxruntime-cuda cannot run on cpu: it needs a GPU"):
        open_session(bundle, "onnxruntime-cuda", "cpu")
    with pytest.raises(EngineError, match="cannot run on cuda: this ONNX Runtime has no CUDA; install"):
        OnnxRuntimeSession(bundle, device="cuda")
    real = builtins.__import__

    def without(name, *arguments, **named):
        if name == "onnxruntime":
            raise ImportError("No module named 'onnxruntime'")
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "turncoat[cpu]" in available_backends(bundle, "cpu")["onnxruntime-cpu"]
    with pytest.raises(EngineError, match=r"cannot be imported .*pip install 'turncoat\[cpu\]'"):
        open_session(bundle, "onnxruntime-cpu", "cpu")


def test_a_node_that_would_run_elsewhere_is_an_error_and_not_a_slowdown(bundle, asked, monkeypatch):
    """This ONNX Runtime has no CUDA: asked for it, it would take the processor and say nothing."""
    session = OnnxRuntimeSession(bundle)

    class Stream:
        cuda_stream = 0

    session.device, session._stream = torch.device("cuda"), Stream()
    with pytest.warns(UserWarning, match="not in available provider names"), pytest.raises(EngineError) as error:
        session._loaded("attack-b1", 1)
    assert "would run parts of attack-b1.onnx on the CPU instead of cuda" in str(error.value)


@pytest.mark.gpu
def test_on_a_gpu_it_gives_what_the_network_gives_from_buffers_that_stay(bundle, asked):
    session = OnnxRuntimeSession(bundle, device="cuda")
    for _ in range(2):
        pose, gradient = session.attack_step(asked.appearance, asked.canvas, *asked.aim)
        torch.testing.assert_close(pose.cpu(), asked.step[0], atol=0.05, rtol=0)
        assert cosine_similarity(gradient.cpu(), asked.step[1]).min() > 0.9999
    torch.testing.assert_close(session.predict(asked.frames).cpu(), asked.pose, atol=0.05, rtol=0)
    session.close()
