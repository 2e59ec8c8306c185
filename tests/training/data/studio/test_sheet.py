"""The contact sheet shows what there is, where it is, and says what it could not show."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from turncoat.engine import cli
from turncoat.training.data import open_dataset
from turncoat.training.data.studio.sheet import OVERLAYS, SIDES, choose, contact_sheet, overlay


@pytest.fixture(scope="module")
def ds(tiny_dataset):
    return open_dataset(tiny_dataset)


@pytest.fixture
def damaged(tiny_dataset, tmp_path):
    """A copy without a readable frame of the first row that the whole dataset's sheet shows, and that row."""
    row = int(contact_sheet(open_dataset(tiny_dataset)).rows[0])
    folder = Path(shutil.copytree(tiny_dataset, tmp_path / "damaged"))
    ds = open_dataset(folder)
    path = folder / f"frames-{ds.column('shard')[row]:03d}.bin"
    content = bytearray(path.read_bytes())
    content[ds.column("offset")[row]] ^= 255
    path.write_bytes(content)
    return folder, row


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["sheet", *map(str, arguments)])
    captured = capsys.readouterr()
    return exit_info.value.code, captured.out, captured.err


def test_every_subject_split_group_scene_and_camera_is_shown(ds):
    sheet = contact_sheet(ds)
    for name in ("subject", "split", "group", "scene", "camera", "action"):
        assert set(ds.column(name)[sheet.rows]) == set(ds.column(name)), name
    assert len(np.unique(sheet.rows)) == len(sheet.rows) == 3 * (OVERLAYS + 1) and sheet.unreadable == []
    assert max(sheet.picture.size) < 2200


def test_the_choice_is_the_same_every_time(ds, tiny_dataset):
    for subject, rows in choose(ds, ["S1", "S3"])[0].items():
        np.testing.assert_array_equal(rows, choose(open_dataset(tiny_dataset), ["S1", "S3"])[0][subject])


def test_joints_are_drawn_where_they_are_in_the_colour_of_their_side(ds):
    row, side = int(ds.select(subject="S1", action="wave", camera=0)[0]), 256
    drawn = np.asarray(overlay(ds, row, side)).astype(int)
    joints = ds.joints_2d([row])[0] * side / ds.size
    for joint, name in ((13, "left"), (3, "right"), (10, "middle")):  # left wrist, right ankle, head top
        x, y = joints[joint].astype(int)
        assert np.abs(drawn[y, x] - SIDES[name]).max() < 40, name


def test_the_overlay_leaves_the_background_alone(ds):
    row, side = int(ds.select(subject="S2", action="walk")[0]), 192
    frame = Image.fromarray(np.ascontiguousarray(ds.read([row])[0].transpose(1, 2, 0)))
    plain = np.asarray(frame.resize((side, side), Image.Resampling.BICUBIC))
    changed = (np.asarray(overlay(ds, row, side)) != plain).any(axis=2)
    x0, y0, x1, y1 = (ds.person_box([row])[0] * side / ds.size).round().astype(int)
    assert changed[y0:y1, x0:x1].any()
    changed[y0 - 6 : y1 + 6, x0 - 6 : x1 + 6] = False
    assert not changed.any()


def test_the_command_writes_a_picture_and_prints_one_document(tiny_dataset, tmp_path, capsys):
    path = tmp_path / "sheet.png"
    code, out, _ = run(capsys, tiny_dataset, "--out", path, "--json")
    document = json.loads(out)
    assert code == 0 and document["frames"] == 600 and document["file"] == str(path)
    with Image.open(path) as picture:
        assert picture.size[0] > 1000


def test_damaged_frames_are_skipped_named_and_make_the_answer_no(damaged, tmp_path, capsys):
    folder, row = damaged
    code, out, _ = run(capsys, folder, "--out", tmp_path / "sheet.png", "--json")
    document, name = json.loads(out), open_dataset(folder).column("sample_id")[row]
    assert code == 1 and document["unreadable"] == [name] and name not in document["shown"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "There is no dataset folder"),
        (["DATASET", "--out", "sheet.txt"], 'ends in ".txt"; choose .png'),
        (["DATASET", "--out", "no/such/folder/sheet.png"], "there is no folder"),
    ],
)
def test_bad_input_is_one_sentence(tiny_dataset, capsys, arguments, sentence):
    code, out, err = run(capsys, *[str(tiny_dataset) if word == "DATASET" else word for word in arguments])
    assert code == 2 and out == "" and sentence in " ".join(err.split())
    assert "Traceback" not in err
