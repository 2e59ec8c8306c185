"""The loop of Algorithm 1 on targets for which the answer is known."""

import math

import pytest
import torch
from torch import Tensor

from fixtures.toys import PER_UNIT, REPAINTED, ToyNetwork, ToyStatistics, error_of_red
from turncoat.engine.attack.appearance import admit_codes, attack_codes
from turncoat.engine.attack.ascent import Rule, ascend
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.attack.slots import fill, join, step, take
from turncoat.engine.attack.spaces import Raw, Whitened
from turncoat.kernels.errors import ConfigError

CPU = torch.device("cpu")


def flat_frames(count: int = 4, level: float = 128 / 255) -> tuple[Tensor, Tensor]:
    """Frames with a flat grey person, each a little different in green, before a grey background."""
    frames = torch.full((count, 3, 32, 32), level)
    frames[:, 1] += torch.arange(count)[:, None, None] / 255
    return frames, torch.full((count, 3, 32, 32), 0.25)


def pair_of(network: object, precision: str = "float32") -> Pair:
    return Pair(network, network, ("toy", "toy"), CPU, precision)


def test_a_linear_target_is_driven_along_the_one_channel_that_matters_at_adams_pace() -> None:
    """The pose depends on red alone; so each step moves channel 0 by the step size, and the end is known."""
    network, settings = ToyNetwork(), AttackSettings(threshold_mm=175, iterations=500)
    pair = pair_of(network)
    frames, background = flat_frames()
    admitted = admit_codes(pair, frames, background)
    block = attack_codes(pair, admitted, "paper", 0.5, settings, None)
    assert block.outcome == [Outcome.FOOLED] * 4
    moved = block.appearance - admitted.appearance
    assert moved[:, 1:].abs().max() == 0, "only red can move the pose"
    torch.testing.assert_close(
        torch.from_numpy(block.columns["error_initial_mm"]),
        torch.full((4,), error_of_red(PER_UNIT * REPAINTED)),
        rtol=1e-3,
        atol=1e-2,
    )
    final = torch.from_numpy(block.columns["error_final_mm"])
    torch.testing.assert_close(final, error_of_red(PER_UNIT) * (REPAINTED + moved[:, 0]), rtol=1e-3, atol=1e-2)
    needed = 175 / error_of_red(PER_UNIT) - REPAINTED  # units of channel 0
    assert moved[:, 0].min() >= needed - 1e-3
    assert moved[:, 0].max() <= needed + 0.5 * 1.5, "it stops at the first step past the threshold"


def test_the_first_step_has_the_step_size_and_points_uphill() -> None:
    slots = fill(torch.zeros(2, 3), torch.zeros(2, 17, 3), ())
    moved = step(slots, torch.tensor([[3.0, -0.001, 0.0], [-2.0, 5.0, 1e-3]]), Raw(), 0.2)
    torch.testing.assert_close(moved.x, 0.2 * torch.tensor([[1.0, -1.0, 0.0], [-1.0, 1.0, 1.0]]), rtol=1e-4, atol=0)
    assert moved.age.tolist() == [1, 1]


def test_the_ascent_equals_torchs_adam() -> None:
    torch.manual_seed(0)
    gradients = torch.randn(7, 2, 5)
    slots = fill(torch.zeros(2, 5), torch.zeros(2, 17, 3), ())
    parameter = torch.zeros(2, 5, requires_grad=True)
    adam = torch.optim.Adam([parameter], lr=0.3, maximize=True)
    for gradient in gradients:
        slots = step(slots, gradient, Raw(), 0.3)
        parameter.grad = gradient
        adam.step()
    torch.testing.assert_close(slots.x, parameter.detach())


def test_natural_codes_stay_inside_the_ball_and_free_ones_need_not() -> None:
    network = ToyNetwork(statistics=ToyStatistics(scale=2.0, radius_p99=3.0))
    pair, settings = pair_of(network), AttackSettings(threshold_mm=300, iterations=60)
    frames, background = flat_frames()
    admitted = admit_codes(pair, frames, background)
    natural = attack_codes(pair, admitted, "natural", 0.3, settings, None)
    assert natural.columns["appearance_mahalanobis"].max() <= 3.0 + 1e-4
    assert natural.outcome == [Outcome.USED_UP] * 4
    assert natural.common["budget"] == 3.0
    # On the ball the best point is known: all of z on channel 0, the farther from the start the better. Other channels
    # shrink as z is projected, but have no gradient of their own.
    red = natural.appearance[:, 0].abs()
    assert red.min() > 0.95 * 2.0 * 3.0
    free = attack_codes(pair, admitted, "free", 0.3, settings, None)
    assert free.outcome == [Outcome.FOOLED] * 4
    assert free.columns["appearance_mahalanobis"].min() > 3.0


