"""The doctor says what each piece can do here, and which pieces cannot stand each other."""

import pytest

from turncoat.engine import diagnosis


def finding(piece):
    return next(found for found in diagnosis.diagnose() if found.piece == piece)


def installed(monkeypatch, **versions):
    real = diagnosis.installed_version

    def version(name):
        found = versions.get(name.replace("-", "_"), False)
        if found is None:
            raise diagnosis.PackageNotFoundError(name)
        return found or real(name)

    monkeypatch.setattr(diagnosis, "installed_version", version)


def test_both_kinds_of_onnx_runtime_are_a_conflict_with_its_way_out(monkeypatch):
    installed(monkeypatch, onnxruntime="1.31.1", onnxruntime_gpu="1.31.1", tensorrt=None)
    found = finding("versions")
    assert found.state == "conflict" and "uninstall both" in found.found


def test_tensorrt_11_beside_onnxruntime_gpu_is_explained(monkeypatch):
    installed(monkeypatch, onnxruntime=None, onnxruntime_gpu="1.31.1", tensorrt="11.0.0.1")
    found = finding("versions")
    assert found.state == "works" and "wants TensorRT 10" in found.found
    installed(monkeypatch, onnxruntime=None, onnxruntime_gpu="1.31.1", tensorrt="10.14.1")
    assert "wants TensorRT 10" not in finding("versions").found


def test_no_compiler_is_no_failure_but_said(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(diagnosis.shutil, "which", lambda name: None)
    found = finding("C++ compiler")
    assert found.state == "missing" and "without compilation" in found.found


def test_a_compiler_that_cannot_compile_is_broken(monkeypatch):
    monkeypatch.setenv("CXX", "false")
    monkeypatch.setattr(diagnosis.shutil, "which", lambda name: name if name == "false" else None)
    assert finding("C++ compiler").state == "broken"


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_export_names_its_extra(monkeypatch, missing):
    real = diagnosis.importlib.import_module

    def imported(name):
        if name == missing:
            raise ModuleNotFoundError(name=name)
        return real(name)

    monkeypatch.setattr(diagnosis.importlib, "import_module", imported)
    found = finding("ONNX export")
    assert found.state == "missing" and "turncoat[cpu]" in found.found
