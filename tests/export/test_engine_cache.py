"""The engine cache: what an engine is found by, what each thing in the cache is good for, what pruning removes."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from turncoat.export.bundle import Bundle, open_bundle
from turncoat.export.engine_cache import (
    PLAN,
    SIDECAR,
    TEMPORARY,
    EngineRecord,
    Target,
    engines_folder,
    find_engine,
    key_of,
    parts_of,
    store_engine,
)
from turncoat.export.engine_inspection import State, inspect_engines, list_engines, prune_engines
from turncoat.export.gpu import Gpu
from turncoat.export.tensorrt_flavour import Flavour
from turncoat.kernels import ConfigError, DataError, EngineError

SM89 = Target.of_capability("sm89")
GPU = Gpu("NVIDIA GeForce RTX 4090", "sm89", "580.82.07")
VERSION = "1.7.1.116"


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A copy, and both flavours "installed" in one version."""
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    monkeypatch.setattr(Flavour, "version", property(lambda flavour: VERSION))
    return open_bundle(tmp_path / "bundle", check=False)


def store(bundle: Bundle, graph: str = "predict", target: Target = SM89, plan: bytes = b"a plan") -> EngineRecord:
    return store_engine(bundle, graph, "tensorrt-rtx", VERSION, target, plan)


def state(bundle: Bundle, gpu: Gpu | None = GPU, **options: bool) -> tuple[State, str]:
    (entry,) = inspect_engines(bundle, gpu, **options)
    assert "\n" not in entry.sentence and entry.sentence.endswith(".")
    return entry.state, entry.sentence


def test_an_engine_is_found_by_everything_that_decides_what_it_computes(bundle):
    def key(of: Bundle = bundle, graph: str = "predict", flavour="tensorrt-rtx", version=VERSION, target=SM89) -> str:
        return key_of(parts_of(of, graph, flavour, version, target))

    files = bundle.info["files"]
    weights = files["weights.safetensors"] | {"sha256": "0" * 64}
    graph = files["predict.onnx"] | {"sha256": "0" * 64}
    sm89 = Target.of_gpu(GPU)
    keys = [
        key(),
        key(graph="encode"),
        key(flavour="tensorrt"),
        key(version="1.7.2"),
        key(target=Target.of_capability("sm120")),
        key(target=sm89),
        key(target=replace(sm89, driver="590.10")),
        key(target=replace(sm89, device="NVIDIA L40")),
        key(Bundle(bundle.folder, bundle.info | {"files": files | {"weights.safetensors": weights}})),
        key(Bundle(bundle.folder, bundle.info | {"files": files | {"predict.onnx": graph}})),
        key(Bundle(bundle.folder, bundle.info | {"precision": "fp16"})),
        key(Bundle(bundle.folder, bundle.info | {"batches": [1, 64]})),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]


def test_a_stored_engine_is_found_and_read_as_it_was(bundle):
    record = store(bundle, plan=b"plan " * 1000)
    assert find_engine(bundle, "predict", "tensorrt-rtx", VERSION, SM89) == record
    assert record.read() == b"plan " * 1000 and record.plan.read_bytes() == b"plan " * 1000
    assert find_engine(bundle, "encode", "tensorrt-rtx", VERSION, SM89) is None
    assert list_engines(bundle) == [record]


def test_the_second_of_two_builders_takes_what_the_first_stored(bundle):
    first = store(bundle, plan=b"first")
    second = store(bundle, plan=b"second")
    assert second == first and first.read() == b"first"
    assert [path.name for path in engines_folder(bundle).iterdir()] == [first.key]


def test_a_damaged_engine_is_not_found_and_is_replaced_by_a_new_one(bundle):
    record = store(bundle, plan=b"first")
    record.plan.write_bytes(b"fir")
    assert find_engine(bundle, "predict", "tensorrt-rtx", VERSION, SM89) is None
    assert store(bundle, plan=b"second").read() == b"second"


@pytest.mark.parametrize(
    "change, expected",
    [
        (lambda record: record.plan.write_bytes(b"a pl"), "4 bytes, 6 were built: it is truncated"),
        (lambda record: record.plan.write_bytes(b"a plum"), "its hash differs"),
        (lambda record: record.plan.unlink(), f"has no {PLAN}"),
        (lambda record: (record.folder / SIDECAR).write_text('{"format": 1'), f"no readable {SIDECAR}"),
        (lambda record: (record.folder / SIDECAR).unlink(), f"no readable {SIDECAR}"),
        (lambda record: record.folder.rename(record.folder.with_name("0" * 64)), "copied from elsewhere"),
    ],
    ids=["truncated", "changed", "no plan", "half a sidecar", "no sidecar", "under another name"],
)
def test_a_damaged_engine_is_said_to_be_one_and_pruned(bundle, change, expected):
    change(store(bundle))
    found, sentence = state(bundle)
    assert found is State.DAMAGED and expected in sentence
    (record,) = list_engines(bundle) or [None]
    if record is not None:
        with pytest.raises(DataError):
            record.read()
    assert [entry.state for entry in prune_engines(bundle, GPU)] == [State.DAMAGED]
    assert not list(engines_folder(bundle).iterdir())


