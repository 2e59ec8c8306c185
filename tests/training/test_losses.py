"""The compiled picture loss is the readable one; the crop prior pulls boxes where it says."""

import numpy as np
import pytest
import torch

from turncoat.training.losses import (
    BoxPriorSettings,
    ImageLossSettings,
    PictureLoss,
    box_prior,
    image_loss_reference,
)


def pictures(seed=0, size=(20, 28)):
    g = torch.Generator().manual_seed(seed)
    frames = torch.rand(3, 3, *size, generator=g)
    background = frames + 0.3 * (torch.rand(3, 1, *size, generator=g) > 0.7) * torch.randn(3, 3, *size, generator=g)
    synthesis = frames + 0.2 * torch.randn(3, 3, *size, generator=g)
    return synthesis.requires_grad_(), frames, background


@pytest.mark.parametrize(
    "settings",
    [
        ImageLossSettings(),
        ImageLossSettings(person=0.0),
        ImageLossSettings(absolute=0.0, edges=0.0, coarse_edges=0.0),
        ImageLossSettings(squared=0.0, absolute=0.0),
    ],
    ids=["all", "no person weight", "squares alone", "edges alone"],
)
def test_the_compiled_loss_equals_the_reference_in_value_and_gradient(settings):
    synthesis, frames, background = pictures()
    ours = PictureLoss(settings)(synthesis, frames, background)
    reference = image_loss_reference(synthesis, frames, background, settings)
    (ours_gradient,) = torch.autograd.grad(2 * ours.loss, synthesis)
    (reference_gradient,) = torch.autograd.grad(2 * reference.loss, synthesis)
    assert torch.allclose(ours.loss, reference.loss, rtol=1e-5)
    assert torch.allclose(ours_gradient, reference_gradient, atol=1e-8, rtol=1e-4)
    assert torch.allclose(ours.squared_error, reference.squared_error, rtol=1e-4)
    assert torch.equal(ours.person, reference.person)


def test_the_gradient_of_the_reference_is_its_derivative():
    synthesis, frames, background = (t.detach().double() for t in pictures(size=(6, 8)))
    settings = ImageLossSettings()
    synthesis.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: image_loss_reference(s, frames, background, settings).loss, synthesis)


def test_the_reference_is_its_formula():
    """Four by four pixels, the left half person, every error alike within a half: by hand."""
    person = torch.tensor([1.0, 1.0, 0.0, 0.0]).expand(1, 3, 4, 4)
    frames = torch.full((1, 3, 4, 4), 0.5)
    background = frames - 0.4 * person
    synthesis = frames + 0.1 * person - 0.2 * (1 - person)
    result = image_loss_reference(synthesis, frames, background, ImageLossSettings())
    absolute = (6 * 0.1 + 0.2) / 2
    squared = (6 * 0.01 + 0.04) / 2
    edges, coarse_edges = 0.3 / 3, 0.3  # one of three columns of differences, and the only coarse one
    expected = 2 * absolute + 10 * squared + 2 * edges + 4 * coarse_edges
    assert result.loss.item() == pytest.approx(expected, abs=1e-6)
    assert result.squared_error.item() == pytest.approx(0.01, abs=1e-6) and result.person.item() == 0.5


def test_a_perfect_picture_costs_nothing_and_pushes_nowhere():
    _, frames, background = pictures()
    synthesis = frames.clone().requires_grad_()
    result = PictureLoss(ImageLossSettings())(synthesis, frames, background)
    result.loss.backward()
    assert result.loss.item() == 0 and synthesis.grad.abs().max() == 0


def test_threads_stay_as_they_were():
    """numba's first parallel call resets OpenMP's thread count, which torch shares and on which its sums depend."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        synthesis, frames, background = pictures()
        PictureLoss(ImageLossSettings())(synthesis, frames, background)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_the_crop_prior_is_zero_at_its_target_and_holds_only_means():
    settings = BoxPriorSettings(weight=1.0, target=0.4, stretch=1.5, centre_y=0.0)
    at_target = torch.tensor([[0.4 / 1.5, 0.4, 0.0, 0.0]])
    assert box_prior(at_target, 64, 64, settings).item() == pytest.approx(0, abs=1e-12)
    spread = torch.tensor([[0.1, 0.2, 0.3, -0.5], [2 * 0.4 / 1.5 - 0.1, 0.6, -0.3, 0.5]])
    assert box_prior(spread, 64, 64, settings).item() == pytest.approx(0, abs=1e-12)
    assert box_prior(at_target + 0.1, 64, 64, settings) > 0.01


@pytest.mark.parametrize("centre_y", [0.0, 0.2])
def test_the_crop_prior_pulls_a_square_frame_to_its_size_and_place(centre_y):
    """The official one, with the middle at 0: to .267 by .4."""
    settings = BoxPriorSettings(weight=0.1, target=0.4, stretch=1.5, centre_y=centre_y)
    box = torch.tensor([[0.698, 0.698, 0.3, -0.3]]).requires_grad_()
    optimiser = torch.optim.SGD([box], lr=1.0)
    for _ in range(500):
        optimiser.zero_grad()
        box_prior(box, 64, 64, settings).backward()
        optimiser.step()
    assert np.allclose(box.detach().numpy(), [[0.2667, 0.4, 0.0, centre_y]], atol=1e-3)
