"""`auto` takes the fastest backend that is right here, remembers it, and says why."""

import json
import os
import shutil
import time

import pytest
import torch

from fixtures.lively import lively
from turncoat.engine.runtime import available_backends, choices, choose, open_session, trial
from turncoat.engine.runtime.backends import Backend
from turncoat.engine.runtime.torch_session import TorchSession
from turncoat.export.bundle import open_bundle
from turncoat.export.gpu import Gpu
from turncoat.kernels import ConfigError, EngineError
from turncoat.training.data import open_dataset


@pytest.fixture(autouse=True)
def short_races(monkeypatch):
    """Seconds of racing are for real backends."""
    monkeypatch.setattr(trial, "_SECONDS", 0.1)


@pytest.fixture
def copied(tiny_bundle, tmp_path):
    """A bundle to write to."""
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    return open_bundle(tmp_path / "bundle", check=False)


class Pretended(TorchSession):
    """The network on a backend of another name: a little slower, and wrong if it is told to be."""

    def __init__(self, bundle, name, seconds, error_mm):
        super().__init__(bundle, backend=name)
        self.seconds, self.error_mm = seconds, error_mm

    def _run(self, graph, batch, inputs):
        time.sleep(self.seconds)
        found = super()._run(graph, batch, inputs)
        return {name: t + self.error_mm if name == "pose" else t for name, t in found.items()}


@pytest.fixture
def pretended(monkeypatch):
    """Backends of one's own: `pretended(name=(seconds, error_mm))`; returns the list of what was opened."""
    opened = []

    def use(**described):
        def backend(name, seconds, error_mm):
            def opens(bundle, wanted):
                opened.append(name)
                return Pretended(bundle, name, seconds, error_mm)

            return Backend(name, opens, lambda bundle, device: None)

        table = {name: backend(name, *facts) for name, facts in described.items()}
        monkeypatch.setattr(choose, "backends", lambda: table)
        monkeypatch.setattr(choose, "available_backends", lambda bundle, device: dict.fromkeys(table, ""))
        opened.clear()
        return opened

    return use


def verified(bundle, backend, passed, machine=None, **facts):
    parity = bundle.info["parity"]
    reasons = [] if passed else ["attack gradient, clean: cosine 0.1"]
    record = {"machine": machine or choices.this_machine(), "passed": passed, "reasons": reasons}
    record |= {"precision": "float32", "frames": 128} | facts
    bundle.record(parity={**parity, backend: record})


def test_the_fastest_is_taken_and_the_line_says_why(copied, pretended, tmp_path):
    pretended(slow=(0.05, 0), quick=(0.0, 0), slower=(0.1, 0))
    with open_session(copied, device="cpu", cache_folder=tmp_path) as session:
        assert session.backend == "quick"
        assert session.remark.startswith("person runs on quick: ")
        for part in (
            "ms a gradient step of 2 (slow ",
            ", slower ",
            "; a trial found poses 0 mm off, cosine of gradients 1",
        ):
            assert part in session.remark
        assert "\n" not in session.remark


@pytest.mark.parametrize("purpose", ["gradient", "predict"])
def test_a_fast_backend_with_wrong_answers_is_never_taken(copied, pretended, tmp_path, purpose):
    pretended(slow=(0.03, 0), quick=(0.0, 5.0))
    with open_session(copied, device="cpu", cache_folder=tmp_path, purpose=purpose) as session:
        assert session.backend == "slow"
        assert "Left out, wrong here: quick." in session.remark


def test_what_verify_recorded_on_this_machine_decides(copied, pretended, tmp_path):
    opened = pretended(slow=(0.03, 0), quick=(0.0, 0))
    verified(copied, "quick", False)
    with open_session(copied, device="cpu", cache_folder=tmp_path) as session:
        assert session.backend == "slow" and "quick" not in opened
    verified(copied, "quick", False, machine="another")
    with open_session(copied, device="cpu", cache_folder=tmp_path) as session:
        assert session.backend == "quick", "another machine's verdict is none"
    verified(copied, "quick", True)
    with open_session(copied, device="cpu", cache_folder=tmp_path) as session:
        assert session.remark.endswith("; verified.")
    for few in ({"frames": 127}, {"precision": "bfloat16", "attack": None}):
        verified(copied, "quick", True, **few)
        with open_session(copied, device="cpu", cache_folder=tmp_path) as session:
            assert "; a trial found" in session.remark, "that was no verification"


def test_another_gpu_in_the_same_machine_is_another_machine(copied, monkeypatch):
    verified(copied, "tensorrt", True)
    assert choices.recorded(copied, "tensorrt") == (True, "")
    for name in ("NVIDIA H200", "NVIDIA A100"):
        monkeypatch.setattr(choices, "find_gpu", lambda name=name: Gpu(name, "sm90", "580.82.07"))
        assert choices.recorded(copied, "tensorrt") == (None, "")
        verified(copied, "tensorrt", True)
        assert choices.recorded(copied, "tensorrt") == (True, "")


