"""Distance correlation against another package, and against what it must be."""

import numpy as np
import pytest

from turncoat.engine.analysis.codes import (
    corrected_distance_correlation,
    distance_correlation,
    partial_distance_correlation,
)
from turncoat.engine.analysis.codes import distance_correlation as package_function
from turncoat.engine.analysis.codes.distance_correlation import alike, centred, distances, u_centred, without
from turncoat.kernels.errors import DataError


def samples(count=60, seed=0, tied=0.6):
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 5))
    y = tied * x[:, :3] ** 2 + random.normal(size=(count, 3))
    return x, y, x[:, 1:2] + random.normal(size=(count, 2))


@pytest.mark.parametrize("tied", [0.0, 0.6, 5.0])
def test_it_agrees_with_dcor(tied):
    dcor = pytest.importorskip("dcor", reason="dcor is what it is compared with")
    x, y, z = samples(tied=tied)
    assert distance_correlation(x, y) == pytest.approx(dcor.distance_correlation(x, y), abs=1e-10)
    assert corrected_distance_correlation(x, y) == pytest.approx(dcor.u_distance_correlation_sqr(x, y), abs=1e-10)
    assert partial_distance_correlation(x, y, z) == pytest.approx(dcor.partial_distance_correlation(x, y, z), abs=1e-10)


def test_equal_vectors_have_one_and_scale_and_rotation_change_nothing():
    x, y, _ = samples()
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(5, 5)))[0]
    assert distance_correlation(x, x) == pytest.approx(1) and distance_correlation(x, 3 * x @ turn) == pytest.approx(1)
    assert corrected_distance_correlation(x, x) == pytest.approx(1)
    assert distance_correlation(7 * x @ turn, y) == pytest.approx(distance_correlation(x, y))


def test_independent_codes_of_the_papers_sizes_have_a_biased_one_of_0_83_and_a_corrected_one_of_nothing():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(400, 128)), random.normal(size=(400, 600))
    assert distance_correlation(x, y) == pytest.approx(0.833, abs=0.005)
    assert abs(corrected_distance_correlation(x, y)) < 0.02


def test_what_a_third_explains_is_no_dependence_of_the_other_two():
    random = np.random.default_rng(2)
    third = random.normal(size=(300, 2))
    x, y = (third + 0.3 * random.normal(size=(300, 2)) for _ in range(2))
    assert corrected_distance_correlation(x, y) > 0.6
    assert abs(partial_distance_correlation(x, y, third)) < 0.1
    assert partial_distance_correlation(x, y, random.normal(size=(300, 2))) > 0.6


def test_shuffled_pairs_need_no_centring_of_their_own():
    x, y, _ = samples()
    partner = np.random.default_rng(5).permutation(len(x))
    for centre in (centred, u_centred):
        a, b = centre(distances(x)), centre(distances(y))
        assert alike(a, b, partner) == pytest.approx(alike(a, centre(distances(y[partner]))))


def test_constants_depend_on_nothing():
    x, y, _ = samples()
    assert distance_correlation(np.ones_like(x), y) == 0 and corrected_distance_correlation(x, np.ones_like(y)) == 0
    assert without(0.3, 1.0, 0.3) == 0


def test_too_few_samples_and_nan_are_refused():
    x, y, _ = samples()
    with pytest.raises(DataError, match="3 samples are too few"):
        package_function(x[:3], y[:3])
    x[4, 1] = np.nan
    with pytest.raises(DataError, match="NaN or infinite"):
        distance_correlation(x, y)
