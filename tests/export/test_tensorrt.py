"""Engines are built for real, for GPUs that are not here: every graph of a bundle, gradients included.

Skipped, with the reason, only where TensorRT-RTX is not installed; what needs neither a builder nor a bundle is not.
"""

import json
import os
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from turncoat.export import tensorrt, tensorrt_flavour
from turncoat.export.bundle import Bundle, open_bundle
from turncoat.export.engine_cache import FOLDER, PLAN, SIDECAR, engines_folder, key_of
from turncoat.export.engine_inspection import State, inspect_engines
from turncoat.export.gpu import Gpu
from turncoat.export.tensorrt import build_engines
from turncoat.export.tensorrt_flavour import TENSORRT, TENSORRT_RTX, polygraphy
from turncoat.kernels import ConfigError, DataError, EngineError, ExportError
from turncoat.kernels.files import content_hash

try:
    TENSORRT_RTX.api()
    MISSING = ""
except EngineError as error:
    MISSING = str(error)

builds = pytest.mark.skipif(bool(MISSING), reason=MISSING)
RTX_4090 = Gpu("NVIDIA GeForce RTX 4090", "sm89", "580.82.07")
H200 = Gpu("NVIDIA H200", "sm90", "580.82.07")


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Bundle:
    """A copy, so that its cache is this test's own."""
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    return open_bundle(tmp_path / "bundle", check=False)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


@builds
@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_every_graph_of_a_bundle_becomes_an_engine_ahead_of_time(precision, request, tmp_path):
    source = request.getfixturevalue("tiny_bundle" if precision == "fp32" else "tiny_bundle_half")
    shutil.copytree(source, tmp_path / "bundle")
    bundle = open_bundle(tmp_path / "bundle")
    before = names(bundle.folder)
    told: list[dict[str, Any]] = []
    records = build_engines(
        bundle, "tensorrt-rtx", ["sm89"], progress=lambda done, total, **facts: told.append({"done": done, **facts})
    )

    assert [record.graph for record in records] == list(bundle.graphs)
    assert {"attack-b1", "attack-b2", "target-b2", "decode-vjp-b2", "predict", "paint"} <= set(bundle.graphs)
    assert names(bundle.folder) == before | {FOLDER}
    assert names(engines_folder(bundle)) == {record.key for record in records}
    magic = {record.plan.read_bytes()[:4] for record in records}
    assert len(magic) == 1, "a plan begins as TensorRT begins it, whatever the graph: nothing is put before it"
    for record in records:
        assert names(record.folder) == {PLAN, SIDECAR}
        assert record.damage() is None and record.size > 10_000
        assert record.parts["recipe"].startswith(precision)
        assert record.parts["profile"] == ([1, 2, 2] if bundle.graphs[record.graph]["batch"] is None else None)
    assert {fact["engine"] for fact in told} == {f"{name} sm89" for name in bundle.graphs} | {"all"}
    assert {fact["done"] for fact in told} == set(range(len(records) + 1))
    assert all(entry.state is State.ELSEWHERE for entry in inspect_engines(bundle, None))
    assert all(entry.state is State.READY for entry in inspect_engines(bundle, RTX_4090))

    written = {record.key: record.plan.stat().st_mtime_ns for record in records}
    told.clear()
    again = build_engines(bundle, "tensorrt-rtx", ["sm89"], progress=lambda *a, **k: told.append(k))
    assert again == records and not told, "what is finished is not built again"
    assert {record.key: record.plan.stat().st_mtime_ns for record in again} == written


@builds
def test_an_engine_for_each_gpu_that_is_asked_for_once(bundle):
    records = build_engines(bundle, "tensorrt-rtx", ["sm89", "SM120", "8.9", "12.0"], ["decode"])
    assert [record.target.capability for record in records] == ["sm89", "sm120"]
    assert records[0].plan.read_bytes() != records[1].plan.read_bytes()
    (here,) = build_engines(bundle, "tensorrt-rtx", None, ["decode"], gpu=RTX_4090)
    assert here == records[0], "an engine that was built ahead of time is the one that this GPU wants"