def test_a_choice_is_remembered_until_something_that_decided_it_changes(copied, pretended, tmp_path, monkeypatch):
    opened = pretended(slow=(0.02, 0), quick=(0.0, 0))
    remarks = [open_session(copied, device="cpu", cache_folder=tmp_path).remark for _ in range(2)]
    assert opened == ["slow", "quick", "quick", "quick"] and remarks[0] == remarks[1]
    assert choices.this_machine() in json.loads((copied.folder / "choices.json").read_text())
    for again in (
        lambda: open_session(copied, device="cpu", cache_folder=tmp_path, purpose="predict"),
        lambda: open_session(copied, device="cpu", cache_folder=tmp_path, batch=1),
        lambda: (verified(copied, "slow", True), open_session(copied, device="cpu", cache_folder=tmp_path)),
        lambda: (
            monkeypatch.setattr(choices, "fingerprint", lambda *gpu: "another machine"),
            open_session(copied, device="cpu", cache_folder=tmp_path),
        ),
    ):
        opened.clear()
        again()
        assert opened == ["slow", "quick", "quick"]
    verified(copied, "quick", False, machine="another machine")
    assert open_session(copied, device="cpu", cache_folder=tmp_path).backend == "slow"
    opened = pretended(slow=(0.02, 0))
    assert open_session(copied, device="cpu", cache_folder=tmp_path).backend == "slow"
    assert "the only backend here" in open_session(copied, device="cpu", cache_folder=tmp_path).remark


def test_where_the_bundle_cannot_be_written_the_cache_remembers(copied, pretended, tmp_path, monkeypatch):
    opened = pretended(slow=(0.02, 0), quick=(0.0, 0))
    real = choices.write_json

    def read_only(path, value):
        if path.parent == copied.folder:
            raise ConfigError("no permission to write")
        real(path, value)

    monkeypatch.setattr(choices, "write_json", read_only)
    cache = tmp_path / "cache"
    for _ in range(2):
        open_session(copied, device="cpu", cache_folder=cache)
    assert opened == ["slow", "quick", "quick", "quick"]
    assert not (copied.folder / "choices.json").exists() and len(list(cache.glob("choices-*.json"))) == 1
    damaged = next(cache.glob("choices-*.json"))
    damaged.write_text("[")
    open_session(copied, device="cpu", cache_folder=cache)
    assert len(opened) == 7, "a damaged memory is none"


def test_if_nothing_is_right_it_says_what_is_wrong_with_each(copied, pretended, tmp_path):
    pretended(one=(0.0, 9.0), two=(0.0, float("nan")))
    with pytest.raises(
        EngineError, match=r"No backend gives right answers here \(one: poses 16 mm off.*; two: poses nan"
    ):
        open_session(copied, device="cpu", cache_folder=tmp_path)


def test_the_real_backends_of_a_processor(copied, tmp_path, monkeypatch, tiny_dataset):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CXX", raising=False)
    here = available_backends(copied, "cpu")
    assert here["torch-float32"] == ""
    assert "C++ compiler" in here["torch-compiled-bfloat16"] or "bfloat16" in here["torch-compiled-bfloat16"]
    assert "needs a GPU" in here["torch-cuda-graph-bfloat16"]
    assert "needs a GPU" in here["tensorrt"] and "needs a GPU" in here["onnxruntime-cuda"]
    with open_session(copied, device="cpu", cache_folder=tmp_path) as session:
        assert here[session.backend] == "" and session.backend in session.remark
    weights = lively("nothing", open_dataset(tiny_dataset))
    with open_session(weights, device="cpu", cache_folder=tmp_path, batch=2) as session:
        assert session.backend.startswith("torch-")
        assert session.predict(torch.rand(2, 3, 64, 64)).shape == (2, 17, 3)


def test_weights_without_graphs_say_what_to_run_first(tiny_dataset):
    weights = lively("person", open_dataset(tiny_dataset))
    with pytest.raises(EngineError, match="onnxruntime-cpu cannot run on cpu: these are weights, not a bundle; run"):
        open_session(weights, "onnxruntime-cpu", "cpu")
    weights.regressor = None
    with open_session(weights, device="cpu") as session:
        assert session.remark == "person predicts no poses, so there is nothing to race: torch-float32."


def test_names_that_are_none_are_sentences(bundle):
    with pytest.raises(ConfigError, match="no backend 'onnx'; choose auto or one of torch-float32"):
        open_session(bundle, "onnx")
    with pytest.raises(ConfigError, match="device is 'gpu'"):
        open_session(bundle, device="gpu")


def test_compiled_graphs_lie_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert choose.default_cache_folder() == tmp_path / "turncoat"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    assert choose.default_cache_folder() == tmp_path / ".cache" / "turncoat"
