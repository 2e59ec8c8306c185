"""Pictures of wardrobe tests hold what was measured: of one network, of several, of targets with few joints."""

import pytest

from fixtures.crossed import Knowing, write_crossed
from turncoat.engine.analysis.wardrobe import WardrobeSettings, wardrobe_test
from turncoat.engine.report.wardrobe_figure import draw_wardrobe
from turncoat.engine.report.wardrobe_strip import draw_wardrobe_strip
from turncoat.kernels.errors import ConfigError

SETTINGS = WardrobeSettings(noise_draws=1)


class Few(Knowing):
    joints, root_joints = (1, 2, 4, 5), (1, 4)

    def predict(self, frames):
        pose = super().predict(frames)[:, list(self.joints)]
        return pose - pose[:, [0, 2]].mean(dim=1, keepdim=True)


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    return write_crossed(tmp_path_factory.mktemp("crossed") / "ds", sequences=4)


@pytest.fixture(scope="module")
def found(crossed):
    networks = (Knowing(crossed, leak_mm=1.0, name="nsd"), Few(crossed, leak_mm=0.5, name="few"))
    return [wardrobe_test(network, crossed, SETTINGS) for network in networks]


def test_one_and_several_networks_are_drawn(found, tmp_path):
    files = draw_wardrobe(found, tmp_path)
    names = [f"wardrobe{part}.{kind}" for part in ("", "_parts") for kind in ("png", "pdf", "svg")]
    assert [file.name for file in files] == names and all(file.stat().st_size > 4000 for file in files)
    text = (tmp_path / "wardrobe.svg").read_text()
    for words in ("nsd", "few", "background", "body", "spread, mm (MPJPE)", "floor: one grey level of noise"):
        assert words in text
    assert "cast" not in text  # the set has no shadows
    parts = (tmp_path / "wardrobe_parts.svg").read_text()
    assert "right knee" in parts and "walk" in parts and "95 %" in parts
    assert draw_wardrobe(found[:1], tmp_path / "one")


def test_the_strip_shows_every_factor_and_every_network(found, tmp_path):
    png, _, svg = draw_wardrobe_strip(found, tmp_path)
    text = svg.read_text()
    assert png.stat().st_size > 10_000
    for words in ("unchanged", "attic", "w9", "b2", "nsd", "few", "moved 94 mm"):  # 100 grey levels, 16 of 17 joints
        assert words in text, words


def test_results_that_do_not_belong_together(found, crossed, tmp_path):
    with pytest.raises(ConfigError, match="none"):
        draw_wardrobe([], tmp_path)
    other = wardrobe_test(Knowing(crossed), crossed, WardrobeSettings(noise_draws=1, poses=3))
    with pytest.raises(ConfigError, match="different frames"):
        draw_wardrobe_strip([found[0], other], tmp_path)
