"""The colour attack on a target that sees nothing but the mean red of the person: the best colours are known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fixtures.toys import GAIN_MM, GARMENT, JOINTS, LayeredDataset, ToyLayers, ToyNetwork
from turncoat.engine.attack.colour_controls import (
    grey_noise,
    noise,
    other_wardrobes,
    random_colours,
    random_corners,
    wardrobes_of,
)
from turncoat.engine.attack.colours import Dressed, admit_colours, attack_colours, draw_colours, limits_of
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import AttackSettings

SETTINGS = AttackSettings(attacks=("colours-0.1",), colour_iterations=40, draws=6, threshold_mm=25)


class Scene:
    """Six frames, admitted."""

    def __init__(self, folder: Path) -> None:
        self.data = LayeredDataset(folder)
        self.rows = self.data.select(split="held-out", group="everyday")[::9][:6]
        self.samples: list[dict[str, Any]] = [
            {"sample_id": str(self.data.column("sample_id")[row]), "wardrobe": str(self.data.column("wardrobe")[row])}
            for row in self.rows
        ]
        self.pictures = self.data.read(self.rows)
        self.layers: ToyLayers = self.data.layers(self.rows)
        network = ToyNetwork()
        self.pair = Pair(None, network, ("", "toy"), torch.device("cpu"))

    def dressed(self, batch: int = 64) -> Dressed:
        return admit_colours(self.pair, self.pictures, self.layers, batch)

    def visible(self) -> np.ndarray:
        """(N, G) mean shading of each garment over the rectangle that the toy looks at."""
        height, width = self.pictures.shape[-2:]
        return self.layers.shading[:, GARMENT, height // 4 : 3 * height // 4, width // 4 : 3 * width // 4].mean((2, 3))


@pytest.fixture(scope="module")
def scene(tiny_dataset: Path) -> Scene:
    return Scene(tiny_dataset)


@pytest.mark.parametrize("name, budget", [("colours-0.1", 0.1), ("colours-0.2", 0.2)])
def test_the_ascent_ends_in_the_corner_of_the_budget_that_is_best(scene: Scene, name: str, budget: float) -> None:
    dressed = scene.dressed()
    drawn = draw_colours(scene.pair, dressed, name, scene.samples, SETTINGS)
    block = attack_colours(scene.pair, dressed, drawn, name, scene.samples, SETTINGS, None)
    best = GAIN_MM * (JOINTS - 1) / JOINTS * budget * scene.visible().sum(axis=1)
    np.testing.assert_allclose(block.columns["error_final_mm"], best, atol=0.6)  # stored frames are rounded
    own = scene.layers.colours[:, GARMENT]
    moved = block.columns["colours"].reshape(-1, 8, 3)[:, GARMENT] - own
    seen = scene.visible() > 1e-3
    np.testing.assert_allclose(np.abs(moved[..., 0])[seen], budget, rtol=1e-3)
    for n in range(len(own)):
        assert len(set(np.sign(moved[n, seen[n], 0]))) == 1, "all garments together, or they would cancel"
    expected = [Outcome.FOOLED if error > SETTINGS.threshold_mm else Outcome.USED_UP for error in best]
    assert block.outcome == expected


def test_nothing_but_the_garments_changes_and_no_budget_is_passed(scene: Scene) -> None:
    dressed = scene.dressed()
    for name, budget in (("colours-0.1", 0.1), ("colours-free", None)):
        drawn = draw_colours(scene.pair, dressed, name, scene.samples, SETTINGS)
        blocks = [attack_colours(scene.pair, dressed, drawn, name, scene.samples, SETTINGS, None)]
        blocks += random_colours(scene.pair, dressed, drawn, name, SETTINGS, None)
        for block in blocks:
            colours = block.columns["colours"].reshape(-1, 8, 3)
            np.testing.assert_array_equal(colours[:, ~GARMENT], scene.layers.colours[:, ~GARMENT])
            garments = colours[:, GARMENT]
            if budget is None:
                assert garments.min() >= 0.05 - 1e-6 and garments.max() <= 0.95 + 1e-6
            else:
                assert np.abs(garments - scene.layers.colours[:, GARMENT]).max() <= budget + 1e-6
            frames = np.einsum("nmhw,nmc->nchw", scene.layers.shading, colours) + scene.layers.rest
            bare = scene.layers.shading[:, GARMENT].sum(axis=1) == 0
            changed = np.abs(frames - scene.pictures / 255).max(axis=1)
            assert changed[bare].max() <= 1 / 255


def test_limits_stay_within_what_a_picture_can_show() -> None:
    own = torch.tensor([[[0.03, 0.5, 0.98]]])
    low, high = limits_of(own, "colours-0.1")
    torch.testing.assert_close(low, torch.tensor([[[0.0, 0.4, 0.88]]]))
    torch.testing.assert_close(high, torch.tensor([[[0.13, 0.6, 1.0]]]))


def test_controls_are_reproducible_and_do_not_depend_on_neighbours(scene: Scene) -> None:
    whole = draw_colours(scene.pair, scene.dressed(), "colours-0.1", scene.samples, SETTINGS)
    again = draw_colours(scene.pair, scene.dressed(batch=2), "colours-0.1", scene.samples, SETTINGS)
    torch.testing.assert_close(whole.colours, again.colours)
    torch.testing.assert_close(whole.errors, again.errors, rtol=1e-4, atol=1e-3)
    alone = noise(scene.pictures[2:3], scene.samples[2:3], SETTINGS.seed)
    np.testing.assert_array_equal(noise(scene.pictures, scene.samples, SETTINGS.seed)[2:3], alone)
    other_seed = draw_colours(
        scene.pair, scene.dressed(), "colours-0.1", scene.samples, SETTINGS.model_copy(update={"seed": 1})
    )
    assert not torch.equal(whole.colours, other_seed.colours)


def test_the_strongest_draw_is_the_strongest(scene: Scene) -> None:
    dressed = scene.dressed()
    drawn = draw_colours(scene.pair, dressed, "colours-0.2", scene.samples, SETTINGS)
    one, strongest = random_colours(scene.pair, dressed, drawn, "colours-0.2", SETTINGS, None)
    np.testing.assert_allclose(strongest.columns["error_final_mm"], drawn.errors.amax(dim=0), rtol=1e-4)
    np.testing.assert_allclose(one.columns["error_final_mm"], drawn.errors[0], rtol=1e-4)
    np.testing.assert_allclose(one.columns["draws_mean_mm"], drawn.errors.mean(dim=0), rtol=1e-4)


def test_random_corners_are_corners_and_beat_uniform_draws(scene: Scene) -> None:
    dressed, settings = scene.dressed(), SETTINGS.model_copy(update={"draws": 12})
    corners = random_corners(scene.pair, dressed, "colours-0.1", scene.samples, settings, None)
    moved = corners.columns["colours"].reshape(-1, 8, 3)[:, GARMENT] - scene.layers.colours[:, GARMENT]
    np.testing.assert_allclose(np.abs(moved), 0.1, atol=1e-6)
    assert corners.columns["draws"].tolist() == [12] * len(scene.samples)
    assert (corners.columns["error_final_mm"] >= corners.columns["draws_mean_mm"]).all()
    drawn = draw_colours(scene.pair, dressed, "colours-0.1", scene.samples, settings)
    assert corners.columns["draws_mean_mm"].mean() > drawn.errors.mean().item()
    again = random_corners(scene.pair, scene.dressed(batch=2), "colours-0.1", scene.samples, settings, None)
    np.testing.assert_array_equal(again.columns["colours"], corners.columns["colours"])


def test_other_wardrobes_are_other_peoples(scene: Scene) -> None:
    """The colours of the strongest wardrobe are one of the others', never the sample's own."""
    wardrobes = wardrobes_of(scene.data, SETTINGS)
    assert len(wardrobes) == 2  # of the two training subjects
    block = other_wardrobes(scene.pair, scene.dressed(), wardrobes, scene.samples, SETTINGS, None)
    assert block.columns["draws"].tolist() == [1] * len(scene.samples)
    for sample, colours in zip(scene.samples, block.columns["colours"].reshape(-1, 8, 3), strict=True):
        other = next(palette for name, palette in wardrobes.items() if name != sample["wardrobe"])
        np.testing.assert_array_equal(colours[GARMENT], other[GARMENT])


def test_grey_noise_changes_every_value_by_at_most_one_level(scene: Scene) -> None:
    noisy = noise(scene.pictures, scene.samples, 0)
    difference = noisy.astype(int) - scene.pictures
    assert set(np.unique(difference)) == {-1, 0, 1}
    block = grey_noise(scene.pair, scene.dressed(), scene.pictures, scene.samples, SETTINGS, None)
    assert block.columns["mse_mean"].max() < (2 / 255) ** 2
    assert block.outcome == [Outcome.BELOW] * len(scene.samples)
