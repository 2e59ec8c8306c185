"""The package list, and the wheel: built, installed elsewhere, run there."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from turncoat.kernels.version import VERSION

ROOT = Path(__file__).parent.parent
FLOORS = ("kernels", "training", "export", "engine")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def packages_on_disk():
    return sorted(
        ".".join(("turncoat", *path.parent.relative_to(ROOT).parts))
        for floor in FLOORS
        for path in (ROOT / floor).rglob("__init__.py")
    )


def test_every_package_is_listed_in_pyproject():
    """A package mapping forgets subpackages silently: an editable install has them, the wheel does not."""
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert listed == sorted(listed), "keep the list sorted"
    assert listed == packages_on_disk(), "bring tool.setuptools.packages in line with the folders"


def test_every_folder_with_modules_is_a_package():
    for floor in FLOORS:
        for path in (ROOT / floor).rglob("*.py"):
            assert (path.parent / "__init__.py").exists(), f"{path.parent.relative_to(ROOT)} has no __init__.py"


def test_the_constraints_pin_every_requirement():
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    }
    assert {requirement.split(">=")[0] for requirement in wanted} <= pinned


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built from a copy so that no build folder is left in it."""
    pytest.importorskip("setuptools", reason="building without isolation needs setuptools")
    pytest.importorskip("pip", reason="building a wheel needs pip")
    source, target = tmp_path_factory.mktemp("source") / "turncoat", tmp_path_factory.mktemp("wheel")
    source.mkdir()
    for floor in FLOORS:
        shutil.copytree(ROOT / floor, source / floor, ignore=shutil.ignore_patterns("__pycache__", ".tmp*"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    result = subprocess.run([*command, "--wheel-dir", target, source], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    (built,) = target.glob("turncoat-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The wheel installed into a folder of its own; returns a function that runs Python there.

    The requirements come from the environment of the tests, behind the folder; `turncoat` does not: a hook refuses
    any of its modules that lies outside the folder, so that an editable install cannot stand in for a missing file.
    """
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", folder, wheel]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr

    def run(code, *arguments):
        guard = (
            "import importlib.machinery as m, sys\n"
            f"folder = {str(folder)!r}\n"
            "class Only:\n"
            "    @staticmethod\n"
            "    def find_spec(name, path=None, target=None):\n"
            "        if name.partition('.')[0] != 'turncoat': return None\n"
            "        where = [folder] if name == 'turncoat' else [folder + '/' + '/'.join(name.split('.')[:-1])]\n"
            "        spec = m.PathFinder.find_spec(name, where)\n"
            "        if spec is None: raise ModuleNotFoundError(f'{name} is not in the wheel', name=name)\n"
            "        return spec\n"
            "sys.meta_path.insert(0, Only)\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", guard + code, *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)

    run.folder = folder
    return run


def test_the_installed_wheel_says_its_version(installed):
    result = installed("from turncoat.engine.cli import main; main()", "--version")
    assert (result.returncode, result.stdout) == (0, f"turncoat {VERSION}\n"), result.stderr


def test_the_wheel_brings_the_console_script(installed):
    script = installed.folder / "bin" / "turncoat"
    assert script.exists() and "turncoat.engine.cli" in script.read_text()


def test_every_module_of_the_installed_wheel_can_be_imported(installed):
    modules = sorted(
        ".".join(("turncoat", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        for floor in FLOORS
        for path in (ROOT / floor).rglob("*.py")
        if path.name != "__main__.py"
    )
    code = (
        "import importlib, json, sys\n"
        "failed = {}\n"
        "for name in json.loads(sys.argv[1]):\n"
        "    try:\n"
        "        module = importlib.import_module(name)\n"
        "        assert module.__file__.startswith(folder), module.__file__\n"
        "    except Exception as error:\n"
        "        failed[name] = repr(error)\n"
        "print(json.dumps(failed))"
    )
    result = installed(code, json.dumps(modules))
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1]) == {}


def test_the_wheel_holds_every_file_that_the_folders_hold(wheel):
    tracked = subprocess.run(["git", "ls-files", *FLOORS], capture_output=True, text=True, cwd=ROOT)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    expected = {f"turncoat/{name}" for name in tracked.stdout.splitlines() if (ROOT / name).exists()}
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    assert expected <= inside, f"add their suffix to tool.setuptools.package-data: {sorted(expected - inside)}"


def test_the_wheel_brings_the_licence_and_nothing_else_at_its_top(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0] for name in names} == {"turncoat", f"turncoat-{VERSION}.dist-info"}
