"""The TensorRT session: its logic on a pretended TensorRT (the real graphs, run by ONNX Runtime), and on a GPU where
there is one."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from turncoat.engine.runtime.tensorrt import BACKENDS, TensorRTSession, why_not
from turncoat.engine.runtime.tensorrt_engine import LoadedEngine
from turncoat.export.bundle import Bundle, open_bundle
from turncoat.export.engine_cache import RUNTIME_CACHE, Target, find_engine, store_engine
from turncoat.export.gpu import Gpu
from turncoat.export.tensorrt_flavour import TENSORRT, TENSORRT_RTX, Flavour
from turncoat.kernels import ConfigError, DataError, EngineError
from turncoat.training.data import open_dataset
from turncoat.training.data.tensors import as_float
from turncoat.training.networks import Canvas

GPU = Gpu("NVIDIA GeForce RTX 4090", "sm89", "580.82.07")
VERSION = "11.4.0"


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Bundle:
    """A copy, so that its cache is this test's own."""
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    return open_bundle(tmp_path / "bundle", check=False)


@pytest.fixture(scope="module")
def frames(tiny_dataset: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Three frames and their backgrounds: neither a rung of the ladder (1, 2) nor a multiple of one."""
    dataset = open_dataset(tiny_dataset)
    rows = dataset.select(split="held-out")[:3]
    return as_float(dataset.read(rows)), as_float(dataset.background(rows))


class Pretended:
    """A session on a pretended TensorRT, whose engines are in the bundle's cache already."""

    def __init__(self, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, backend: str = "tensorrt", **options: Any):
        from fixtures.pretended_tensorrt import PretendedApi, PretendedDevice, PretendedLog, pretended_plan

        pytest.importorskip("onnxruntime", reason="the pretended TensorRT runs graphs with ONNX Runtime")
        monkeypatch.setattr(Flavour, "version", property(lambda flavour: VERSION))
        monkeypatch.setattr(Flavour, "capabilities", lambda flavour: ("sm89", "sm120"))
        rtx = backend == TENSORRT_RTX.name
        target = Target.of_capability(GPU.capability) if rtx else Target.of_gpu(GPU)
        self.records = {
            name: store_engine(bundle, name, backend, VERSION, target, pretended_plan(bundle.path(name)))
            for name in bundle.graphs
        }
        self.device, self.log = PretendedDevice(), PretendedLog()
        self.api = PretendedApi(self.device, self.log, native_graphs=rtx)
        load = partial(LoadedEngine, api=self.api, log=self.log)
        self.session = TensorRTSession(bundle, backend, device=self.device, gpu=GPU, load=load, **options)

    @property
    def events(self) -> list[str]:
        return self.device.events


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_verb_gives_what_the_network_gives_whatever_the_batch(bundle, monkeypatch, frames, backend):
    network, (pictures, backgrounds) = bundle.network, frames
    weight, sign = torch.linspace(0.5, 1.5, 17), torch.tensor([1.0, -1.0, 1.0])
    with Pretended(bundle, monkeypatch, backend).session as session:
        assert (session.backend, session.precision, session.batches) == (backend, "float32", (1, 2))
        codes = network.encode(pictures)
        canvas = network.canvas(codes, backgrounds)
        for ours, truth in ((session.encode(pictures), codes), (session.canvas(codes, backgrounds), canvas)):
            for mine, other in zip(ours, truth, strict=True):
                torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4)
        reference = network.predict(pictures)
        torch.testing.assert_close(session.predict(pictures), reference, rtol=1e-3, atol=0.05)
        painted = session.paint(codes.appearance, canvas)
        torch.testing.assert_close(painted, network.paint(codes.appearance, canvas), rtol=1e-3, atol=1e-4)
        rgb = network.decode_colours(codes.appearance, canvas.features)
        torch.testing.assert_close(session.decode(codes.appearance, canvas.features), rgb, rtol=1e-3, atol=1e-3)

        from turncoat.export.attack_step import attack_step

        moved = codes.appearance + 0.1
        pose, gradient = attack_step(network, network, moved, canvas, reference, weight, sign)
        pose_here, gradient_here = session.attack_step(moved, canvas, reference, weight, sign)
        torch.testing.assert_close(pose_here, pose, rtol=1e-3, atol=0.05)
        assert torch.nn.functional.cosine_similarity(gradient_here, gradient).min() > 0.999
        pose_here, by_frame = session.target_step(painted, reference, weight, sign)
        assert by_frame.shape == painted.shape and pose_here.shape == reference.shape
        by_code = session.decode_vjp(codes.appearance, canvas.features, torch.ones_like(rgb))
        assert by_code.shape == codes.appearance.shape and by_code.abs().max() > 0


