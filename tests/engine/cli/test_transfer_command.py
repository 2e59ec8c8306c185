"""`turncoat attack --generators --targets`: the files and the document; one sentence and exit 2 for bad input."""

import json
import shutil
from pathlib import Path

import pytest

from turncoat.engine.cli import main

QUICK = ("--per-subject", 2, "--iterations", 2, "--step-size", "0.5", "--batch", 4, "--threshold", 1e5)


@pytest.fixture(scope="module")
def weights(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of networks: one, its copy, one without a decoder, one without a regressor."""
    from fixtures.lively import STEP_SIZES, lively
    from turncoat.training.checkpoint import save_network
    from turncoat.training.data import open_dataset

    folder, data = tmp_path_factory.mktemp("weights"), open_dataset(tiny_dataset)
    for name, paints in (("a", "person"), ("blind", "nothing")):
        network = lively(paints, data)
        save_network(
            folder / f"{name}.safetensors", network, {"attack_step_size": STEP_SIZES}, statistics=network.statistics
        )
    shutil.copy(folder / "a.safetensors", folder / "b.safetensors")
    bare = lively("person", data)
    bare.regressor = None
    save_network(folder / "bare.safetensors", bare, {"attack_step_size": STEP_SIZES}, statistics=bare.statistics)
    return folder


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main(["attack", *map(str, arguments)])
    return int(exit_info.value.code or 0)


def named(weights: Path, *names: str) -> str:
    return ",".join(str(weights / f"{name}.safetensors") for name in names)


def test_one_command_makes_the_matrix_its_files_and_its_document(
    tiny_dataset: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = (tiny_dataset, "--generators", named(weights, "a", "b"), "--targets", named(weights, "a", "b", "blind"),
             "--out", tmp_path / "m", *QUICK)  # fmt: skip
    assert run(*asked, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "transfer" and document["settings"] == ["natural"] and document["groups"] == ["everyday"]
    assert len(document["runs"]) == 6 and len(document["cells"]) == 18
    for file in ("transfer.json", "transfer.md", "transfer.png", "index.html"):
        assert (tmp_path / "m" / file).is_file()
    errors = {(one["generator"], one["made_for"], one["target"]): one["error_mm"]["value"] for one in document["cells"]}
    assert errors["a", "a", "b"] == pytest.approx(errors["b", "b", "a"], abs=1e-3), "copies"
    assert run(*asked) == 2 and "not empty" in capsys.readouterr().err
    assert run(*asked, "--resume") == 0
    assert capsys.readouterr().out.count("there already") == 6


@pytest.mark.parametrize(
    "generators, targets, more, words",
    [
        (("blind",), ("a",), (), "has no decoder"),
        (("a",), ("bare",), (), "no pose regressor"),
        (("a", "a"), ("a",), (), "name each once"),
        (("a",), ("nobody",), (), "no weights at"),
        (("a",), ("a",), ("--attack", "colours-0.1"), "colours-0.1"),
        (("a",), ("a",), ("--target", "nsd"), "leave --network, --target and --images out"),
        (("a",), ("a",), ("--subject", "S9"), "S9"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(
    generators: tuple[str, ...],
    targets: tuple[str, ...],
    more: tuple[str, ...],
    words: str,
    tiny_dataset: Path,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = run(tiny_dataset, "--generators", named(weights, *generators), "--targets", named(weights, *targets),
               "--out", tmp_path / "m", *QUICK, *more)  # fmt: skip
    error = capsys.readouterr().err
    assert code == 2 and words in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "m").exists()


def test_names_are_told_by_commas_and_both_lists_may_be_one(
    tiny_dataset: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tiny_dataset, "--generators", "nsd,,nsd", "--out", tmp_path / "m") == 2
    assert "--generators is 'nsd,,nsd'" in capsys.readouterr().err
    assert run(tiny_dataset, "--targets", named(weights, "a"), "--out", tmp_path / "m", *QUICK, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["generators"] == document["targets"] == ["a"]
