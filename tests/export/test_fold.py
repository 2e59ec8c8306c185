"""A folded network gives the same answers and holds nothing that only training needs."""

import pytest
import torch
from torch import nn

from turncoat.export.fold import Affine, exact, folded
from turncoat.training.networks import Disentangled, Given, preset


def network(**changes: object) -> Disentangled:
    """An untrained network whose batch norms all do something."""
    torch.manual_seed(0)
    made = Disentangled(preset("studio", frame_size=64, crop_size=32, regressor_hidden=32, **changes))
    regressor = made.add_regressor()
    for buffer in (regressor.code_std, regressor.pose_std):
        buffer.uniform_(0.5, 2)
    for module in made.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"head": "wide"},
        {"regressor": "literal"},
        {"regressor_layers": 1},
        {"paints": "crop"},
        {"paints": "nothing"},
    ],
    ids=str,
)
def test_folding_changes_nothing(changes):
    before = exact(network(**changes))
    after = folded(before)
    frames = torch.rand(3, 3, 64, 64, dtype=torch.float64)
    given = None
    if before.needs_given:
        given = Given(torch.tensor([[0.6, 0.8, 0.0, 0.1]], dtype=torch.float64).expand(3, 4), frames[:, :1])
    torch.testing.assert_close(
        after.predict(frames, given=given), before.predict(frames, given=given), atol=1e-9, rtol=0
    )
    if before.has_decoder:
        codes = before.encode(frames, given=given)
        canvases = [each.canvas(codes, frames.flip(3), given=given) for each in (before, after)]
        for a, b in zip(*canvases, strict=True):
            torch.testing.assert_close(a, b, atol=1e-10, rtol=0)
        painted = [each.paint(codes.appearance, canvas) for each, canvas in zip((before, after), canvases, strict=True)]
        torch.testing.assert_close(*painted, atol=1e-10, rtol=0)


def test_what_only_training_needs_is_gone_and_the_original_is_untouched():
    before = network()
    names = set(before.state_dict())
    after = folded(before)
    kinds = (nn.modules.batchnorm._BatchNorm, nn.Dropout)
    assert not [module for module in after.modules() if isinstance(module, kinds)]
    assert not [module for module in after.modules() if isinstance(module, nn.ReLU) and module.inplace]
    assert not [p for p in after.parameters() if p.requires_grad]
    assert [module for module in before.modules() if isinstance(module, kinds)] and set(before.state_dict()) == names


def test_a_batch_norm_that_follows_nothing_foldable_becomes_a_scale_and_a_shift():
    norm = nn.BatchNorm2d(3).eval()
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    norm.running_mean.normal_()
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(Affine(norm)(x), norm(x))
