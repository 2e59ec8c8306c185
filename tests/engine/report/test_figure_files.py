"""The same figure is the same bytes, in every type; text stays text; a network keeps its colour."""

import pytest

from turncoat.engine.report import palette
from turncoat.engine.report.figure_files import TYPES, new_figure, plain_axes, save_figure


def draw():
    figure = new_figure(3, 2)
    axes = figure.subplots()
    plain_axes(axes)
    axes.plot([0, 1], [2, 3])
    axes.set_xlabel("budget")
    return figure


def test_files_of_one_figure_are_the_same_bytes_every_time(tmp_path):
    first = save_figure(draw(), tmp_path / "one", "curve")
    second = save_figure(draw(), tmp_path / "two", "curve")
    assert [file.suffix[1:] for file in first] == list(TYPES)
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.suffix
    assert ">budget<" in first[2].read_text()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        save_figure(draw(), tmp_path / "file", "curve")


def test_a_network_keeps_its_colour_in_figures_that_leave_others_out(monkeypatch):
    monkeypatch.setattr(palette, "_met", [])
    palette.announce(["blazepose", "nsd", "mine"])
    together, alone = palette.network_colours(["nsd", "blazepose", "mine"]), palette.network_colours(["mine"])
    assert alone["mine"] == together["mine"] != together["blazepose"] and together["nsd"] == palette.COLOURS["nsd"]
    marks = palette.network_marks(["mine"]) | palette.network_marks(["blazepose"])
    assert marks["mine"] != marks["blazepose"]
