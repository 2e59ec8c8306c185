"""`turncoat soundness` on networks that are really attacked: tiny ones, on stick figures."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fixtures.lively import STEP_SIZES, lively
from turncoat.engine.analysis.soundness.settings import KINDS
from turncoat.engine.cli import main
from turncoat.engine.runs import open_run
from turncoat.training.checkpoint import save_network
from turncoat.training.data import open_dataset

QUICK = ("--quick", "--frames", 6, "--iterations", 6, "--threshold", 90, "--precision", "float32")


@pytest.fixture(scope="module")
def weights(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    dataset, folder = open_dataset(tiny_dataset), tmp_path_factory.mktemp("weights")
    found = {}
    for seed, name in enumerate(("nsd", "other", "eye", "blank")):
        network = lively("nothing" if name == "eye" else "person", dataset, seed)
        if name == "blank":
            network.statistics = None
        found[name] = folder / f"{name}.safetensors"
        sizes = {**STEP_SIZES, "natural": 0.3}
        save_network(found[name], network, {"method": "nsd", "images": 1, "attack_step_size": sizes})
    return found


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_info:
        main(["soundness", *map(str, arguments)])
    captured = capsys.readouterr()
    return int(exit_info.value.code or 0), captured.out, captured.err


@pytest.fixture(scope="module")
def made(tiny_dataset: Path, weights: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made")
    given = [weights["nsd"], "--data", tiny_dataset, "--out", out, "--generator", weights["other"], *QUICK]
    with pytest.raises(SystemExit) as exit_info:
        main(["soundness", *map(str, given)])
    assert exit_info.value.code in (None, 0, 1)
    return out


def test_one_command_attacks_in_every_way_and_writes_page_picture_and_numbers(made: Path) -> None:
    assert {path.name for path in made.iterdir()} == {
        "runs", "gradient.json", "soundness.md", "soundness.json", "soundness.png",
    }  # fmt: skip
    document = json.loads((made / "soundness.json").read_text())
    names = [one["name"] for one in document["variants"]]
    assert names == ["longer", "restarts", "step-0.3", "step-3", "adam", "sign", "search", "generator", "budget-2",
                     "search-budget-2"]  # fmt: skip
    assert {path.name for path in (made / "runs").iterdir()} == {"attack", *names}
    samples = set()
    for name in ("attack", *names):
        one = open_run(made / "runs" / name)
        assert one.complete and one.info["judge"] is None
        samples.add(tuple(one.rows(attack="appearance", setting="natural")["sample_id"].tolist()))
    assert len(samples) == 1, "the same frames everywhere"
    assert open_run(made / "runs" / "attack").rows(attack="control")["control"].size, "controls beside the attack"
    assert (made / "soundness.png").read_bytes()[1:4] == b"PNG"
    page = (made / "soundness.md").read_text()
    assert document["verdict"] in page and "soundness.png" in page
    assert all(words in page for words in ("plain gradient steps", "another generator, other", "finite differences"))
    assert document["gradient"][0]["iterate"] == 0 and document["half_budget"] is not None


def test_the_numbers_are_those_of_the_runs_and_the_verdict_that_of_the_numbers(made: Path) -> None:
    document = json.loads((made / "soundness.json").read_text())
    first = open_run(made / "runs" / "attack").rows(attack="appearance")
    taken = [outcome in ("fooled", "iterations used up", "zero gradient") for outcome in first["outcome"]]
    assert document["attack"]["frames"] == sum(taken)
    assert document["attack"]["fooled"]["value"] == pytest.approx((first["outcome"][taken] == "fooled").mean())
    restarts = open_run(made / "runs" / "restarts").rows(attack="appearance")
    own = next(one for one in document["variants"] if one["name"] == "restarts")
    assert own["fooled"]["value"] >= document["attack"]["fooled"]["value"], "its first start is the attack"
    assert own["only_attack"] == 0 and restarts["restart"].max() <= 2
    stronger = [one["name"] for one in document["variants"] if one["stronger"]]
    bad = [sign["name"] for sign in document["signs"] if sign["bad"]]
    assert document["sound"] == (not stronger and not bad)
    assert document["verdict"].startswith("The attack is sound") == document["sound"]


def test_what_is_done_is_not_done_again_and_what_is_missing_is(
    made: Path, weights: dict[str, Path], tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path(shutil.copytree(made, tmp_path / "again"))
    before = json.loads((out / "soundness.json").read_text())
    kept = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/run.json")}
    missing = out / "runs" / "sign"
    shutil.rmtree(missing)
    killed = out / "runs" / "restarts"
    info = json.loads((killed / "run.json").read_text())
    (killed / "run.json").write_text(json.dumps(info | {"status": "running"}))
    next((killed / "results").glob("part-*")).unlink()
    given = (weights["nsd"], "--data", tiny_dataset, "--out", out, "--generator", weights["other"], *QUICK)
    code, printed, _ = run(capsys, *given, "--json")
    after = json.loads(printed)
    assert code == (0 if after["sound"] else 1)
    redone = {path.parent.name for path, stamp in kept.items() if path.stat().st_mtime_ns != stamp}
    assert redone == {"sign", "restarts"}
    for one, other in zip(before["variants"], after["variants"], strict=True):
        for name in ("fooled", "fooled_difference", "only_attack", "only_variant"):
            assert one[name] == other[name], one["name"]
    assert before["gradient"] == after["gradient"] and before["verdict"] == after["verdict"]


def test_a_raw_attack_has_an_easier_objective_in_place_of_budgets(
    weights: dict[str, Path], tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without = [word for kind in ("longer", "restarts", "steps") for word in ("--without", kind)]
    given = (weights["blank"], "--data", tiny_dataset, "--out", tmp_path, "--setting", "paper", *without, *QUICK)
    code, printed, _ = run(capsys, *given, "--json")
    document = json.loads(printed)
    assert code in (0, 1) and document["half_budget"] is None
    assert [one["name"] for one in document["variants"]] == ["gradient", "sign", "search"]
    assert document["left_out"] == ["0.5 times the threshold"], "these repaint so poorly that 45 mm are passed before"
    assert any("0.5 times the threshold" in sentence for sentence in document["evidence"])
    given = (
        weights["blank"],
        "--data",
        tiny_dataset,
        "--out",
        tmp_path / "far",
        "--setting",
        "paper",
        *without,
        *QUICK,
    )
    code, printed, _ = run(capsys, *given, "--threshold", 240, "--json")
    document = json.loads(printed)
    assert document["variants"][-1]["name"] == "easier" and document["variants"][-1]["threshold_mm"] == 120
    assert "positive control" in {sign["name"] for sign in document["signs"]}
    assert (tmp_path / "far" / "soundness.png").is_file()


def test_where_no_frame_can_be_attacked_it_says_so(
    weights: dict[str, Path], tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (weights["nsd"], "--data", tiny_dataset, "--out", tmp_path, *QUICK, "--threshold", 0.01)
    code, _, said = run(capsys, *given, *[word for kind in KINDS for word in ("--without", kind)])
    assert code == 2 and "None of the 6 frames" in said


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["{nsd}", "--setting", "colours-0.1"], "setting"),
        (["{nsd}", "--optimiser", "sgd"], "optimiser"),
        (["{nsd}", "--without", "luck"], "'luck' cannot be left out"),
        (["{nsd}", "--generator", "{eye}"], "has no decoder"),
        (["{eye}"], "has no decoder"),
        (["{blank}"], "needs statistics of natural appearance codes"),
        (["{nsd}", "--generator", "{blank}"], "needs statistics of natural appearance codes"),
        (["{nsd}", "--frames", "9000"], "Too few frames"),
        (["{nsd}", "--data", "nowhere"], "no dataset folder"),
        (["nowhere"], "no weights at nowhere"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_attacked(
    arguments: list[str],
    words: str,
    weights: dict[str, Path],
    tiny_dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    known: dict[str, Any] = dict(weights)
    given = [argument.format(**known) for argument in arguments]
    data = () if "--data" in given else ("--data", tiny_dataset)
    code, printed, said = run(capsys, *given, *data, "--out", tmp_path / "out")
    assert (code, printed) == (2, "") and words in said and said.count("\n") == 1
    assert not list(tmp_path.glob("out/runs/*"))


def test_a_folder_of_another_check_is_refused(
    made: Path, weights: dict[str, Path], tiny_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, said = run(capsys, weights["nsd"], "--data", tiny_dataset, "--out", made, *QUICK, "--seed", 1)
    assert code == 2 and "another settings seed (0, now 1)" in said.replace("\n", " ")
