"""models, card, labels and trend from the command line."""

import json
import subprocess
import sys

import pytest
import torch

from fixtures.documents import cell, evaluation, label_study
from turncoat.engine.cli import main
from turncoat.training.cards import card_text
from turncoat.training.checkpoint import load_network, save_network
from turncoat.training.networks import Disentangled, preset

SHAPE = preset("studio", frame_size=32, crop_size=16, regressor_hidden=64)


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, " ".join(err.split())


def interval(value):
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def fake_card(name, **changes):
    attack = {
        "frames": 400,
        "attacked": 398,
        "success": interval(0.4),
        "error_initial_mm": interval(27.0),
        "error_final_mm": interval(160.0),
        "psnr_db": 25.0,
    }
    weak = attack | {"success": interval(0.1), "error_final_mm": interval(60.0)}
    return {
        "kind": "card",
        "name": name,
        "method": name.split("-")[0],
        "network": {"preset": "studio", "head": "official", "frame_size": 128, "crop_size": 64},
        "parameters": {"without_regressor": 3_300_000},
        "file": {"name": f"{name}.safetensors", "bytes": 10_000_000, "sha256": "0" * 64},
        "training": {"command": f"turncoat train {name}", "images": 1_000_000, "dataset": {"recipe": "confounded"}},
        "regressor": {"command": "turncoat fit-regressor"},
        "evaluation": evaluation(),
        "labels": label_study(),
        "attacks": {
            f"natural, {group}": attack | {"group": group, "setting": "natural", "controls": {"random direction": weak}}
            for group in ("everyday", "acrobatic")
        },
        "trend": None,
        "limits": ["Nothing is known about photographs."],
        "licence": "Apache-2.0",
    } | changes


@pytest.fixture
def folder(tmp_path):
    """Four sets of weights: with everything, without pictures, with a card of an older version, without a card."""
    blind = evaluation({"held-out": {"everyday": cell(pictures=False)}})
    old = evaluation()
    for name in ("targets", "ceiling", "notes", "identity"):
        del old[name]
    poses = old["splits"]["held-out"]["everyday"]["poses"]
    for name in ("pck_150", "auc_150", "mpjpe_of_supervised", "supervised_mm"):
        del poses[name]
    del old["splits"]["held-out"]["everyday"]["joints"]
    cards = {
        "cssl": fake_card("cssl"),
        "supervised": fake_card("supervised", evaluation=blind, attacks=None, labels=None),
        "nsd": fake_card("nsd", evaluation=old, attacks=None, labels=None, limits=None),
    }
    for name in (*cards, "drnet"):
        (tmp_path / f"{name}.safetensors").write_bytes(b"")
    for name, card in cards.items():
        (tmp_path / f"{name}.json").write_text(card_text(card))
    return tmp_path


def test_models_lists_weights_with_their_numbers(folder, capsys):
    code, out, err = run(capsys, "models", "--folder", folder)
    assert code == 0, err
    lines = [line for line in out.splitlines() if "│" in line]
    assert [line.split("│")[1].strip() for line in lines] == ["nsd", "cssl", "drnet", "supervised"] * 3
    made, measured, attacked = lines[1], lines[5], lines[9]
    assert all(word in made for word in ("cssl", "official", "confounded", "1,000,000", "10.0"))
    assert all(word in measured for word in ("21.0", "0.830", "70 = 35 %", "1.40", "30 / 25", "6 of 8"))
    assert "no card" in lines[2] and "natural" in out and "40 % [30, 50], 160; control 10 %" in attacked


def test_models_as_json_is_one_document(folder, capsys):
    _, out, _ = run(capsys, "models", "--folder", folder, "--json")
    rows = {row["name"]: row for row in json.loads(out)["models"]}
    assert list(rows) == ["nsd", "cssl", "drnet", "supervised"]
    found = {"success": interval(0.4), "error_final_mm": 160.0, "strongest_control": 0.1}
    assert rows["cssl"]["attacks"] == {"natural": found}
    assert rows["cssl"]["targets"]["mask_iou"] is False and rows["cssl"]["targets"]["person_db"] is True
    assert rows["supervised"]["person_db"] is None and rows["supervised"]["mpjpe_mm"] == 70
    assert rows["drnet"]["method"] is None and rows["nsd"]["targets"] is None


def test_one_card_is_shown_whole(folder, capsys):
    code, out, err = run(capsys, "models", "cssl", "--folder", folder)
    assert code == 0, err
    printed = " ".join(out.split())
    for words in ("turncoat train cssl", "Known limits", "Poses, mm", "By joint", "left_wrist", "MPJPE by labels"):
        assert words in printed
    for words in ("Who is it?", "Attacked, painted by itself", "Asked of a self-supervised network", "640"):
        assert words in printed
    assert json.loads(run(capsys, "models", "cssl", "--folder", folder, "--json")[1])["name"] == "cssl"


@pytest.mark.parametrize(("name", "missing"), [("supervised", "Pictures, dB"), ("nsd", "By joint")])
def test_a_card_with_less_in_it_is_shown_too(folder, capsys, name, missing):
    code, out, err = run(capsys, "models", name, "--folder", folder)
    assert code == 0 and "Poses, mm" in out and missing not in out, err


