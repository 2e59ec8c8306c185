"""Figures of the analyses of codes: three files each, the same bytes every time, and what is written on them."""

import re

import numpy as np
import pytest

from fixtures.leaky import LeakyFrames, Nobody, leaky_codes
from turncoat.engine.analysis.codes import DependenceSettings, EmbeddingSettings, dependence, embedding
from turncoat.engine.analysis.codes.probes import CodeProbes, Told
from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.report.dependence_figure import PANELS, draw_dependence
from turncoat.engine.report.embedding_figure import OTHERS, _few, class_styles, draw_embedding
from turncoat.engine.report.palette import COLOURS
from turncoat.engine.report.probes_figure import draw_probes


def words(files):
    """All text of the SVG among three files, which must be there and not empty."""
    assert [file.suffix for file in files] == [".png", ".pdf", ".svg"]
    assert all(file.stat().st_size > 1000 for file in files)
    return " ".join(re.findall(r">([^<>]+)</text>", files[2].read_text()))


@pytest.fixture(scope="module")
def tied():
    settings = DependenceSettings(
        frames=80, permutations=20, draws=20, fits=2, features=20, bootstrap=20, information=None
    )
    codes = leaky_codes(0.4, frames=LeakyFrames(trials=2))
    return dependence(Nobody(), codes.dataset, settings, codes=codes)


def probed(name):
    poses = {
        "pose_code": Interval(60, 50, 70),
        "appearance": Interval(90, 80, 99),
        "mean_pose": Interval(180, 160, 200),
    }
    people = [
        Told(code, "linear", "subject", Interval(share, share - 0.1, min(share + 0.1, 1.0)), 0.2)
        for code, share in (("pose_code", 0.8), ("appearance", 1.0), ("true_pose", 0.5), ("true_lengths", 0.7))
    ]
    return CodeProbes(name, {"network": name, "training_frames": 3000}, poses, people)


def test_the_embedding_names_every_class_and_gives_a_number_to_every_panel(tmp_path):
    codes = leaky_codes(frames=LeakyFrames(trials=2))
    settings = EmbeddingSettings(frames=60, perplexity=8, iterations=(5, 5), neighbours=3, shuffles=20, draws=20)
    result = embedding(Nobody(), codes.dataset, settings, codes=codes)
    text = words(draw_embedding(result, tmp_path))
    for name in ("crawl", "P4", "appearance code, by action", "pose code, by subject", "axes have no units"):
        assert name in text
    assert text.count("nearest neighbours") == text.count("of true poses instead") == 4


def test_dependence_shows_every_row_and_what_was_not_measured(tied, tmp_path):
    text = words(draw_dependence([tied], tmp_path))
    for panel in PANELS:
        assert panel.title in text and panel.axis in text
    assert text.count("(not measured)") == 2, "information over bias was left out"
    assert "leaky" in text and "by construction" not in text


def test_the_same_numbers_make_the_same_bytes(tied, tmp_path):
    first, second = (draw_dependence([tied], tmp_path / name) for name in ("a", "b"))
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(first, second, strict=True))


def test_probes_show_both_halves_in_the_networks_colour(tmp_path):
    files = draw_probes([probed("nsd"), probed("cssl")], tmp_path)
    text = words(files)
    for name in ("MPJPE, mm", "frames told, %", "nsd", "cssl", "from the appearance code", "180", "100"):
        assert name in text
    assert "70" in text and " 50 " not in text.split("frames told, %")[1], "of true poses and lengths the better"
    assert all(COLOURS[name] in files[2].read_text() for name in ("nsd", "cssl"))


def test_many_classes_are_gathered_so_that_colours_can_be_told_apart():
    labels = np.array([f"w{number}" for number in range(20) for _ in range(30 - number)])
    few = _few(labels)
    assert set(few) == {*(f"w{number}" for number in range(8)), OTHERS}
    styles = class_styles([*(f"w{number}" for number in range(8)), OTHERS])
    assert len({colour for colour, _ in styles.values()}) == 9