def test_whitening_is_undone_and_its_gradient_is_the_chain_rule() -> None:
    torch.manual_seed(1)
    factor = torch.tril(torch.randn(128, 128)) * 0.1 + torch.diag(torch.linspace(0.5, 5, 128))

    class Statistics:
        mean, radius_p99 = torch.randn(128), 1.0

    Statistics.factor = factor  # type: ignore[attr-defined]
    space = Whitened(Statistics())  # type: ignore[arg-type]
    code = torch.randn(3, 128)
    torch.testing.assert_close(space.appearance(space.coordinates(code)), code, rtol=1e-4, atol=1e-4)
    x = space.coordinates(code).requires_grad_(True)
    weight = torch.randn(3, 128)
    (expected,) = torch.autograd.grad((space.appearance(x) * weight).sum(), x)
    torch.testing.assert_close(space.pull_back(weight), expected)


def test_natural_and_free_refuse_weights_without_statistics() -> None:
    pair = pair_of(ToyNetwork())
    admitted = admit_codes(pair, *flat_frames(1))
    with pytest.raises(ConfigError, match="'natural' needs statistics"):
        attack_codes(pair, admitted, "natural", 0.3, AttackSettings(), None)


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_neither_batch_size_nor_order_changes_a_result(batch: int) -> None:
    network = ToyNetwork(statistics=ToyStatistics())
    pair = pair_of(network)
    torch.manual_seed(2)
    frames, background = torch.rand(7, 3, 32, 32), torch.rand(7, 3, 32, 32)
    settings = AttackSettings(threshold_mm=600, iterations=40)
    whole = attack_codes(pair, admit_codes(pair, frames, background), "natural", 0.2, settings, None)
    order = torch.randperm(7)
    other_settings = settings.model_copy(update={"batch": batch})
    other = attack_codes(
        pair, admit_codes(pair, frames[order], background[order]), "natural", 0.2, other_settings, None
    )
    back = order.argsort()
    assert [other.outcome[i] for i in back] == whole.outcome
    assert abs(other.columns["iterations"][back.numpy()] - whole.columns["iterations"]).max() <= 1
    torch.testing.assert_close(other.appearance[back], whole.appearance, rtol=1e-4, atol=1e-4)


def test_a_frame_that_is_past_the_threshold_before_the_attack_is_not_attacked() -> None:
    class PoorPainter(ToyNetwork):
        def canvas(self, codes, background):  # type: ignore[no-untyped-def]
            canvas = super().canvas(codes, background)
            shade = torch.where(codes.appearance[:, 1] > 1.0, 0.5, 1.0)  # the greener frames are painted too dark
            return canvas._replace(mask=canvas.mask * shade[:, None, None, None])

    pair = pair_of(PoorPainter())
    frames, background = flat_frames(6)
    block = attack_codes(pair, admit_codes(pair, frames, background), "paper", 0.5, AttackSettings(), None)
    past = torch.from_numpy(block.columns["error_initial_mm"]) > 175
    assert past.any() and not past.all()
    assert [outcome is Outcome.PAST_BEFORE for outcome in block.outcome] == past.tolist()
    assert block.columns["iterations"][past.numpy()].max() == 0
    assert (block.columns["appearance_shift_l2"][past.numpy()] == 0).all()


def test_a_zero_gradient_ends_the_attack_by_that_name() -> None:
    pair = pair_of(ToyNetwork(gain_mm=0.0))
    block = attack_codes(pair, admit_codes(pair, *flat_frames(3)), "paper", 0.5, AttackSettings(), None)
    assert block.outcome == [Outcome.ZERO_GRADIENT] * 3
    assert block.columns["iterations"].tolist() == [0, 0, 0]


def test_a_code_with_nan_is_not_attacked_and_harms_no_neighbour() -> None:
    network = ToyNetwork()
    pair, (frames, background) = pair_of(network), flat_frames(3)
    alone = attack_codes(pair, admit_codes(pair, frames, background), "paper", 0.5, AttackSettings(), None)
    frames = frames.clone()
    frames[1, 0, 12, 12] = torch.nan
    block = attack_codes(pair, admit_codes(pair, frames, background), "paper", 0.5, AttackSettings(), None)
    assert [outcome.name for outcome in block.outcome] == ["FOOLED", "NOT_FINITE", "FOOLED"]
    torch.testing.assert_close(block.appearance[[0, 2]], alone.appearance[[0, 2]])
    row = block.rows([{}, {}, {}])[1]
    assert row["outcome"] == "not finite" and "error_verified_mm" not in row


