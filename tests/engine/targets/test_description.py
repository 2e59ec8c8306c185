"""What a description may say; what it may not is said in one sentence."""

import re
import tomllib
from pathlib import Path

import pytest

from fixtures.foreign import write_target
from turncoat.engine.targets import TargetSettings
from turncoat.kernels.errors import ConfigError

DOCS = Path(__file__).parents[3] / "docs"


def refused(folder, source="module:name", **changes):
    with pytest.raises(ConfigError) as error:
        TargetSettings.load(write_target(folder, source, **changes))
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_defaults_are_those_of_a_callable_with_gradients(tmp_path):
    settings = TargetSettings.load(write_target(tmp_path, "module:name"))
    assert settings.differentiable and not settings.is_file and settings.output.numbers_of_joints == (0, 1, 2, 4, 8)
    assert settings.output.millimetres == 1.0


@pytest.mark.parametrize("page", ["targets.md", "blazepose.md"])
def test_descriptions_in_the_docs_load(page):
    blocks = re.findall(r"```toml\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        assert TargetSettings(**tomllib.loads(block)).output.count > 1


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"colour": "RGB"}, "setting 'colour' is unknown"),
        ({"input": {"hight": 3}}, "setting 'input.hight' is unknown"),
        ({"input": {"range": (1, 1)}}, "black and white have to have different values"),
        ({"input": {"std": (1, 0, 1)}}, "above 0"),
        ({"output": {"joints": {"pelvis": 0, "nose": 1, "tail": 2}}}, "nose, tail are not among our joints"),
        ({"output": {"joints": {"pelvis": 0, "neck": 1}}}, "name at least 3 joints"),
        ({"output": {"count": 4}}, "neck is beyond the target's 4 joints, 0 to 3"),
        ({"output": {"joints": {"neck": 0, "head": 1, "spine": 2}}}, "the root is 'pelvis', but `joints` does not"),
        ({"output": {"root": "hips", "joints": {"neck": 0, "head": 1, "right_hip": 2}}}, "where left_hip lies"),
        ({"output": {"axes": ("x", "y", "y")}}, "name x, y and z once each"),
        ({"output": {"unit": "inch"}}, "setting 'output.unit"),
        ({"queries": {"pairs": 0}}, "setting 'queries.pairs' is 0"),
        ({"input": {"kind": "numpy"}, "gradients": True}, "a callable that takes arrays has none"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_sentence(tmp_path, changes, said):
    assert said.lower() in refused(tmp_path, **changes).lower()


@pytest.mark.parametrize("source", ["module", "module:", "model.pth", ""])
def test_a_source_of_no_known_kind(tmp_path, source):
    assert "module:name of a callable, or the path of an .onnx or .tflite file" in refused(tmp_path, source)


def test_gradients_of_a_file(tmp_path):
    said = refused(tmp_path, "model.onnx", gradients=True)
    assert "gradients were asked for, and a file has none" in said.lower()
    assert not TargetSettings.load(write_target(tmp_path, "model.onnx")).differentiable
