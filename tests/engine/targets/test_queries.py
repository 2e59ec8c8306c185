"""Estimated gradients: near the true ones, the same whatever is computed beside them, and counted."""

import numpy as np
import pytest
import torch

from fixtures.toys import ToyNetwork
from turncoat.engine.attack.identity import Asker
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.spaces import Whitened
from turncoat.engine.targets import QuerySettings, QueryStep
from turncoat.export.attack_step import attack_step
from turncoat.kernels.errors import ConfigError

SIZE, JOINTS = 12, 5


class Bent:
    """Painter and target in one: the 'frame' of a code is the code, its pose a smooth function of it."""

    def __init__(self):
        random = torch.Generator().manual_seed(3)
        self.first = torch.randn(SIZE, 20, generator=random) / SIZE**0.5
        self.second = torch.randn(20, JOINTS * 3, generator=random)
        self.asked = 0

    def paint(self, appearance, canvas):
        return appearance + canvas

    def predict(self, frames):
        self.asked += len(frames)
        return 300 * (torch.tanh(frames @ self.first) @ self.second).view(len(frames), JOINTS, 3)


class Statistics:
    """Codes whose coordinates depend on one another and differ a thousandfold in scale."""

    mean = torch.zeros(SIZE)
    factor = torch.tril(torch.full((SIZE, SIZE), 0.3)) * 0.1 + torch.diag(torch.logspace(-3, 0, SIZE))
    radius_p99 = 5.0


def case(count=4):
    random = torch.Generator().manual_seed(0)
    codes, canvas = (0.3 * torch.randn(count, SIZE, generator=random) for _ in range(2))
    reference = 100 * torch.randn(count, JOINTS, 3, generator=random)
    return codes, canvas, reference, [Asker(f"sample {n}", 0, "free") for n in range(count)]


def estimated(settings, statistics=None, seed=0, sign=1.0, only=slice(None), iteration=3, network=None, askers=None):
    network = network or Bent()
    codes, canvas, reference, own = case()
    step = QueryStep(settings, seed, statistics, network)
    mine = (askers or own)[only]
    found = step.step(
        network, network, codes[only], canvas[only], reference[only], torch.ones(JOINTS), sign,
        askers=mine, iteration=[iteration] * len(mine),
    )  # fmt: skip
    return *found, step


def true_gradient():
    network = Bent()
    codes, canvas, reference, _ = case()
    return attack_step(network, network, codes, canvas, reference, torch.ones(JOINTS), 1.0)


@pytest.mark.parametrize("estimator", ["nes", "spsa"])
def test_many_pairs_find_the_gradient(estimator):
    settings = QuerySettings(estimator=estimator, pairs=3000, radius=0.05)
    pose, gradient, _ = estimated(settings)
    true_pose, true = true_gradient()
    torch.testing.assert_close(pose, true_pose)
    cosine = torch.nn.functional.cosine_similarity(gradient, true)
    assert cosine.min() > 0.98, cosine
    ratio = gradient.norm(dim=1) / true.norm(dim=1)
    assert ratio.min() > 0.9 and ratio.max() < 1.1, ratio


@pytest.mark.parametrize("estimator", ["nes", "spsa"])
def test_in_whitened_coordinates_it_is_the_gradient_of_those(estimator):
    settings = QuerySettings(estimator=estimator, pairs=3000, radius=0.05)
    _, gradient, _ = estimated(settings, Statistics())
    space = Whitened(Statistics())
    found, true = space.pull_back(gradient), space.pull_back(true_gradient()[1])
    assert torch.nn.functional.cosine_similarity(found, true).min() > 0.98


def test_few_pairs_point_uphill_on_average():
    cosines = []
    for seed in range(12):
        _, gradient, _ = estimated(QuerySettings(pairs=4, radius=0.05), seed=seed)
        cosines.append(torch.nn.functional.cosine_similarity(gradient, true_gradient()[1]))
    found = torch.stack(cosines)
    assert (found > 0).float().mean() > 0.9 and 0.2 < found.mean() < 0.9


