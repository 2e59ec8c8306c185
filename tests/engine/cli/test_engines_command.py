"""turncoat engines: what it shows, what it removes, and its exit codes."""

import json
import shutil
from pathlib import Path

import pytest

from turncoat.engine.cli import main
from turncoat.export.bundle import Bundle, open_bundle
from turncoat.export.engine_cache import Target, engines_folder, store_engine
from turncoat.export.tensorrt_flavour import Flavour

VERSION = "1.7.1.116"


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """Three engines, for GPUs that are not here."""
    from turncoat.export import gpu

    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    monkeypatch.setattr(Flavour, "version", property(lambda flavour: VERSION))
    monkeypatch.setattr(gpu, "find_gpu", lambda index=0: None)
    found = open_bundle(tmp_path / "bundle", check=False)
    for graph, capability in (("predict", "sm120"), ("predict", "sm89"), ("attack-b2", "sm89")):
        store_engine(
            found, graph, "tensorrt-rtx", VERSION, Target.of_capability(capability), b"plan of " + graph.encode()
        )
    return found


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_info:
        main(["engines", *map(str, arguments)])
    captured = capsys.readouterr()
    return int(exit_info.value.code or 0), captured.out, captured.err


def damage(bundle: Bundle) -> None:
    plan = next(engines_folder(bundle).glob("*/engine.plan"))
    plan.write_bytes(plan.read_bytes()[:-1])


def test_engines_are_listed_in_the_order_of_the_graphs(bundle, capsys):
    code, out, _ = run(capsys, "list", bundle.folder)
    assert code == 0
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines() if line.startswith("│")]
    assert [(row[0], row[2]) for row in rows] == [("predict", "sm89"), ("predict", "sm120"), ("attack-b2", "sm89")]
    assert {row[4] for row in rows} == {"elsewhere"}
    assert "3 elsewhere. This machine has no NVIDIA GPU." in out


def test_json_is_one_document(bundle, capsys):
    code, out, _ = run(capsys, "verify", bundle.folder, "--json")
    document = json.loads(out)
    assert code == 0 and document["good"] is True and document["states"] == {"elsewhere": 3}
    assert {engine["parts"]["capability"] for engine in document["engines"]} == {"sm89", "sm120"}


def test_verify_answers_no_to_a_damaged_engine_and_list_does_not_judge(bundle, capsys):
    damage(bundle)
    code, out, _ = run(capsys, "verify", bundle.folder)
    assert code == 1 and "truncated" in out.replace("\n", " ")
    assert run(capsys, "list", bundle.folder)[0] == 0


def test_verify_refuses_a_bundle_that_is_damaged_itself(bundle, capsys):
    path = bundle.folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    code, out, err = run(capsys, "verify", bundle.folder)
    assert (code, out) == (2, "") and err.count("\n") == 1 and "weights.safetensors is not the file" in err


def test_prune_removes_what_is_damaged_and_says_how_much(bundle, capsys):
    damage(bundle)
    code, out, _ = run(capsys, "prune", bundle.folder, "--dry-run")
    assert code == 0 and "Would remove 1" in out and len(list(engines_folder(bundle).iterdir())) == 3
    code, out, _ = run(capsys, "prune", bundle.folder)
    assert code == 0 and "Removed 1" in out and len(list(engines_folder(bundle).iterdir())) == 2
    assert "Nothing to prune" in run(capsys, "prune", bundle.folder)[1]


def test_a_bundle_without_engines_says_how_to_get_some(bundle, capsys):
    shutil.rmtree(engines_folder(bundle))
    code, out, _ = run(capsys, "verify", bundle.folder)
    assert code == 0 and "No engines; `turncoat export --tensorrt-rtx sm89`" in out.replace("\n", " ")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("list", "nowhere"), "nowhere is no bundle"),
        (("burn", "nowhere"), "'burn' is not one of"),
        (("list", "nowhere", "--dry-run"), "--dry-run goes with prune; list never removes anything"),
    ],
)
def test_bad_input_is_one_sentence(capsys, arguments, message):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "") and message in err and err.count("\n") == 1


def test_export_says_what_it_cannot_build_before_it_exports(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Flavour, "api", lambda flavour: None)
    monkeypatch.setattr(Flavour, "version", property(lambda flavour: VERSION))
    monkeypatch.setattr(Flavour, "capabilities", lambda flavour: ("sm89", "sm120"))
    with pytest.raises(SystemExit) as exit_info:
        main(["export", "nsd", "--out", str(tmp_path / "bundle"), "--tensorrt-rtx", "sm89,sm90"])
    assert exit_info.value.code == 2 and "does not build for 'sm90'" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
