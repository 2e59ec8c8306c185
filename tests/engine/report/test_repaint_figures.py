"""Figures of swaps, zero codes and channels: what is in them, for one network and for two."""

from dataclasses import replace

import numpy as np
import pytest

from fixtures.oracle import Oracle, write_people
from turncoat.engine.analysis.repaint import (
    ChannelSettings,
    SwapSettings,
    ZeroSettings,
    replace_channels,
    swap_appearance,
    zero_appearance,
)
from turncoat.engine.report.channels_figure import draw_channels, strip
from turncoat.engine.report.swap_figure import draw_swap, grid
from turncoat.engine.report.tiles import cut, file_name
from turncoat.engine.report.zero_figure import draw_zero
from turncoat.training.data import open_dataset


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return open_dataset(write_people(tmp_path_factory.mktemp("people") / "data", people=3, instants=2, same_body=False))


def names(files):
    return [file.name for file in files]


def test_swaps(people, tmp_path):
    found = swap_appearance(Oracle(people, 0.5), people, SwapSettings(frames=12))
    files = draw_swap([found, replace(found, network="two words/more")], tmp_path)
    assert names(files) == [
        f"{name}.{kind}"
        for name in ("swap-oracle", "swap-two-words-more", "swap_shares")
        for kind in ("png", "pdf", "svg")
    ]
    text = (tmp_path / "swap_shares.svg").read_text()
    assert "mm (MPJPE)" in text
    assert "third subject" in text
    pictures = len(grid(found).axes)
    assert pictures == 3 * 3 + 2 * 3
    again = draw_swap(found, tmp_path / "again")
    assert again[0].read_bytes() == files[0].read_bytes()


def test_zero_codes(people, tmp_path):
    found = zero_appearance(Oracle(people, 0.5), people, ZeroSettings(frames=18, train=18))
    files = draw_zero([found], tmp_path)
    assert names(files)[::3] == ["zero-oracle.png", "zero_told.png"]
    text = (tmp_path / "zero_told.svg").read_text()
    assert ">chance<" in text
    assert "Which subject is it?" in text
    assert "Colours that are left" not in _svg(replace(found, kept=None), tmp_path / "unlabelled")


def _svg(found, folder):
    draw_zero(found, folder)
    return (folder / "zero_told.svg").read_text()


def test_channels(people, tmp_path):
    found = replace_channels(Oracle(people, 1.0), people, ChannelSettings(pairs=4, ladder=(15, 576), shown=2))
    files = draw_channels(found, tmp_path)
    assert names(files)[::3] == [
        "channels-oracle.png",
        "channels-oracle-2.png",
        "channels_difference.png",
        "channels_curves.png",
    ]
    text = (tmp_path / "channels_curves.svg").read_text()
    for words in ("pose: from A", "clothes: from B", "mm (MPJPE)", "grey levels (RMS)", "K random (null)"):
        assert words in text
    assert len(strip(found, found.films[0]).axes) == 4 + 3 * len(found.ladder)


def test_people_are_cut_out():
    picture = np.zeros((3, 64, 64), dtype=np.uint8)
    picture[:, 20:40, 30:40] = 255
    found = cut(picture, np.array([30.0, 20.0, 40.0, 40.0]))
    assert found.shape == (24, 24, 3)
    assert found.sum() == picture.sum()
    assert cut(picture, np.full(4, np.nan)).shape == (64, 64, 3)
    assert file_name("../a b") == "a-b"