def test_a_sign_turns_it_round():
    settings = QuerySettings(pairs=6)
    torch.testing.assert_close(estimated(settings, sign=-1.0)[1], -estimated(settings)[1])


def test_it_depends_on_the_sample_and_not_on_what_is_computed_beside_it():
    settings = QuerySettings(pairs=20)
    whole, _, _ = estimated(settings)[1], None, None
    alone = estimated(settings, only=slice(2, 3))[1]
    torch.testing.assert_close(whole[2:3], alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"iteration": 4},
        {"askers": [Asker(f"sample {n}", 1, "free") for n in range(4)]},
        {"askers": [Asker(f"sample {n}", 0, "natural") for n in range(4)]},
        {"askers": [Asker(f"other {n}", 0, "free") for n in range(4)]},
    ],
)
def test_other_identities_have_other_directions(change):
    settings = QuerySettings(pairs=6)
    assert (estimated(settings)[1] - estimated(settings, **change)[1]).abs().max() > 1e-2


def test_queries_are_counted_as_they_are_asked():
    network = Bent()
    _, _, step = estimated(QuerySettings(pairs=7), network=network)
    askers = case()[3]
    assert step.per_step == 15 and network.asked == 4 * 15
    assert step.taken(askers[:2]) == [15, 15] and step.taken(askers) == [0, 0, 15, 15]


def test_the_points_asked_for_lie_a_radius_apart_in_whitened_coordinates():
    class Recorded(Bent):
        def paint(self, appearance, canvas):
            self.points = appearance
            return super().paint(appearance, canvas)

    network = Recorded()
    estimated(QuerySettings(estimator="spsa", pairs=3, radius=0.25), Statistics(), network=network, only=slice(0, 1))
    z = Whitened(Statistics()).coordinates(network.points)
    moved = (z[1:] - z[:1]).abs()
    np.testing.assert_allclose(moved.numpy(), 0.25, rtol=1e-2)
    torch.testing.assert_close(z[1::2] + z[2::2], (2 * z[:1]).expand(3, -1), rtol=1e-3, atol=1e-2)


def test_colours_are_asked_for_in_their_own_coordinates():
    class Dyer:
        def paint(self, appearance, canvas):
            self.points = appearance
            return appearance.flatten(1) + canvas

    codes, canvas, reference, askers = case()
    network, painter = Bent(), Dyer()
    step = QueryStep(QuerySettings(estimator="spsa", pairs=2, colour_radius=0.01), 0, Statistics(), network)
    _, gradient = step.step(
        network, painter, codes.view(4, 4, 3), canvas, reference, torch.ones(JOINTS), 1.0,
        askers=askers, iteration=[0] * 4,
    )  # fmt: skip
    assert gradient.shape == (4, 4, 3)
    np.testing.assert_allclose((painter.points[1] - painter.points[0]).abs().numpy(), 0.01, rtol=1e-3)


def test_what_is_not_finite_stays_with_its_sample():
    class Holed(Bent):
        def predict(self, frames):
            poses = super().predict(frames)
            return torch.where(frames[:, :1, None] > 50, torch.nan, poses)

    network = Holed()
    codes, canvas, reference, askers = case()
    codes[1, 0] = 100
    _, gradient = QueryStep(QuerySettings(pairs=3), 0).step(
        network, network, codes, canvas, reference, torch.ones(JOINTS), 1.0, askers=askers, iteration=[0] * 4
    )
    assert gradient.isfinite().all(dim=1).tolist() == [True, False, True, True]


def test_a_pair_has_to_know_for_whom_it_asks():
    network = ToyNetwork()
    pair = Pair(network, network, ("toy", "toy"), torch.device("cpu"), queries=QueryStep(QuerySettings(), 0))
    with pytest.raises(ConfigError, match="Queries are drawn for samples"):
        pair.step(network, torch.zeros(1, 128), None, torch.zeros(1, 17, 3), torch.ones(17), 1.0)
    assert pair.backend == "queries-nes"