@builds
def test_an_interrupted_build_leaves_what_was_finished_and_nothing_half_written(bundle):
    def stop(done: int, total: int, *, engine: str, step: str) -> None:
        if engine.startswith("paint") and step != "parsing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_engines(bundle, "tensorrt-rtx", ["sm89"], ["decode", "paint"], progress=stop)
    (kept,) = engines_folder(bundle).iterdir()
    assert [entry.record.graph for entry in inspect_engines(bundle, RTX_4090) if entry.record] == ["decode"]
    built = kept.stat().st_mtime_ns
    assert len(build_engines(bundle, "tensorrt-rtx", ["sm89"], ["decode", "paint"])) == 2
    assert kept.stat().st_mtime_ns == built


@builds
def test_what_stops_a_build_is_kept_from_tensorrt_and_ends_it_at_its_next_step():
    def stop(done: int, total: int, **facts: str) -> None:
        raise KeyboardInterrupt

    monitor = tensorrt._monitor(TENSORRT_RTX.api(), tensorrt._Report(stop, 0, 1, "predict sm89"))
    assert monitor.step_complete("Timing", 0) is False
    assert isinstance(monitor.stopped_by, KeyboardInterrupt)


@builds
def test_a_graph_that_cannot_be_built_is_named_with_its_operator(bundle):
    import onnx

    path = bundle.path("paint")
    model = onnx.load(path, load_external_data=False)
    next(node for node in model.graph.node if node.op_type == "Clip").op_type = "Frobnicate"
    path.write_bytes(model.SerializeToString())
    file = bundle.info["files"][path.name]
    file["sha256"], file["bytes"] = content_hash(path), path.stat().st_size
    bundle.record()
    with pytest.raises(ExportError, match=r"cannot build the graph paint for sm89: .*Frobnicate") as found:
        build_engines(bundle, "tensorrt-rtx", ["sm89"], ["decode", "paint"])
    assert "\n" not in str(found.value)
    assert len(names(engines_folder(bundle))) == 1, "the one before stays"


@builds
@pytest.mark.parametrize("what", ["predict.onnx", "weights.safetensors"])
def test_a_bundle_whose_files_changed_is_not_built_from(bundle, what):
    path = bundle.folder / what
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match=r"is not the file that was exported"):
        build_engines(bundle, "tensorrt-rtx", ["sm89"], ["predict"])
    assert not engines_folder(bundle).exists()


@builds
def test_what_cannot_be_built_for_is_named_with_what_can(bundle, monkeypatch):
    with pytest.raises(ConfigError, match=r"does not build for 'sm90'; choose among sm75, .*sm89.*sm120"):
        build_engines(bundle, "tensorrt-rtx", ["sm89", "sm90"])
    with pytest.raises(ConfigError, match=r"does not build for 'ada'"):
        build_engines(bundle, "tensorrt-rtx", ["ada"])
    with pytest.raises(ConfigError, match=r"Name at least one GPU"):
        build_engines(bundle, "tensorrt-rtx", [])
    with pytest.raises(DataError, match=r"no graph 'attack-b8'; it has predict, encode"):
        build_engines(bundle, "tensorrt-rtx", ["sm89"], ["attack-b8"])
    with pytest.raises(EngineError, match=r"not run on NVIDIA H200 \(sm90\), only on sm75.*use the tensorrt backend"):
        build_engines(bundle, "tensorrt-rtx", gpu=H200)
    monkeypatch.setattr(tensorrt, "find_gpu", lambda: None)
    with pytest.raises(EngineError, match=r"no NVIDIA GPU in this machine; name what to build for, e.g. sm89"):
        build_engines(bundle, "tensorrt-rtx")
    assert not engines_folder(bundle).exists()


def test_an_unknown_flavour_is_refused(bundle):
    with pytest.raises(ConfigError, match=r"no TensorRT flavour 'openvino'; choose one of tensorrt, tensorrt-rtx"):
        build_engines(bundle, "openvino")


@pytest.mark.parametrize("flavour", [TENSORRT, TENSORRT_RTX], ids=lambda flavour: flavour.name)
def test_a_flavour_that_is_not_installed_says_how_to_install_it(bundle, monkeypatch, flavour):
    monkeypatch.setitem(sys.modules, flavour.module, None)
    with pytest.raises(EngineError, match=rf"{flavour.title} is not installed; .*turncoat\[{flavour.extra}\]"):
        build_engines(bundle, flavour.name)


