"""Controls of the appearance attack: as long as the attack, inside the same bound, judged by the same rule."""

import numpy as np
import pytest
import torch
from torch import Tensor

from fixtures.toys import ToyNetwork, ToyStatistics
from turncoat.engine.attack.appearance import admit_codes, attack_codes
from turncoat.engine.attack.controls import inward, random_direction
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import AttackSettings


class Doubting(ToyNetwork):
    """In reduced precision it sees only half of what the float32 network sees of a change from grey."""

    def person(self, frames: Tensor) -> Tensor:
        colour = super().person(frames)
        return 0.5 + (colour - 0.5) / 2 if self.compute_dtype == torch.bfloat16 else colour


def unit(values: Tensor) -> Tensor:
    return torch.nn.functional.normalize(values, dim=-1)


@pytest.mark.parametrize(
    "norm, length", [(5.0, 3.0), (11.0, 8.0), (11.0, 20.0), (11.0, 26.2), (15.2, 0.5), (16.0, 9.0)]
)
def test_a_random_step_inside_the_ball_keeps_its_length(norm: float, length: float) -> None:
    """15.3 around 0 in 128 dimensions; of a long step from far out no draw ends inside by itself."""
    random = torch.Generator().manual_seed(0)
    start = norm * unit(torch.randn(20, 128, generator=random))
    steps = inward(start, torch.full((20,), length), unit(torch.randn(20, 64, 128, generator=random)), 15.3)
    torch.testing.assert_close(steps.norm(dim=1), torch.ones(20))
    assert (start + length * steps).norm(dim=1).max() <= 15.3 + 1e-3
    assert len({round(value, 5) for value in steps[:, 0].tolist()}) == 20, "still a draw of its own for everyone"


def test_a_direction_that_fits_is_left_as_it_was_drawn() -> None:
    draws = unit(torch.randn(5, 64, 128, generator=torch.Generator().manual_seed(1)))
    start = 0.1 * torch.ones(5, 128)
    torch.testing.assert_close(inward(start, torch.ones(5), draws, 50.0), draws[:, 0])


def frames_of(level: float = 0.5) -> tuple[Tensor, Tensor]:
    frames = torch.full((3, 3, 32, 32), level)
    frames[:, 1] += torch.arange(3)[:, None, None] / 255
    return frames, torch.full((3, 3, 32, 32), 0.25)


def test_attack_and_control_are_judged_by_the_float32_error_on_the_8_bit_frame() -> None:
    """The steps never see the threshold passed; the float32 network does, of the attack as it would of a control."""
    network = Doubting(statistics=ToyStatistics())
    pair = Pair(network, network, ("toy", "toy"), torch.device("cpu"), "bfloat16")
    settings = AttackSettings(threshold_mm=60, iterations=5)
    admitted = admit_codes(pair, *frames_of())
    block = attack_codes(pair, admitted, "paper", 0.9, settings, None)
    verified = block.columns["error_verified_mm"]
    assert verified.min() > 60
    assert all(curve.max() < 60 for curve in block.columns["error_curve_mm"])
    assert block.outcome == [Outcome.FOOLED] * 3
    samples = [{"sample_id": str(n)} for n in range(3)]
    control = random_direction(pair, admitted, block, samples, settings, None)
    for outcome, error in zip(control.outcome, control.columns["error_verified_mm"], strict=True):
        assert outcome is (Outcome.FOOLED if error > 60 else Outcome.BELOW)
    np.testing.assert_allclose(control.columns["appearance_shift"], block.columns["appearance_shift"], rtol=1e-4)
