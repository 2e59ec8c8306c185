"""Information over bias of codes that are the picture, and of codes that know nothing of it."""

import numpy as np
import pytest
import torch

from turncoat.engine.analysis.codes.information import (
    PUBLISHED,
    InformationSettings,
    decoded_errors,
    decoder,
    information_in,
)
from turncoat.engine.analysis.intervals import Clusters
from turncoat.kernels.errors import DataError

SMALL = InformationSettings(
    picture=16, hidden=(24, 24), channels=8, epochs=8, batch=20, learning_rate=1e-2, seeds=2, precision="float32"
)


def pictures(count, seed):
    """Pictures (count, 3, 16, 16) in [-1, 1] with a stripe that one of four numbers places, and those numbers."""
    random = torch.Generator().manual_seed(seed)
    place = torch.randint(4, (count,), generator=random)
    found = torch.full((count, 3, 16, 16), -0.5)
    for number in range(4):
        found[place == number, :, 4 * number : 4 * number + 4] = 0.6
    return found, torch.nn.functional.one_hot(place, 4).float()


def test_codes_that_are_the_picture_inform_and_others_do_not():
    (train, known), (test, asked) = pictures(120, 0), pictures(60, 1)
    noise = torch.Generator().manual_seed(5)
    codes = {
        "knows": (known, asked),
        "knows nothing": tuple(torch.randn(n, 4, generator=noise) for n in (120, 60)),
    }
    sequence, clusters = np.arange(120) // 10, Clusters({"sequence": np.arange(60) // 10})
    found = information_in(codes, (train, test), sequence, clusters, SMALL)
    knows, nothing = found.ratio["knows"], found.ratio["knows nothing"]
    assert knows.value > 5 and knows.low > 3 and min(found.by_seed["knows"]) > 3
    assert nothing.value == pytest.approx(1, abs=0.15)
    assert found.null["knows"].value == pytest.approx(1, abs=0.3), "codes of other recordings know nothing either"
    assert found.ones["knows"] == pytest.approx(found.mean_picture, rel=0.3), "the best constant picture is the mean"
    assert len(found.by_seed["knows"]) == 2 and found.facts()["tests"] == 60


def test_one_picture_of_ones_teaches_what_a_batch_of_them_would():
    train, test = pictures(60, 0)[0], pictures(20, 1)[0]
    one = decoded_errors(6, None, (train, test), SMALL, seed=3)
    batch = decoded_errors(6, (torch.ones(60, 6), torch.ones(20, 6)), (train, test), SMALL, seed=3)
    np.testing.assert_allclose(one, batch, rtol=0.02)


def test_the_same_seed_gives_the_same_decoder():
    train, test = pictures(60, 0), pictures(20, 1)
    values = (train[1], test[1]), (train[0], test[0])
    settings = SMALL.model_copy(update={"epochs": 2})
    first, second, other = (decoded_errors(4, *values, settings, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_the_published_decoder_has_the_published_shape():
    with torch.device("meta"):
        found = decoder(600, PUBLISHED)
        sizes = [tuple(layer.weight.shape) for layer in found if isinstance(layer, torch.nn.Linear)]
        assert sizes == [(256, 600), (4096, 256), (16384, 4096)]
        assert found(torch.ones(2, 600)).shape == (2, 3, 128, 128)
        ups = [layer.out_channels for layer in found if isinstance(layer, torch.nn.ConvTranspose2d)]
        assert ups == [128, 64, 32, 16]
    settings = PUBLISHED.model_dump()
    assert (settings["epochs"], settings["batch"], settings["learning_rate"]) == (40, 10, 1e-4)
    assert (settings["images"], settings["tests"], settings["seeds"]) == (2000, 400, 3)


def test_fewer_pictures_than_a_batch_are_refused():
    (train, known), (test, asked) = pictures(10, 0), pictures(5, 1)
    with pytest.raises(DataError, match="less than a batch"):
        information_in({"a": (known, asked)}, (train, test), np.arange(10), Clusters({"sequence": np.arange(5)}), SMALL)
