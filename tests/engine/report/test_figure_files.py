"""The same figure is the same bytes, in every type; text stays text."""

import pytest

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
