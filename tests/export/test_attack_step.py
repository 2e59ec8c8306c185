"""The attack step's gradient is the gradient of what it says, for every sample alone."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from turncoat.export.attack_step import OBJECTIVES, attack_step, objective_value
from turncoat.export.graphs import graphs_of
from turncoat.kernels.errors import ConfigError
from turncoat.kernels.pose_error import n_mpjpe, pa_mpjpe


class ToyCanvas(NamedTuple):
    base: Tensor


class ToyNetwork(nn.Module):
    """Paints a smooth function of the code, predicts a smooth function of the frame; float64 throughout."""

    def __init__(self, joints: int = 17, size: int = 6) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.colours = nn.Linear(128, 3 * size * size, dtype=torch.float64)
        self.pose = nn.Linear(3 * size * size, joints * 3, dtype=torch.float64)
        self.joints, self.size = joints, size

    def paint(self, appearance: Tensor, canvas: ToyCanvas) -> Tensor:
        return torch.sigmoid(self.colours(appearance)).view(-1, 3, self.size, self.size) * 0.5 + canvas.base

    def predict(self, frames: Tensor) -> Tensor:
        return 400 * torch.tanh(self.pose(frames.flatten(1))).view(-1, self.joints, 3)


def arguments(batch: int = 2) -> tuple[Tensor, ToyCanvas, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    return draw(batch, 128), ToyCanvas(0.1 * draw(batch, 3, 6, 6)), 100 * draw(batch, 17, 3), draw(17).abs()


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_gradient_equals_central_differences_in_float64(objective: str, sign: float) -> None:
    network = ToyNetwork()
    appearance, canvas, reference, weight = arguments()
    _, gradient = attack_step(network, network, appearance, canvas, reference, weight, sign, objective=objective)
    step = 1e-5
    for channel in (0, 17, 127):
        shift = torch.zeros_like(appearance)
        shift[:, channel] = step
        up, down = (
            objective_value(network.predict(network.paint(a, canvas)), reference, weight, sign, objective=objective)
            for a in (appearance + shift, appearance - shift)
        )
        torch.testing.assert_close(gradient[:, channel], (up - down) / (2 * step), rtol=1e-6, atol=1e-11)


def test_the_squared_objective_is_in_square_metres() -> None:
    pose = torch.zeros(1, 17, 3)
    pose[0, 3, 0], pose[0, 5, 2] = 1000.0, 2000.0  # one joint 1 m off, another 2 m
    value = objective_value(pose, torch.zeros(1, 17, 3), torch.ones(17), 1.0)
    torch.testing.assert_close(value, torch.tensor([5.0]))
    mean = objective_value(pose, torch.zeros(1, 17, 3), torch.ones(17), 1.0, objective="mpjpe")
    torch.testing.assert_close(mean, torch.tensor([3.0 / 17]), rtol=1e-4, atol=0)


def test_a_sample_does_not_see_its_neighbours() -> None:
    network = ToyNetwork()
    appearance, canvas, reference, weight = arguments(batch=5)
    pose, gradient = attack_step(network, network, appearance, canvas, reference, weight, 1.0)
    for b in range(5):
        one = slice(b, b + 1)
        alone = attack_step(network, network, appearance[one], ToyCanvas(canvas.base[one]), reference[one], weight, 1.0)
        torch.testing.assert_close(alone[0], pose[one])
        torch.testing.assert_close(alone[1], gradient[one])


def test_a_joint_without_weight_does_not_pull_and_sign_may_differ_by_sample() -> None:
    network = ToyNetwork()
    appearance, canvas, reference, weight = arguments()
    weight[4] = 0
    _, gradient = attack_step(
        network, network, appearance, canvas, reference, weight, torch.tensor([1.0, -1.0]).double()
    )
    moved = reference.clone()
    moved[:, 4] += 5000
    _, same = attack_step(network, network, appearance, canvas, moved, weight, 1.0)
    torch.testing.assert_close(gradient[0], same[0])
    torch.testing.assert_close(gradient[1], -same[1])


def test_a_pose_that_has_not_moved_gives_a_finite_gradient() -> None:
    network = ToyNetwork()
    appearance, canvas, _, weight = arguments()
    still = network.predict(network.paint(appearance, canvas)).detach()
    for objective in OBJECTIVES:
        _, gradient = attack_step(network, network, appearance, canvas, still, weight, 1.0, objective=objective)
        assert gradient.isfinite().all()


def test_the_step_asks_for_no_gradient_of_its_caller_and_works_under_no_grad() -> None:
    network = ToyNetwork()
    appearance, canvas, reference, weight = arguments()
    with torch.no_grad():
        pose, gradient = attack_step(network, network, appearance, canvas, reference, weight, 1.0)
    assert not pose.requires_grad and not gradient.requires_grad and not appearance.requires_grad
    assert gradient.abs().max() > 0


def test_the_step_traces_into_one_graph_with_the_same_numbers() -> None:
    network = ToyNetwork().requires_grad_(False)
    appearance, canvas, reference, weight = arguments()

    def step(appearance: Tensor, base: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        return attack_step(network, network, appearance, ToyCanvas(base), reference, weight, 1.0)

    graph = make_fx(step)(appearance, canvas.base, reference)
    other, other_canvas = appearance.flip(0) * 0.5, canvas.base.flip(0)
    for traced, eager in zip(graph(other, other_canvas, reference), step(other, other_canvas, reference), strict=True):
        torch.testing.assert_close(traced, eager)


def test_an_unknown_objective_is_refused_in_one_sentence() -> None:
    network = ToyNetwork()
    appearance, canvas, reference, weight = arguments()
    with pytest.raises(ConfigError, match="'l1'; expected 'squared', 'mpjpe', 'n-mpjpe', 'pa-mpjpe'"):
        attack_step(network, network, appearance, canvas, reference, weight, 1.0, objective="l1")  # type: ignore[arg-type]


@pytest.mark.parametrize(("objective", "error"), [("n-mpjpe", n_mpjpe), ("pa-mpjpe", pa_mpjpe)])
def test_aligned_objectives_are_the_errors_of_that_name_in_metres(objective: str, error: object) -> None:
    torch.manual_seed(5)
    pose, reference = 200 * torch.randn(4, 17, 3, dtype=torch.float64), 200 * torch.randn(4, 17, 3, dtype=torch.float64)
    value = objective_value(pose, reference, torch.ones(17, dtype=torch.float64), 1.0, objective=objective)
    torch.testing.assert_close(value * 1000, error(pose, reference), rtol=1e-6, atol=1e-4)


def _degenerate() -> dict[str, tuple[Tensor, Tensor]]:
    """Predictions and references, (1, 17, 3) mm, that have no good answer."""
    torch.manual_seed(6)
    pose = 200 * torch.randn(1, 17, 3)
    line = torch.arange(17.0)[None, :, None] * torch.tensor([1.0, 2.0, 3.0])
    plane = pose * torch.tensor([1.0, 1.0, 0.0])
    return {
        "a prediction of zeros": (torch.zeros(1, 17, 3), pose),
        "all joints in one place": (torch.full((1, 17, 3), 70.0), pose),
        "all joints almost in one place": (1e-20 * pose, pose),
        "a reference of zeros": (pose, torch.zeros(1, 17, 3)),
        "zeros both": (torch.zeros(1, 17, 3), torch.zeros(1, 17, 3)),
        "on a line": (line, pose),
        "on one line both": (line, 2 * line),
        "in a plane": (plane, plane.flip(1)),
        "mirrored": (pose * torch.tensor([-1.0, 1.0, 1.0]), pose),
        "the same": (pose, pose.clone()),
        "scaled": (3 * pose, pose),
    }


@pytest.mark.parametrize("name", list(_degenerate()))
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_pose_however_degenerate_has_a_gradient_that_is_not_finite(
    objective: str, name: str, dtype: torch.dtype
) -> None:
    pose, reference = (one.to(dtype) for one in _degenerate()[name])
    pose.requires_grad_(True)
    value = objective_value(pose, reference, torch.ones(17, dtype=dtype), 1.0, objective=objective)
    (gradient,) = torch.autograd.grad(value.sum(), pose)
    assert value.isfinite().all() and gradient.isfinite().all()


def test_a_pose_that_is_not_finite_harms_no_neighbour() -> None:
    torch.manual_seed(8)
    pose, reference = 200 * torch.randn(3, 17, 3), 200 * torch.randn(3, 17, 3)
    pose[1, 4, 0] = torch.nan
    for objective in OBJECTIVES:
        moved = pose.clone().requires_grad_(True)
        value = objective_value(moved, reference, torch.ones(17), 1.0, objective=objective)
        (gradient,) = torch.autograd.grad(value.sum(), moved)
        assert value.isfinite().tolist() == [True, False, True], objective
        assert gradient[[0, 2]].isfinite().all(), objective


@pytest.mark.parametrize("objective", ["n-mpjpe", "pa-mpjpe"])
def test_graphs_refuse_objectives_that_are_pytorchs_alone(objective: str) -> None:
    with pytest.raises(ConfigError, match=f"'{objective}' are not written into graphs; expected squared or mpjpe"):
        graphs_of(ToyNetwork(), objective=objective)  # type: ignore[arg-type]