@pytest.mark.parametrize("rungs", [[1, 2], [2]], ids=["cut", "padded"])
def test_a_batch_is_cut_into_rungs_and_padded_with_what_does_not_show(bundle, monkeypatch, frames, rungs):
    bundle.info["batches"] = rungs
    pretended = Pretended(bundle, monkeypatch)
    pictures = torch.cat([frames[0], frames[0]])[:5]
    with pretended.session as session:
        together = session.predict(pictures)
        assert pretended.events.count("read") == 3  # 2 + 2 + 1, the last of them perhaps as one of 2
        assert len(pretended.api.contexts) == len(rungs)
        alone = torch.cat([session.predict(picture[None]) for picture in pictures])
        assert together.shape == alone.shape == (5, 17, 3)
        reference, aim = torch.zeros(1, 17, 3), (torch.ones(17), torch.ones(1))
        pose, gradient = session.target_step(pictures[:1], reference, *aim)
        assert len(pose) == len(gradient) == 1
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=0.01)
    torch.testing.assert_close(together, bundle.network.predict(pictures), rtol=1e-3, atol=0.05)


def test_work_is_captured_once_for_each_shape_after_a_first_run(bundle, monkeypatch, frames):
    pretended = Pretended(bundle, monkeypatch)
    with pretended.session as session:
        session.predict(frames[0][:2])
        assert pretended.events == ["fill", "launch", "synchronize", "capture", "launch", "read"]
        pretended.events.clear()
        other = session.predict(frames[0][1:])
        assert pretended.events == ["fill", "replay", "read"]
        assert len(pretended.api.contexts) == 1
        session.predict(frames[0][:1])
        assert len(pretended.api.contexts) == 2, "a captured graph keeps its context to itself"
        torch.testing.assert_close(other, bundle.network.predict(frames[0][1:]), rtol=1e-3, atol=0.05)


def test_without_captured_graphs_work_is_launched_each_time(bundle, monkeypatch, frames):
    for options, captures in (({"captured": False}, True), ({}, False)):
        pretended = Pretended(bundle, monkeypatch, **options)
        pretended.device.captures = captures
        with pretended.session as session:
            session.predict(frames[0][:1])
            session.predict(frames[0][:1])
        assert pretended.events[:6] == ["fill", "launch", "read"] * 2


def test_tensorrt_rtx_captures_by_itself_and_keeps_what_it_compiled(bundle, monkeypatch, frames):
    pretended = Pretended(bundle, monkeypatch, "tensorrt-rtx")
    kept = pretended.records["predict"].folder / RUNTIME_CACHE
    with pretended.session as session:
        session.predict(frames[0][:2])
        session.predict(frames[0][:2])
        (context,) = pretended.api.contexts
        assert (context.config.cuda_graph_strategy, context.launches) == ("whole graph", 2)
        assert "capture" not in pretended.events and not kept.exists()
    assert kept.read_bytes() == b"cache batch2"
    kept.write_bytes(b"cache batch2 batch99")
    again = Pretended(bundle, monkeypatch, "tensorrt-rtx")
    with again.session as session:
        session.predict(frames[0][:1])
        assert again.api.contexts[0].config.cache.kernels == {"batch1", "batch2", "batch99"}
    kept.write_bytes(b"from another driver")
    with Pretended(bundle, monkeypatch, "tensorrt-rtx").session as session:
        session.predict(frames[0][:1])
    assert kept.read_bytes() == b"cache batch1", "a cache that TensorRT refuses is replaced"


def test_the_canvas_stays_where_it_was_put(bundle, monkeypatch, frames):
    pretended = Pretended(bundle, monkeypatch)
    with pretended.session as session:
        codes = session.encode(frames[0][:2])
        canvas = session.canvas(codes, frames[1][:2])
        session.paint(codes.appearance, canvas)
        addresses = [dict(context.addresses) for context in pretended.api.contexts]
        session.paint(codes.appearance, canvas)
        assert [context.addresses for context in pretended.api.contexts] == addresses


def test_closing_frees_every_engine_and_the_session_says_that_it_was_closed(bundle, monkeypatch, frames):
    pretended = Pretended(bundle, monkeypatch)
    with pretended.session as session:
        session.predict(frames[0])
    session.close()
    assert pretended.device.closed and not session._engines
    with pytest.raises(EngineError, match="was closed; open a new one"):
        session.predict(frames[0])