def test_a_sidecar_that_claims_another_gpu_no_longer_has_its_key(bundle):
    record = store(bundle)
    info = record.info | {"parts": record.parts | {"capability": "sm120", "device": "sm120"}}
    (record.folder / SIDECAR).write_text(json.dumps(info))
    assert state(bundle)[0] is State.DAMAGED


def test_without_hashes_only_what_sizes_show_is_seen(bundle):
    store(bundle).plan.write_bytes(b"a plum")
    assert state(bundle, hashes=False)[0] is State.READY
    assert state(bundle)[0] is State.DAMAGED


def test_an_engine_for_another_gpu_is_whole_but_elsewhere_and_stays(bundle):
    store(bundle)
    assert state(bundle) == (State.READY, state(bundle)[1])
    found, sentence = state(bundle, None)
    assert found is State.ELSEWHERE and "is for sm89, and this machine has no NVIDIA GPU" in sentence
    found, sentence = state(bundle, Gpu("NVIDIA GeForce RTX 5090", "sm120", "580"))
    assert found is State.ELSEWHERE and "is for sm89, this machine's NVIDIA GeForce RTX 5090 is sm120" in sentence
    assert not prune_engines(bundle, None) and len(list_engines(bundle)) == 1


def test_an_engine_of_another_version_is_outdated_where_the_new_one_is_installed(bundle, monkeypatch):
    store(bundle)
    monkeypatch.setattr(Flavour, "version", property(lambda flavour: "1.8.0"))
    found, sentence = state(bundle)
    assert found is State.OUTDATED and f"built with TensorRT-RTX {VERSION}, here is 1.8.0" in sentence

    def missing(flavour: Flavour) -> str:
        raise EngineError("not installed")

    monkeypatch.setattr(Flavour, "version", property(missing))
    found, sentence = state(bundle)
    assert found is State.ELSEWHERE and f"needs TensorRT-RTX {VERSION}, which is not installed here" in sentence


def test_engines_of_graphs_and_weights_that_are_gone_are_outdated(bundle):
    store(bundle)
    bundle.info["files"]["weights.safetensors"]["sha256"] = "0" * 64
    found, sentence = state(bundle)
    assert found is State.OUTDATED and "was built from something else (another graph)" in sentence
    del bundle.info["graphs"]["predict"]
    assert "of a graph that the bundle no longer has" in state(bundle)[1]
    assert len(prune_engines(bundle, GPU)) == 1 and not list_engines(bundle)


def test_what_an_interrupted_build_left_is_pruned_but_not_what_is_being_built(bundle):
    store(bundle)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for process in (ended.pid, os.getpid()):
        (engines_folder(bundle) / f"{TEMPORARY}{process}-0a1b2c3d").mkdir()
    states = sorted(entry.state for entry in inspect_engines(bundle, GPU))
    assert states == [State.ELSEWHERE, State.LEFTOVER, State.READY]
    assert [entry.state for entry in prune_engines(bundle, GPU, dry_run=True)] == [State.LEFTOVER]
    assert len(list(engines_folder(bundle).iterdir())) == 3
    prune_engines(bundle, GPU)
    assert len(list(engines_folder(bundle).iterdir())) == 2


def test_foreign_files_are_named_and_never_removed(bundle):
    engines_folder(bundle).mkdir()
    (engines_folder(bundle) / "model.engine").write_bytes(b"from trtexec")
    (engines_folder(bundle) / "notes").mkdir()
    (engines_folder(bundle) / "timing-0123456789abcdef.cache").write_bytes(b"ours")
    found = inspect_engines(bundle, GPU)
    assert [entry.state for entry in found] == [State.FOREIGN, State.FOREIGN]
    assert all("is no engine of turncoat; move it out" in entry.sentence for entry in found)
    assert not prune_engines(bundle, GPU) and len(list(engines_folder(bundle).iterdir())) == 3


def test_a_cache_that_cannot_be_written_is_one_sentence(bundle):
    engines_folder(bundle).write_text("a file where the folder should be")
    with pytest.raises(ConfigError, match=r"Engines cannot be kept in .*engines \(.*\); copy the bundle elsewhere"):
        store(bundle)


def test_a_store_that_fails_leaves_nothing(bundle, monkeypatch):
    from turncoat.export import engine_cache

    def full(path: Path, data: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(engine_cache, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        store(bundle)
    assert not list(engines_folder(bundle).iterdir())
