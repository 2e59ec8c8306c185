"""Real networks, small ones: those that find people and those that are told where they are; and those that cannot."""

import json

import pytest

from fixtures.lively import lively
from fixtures.oracle import MATERIALS
from turncoat.engine.analysis.repaint import (
    ChannelSettings,
    SwapSettings,
    ZeroSettings,
    replace_channels,
    swap_appearance,
    zero_appearance,
)
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data import open_dataset


@pytest.fixture
def dataset(tiny_dataset):
    found = open_dataset(tiny_dataset)
    found.info["materials"] = list(MATERIALS)
    return found


@pytest.mark.parametrize("paints", ["person", "crop"])
def test_every_analysis_has_numbers_for_it(paints, dataset):
    network = lively(paints, dataset)
    found = [
        swap_appearance(network, dataset, SwapSettings(frames=16, apart=1e-5)),
        zero_appearance(network, dataset, ZeroSettings(frames=16, train=24)),
        replace_channels(network, dataset, ChannelSettings(pairs=4, ladder=(200, 500), apart=1e-5)),
    ]
    for one in found:
        assert one.network == paints
        json.dumps(one.facts(), allow_nan=False)
        keys = [number.key for number in one.numbers()]
        assert len(keys) == len(set(keys)) >= 8
    assert found[1].mean_of == "natural codes of training"
    outline = any(number.key.startswith("outline") for number in found[2].numbers())
    assert outline == (paints == "person")  # who is told the mask paints one outline whatever the code says


def test_who_cannot_paint_or_predict_is_told_so(dataset):
    blind = lively("nothing", dataset)
    with pytest.raises(ConfigError, match="nothing has no decoder"):
        zero_appearance(blind, dataset)
    speechless = lively("person", dataset)
    speechless.regressor = None
    with pytest.raises(ConfigError, match="person has no pose regressor"):
        swap_appearance(speechless, dataset)
    with pytest.raises(ConfigError, match="has no pose regressor"):
        replace_channels(speechless, dataset)


def test_frames_of_another_size(dataset, tmp_path):
    from fixtures.oracle import write_people

    other = open_dataset(write_people(tmp_path / "people", people=2, instants=1))
    with pytest.raises(DataError, match="48 pixels wide and the network's 64"):
        swap_appearance(lively("person", dataset), other)