def test_arrays_of_other_libraries_come_in_through_dlpack(bundle, monkeypatch, frames):
    with Pretended(bundle, monkeypatch).session as session:
        torch.testing.assert_close(session.predict(frames[0].numpy()), session.predict(frames[0]))


def test_what_does_not_fit_a_graph_is_said_before_anything_runs(bundle, monkeypatch, frames):
    pretended = Pretended(bundle, monkeypatch)
    with pretended.session as session:
        with pytest.raises(DataError, match=r"predict takes frames of shape \(3, 3, 64, 64\), found \(3, 3, 32, 32\)"):
            session.predict(frames[0][:, :, ::2, ::2])
        with pytest.raises(DataError, match="empty batch"):
            session.predict(frames[0][:0])
        codes = session.encode(frames[0])
        canvas = session.canvas(codes, frames[1])
        with pytest.raises(DataError, match=r"sign of shape \(\d,\), found \(1,\)"):
            session.attack_step(codes.appearance, canvas, torch.zeros(3, 17, 3), torch.ones(17), torch.ones(1))
        short = Canvas(*[tensor[:2] for tensor in canvas])
        with pytest.raises(DataError, match=r"takes features of shape \(3, .*found \(2, "):
            session.paint(codes.appearance, short)


def test_a_plan_that_tensorrt_refuses_is_one_sentence_with_its_own_words(bundle, monkeypatch, frames):
    pretended = Pretended(bundle, monkeypatch)
    record = pretended.records["predict"]
    shutil.rmtree(record.folder)
    store_engine(bundle, "predict", "tensorrt", VERSION, record.target, b"no engine at all")
    with pretended.session as session, pytest.raises(EngineError) as found:
        session.predict(frames[0])
    assert "does not take the predict engine" in str(found.value) and "kMAGIC_TAG" in str(found.value)
    assert "\n" not in str(found.value) and str(found.value).endswith("build it again on this machine.")


def test_an_engine_of_another_graph_is_refused_by_the_names_it_binds(bundle, monkeypatch, frames):
    from fixtures.pretended_tensorrt import pretended_plan

    pretended = Pretended(bundle, monkeypatch)
    record = pretended.records["encode"]
    shutil.rmtree(record.folder)
    plan = pretended_plan(bundle.path("encode"), drop="box")
    store_engine(bundle, "encode", "tensorrt", VERSION, record.target, plan)
    with pretended.session as session, pytest.raises(EngineError, match="gives appearance, pose_code, the graph takes"):
        session.encode(frames[0])


def test_a_failure_while_running_says_which_engine_and_why(bundle, monkeypatch, frames):
    pretended = Pretended(bundle, monkeypatch)
    with pretended.session as session:
        session.predict(frames[0])
        pretended.api.fail_when_running = True
        with pytest.raises(EngineError, match="The encode engine failed while running: enqueueV3 failed"):
            session.encode(frames[0])


def test_engines_are_built_on_first_use_and_only_those_that_are_needed(bundle, monkeypatch, frames):
    from fixtures.pretended_tensorrt import pretended_plan
    from turncoat.engine.runtime import tensorrt

    pretended = Pretended(bundle, monkeypatch)
    for record in pretended.records.values():
        shutil.rmtree(record.folder)
    asked = []

    def build(bundle, backend, capabilities, graphs, *, progress, gpu):
        asked.append((backend, capabilities, tuple(graphs), gpu))
        (name,) = graphs
        plan = pretended_plan(bundle.path(name))
        return [store_engine(bundle, name, backend, VERSION, Target.of_gpu(gpu), plan)]

    monkeypatch.setattr(tensorrt, "build_engines", build)
    with pretended.session as session:
        session.predict(frames[0])
        session.predict(frames[0])
    assert asked == [("tensorrt", None, ("predict",), GPU)]
    assert find_engine(bundle, "predict", "tensorrt", VERSION, Target.of_gpu(GPU)) is not None


def test_a_damaged_engine_is_not_run(bundle, monkeypatch, frames):
    pretended = Pretended(bundle, monkeypatch)
    plan = pretended.records["predict"].plan
    plan.write_bytes(plan.read_bytes()[:-3])
    built = []
    monkeypatch.setattr("turncoat.engine.runtime.tensorrt.build_engines", lambda *a, **k: built.append(a) or [1 / 0])
    with pretended.session as session, pytest.raises(ZeroDivisionError):
        session.predict(frames[0])
    assert built, "it is built again"
    with pytest.raises(DataError, match="truncated or another file"):
        pretended.records["predict"].read()


