"""Compiled graphs give what eager ones give, are kept on disk, and fail softly."""

import logging

import pytest
import torch
from torch.nn.functional import cosine_similarity

from turncoat.engine.runtime import inductor, open_session
from turncoat.engine.runtime.compiled import CompiledSession, rungs_of
from turncoat.engine.runtime.torch_session import TorchSession
from turncoat.kernels import EngineError

needs_compiler = pytest.mark.skipif(
    inductor.compiler_problem() is not None, reason=f"nothing to compile with: {inductor.compiler_problem()}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Compiled graphs of this file, each made once."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def no_compiler(monkeypatch):
    """A machine without a C++ compiler."""
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")


@needs_compiler
@pytest.mark.slow
def test_a_compiled_gradient_step_is_the_eager_one_and_is_compiled_once(bundle, asked, folder):
    made = []
    with CompiledSession(
        bundle, precision="float32", folder=folder, progress=lambda *d, graph: made.append((*d, graph))
    ) as s:
        assert (s.backend, s.precision, s.batches) == ("torch-compiled-float32", "float32", (1, 2))
        few = asked.rows(2)
        pose, gradient = s.attack_step(few.appearance, few.canvas, *few.aim)
        torch.testing.assert_close(pose, few.step[0], atol=0.05, rtol=1e-5)
        assert cosine_similarity(gradient, few.step[1]).min() > 0.9999
        assert made == [(0, 1, "attack-b2"), (1, 1, "attack-b2")]
        mixed = (
            few.appearance.flip(1).clone().flip(1),
            few.canvas._replace(base=few.canvas.base.contiguous(memory_format=torch.channels_last)),
        )
        again = s.attack_step(mixed[0], mixed[1], *few.aim)
        torch.testing.assert_close(again[1], gradient, msg="the caller's memory layout must not matter")
    with CompiledSession(
        bundle, precision="float32", folder=folder, progress=lambda *d, graph: made.append(graph)
    ) as s:
        torch.testing.assert_close(s.attack_step(few.appearance, few.canvas, *few.aim)[1], gradient)
        assert len(made) == 2, "another session finds the compiled graph on disk"
        s.package("attack", 2).write_bytes(b"not a package")
    assert len(list(folder.glob("*.pt2"))) == 1


@needs_compiler
def test_reduced_precision_compiles_cuts_batches_and_replaces_a_damaged_package(bundle, asked, folder):
    with TorchSession(bundle, precision="bfloat16") as eager:
        truth = eager.predict(asked.frames)
    with CompiledSession(bundle, folder=folder) as session:
        session.batches = (2,)
        package = session.package("predict", 2)
        package.write_bytes(b"not a package")
        pose = session.predict(asked.frames)
        assert package.stat().st_size > 10_000 and session.compiles
    assert pose.shape == truth.shape
    assert (pose - truth).norm(dim=-1).mean() < 0.05 * truth.norm(dim=-1).mean()


def test_without_a_compiler_it_runs_eagerly_and_says_so(bundle, asked, folder, no_compiler):
    with open_session(bundle, "torch-compiled-bfloat16", "cpu", cache_folder=folder) as session:
        assert (session.backend, session.precision, session.batches) == ("torch-bfloat16", "bfloat16", None)
        assert session.remark == (
            "Graphs are not compiled, because there is no C++ compiler (g++ or clang++); they run eagerly in bfloat16."
        )
        with TorchSession(bundle, precision="bfloat16") as eager:
            torch.testing.assert_close(session.predict(asked.frames), eager.predict(asked.frames))


def test_a_compiler_that_does_not_work_is_found_out(tmp_path, monkeypatch):
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\necho no luck >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert inductor.compiler_problem() == "the C++ compiler g++ fails on a small program (no luck)"


@needs_compiler
def test_when_compilation_fails_it_runs_eagerly_and_says_so_once(bundle, asked, folder, monkeypatch, caplog):
    def fails(*arguments):
        raise EngineError("PyTorch's compiler failed (LoweringException: no).")

    monkeypatch.setattr(inductor, "compile_graph", fails)
    few = asked.rows(1)
    with CompiledSession(bundle, precision="float32", folder=folder) as session, caplog.at_level(logging.WARNING):
        for _ in range(2):
            _, gradient = session.attack_step(few.appearance, few.canvas, *few.aim)
            assert cosine_similarity(gradient, few.step[1]).min() > 0.9999
        assert session.backend == "torch-float32" and not session.compiles
        assert [record.message for record in caplog.records] == [session.remark]
        assert "because PyTorch's compiler failed (LoweringException: no)" in session.remark


def test_a_cache_that_cannot_be_written_is_no_crash(bundle, asked, tmp_path):
    (tmp_path / "file").write_text("")
    with CompiledSession(bundle, precision="float32", folder=tmp_path / "file" / "folder") as session:
        torch.testing.assert_close(session.predict(asked.frames), asked.pose, atol=0.05, rtol=0)


def test_packages_are_found_by_everything_that_decides_what_they_compute(bundle, folder, monkeypatch):
    first = CompiledSession(bundle, folder=folder)
    names = {first.package(graph, batch) for graph in ("attack", "predict") for batch in (1, 2)}
    names.add(CompiledSession(bundle, precision="float32", folder=folder).package("attack", 1))
    names.add(CompiledSession(bundle, threads=7, folder=folder).package("attack", 1))
    monkeypatch.setattr(inductor, "_instructions", lambda: "another processor")
    names.add(first.package("attack", 1))
    monkeypatch.setattr(inductor, "_code", lambda: "other sources")
    names.add(first.package("attack", 1))
    changed = CompiledSession(bundle, folder=folder)
    changed.network.regressor.pose_std.add_(1)
    names.add(changed.package("attack", 1))
    assert len(names) == 9


def test_rungs_end_where_longer_batches_are_no_faster():
    assert rungs_of((1, 8, 32, 64), 128) == (1, 8, 32)
    assert rungs_of((1, 8, 32), 128) == (1, 8, 32)
    assert rungs_of((1, 8, 32), 500) == (1, 4)
    assert rungs_of((1, 2), 500) == (1, 2)
    assert rungs_of((64,), 128) == (32,)
    assert rungs_of((8,), 2000) == (1,)