def test_a_flavour_that_is_too_old_or_broken_says_so(bundle, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorrt", types.SimpleNamespace(__version__="10.9.0.34"))
    with pytest.raises(EngineError, match=r"TensorRT 10\.9\.0\.34 is too old; install 10\.13 or newer"):
        build_engines(bundle, "tensorrt")
    monkeypatch.delitem(sys.modules, "tensorrt")
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.11: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EngineError, match=r"TensorRT does not load \(libnvinfer.so.11: cannot open"):
        build_engines(bundle, "tensorrt")


@builds
def test_polygraphy_that_the_process_uses_is_left_alone(monkeypatch):
    monkeypatch.delenv("POLYGRAPHY_USE_TENSORRT_RTX", raising=False)
    own = tensorrt_flavour._take_out()
    try:
        import polygraphy.config as theirs

        with polygraphy(TENSORRT_RTX) as tools:
            assert sys.modules["polygraphy.config"].USE_TENSORRT_RTX and hasattr(tools.trt, "NetworkFromOnnxPath")
        assert sys.modules["polygraphy.config"] is theirs and not theirs.USE_TENSORRT_RTX
        assert "POLYGRAPHY_USE_TENSORRT_RTX" not in os.environ
    finally:
        tensorrt_flavour._take_out()
        sys.modules.update(own)


@builds
def test_a_build_prints_nothing(bundle, capfd):
    build_engines(bundle, "tensorrt-rtx", ["sm89"], ["decode"])
    assert capfd.readouterr() == ("", "")


# TensorRT itself is not to be had everywhere. TensorRT-RTX has its interface, so its library stands in for it here: the
# calls, the profile, the timing cache and the key are exercised; that a data-centre GPU runs the result is not.


@pytest.fixture(params=["10.13.3.9", "11.4.0.106"])
def standing_in(request, monkeypatch):
    module = types.ModuleType("tensorrt")
    api = TENSORRT_RTX.api()
    for name in dir(api):
        if not name.startswith("__") and name != "ComputeCapability":
            setattr(module, name, getattr(api, name))
    module.__version__ = request.param
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    tensorrt_flavour.log_of.cache_clear()
    yield request.param
    tensorrt_flavour.log_of.cache_clear()
    tensorrt_flavour._COPIES.pop("tensorrt", None)


@builds
def test_tensorrt_builds_for_the_gpu_and_driver_that_are_here(bundle, standing_in):
    (record,) = build_engines(bundle, "tensorrt", None, ["decode"], gpu=H200)
    assert (record.flavour, record.version) == ("tensorrt", standing_in)
    assert (record.target.device, record.target.driver) == ("NVIDIA H200", "580.82.07")
    (timings,) = engines_folder(bundle).glob("timing-*.cache")
    assert timings.stat().st_size > 0
    assert [entry.state for entry in inspect_engines(bundle, H200)] == [State.READY]
    newer = Gpu(H200.name, H200.capability, "590.10")
    (entry,) = inspect_engines(bundle, newer)
    assert entry.state is State.ELSEWHERE and "driver 580.82.07, here are NVIDIA H200 and 590.10" in entry.sentence
    (other,) = build_engines(bundle, "tensorrt", None, ["decode"], gpu=newer)
    assert other.key != record.key
    with pytest.raises(ConfigError, match=r"builds for the GPU of the machine it runs on, not for sm89"):
        build_engines(bundle, "tensorrt", ["sm89"])


@builds
def test_the_sidecar_says_how_the_engine_was_made(bundle):
    (record,) = build_engines(bundle, "tensorrt-rtx", ["sm89"], ["decode"])
    info = json.loads((record.folder / SIDECAR).read_text())
    assert info["bundle"] == bundle.name and info["build_seconds"] > 0 and key_of(info["parts"]) == record.folder.name
    assert {"tensorrt_rtx", "polygraphy", "python"} <= set(info["versions"])
    assert info["plan"] == {"sha256": content_hash(record.plan), "bytes": record.plan.stat().st_size}