def test_a_prediction_that_stops_being_finite_on_the_way_ends_that_attack_only() -> None:
    class Breaking(ToyNetwork):
        def predict(self, frames: Tensor) -> Tensor:
            pose = super().predict(frames)
            green = self.person(frames)[:, 1]
            broken = (green > 0.504) & (self.person(frames)[:, 0] > 0.53)  # the greener ones, once red enough
            return pose + torch.where(broken, torch.nan, 0.0)[:, None, None]

    pair = pair_of(Breaking())
    block = attack_codes(pair, admit_codes(pair, *flat_frames(4)), "paper", 0.5, AttackSettings(), None)
    names = [outcome.name for outcome in block.outcome]
    assert "NOT_FINITE" in names and "FOOLED" in names


def test_a_success_counts_only_if_it_survives_rounding_to_eight_bits() -> None:
    """The pose leaps when red is above a level that no 8-bit picture holds; rounding undoes the first crossing."""

    class Knife(ToyNetwork):
        def predict(self, frames: Tensor) -> Tensor:
            red = self.person(frames)[:, 0]
            leap = 15.0 * ((red > 140.3 / 255) & (red < 140.45 / 255)).float()  # rounds to 140
            sure = 15.0 * (red > 150 / 255).float()
            slope = (red - red.detach()) * 1000.0 + 10.0 * red
            pose = torch.zeros(len(frames), 17, 3)
            return pose + (leap + sure + slope)[:, None, None] * torch.arange(17)[None, :, None]

    step_size = 0.1 / 2.55  # a tenth of a grey level a step
    pair, (frames, background) = pair_of(Knife()), flat_frames(1)
    block = attack_codes(pair, admit_codes(pair, frames, background), "paper", step_size, AttackSettings(), None)
    assert block.outcome == [Outcome.FOOLED]
    assert block.columns["confirmed_first"] == [False]
    assert 2 <= block.columns["checks"][0] <= 10, "not at every iteration"
    assert block.columns["error_verified_mm"][0] > 175
    red = network_red(block.appearance)
    assert red > 150 / 255, "it went on past the crossing that rounding undoes"


def network_red(appearance: Tensor) -> float:
    return 0.5 + PER_UNIT * appearance[0, 0].item()


def test_every_iterate_is_on_the_curve_from_the_initial_error_on() -> None:
    pair = pair_of(ToyNetwork())
    block = attack_codes(pair, admit_codes(pair, *flat_frames(2)), "paper", 0.5, AttackSettings(), None)
    for n in range(2):
        curve = block.columns["error_curve_mm"][n]
        assert len(curve) == block.columns["iterations"][n] + 1
        assert math.isclose(curve[0], block.columns["error_initial_mm"][n], abs_tol=1e-2)
        assert curve[-1] > 175 and (curve[:-1] <= 175).all()
        assert math.isclose(curve.max(), block.columns["error_best_mm"][n], rel_tol=1e-4)


def test_only_standing_samples_are_computed() -> None:
    """Steps cost what the samples stood for, not what the slowest one of the batch needs."""

    class Counting(ToyNetwork):
        frames = 0

        def predict(self, frames: Tensor) -> Tensor:
            self.frames += len(frames) * torch.is_grad_enabled()
            return super().predict(frames)

    network = Counting()
    pair, (frames, background) = pair_of(network), flat_frames(5)
    admitted = admit_codes(pair, frames, background)
    apart = torch.tensor([0.0, 2.0, 4.0, 6.0, 8.0])  # some begin nearer to the threshold than others
    admitted.appearance[:, 0] += apart
    block = attack_codes(pair, admitted, "paper", 0.2, AttackSettings(), None)
    iterations = block.columns["iterations"]
    assert block.outcome == [Outcome.FOOLED] * 5
    assert len(set(iterations.tolist())) == 5
    assert network.frames == (iterations + 1).sum()


def test_steps_run_reduced_and_verification_in_float32() -> None:
    network = ToyNetwork()
    pair = pair_of(network, "bfloat16")
    admitted = admit_codes(pair, *flat_frames(2))
    assert network.predicted_in == {torch.float32}
    network.predicted_in.clear()
    slots = fill(admitted.appearance, admitted.clean_pose, admitted.canvas)
    ascend(pair, network, slots, Raw(), Rule(3, 0.1, 1e9))
    assert network.predicted_in == {torch.bfloat16}
    assert network.compute_dtype == torch.float32, "what was borrowed is given back"
    pair.predict_rounded(torch.rand(1, 3, 32, 32))
    assert network.predicted_in == {torch.bfloat16, torch.float32}


def test_taking_and_joining_batches_are_inverse() -> None:
    admitted = admit_codes(pair_of(ToyNetwork()), *flat_frames(5))
    again = join([take(admitted, torch.tensor([0, 1])), take(admitted, torch.tensor([2, 3, 4]))])
    torch.testing.assert_close(again.canvas.base, admitted.canvas.base)
    assert type(again.canvas) is type(admitted.canvas)
