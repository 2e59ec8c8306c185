"""`turncoat attack NETWORK --images DIR`: rows without truth, a report that says so, `turncoat show`, and bad input."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fixtures.lively import lively
from fixtures.photos import write_photos
from turncoat.engine.cli import main
from turncoat.engine.runs import open_run
from turncoat.training.checkpoint import save_network
from turncoat.training.data import open_dataset
from turncoat.training.networks import Disentangled, preset

QUICK = ["--iterations", "3", "--step-size", "0.5", "--batch", "4"]


@pytest.fixture(scope="module")
def place(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photos/, empty.png, and the weights of `nsd-like` and of a network that is told where people are."""
    folder = tmp_path_factory.mktemp("own")
    dataset = open_dataset(tiny_dataset)
    write_photos(folder, dataset)
    network = lively("person", dataset)
    save_network(folder / "nsd-like.safetensors", network, {"method": "nsd"}, statistics=network.statistics)
    told = Disentangled(preset("studio", frame_size=32, crop_size=16, paints="crop"))
    told.add_regressor()
    save_network(folder / "told.safetensors", told.eval(), {"method": "ugar"}, statistics=network.statistics)
    return folder


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main([str(argument) for argument in arguments])
    return int(exit_info.value.code or 0)


@pytest.fixture(scope="module")
def attacked(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of five pictures, one of them damaged."""
    out = tmp_path_factory.mktemp("runs") / "run"
    photos = Path(shutil.copytree(place / "photos", out.parent / "photos"))
    (photos / "photo-3.png").write_bytes((photos / "photo-3.png").read_bytes()[:200])
    shutil.copy(place / "empty.png", out.parent / "empty.png")
    code = run(
        "attack", place / "nsd-like.safetensors", "--images", photos, "--background", out.parent / "empty.png",
        "--out", out, "--threshold", 400, *QUICK,
    )  # fmt: skip
    assert code == 1, "one picture failed"
    return out


def test_rows_say_what_is_known_and_nothing_else(attacked: Path) -> None:
    opened = open_run(attacked)
    table = opened.table()
    for name in ("subject", "sequence", "group", "action", "split", "camera", "mirrored", "time_s"):
        assert table[name].null_count == len(table), name
    for name in ("error_gt_clean_mm", "error_gt_attacked_mm", "judge_error_mm"):
        assert table[name].null_count == len(table), name
    rows = opened.rows(attack="appearance", setting="natural")
    assert rows["sample_id"].tolist() == [f"photo-{n}.png" for n in (3, 0, 1, 2, 4)]
    assert rows["outcome"][0] == "unreadable input" and (rows["outcome"][1:] != "unreadable input").all()
    assert np.isfinite(rows["error_verified_mm"][1:]).all()
    controls = opened.rows(attack="control")
    assert set(controls["control"].tolist()) == {"random direction", "same subject"}, "there are no other subjects"
    assert opened.info["dataset"]["name"] == "pictures" and opened.info["failed"] == 1
    assert opened.info["dataset"]["background"]["kind"] == "file"
    assert opened.info["selection"]["frames"] == 5 and opened.info["selection"]["split"] is None


def test_the_report_says_what_is_left_out(attacked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", attacked) == 0
    html = (attacked / "report" / "index.html").read_text(encoding="utf-8")
    assert "What needs truth is left out" in html and "pictures in photos" in html
    assert "32 x 32 pixels, used as they are" in html and "1 frame came to no result" in html
    body = html.split("<details>")[0]
    assert "0 sequences" not in body and "true error" not in body and "Own error" not in body
    assert "Poses are the prediction on the clean frame" in body and "ground truth →" not in body
    assert body.count("data:image/jpeg") > 8, "pictures are painted again"
    words = re.sub(r'"data:[^"]*"', "", body)
    assert not re.search(r"\b(nan|None)\b", words)


@pytest.mark.parametrize("background", ["median", "folder"])
def test_other_backgrounds(place: Path, tmp_path: Path, background: str, capsys: pytest.CaptureFixture[str]) -> None:
    scenes = background
    if background == "folder":
        (tmp_path / "scenes").mkdir()
        for number in range(5):
            shutil.copy(place / "empty.png", tmp_path / "scenes" / f"photo-{number}.png")
        scenes = str(tmp_path / "scenes")
    weights = place / "nsd-like.safetensors"
    given = ["--images", place / "photos", "--background", scenes, "--attack", "natural", "--out", tmp_path / "run"]
    code = run("attack", weights, *given, "--no-controls", "--json", *QUICK)
    document = json.loads(capsys.readouterr().out)
    assert code == 0 and document["failed"] == 0 and document["attacks"]["natural"]["rows"] == 5
    (summary,) = document["summaries"]
    assert summary["group"] is None and summary["frames"] == 5
    assert run("report", tmp_path / "run") == 0
    html = (tmp_path / "run" / "report" / "index.html").read_text(encoding="utf-8")
    assert ("the background: the median" in html) == (background == "median")


def test_a_run_without_out_gets_a_new_folder(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [place / "nsd-like.safetensors", "--images", place / "photos", "--background", place / "empty.png"]
    for _ in range(2):
        assert run("attack", *given, "--attack", "paper", "--no-controls", *QUICK) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["nsd-like-photos", "nsd-like-photos-2"]
    assert "--out" in refused(capsys, "attack", *given, "--resume")


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command; it must be refused in one sentence, which is returned."""
    capsys.readouterr()
    code = run(*arguments)
    out, err = capsys.readouterr()
    assert code == 2 and out == "" and err.count("\n") == 1, err
    return err


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "need a background"),
        (["--background", "{place}/no.png"], "There is no background"),
        (["--background", "{place}/empty.png", "--attack", "colours-0.1"], "no colour layers"),
        (["--background", "{place}/empty.png", "--split", "train"], "no splits, groups or subjects"),
        (["--background", "{place}/empty.png", "--per-subject", "3"], "no splits, groups or subjects"),
        (["--background", "{place}/empty.png", "--network", "nsd"], "the argument is the network"),
        (["--background", "{place}/empty.png", "--target", "{place}/told.safetensors"], "is told where the person is"),
        (["--background", "{place}/empty.png"], "give one with --step-size"),
        (["--background", "{place}/empty.png", "--images", "{place}/nowhere"], "no folder of pictures"),
    ],
)
def test_bad_input(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    given = [argument.format(place=place) for argument in arguments]
    first = ["attack", place / "nsd-like.safetensors", "--images", place / "photos", "--out", tmp_path / "run"]
    assert words in refused(capsys, *first, *given)
    assert not (tmp_path / "run").exists()


def test_a_network_that_is_told_is_refused(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--images", place / "photos", "--background", place / "empty.png", "--out", tmp_path / "run", *QUICK]
    assert "The generator has no detector of its own" in refused(capsys, "attack", place / "told.safetensors", *given)
    assert not (tmp_path / "run").exists()


def test_a_background_without_pictures_is_refused(
    tiny_dataset: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "attack", tiny_dataset, "--background", place / "empty.png", "--out", tmp_path / "run")
    assert "goes with --images" in said


def test_resuming_with_other_pictures_is_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = Path(shutil.copytree(place / "photos", tmp_path / "photos"))
    given = [place / "nsd-like.safetensors", "--images", photos, "--background", place / "empty.png"]
    given += ["--attack", "paper", "--no-controls", "--out", tmp_path / "run", *QUICK]
    assert run("attack", *given) == 0
    before = open_run(tmp_path / "run").table()
    assert run("attack", *given, "--resume") == 0
    assert open_run(tmp_path / "run").table().equals(before)
    Image.new("RGB", (32, 32)).save(photos / "photo-4.png")
    assert "fingerprint" in refused(capsys, "attack", *given, "--resume")


def test_show_paints_a_picture_of_a_sample(attacked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", attacked, "photo-1.png", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["sample_id"] == "photo-1.png" and document["setting"] == "natural" and document["of"] == 4
    assert set(document["controls"]) == {"random direction", "same subject"}
    picture = np.asarray(Image.open(document["picture"]))
    assert document["picture"] == str(attacked / "show" / "photo-1-natural.png")
    assert picture.shape[1] == 1320 and (picture[..., :3] != 255).any(axis=-1).mean() > 0.2
    assert "unreadable input" in refused(capsys, "show", attacked, "photo-3.png")


def test_show_refuses_pictures_that_have_changed(
    attacked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = Path(shutil.copytree(attacked.parent / "photos", tmp_path / "photos"))
    assert run("show", attacked, "1", "--data", moved, "--out", tmp_path / "a.png") == 0
    (moved / "photo-0.png").unlink()
    said = refused(capsys, "show", attacked, "1", "--data", moved, "--out", tmp_path / "b.png")
    assert "the run used" in said and not (tmp_path / "b.png").exists()
    torch.manual_seed(1)
    assert "no weights at nowhere" in refused(capsys, "show", attacked, "1", "--weights", "nowhere")
