"""Imports run down only: engine -> export -> training -> kernels."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ("kernels", "training", "export", "engine")  # from the ground up
# The same names may head a folder of somebody else's site-packages: the house imports itself as `turncoat.` only.
OWN = {*FLOORS, "tests"}


def sources(*folders):
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if "build" not in path.parts]


def imported_modules(path):
    """Every module a file imports, at its top or inside a function, as (line, absolute dotted name, relative?)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                yield node.lineno, node.module or "", True
            elif node.module == "turncoat":
                yield from ((node.lineno, f"turncoat.{alias.name}", False) for alias in node.names)
            else:
                yield node.lineno, node.module, False
        elif (
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", getattr(node.func, "id", "")) in ("import_module", "__import__")
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            yield node.lineno, node.args[0].value, False


def violations(path, floor):
    found = []
    for line, module, relative in imported_modules(path):
        head, *rest = module.split(".")
        where = f"{path}:{line}"
        if relative:
            found.append(f"{where} imports relatively; write turncoat.{floor}...")
        elif head in OWN:
            found.append(f"{where} imports {module}; write turncoat.{module}")
        elif head == "turncoat" and rest and rest[0] in FLOORS and FLOORS.index(rest[0]) > FLOORS.index(floor):
            found.append(f"{where} imports {module}, which lies above {floor}")
    return found


@pytest.mark.parametrize("floor", FLOORS)
def test_no_floor_imports_a_floor_above_it(floor):
    assert sources(floor)
    assert not [violation for path in sources(floor) for violation in violations(path, floor)]


def test_tests_and_benchmarks_import_the_house_by_its_name():
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sources("tests", "benchmarks")
        for line, module, relative in imported_modules(path)
        if not relative and module.split(".")[0] in FLOORS
    ]
    assert not found


@pytest.mark.parametrize(
    "line",
    [
        "import turncoat.engine.cli",
        "from turncoat import engine",
        "from turncoat.engine import attack_dataset",
        "def late():\n    from turncoat.export import attack_step",
        "import importlib\nimportlib.import_module('turncoat.engine.runs')",
        "from .. import engine",
        "import kernels",
    ],
)
def test_the_rule_sees_every_way_to_import(line, tmp_path):
    path = tmp_path / "probe.py"
    path.write_text(line)
    assert violations(path, "training")


def test_modules_stay_readable():
    """A module is one concept: above 400 lines there is a second one inside."""
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources(*FLOORS, "benchmarks")}
    assert not {name: lines for name, lines in long.items() if lines > 400}
