"""R2 of codes that determine each other fully, half and not at all, on recordings that were never seen."""

import numpy as np
import pytest
import torch

from turncoat.engine.analysis.codes.linear import RidgeFit, determined, random_features
from turncoat.engine.analysis.intervals import Clusters
from turncoat.kernels.errors import DataError
from turncoat.training.networks.encoder import SigmoidHead

SEQUENCE = np.repeat(np.arange(20), 15)
CLUSTERS = Clusters({"sequence": SEQUENCE})


def pair(share, count=8, seed=0):
    """x (300, 10) and y (300, count) of which the first `share` channels are a linear function of x, the rest noise."""
    random = np.random.default_rng(seed)
    weights = np.random.default_rng(99).normal(size=(10, count))
    x = random.normal(size=(300, 10)) + random.normal(size=(20, 10))[SEQUENCE]
    y = x @ weights
    free = round(share * count)
    y[:, free:] = random.normal(size=(300, count - free)) * 50
    return x, y + 7


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
def test_r2_is_the_share_of_channels_that_are_determined(share):
    found = determined(pair(share), pair(share, seed=1), SEQUENCE, CLUSTERS, draws=200)
    assert found.r2.value == pytest.approx(share, abs=0.06)
    assert found.r2.low <= found.r2.value <= found.r2.high
    assert found.null.high < 0.05, "exchanged recordings determine nothing"
    assert found.channels[2] == pytest.approx(1.0 if share else 0.0, abs=0.06)


def test_scale_of_channels_changes_nothing():
    (x, y), (u, v) = pair(0.5), pair(0.5, seed=1)
    scale = 10.0 ** np.arange(-4, 4)
    plain = determined((x, y), (u, v), SEQUENCE, CLUSTERS, permutations=2)
    scaled = determined((x, y * scale), (u, v * scale), SEQUENCE, CLUSTERS, permutations=2)
    assert scaled.r2.value == pytest.approx(plain.r2.value, abs=1e-9)


def test_a_ridge_without_noise_is_exact_and_shrinks_where_there_is_only_noise():
    x, y = pair(1.0)
    exact = RidgeFit(x, SEQUENCE).fit(y)
    np.testing.assert_allclose(exact.predict(x), y, atol=1e-3)
    random = np.random.default_rng(0)
    many = random.normal(size=(300, 250))
    noise = RidgeFit(many, SEQUENCE).fit(random.normal(size=(300, 3)))
    assert noise.penalty > 100 * exact.penalty


def test_constant_channels_are_no_trouble():
    x, y = pair(1.0)
    x[:, 3], y[:, 2] = 5.0, -1.0
    assert np.isfinite(RidgeFit(x, SEQUENCE).fit(y).predict(x)).all()


def test_random_features_let_a_line_follow_a_curve():
    random = np.random.default_rng(0)
    x = random.uniform(-2, 2, size=(300, 2))
    y = np.sin(2 * x[:, :1]) * x[:, 1:]
    plain = RidgeFit(x, SEQUENCE).fit(y).errors(x, y)
    curved = random_features(x, x, 200)
    bent = RidgeFit(curved, SEQUENCE).fit(y).errors(curved, y)
    assert plain[0].sum() > 0.7 * plain[1].sum() and bent[0].sum() < 0.05 * bent[1].sum()


def test_the_official_heads_codes_determine_each_other_by_construction():
    """Whatever the weights: both codes are one linear layer's outputs (methods section 1.3)."""
    sequence = np.repeat(np.arange(20), 20)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = SigmoidHead(728)
        codes = [head(torch.randn(400, 128)).detach().double().numpy() for _ in range(2)]
    train, test = ((each[:, 128:], each[:, :128]) for each in codes)
    found = determined(train, test, sequence, Clusters({"sequence": sequence}), permutations=2, draws=50)
    assert found.r2.value > 0.99 and found.null.high < 0.05


def test_one_recording_is_refused():
    x, _ = pair(1.0)
    with pytest.raises(DataError, match="one recording"):
        RidgeFit(x, np.zeros(len(x)))