def test_models_loads_no_torch():
    code = (
        "import sys\nfrom turncoat.engine.cli import main\n"
        "try: main(['models', '--json'])\n"
        "finally: print('torch' in sys.modules or 'numpy' in sys.modules, file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.stderr.splitlines()[-1] == "False" and json.loads(result.stdout)["models"]


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    network = Disentangled(SHAPE)
    network.add_regressor().pose_std.fill_(100.0)
    path = tmp_path / "net.safetensors"
    save_network(path, network.eval(), {"method": "nsd", "images": 96, "fit": {"batch": 48}})
    return path


def test_labels_prints_every_choice_of_labels(weights, tiny_dataset, tmp_path, capsys):
    out_file = tmp_path / "labels.json"
    quick = ["--steps", 2, "--frames", 8, "--draws", 2, "--threads", 1, "--set", "intervals=10"]
    choice = ["--fraction", 1, "--fraction", 0.06, "--set", "few=0.1", "--card", "--out", out_file]
    code, out, err = run(capsys, "labels", weights, "--data", tiny_dataset, *quick, *choice)
    assert code == 0, err
    printed = " ".join(out.split())
    for words in ("MPJPE by labels", "all", "144", "S1", "72", "6 %", "own regressor"):
        assert words in printed
    document, card = json.loads(out_file.read_text()), json.loads(weights.with_suffix(".json").read_text())
    assert [line["labels"] for line in document["table"]] == ["all", "S1", "6 %"]
    assert card["labels"]["table"][0]["labelled_frames"] == 144


def test_a_card_is_written_from_the_run_and_the_measurements(weights, tiny_dataset, tmp_path, capsys):
    folder = tmp_path / "run"
    (folder / "snapshots").mkdir(parents=True)
    (folder / "run.json").write_text('{"kind": "training", "machine": {"cores": 2}}')
    (folder / "log.jsonl").write_text('{"step": 2, "images": 96, "images_per_s": 48.0}\n')
    save_network(folder / "snapshots" / "images-00000096.safetensors", load_network(weights), {"images": 96})
    code, out, err = run(capsys, "trend", folder, "--data", tiny_dataset, "--frames", 8, "--threads", 1)
    assert code == 0 and "Over training" in out and "96" in out, err
    measured = load_network(weights).weights_hash
    for name, document in (("e", evaluation(weights_hash=measured)), ("l", label_study(weights_hash=measured))):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    parts = ["--run", folder, "--evaluation", tmp_path / "e.json", "--labels", tmp_path / "l.json"]
    code, out, err = run(capsys, "model-card", weights, *parts, "--json")
    assert code == 0, err
    card = json.loads(out)
    assert card["training"]["seconds"] == 2 and card["trend"]["points"][0]["images"] == 96
    assert card["evaluation"]["splits"]["held-out"] and card["labels"]["table"] and card["limits"]
    code, out, err = run(capsys, "models", "net", "--folder", tmp_path)
    assert code == 0 and "Over training" in out, err


BAD = [
    (["models", "nds", "--folder", "FOLDER"], "There are no weights 'nds'; choose one of nsd"),
    (["models", "drnet", "--folder", "FOLDER"], "drnet has no card; write it with `turncoat model-card drnet`"),
    (["models", "--folder", "NOWHERE"], "There is no folder"),
    (["model-card", "NOWHERE"], "There are no weights at"),
    (["model-card", "WEIGHTS", "--run", "NOWHERE"], "is not the folder of a training run"),
    (["model-card", "WEIGHTS", "--evaluation", "OTHER"], "was measured on other weights; measure these"),
    (["model-card", "WEIGHTS", "--labels", "OTHER"], "holds 'evaluation', expected 'label study'"),
    (["model-card", "WEIGHTS", "--evaluation", "NOWHERE"], "No such file"),
    (["labels", "WEIGHTS", "--data", "NOWHERE"], "NOWHERE"),
    (["labels", "WEIGHTS", "--data", "DATA", "--fraction", "2"], "fraction of the labels is 2.0"),
    (["labels", "WEIGHTS", "--data", "DATA", "--subject", "S9"], "S9"),
    (["labels", "WEIGHTS", "--data", "DATA", "--layers", "3"], "--layers"),
    (["trend", "NOWHERE", "--data", "DATA"], "there is no folder"),
]


@pytest.mark.parametrize(("arguments", "sentence"), BAD, ids=lambda value: "" if isinstance(value, list) else value)
def test_bad_input_is_one_sentence(folder, weights, tiny_dataset, tmp_path, capsys, arguments, sentence):
    (tmp_path / "other.txt").write_text(json.dumps(evaluation()))
    places = {
        "FOLDER": folder,
        "WEIGHTS": weights,
        "DATA": tiny_dataset,
        "OTHER": tmp_path / "other.txt",
        "NOWHERE": tmp_path / "nowhere",
    }
    code, out, err = run(capsys, *(places.get(word, word) for word in arguments))
    assert code == 2 and out == "" and "Traceback" not in err
    assert str(places.get(sentence, sentence)).replace(" ", "") in err.replace(" ", "").replace("│", "")