def test_a_graph_that_the_network_does_not_have_is_named_with_those_it_has(bundle, monkeypatch, frames):
    for name in ("canvas", "decode-vjp-b1", "decode-vjp-b2"):
        del bundle.graphs[name]
    session = Pretended(bundle, monkeypatch).session
    codes = session.encode(frames[0])
    with pytest.raises(ConfigError, match=r"has no graph 'canvas'; it has predict, encode, decode"):
        session.canvas(codes, frames[1])
    with pytest.raises(ConfigError, match=r"has no graph 'decode-vjp'; it has"):
        session.decode_vjp(codes.appearance, codes.appearance, codes.appearance)


def test_a_network_that_is_told_where_the_person_is_wants_to_be_told(bundle, monkeypatch, frames):
    box = {"name": "box", "shape": ["batch", 4], "dtype": "float32"}
    for graph in ("predict", "encode"):
        monkeypatch.setitem(bundle.graphs[graph], "inputs", [*bundle.graphs[graph]["inputs"], box])
    session = Pretended(bundle, monkeypatch).session
    with pytest.raises(ConfigError, match="given where the person is"):
        session.predict(frames[0])


# Without a GPU every entry is one sentence


@pytest.fixture
def no_gpu(monkeypatch):
    from turncoat.engine.runtime import tensorrt as runtime
    from turncoat.export import tensorrt as building

    for module in (runtime, building):
        monkeypatch.setattr(module, "find_gpu", lambda index=0: None)
    monkeypatch.setattr(Flavour, "api", lambda flavour: None)
    monkeypatch.setattr(Flavour, "version", property(lambda flavour: VERSION))


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_a_gpu_a_session_says_so(bundle, no_gpu, backend):
    with pytest.raises(EngineError, match=r"found no NVIDIA GPU in this machine[^\n]*\.$"):
        TensorRTSession(bundle, backend)
    assert "found no NVIDIA GPU" in (why_not(backend) or "")


def test_a_data_centre_card_is_told_to_use_the_other_flavour(monkeypatch):
    from turncoat.engine.runtime import tensorrt as runtime

    monkeypatch.setattr(Flavour, "api", lambda flavour: None)
    monkeypatch.setattr(Flavour, "version", property(lambda flavour: "1.7.1"))
    monkeypatch.setattr(Flavour, "capabilities", lambda flavour: ("sm89", "sm120"))
    monkeypatch.setattr(runtime, "find_gpu", lambda index=0: Gpu("NVIDIA H200", "sm90", "580"))
    sentence = why_not("tensorrt-rtx")
    assert sentence is not None and "NVIDIA H200 (sm90)" in sentence and "use the tensorrt backend" in sentence


def test_memory_on_a_gpu_wants_a_library_that_reserves_it(monkeypatch):
    from turncoat.engine.runtime import device

    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: False)
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    monkeypatch.setitem(__import__("sys").modules, "pycuda", None)
    monkeypatch.setitem(__import__("sys").modules, "pycuda.driver", None)
    with pytest.raises(EngineError, match="cupy is not installed, pycuda is not installed; install PyTorch with CUDA"):
        device.open_device()


# On a GPU


@pytest.mark.gpu
@pytest.mark.parametrize("flavour", [TENSORRT, TENSORRT_RTX], ids=lambda flavour: flavour.name)
def test_on_a_gpu_every_verb_agrees_with_the_network(bundle, frames, flavour):
    missing = why_not(flavour.name)
    if missing is not None:
        pytest.skip(missing)
    network = bundle.network
    pictures, backgrounds = frames
    with TensorRTSession(bundle, flavour.name) as session:
        on_gpu = [tensor.to(session.device) for tensor in (pictures, backgrounds)]
        for _ in range(3):  # first run, capture, replay
            codes = session.encode(on_gpu[0])
            canvas = session.canvas(codes, on_gpu[1])
            pose = session.predict(on_gpu[0])
            aim = (pose, torch.ones(17), torch.ones(len(pose)))
            stepped, gradient = session.attack_step(codes.appearance + 0.1, canvas, *aim)
    torch.testing.assert_close(pose.cpu(), network.predict(pictures), rtol=1e-3, atol=0.5)
    truth_codes = network.encode(pictures)
    truth_canvas = network.canvas(truth_codes, backgrounds)

    from turncoat.export.attack_step import attack_step

    truth = attack_step(network, network, truth_codes.appearance + 0.1, truth_canvas, *[t.cpu() for t in aim])
    torch.testing.assert_close(stepped.cpu(), truth[0], rtol=1e-3, atol=0.5)
    assert torch.nn.functional.cosine_similarity(gradient.cpu(), truth[1]).min() > 0.99
