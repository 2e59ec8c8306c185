"""train, fit-regressor and evaluate from the command line: the whole chain once, and bad input in one sentence."""

import json

import pytest

from fixtures.tiny import write_tiny_dataset
from turncoat.engine.cli import main

pytestmark = pytest.mark.usefixtures("quick_probes")

SMALL = ["--set", "network.frame_size=32", "--set", "network.crop_size=16", "--threads", "1"]


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, " ".join(err.split())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "tiny"
    write_tiny_dataset(folder, instants=12)
    return folder


def test_a_network_is_trained_fitted_and_measured(data, tmp_path, capsys):
    code, out, err = run(
        capsys,
        "train",
        "nsd",
        "--data",
        data,
        "--out",
        tmp_path / "run",
        "--images",
        16,
        "--batch",
        8,
        "--json",
        *SMALL,
    )
    assert code == 0, err
    assert json.loads(out)["done"] is True
    net = tmp_path / "net.safetensors"
    fit = ["--steps", 5, "--set", "batch=32", "--threads", 1, "--half", "--json"]
    code, out, err = run(capsys, "fit-regressor", tmp_path / "run", "--data", data, "--out", net, *fit)
    assert code == 0, err
    assert json.loads(out)["labelled_frames"] > 256
    measure = ["--pictures", 8, "--poses", 16, "--threads", 1, "--split", "held-out", "--card"]
    code, out, err = run(capsys, "evaluate", net, "--data", data, *measure)
    assert code == 0, err
    printed = " ".join(out.split())
    assert all(words in printed for words in ("Poses, mm", "Pictures, dB", "Initial error of an attack", "walk"))
    assert all(words in printed for words in ("do not add up", "mean over frames of each frame's PSNR", "motions"))
    assert all(words in printed for words in ("PCK@150", "By joint", "left_wrist", "Asked of", "mask IoU"))
    assert "…" not in "".join(line for line in out.splitlines() if line.startswith("┃")), "headings are whole"
    card = json.loads((tmp_path / "net.json").read_text())
    assert card["training"]["images"] == 16 and "held-out" in card["evaluation"]["splits"]
    assert str(tmp_path) not in (tmp_path / "net.json").read_text()


BAD = [
    (["train", "nds", "--data", "DATA", "--out", "OUT", *SMALL], "There is no method 'nds'; choose one of nsd"),
    (["train", "nsd", "--data", "NOWHERE", "--out", "OUT", *SMALL], "NOWHERE"),
    (["train", "nsd", "--data", "DATA", "--out", "OUT"], "32 pixels wide and the network's 128"),
    (["train", "nsd", "--data", "DATA", "--out", "DATA", *SMALL], "is not empty"),
    (["train", "nsd", "--data", "DATA", "--out", "OUT", "--preset", "huge"], "no network preset 'huge'"),
    (["train", "nsd", "--data", "DATA", "--out", "OUT", "--head", "narrow", *SMALL], "'head' is 'narrow'"),
    (["train", "nsd", "--data", "DATA", "--out", "OUT", "--batch", "0", *SMALL], "--batch"),
    (["train", "nsd", "--data", "DATA", "--out", "OUT", "--batch", "6", *SMALL], "multiple of 4"),
    (["train", "nsd", "--data", "DATA", "--out", "OUT", "--set", "rate=1", *SMALL], "'rate' is unknown"),
    (["train", "nsd", "--data", "DATA", "--out", "OUT", "--set", "method.swap=2", *SMALL], "'swap' is 2"),
    (["train", "nsd", "--data", "DATA", "--out", "OUT", "--init", "NOWHERE", *SMALL], "There are no weights at"),
    (["fit-regressor", "NOWHERE", "--data", "DATA", "--out", "OUT"], "There are no weights at"),
    (["fit-regressor", "DATA/dataset.json", "--data", "DATA", "--out", "OUT"], "not a safetensors file"),
    (["evaluate", "NOWHERE", "--data", "DATA"], "There are no weights at"),
    (["evaluate", "NOWHERE", "--data", "DATA", "--precision", "int8"], "choose float32 or bfloat16"),
]


@pytest.mark.parametrize(("arguments", "sentence"), BAD, ids=lambda value: "" if isinstance(value, list) else value)
def test_bad_input_is_one_sentence_and_exit_code_2(data, tmp_path, capsys, arguments, sentence):
    places = {"DATA": str(data), "OUT": str(tmp_path / "out"), "NOWHERE": str(tmp_path / "nowhere")}
    arguments = [places.get(word, word.replace("DATA/", f"{data}/")) for word in arguments]
    before = sorted(data.iterdir())
    code, out, err = run(capsys, *arguments)
    assert code == 2 and out == "" and "Traceback" not in err
    assert places.get(sentence, sentence).replace(" ", "") in err.replace(" ", "").replace("│", "")
    assert sorted(data.iterdir()) == before
