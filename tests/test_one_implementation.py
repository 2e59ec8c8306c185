"""Compositing and pose errors exist once: who needs them calls kernels/, and nobody else computes them."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OPERATIONS = ("composite", "pose_error", "recompose", "resample")
CALLERS = {
    "engine/analysis/codes/information.py": {"resample"},
    "engine/analysis/codes/probes.py": {"pose_error"},
    "engine/analysis/repaint/similar.py": {"pose_error"},
    "engine/analysis/repaint/swap.py": {"pose_error"},
    "engine/analysis/repaint/way.py": {"pose_error"},
    "engine/analysis/repaint/zero.py": {"resample"},  # what a probe sees of a person
    "engine/analysis/soundness/gradient.py": {"pose_error"},
    "engine/analysis/transfer/seen.py": {"pose_error"},  # what others see of an attack
    "engine/attack/colours.py": {"pose_error", "recompose"},
    "engine/attack/controls.py": {"pose_error"},
    "engine/attack/flight/flight.py": {"pose_error"},  # every attack step
    "engine/attack/goals.py": {"pose_error"},
    "engine/attack/joints.py": {"pose_error"},  # bones of a target that has not all of them
    "engine/attack/measure.py": {"pose_error"},  # admission, verification, what runs record
    "engine/attack/pictures.py": {"recompose"},  # what a report shows
    "engine/analysis/wardrobe/measure.py": {"pose_error"},
    "engine/analysis/wardrobe/pairs.py": {"pose_error"},
    "engine/report/wardrobe_strip.py": {"pose_error"},
    "engine/attack/pixels.py": {"pose_error"},
    "engine/attack/similarity.py": {"resample"},
    "engine/attack/verified.py": {"pose_error"},
    "engine/latency/kernels.py": {"composite", "pose_error"},
    "engine/runtime/split.py": {"composite"},  # the joint of generator and target
    "engine/runtime/trial.py": {"pose_error"},
    "export/attack_step.py": {"pose_error"},  # aligned objectives
    "engine/targets/preprocess.py": {"resample"},  # what a foreign target is shown
    "engine/targets/transfer.py": {"pose_error"},
    "training/evaluate.py": {"pose_error"},
    "training/evaluation/pictures.py": {"composite", "pose_error", "resample"},
    "training/evaluation/poses.py": {"pose_error"},
    "training/label_study.py": {"pose_error"},
    "training/methods/supervised.py": {"pose_error"},
    "training/methods/ugar.py": {"composite", "resample"},
    "training/networks/disentangled.py": {"composite", "resample"},  # crop, canvas, paint: every attack step
    "training/pose_regressor.py": {"pose_error"},
    "training/trend.py": {"pose_error"},
}
"""Who computes with which kernel. A new caller is welcome, and listed."""

ELSEWHERE = {
    r"grid_sample\(|affine_grid\(": {"engine/latency/plain.py"},  # what benchmarks compare with
    r"norm\([^()]*(dim|axis)=-1[^()]*\)\.mean\(|norm\([^()]*\)\.mean\((-1|dim=-1|axis=-1)": {
        "engine/latency/kernels.py"
    },
    r"linalg\.svd\(": {"engine/latency/kernels.py", "training/data/studio/clips.py"},
    r"mask\w* \* \w+ \+ \(1 - ": set(),
}
"""How a second implementation would read -> files that may."""


def sources():
    for folder in ("engine", "training", "export"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def used_by(path):
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[:2] == ["turncoat", "kernels"] and len(parts) > 2 and parts[2] in OPERATIONS:
                found.add(parts[2])
    return found


def test_the_callers_are_these():
    found = {str(path.relative_to(ROOT)): used_by(path) for path in sources()}
    assert {name: used for name, used in found.items() if used} == CALLERS


@pytest.mark.parametrize("pattern", ELSEWHERE)
def test_nobody_else_computes_them(pattern):
    found = {str(path.relative_to(ROOT)) for path in sources() if re.search(pattern, path.read_text(encoding="utf-8"))}
    assert found <= ELSEWHERE[pattern]


def test_a_second_implementation_would_be_found():
    text = (
        "error = torch.linalg.vector_norm(p - g, dim=-1).mean(dim=-1)\n"
        "error = (p - g).norm(dim=-1).mean(-1)\nu, s, v = np.linalg.svd(m)\n"
        "frame = mask * rgb + (1 - mask) * background\nx = F.grid_sample(x, grid)\n"
    )
    for pattern in ELSEWHERE:
        assert re.search(pattern, text)
