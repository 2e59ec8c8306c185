"""A folder of pictures as a dataset: what is read, what is unknown, and what is refused in one sentence."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fixtures.photos import write_photos
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data import Dataset, UnreadableSamples, open_dataset, open_pictures, reopen_pictures


@pytest.fixture(scope="module")
def dataset(tiny_dataset: Path) -> Dataset:
    return open_dataset(tiny_dataset)


def test_pictures_of_the_frame_size_are_read_to_the_byte(dataset: Dataset, tmp_path: Path) -> None:
    photos, empty = write_photos(tmp_path, dataset)
    (photos / "notes.txt").write_text("not a picture")
    found = open_pictures(photos, background=empty, size=64)
    assert len(found) == 5 and found.column("sample_id").tolist() == [f"photo-{n}.png" for n in range(5)]
    first = np.asarray(Image.open(photos / "photo-1.png")).transpose(2, 0, 1)
    assert (found.read([1])[0] == first).all()
    frames, valid, bad = found.read_valid(np.arange(5))
    assert frames.shape == (5, 3, 64, 64) and frames.dtype == np.uint8 and len(valid) == 5 and not len(bad)
    scene = np.asarray(Image.open(empty)).transpose(2, 0, 1)
    assert (found.background([0, 4]) == scene).all() and found.backgrounds.shape == (1, 3, 64, 64)
    assert np.isnan(found.pose([0, 1])).all() and np.isnan(found.person_box([0])).all()
    assert set(found.column("subject").tolist()) == {""} and not found.has_labels


def test_the_middle_square_is_cut_out_and_resized(dataset: Dataset, tmp_path: Path) -> None:
    plain, empty = write_photos(tmp_path / "plain", dataset)
    wide, wide_empty = write_photos(tmp_path / "wide", dataset, margin=10)
    one = open_pictures(plain, background=empty, size=64)
    other = open_pictures(wide, background=wide_empty, size=64)
    assert other.info["picture_size"] == [84, 64]
    assert (one.read(np.arange(5)) == other.read(np.arange(5))).all()
    assert (one.backgrounds == other.backgrounds).all()
    small = open_pictures(wide, background=wide_empty, size=32)
    assert small.read([0]).shape == (1, 3, 32, 32)
    halved = one.read([0])[0].reshape(3, 32, 2, 32, 2).mean(axis=(2, 4))
    assert np.abs(small.read([0])[0] - halved).mean() < 3


def test_a_picture_that_was_taken_upright_is_turned(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, 40:] = 255  # right in the file: at the bottom once turned by 90 degrees clockwise
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture).save(folder / "a.png", exif=exif)
    Image.fromarray(np.zeros((60, 40, 3), np.uint8)).save(tmp_path / "empty.png")
    found = open_pictures(folder, background=tmp_path / "empty.png", size=40)
    assert found.info["picture_size"] == [40, 60]
    frame = found.read([0])[0]  # rows 10 to 49 of 60
    assert (frame[:, :30] == 0).all() and (frame[:, 30:] == 255).all()


def test_a_background_for_each_picture(dataset: Dataset, tmp_path: Path) -> None:
    photos, _ = write_photos(tmp_path, dataset, count=3)
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    for number in range(3):  # another format, the same name
        Image.new("RGB", (64, 64), (40 * number, 0, 0)).save(scenes / f"photo-{number}.bmp")
    found = open_pictures(photos, background=scenes, size=64)
    assert found.background([2, 0, 1])[:, 0, 0, 0].tolist() == [80, 0, 40]
    assert found.info["background"] == {"kind": "folder", "path": str(scenes)}
    (scenes / "photo-1.bmp").write_bytes((scenes / "photo-1.bmp").read_bytes()[:500])
    assert found.read_valid(np.arange(3))[2].tolist() == [1], "without its background nobody can be painted into it"
    (scenes / "photo-1.bmp").unlink()
    with pytest.raises(DataError, match=r"no background for 1 of 3 pictures \(the first is photo-1.png\)"):
        open_pictures(photos, background=scenes, size=64)


def test_the_median_is_the_scene_where_nobody_stays(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    scene = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    for number in range(5):
        picture = scene.copy()
        picture[4 * number : 4 * number + 4] = 255 - 255 * (scene[4 * number : 4 * number + 4] > 127)
        picture[28:] = [0, 0, 0] if number < 3 else scene[28:]  # somebody who stays in three of five
        Image.fromarray(picture).save(folder / f"{number}.png")
    found = open_pictures(folder, background="median", size=32)
    median = found.backgrounds[0].transpose(1, 2, 0)
    assert (median[:28] == scene[:28]).all() and (median[28:] == 0).all()
    assert found.info["background"]["kind"] == "median"
    assert found.info["background"]["doubt"] == pytest.approx(4 / 32, abs=0.01)


def test_a_damaged_picture_is_skipped_and_named(dataset: Dataset, tmp_path: Path) -> None:
    photos, empty = write_photos(tmp_path, dataset)
    (photos / "photo-2.png").write_bytes((photos / "photo-2.png").read_bytes()[:300])
    (photos / "photo-3.png").write_text("hello")
    found = open_pictures(photos, background=empty, size=64)
    frames, valid, bad = found.read_valid(np.arange(5))
    assert bad.tolist() == [2, 3] and valid.tolist() == [0, 1, 4] and len(frames) == 3
    with pytest.raises(UnreadableSamples, match=r"2 pictures .*photo-2\.png, photo-3\.png"):
        found.read(np.arange(5))


def test_the_fingerprint_is_of_names_bytes_and_backgrounds(dataset: Dataset, tmp_path: Path) -> None:
    photos, empty = write_photos(tmp_path / "a", dataset)

    def fingerprint(folder: Path, background: Path | str, size: int = 64) -> str:
        return str(open_pictures(folder, background=background, size=size).info["fingerprint"])

    first = fingerprint(photos, empty)
    moved = Path(shutil.copytree(tmp_path / "a", tmp_path / "b"))
    assert fingerprint(moved / "photos", moved / "empty.png") == first, "wherever they lie"
    assert fingerprint(photos, "median") != first and fingerprint(photos, empty, 32) != first
    (moved / "photos" / "photo-0.png").rename(moved / "photos" / "photo-9.png")
    assert fingerprint(moved / "photos", moved / "empty.png") != first
    again = pickle.loads(pickle.dumps(open_pictures(photos, background=empty, size=64)))
    assert again.info["fingerprint"] == first, "another process opens the same"
    facts = {"folder": str(photos), "frame_size": 64, "background": {"kind": "file", "path": str(empty)}}
    assert reopen_pictures(facts).info["fingerprint"] == first


def test_what_is_refused_in_one_sentence(dataset: Dataset, tmp_path: Path) -> None:
    photos, empty = write_photos(tmp_path, dataset)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="no folder of pictures"):
        open_pictures(tmp_path / "nowhere", background=empty, size=64)
    with pytest.raises(DataError, match="holds no pictures"):
        open_pictures(tmp_path / "nothing", background=empty, size=64)
    with pytest.raises(ConfigError, match="need a background"):
        open_pictures(photos, background=None, size=64)
    with pytest.raises(DataError, match="There is no background"):
        open_pictures(photos, background=tmp_path / "no.png", size=64)
    Image.new("RGB", (50, 64)).save(tmp_path / "narrow.png")
    with pytest.raises(DataError, match=r"is 50 x 64 pixels, the pictures are 64 x 64"):
        open_pictures(photos, background=tmp_path / "narrow.png", size=64)
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(DataError, match=r"The background .*text\.png cannot be read"):
        open_pictures(photos, background=tmp_path / "text.png", size=64)
    found = open_pictures(photos, background=empty, size=64)
    with pytest.raises(DataError, match="no colour layers"):
        found.layers([0])
    with pytest.raises(DataError, match="without masks"):
        found.masks([0])
    Image.new("RGB", (64, 48)).save(photos / "photo-7.png")
    with pytest.raises(DataError, match=r"differ in size: photo-0\.png is 64 x 64 pixels, photo-7\.png 64 x 48"):
        open_pictures(photos, background=empty, size=64)


def test_a_median_takes_three_pictures_that_can_be_read(dataset: Dataset, tmp_path: Path) -> None:
    photos, _ = write_photos(tmp_path, dataset, count=3)
    assert open_pictures(photos, background="median", size=64).info["background"]["kind"] == "median"
    (photos / "photo-1.png").write_text("hello")
    with pytest.raises(DataError, match="3 pictures or more, and 2 of"):
        open_pictures(photos, background="median", size=64)
    for name in ("photo-0.png", "photo-2.png"):
        (photos / name).write_text("hello")
    with pytest.raises(DataError, match="None of the 3 pictures can be read"):
        open_pictures(photos, background="median", size=64)
