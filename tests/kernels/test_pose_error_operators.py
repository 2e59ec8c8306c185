"""Operators of pose errors: gradients, what PyTorch asks of them, graphs that stay free of them, machine code."""

import numpy as np
import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.library import opcheck

from fixtures.emulated import on_the_processor
from fixtures.poses import hard_pairs, pair
from turncoat.kernels.cuda import compile_cubin
from turncoat.kernels.pose_error import (
    auc,
    joint_errors,
    mpjpe,
    mpjpe_with_gradient,
    n_mpjpe,
    operators,
    pa_mpjpe,
    pck,
    procrustes,
)
from turncoat.kernels.skeleton import PCK_JOINTS, WITHOUT_ROOT

PAIRS = hard_pairs()
DIFFERENTIABLE = {
    "joint_errors": joint_errors,
    "mpjpe": mpjpe,
    "mpjpe of 14": lambda p, g: mpjpe(p, g, joints=PCK_JOINTS),
    "n_mpjpe": n_mpjpe,
    "n_mpjpe of 14": lambda p, g: n_mpjpe(p, g, joints=PCK_JOINTS),
    "pa_mpjpe": pa_mpjpe,
    "pa_mpjpe of 16": lambda p, g: pa_mpjpe(p, g, joints=WITHOUT_ROOT),
    "pa_mpjpe with reflections": lambda p, g: pa_mpjpe(p, g, reflections=True),
    "aligned": lambda p, g: procrustes(p, g)[0],
    "aligned of 14": lambda p, g: procrustes(p, g, joints=PCK_JOINTS)[0],
    "scale": lambda p, g: procrustes(p, g)[1],
    "rotation": lambda p, g: procrustes(p, g)[2],
    "rotation with reflections": lambda p, g: procrustes(p, g, reflections=True)[2],
}


def leaves(seed=0, batch=4, joints=17, dtype=torch.float64):
    prediction, target = pair(seed, batch, joints, noise=80)
    target[1::2] *= [1, 1, -1]  # needs the sign of the reflection
    return [torch.from_numpy(one).to(dtype).requires_grad_() for one in (prediction / 100, target / 100)]


def gradients(metric, prediction, target, seed=0):
    inputs = [one.detach().clone().requires_grad_() for one in (prediction, target)]
    result = metric(*inputs)
    upstream = torch.randn(result.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.autograd.grad(result, inputs, upstream.to(result.dtype))


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_of_pytorchs_path_are_differences(name):
    prediction, target = leaves(batch=2)
    # numerically, along one direction each: gradcheck of all coordinates belongs to the small pose below
    assert torch.autograd.gradcheck(DIFFERENTIABLE[name], (prediction, target), fast_mode=True, atol=1e-6)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_operators_have_the_gradients_of_pytorchs_path(name, dtype):
    metric = DIFFERENTIABLE[name]
    for case in ("17 joints", "mirrored", "repeated, and off", "both planar", "batch of 129", "batch of 0"):
        prediction, target = (torch.from_numpy(one).to(dtype) for one in PAIRS[case])
        if "rotation" in name and case == "both planar":
            continue  # which of two rotations that lay the pose alike is found does not show in poses
        expected = gradients(metric, prediction.double(), target.double())
        with on_the_processor():
            ours = gradients(metric, prediction, target)
        for found, wanted in zip(ours, expected, strict=True):
            assert found.dtype == dtype
            limit = (1e-8 if dtype == torch.float64 else 2e-4) * float(wanted.abs().max() if wanted.numel() else 1)
            torch.testing.assert_close(
                found.double(), wanted, rtol=0, atol=limit, msg=lambda text, case=case: f"{case}: {text}"
            )


@pytest.mark.parametrize("name", ["joint_errors", "mpjpe", "n_mpjpe", "pa_mpjpe", "aligned", "scale", "rotation"])
def test_gradients_of_operators_are_finite_where_answers_are_not_unique(name):
    for case in (
        "equal",
        "repeated exactly",
        "both collinear",
        "prediction in one place",
        "target in one place",
        "zeros",
    ):
        prediction, target = map(torch.from_numpy, PAIRS[case])
        with on_the_processor():
            for found in gradients(DIFFERENTIABLE[name], prediction, target):
                assert found.isfinite().all(), case


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_a_pose_that_is_not_finite_spoils_only_its_own_gradient(name):
    prediction, target = map(torch.from_numpy, pair(2, 3))
    clean = gradients(DIFFERENTIABLE[name], prediction, target)
    prediction[1, 3, 2] = torch.nan
    for run in (torch.enable_grad, on_the_processor):
        with run():
            found = gradients(DIFFERENTIABLE[name], prediction, target)
        for ours, before in zip(found, clean, strict=True):
            torch.testing.assert_close(ours[[0, 2]], before[[0, 2]], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["numpy", "torch", "cuda"])
def test_mpjpe_and_its_gradient_are_what_differentiation_gives(kind):
    prediction, target = (torch.from_numpy(one) for one in PAIRS["17 joints"])
    prediction[2, 4] = target[2, 4]  # met exactly
    weight = torch.linspace(0, 2, 17, dtype=torch.float64)
    for given in (None, weight):
        leaf = prediction.clone().requires_grad_()
        share = torch.ones(17, dtype=torch.float64) if given is None else weight
        error = (joint_errors(leaf, target) * share / share.sum()).sum(1)
        (expected,) = torch.autograd.grad(error.sum(), leaf)
        if kind == "numpy":
            found = mpjpe_with_gradient(prediction.numpy(), target.numpy(), None if given is None else weight.numpy())
            found = tuple(map(torch.from_numpy, found))
        else:
            with on_the_processor() if kind == "cuda" else torch.enable_grad():
                found = mpjpe_with_gradient(leaf, target, given)
        assert not any(one.requires_grad for one in found)
        torch.testing.assert_close(found[0], error.detach(), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found[1], expected, rtol=1e-12, atol=1e-12)


def test_pytorch_accepts_the_operators():
    prediction, target = leaves(3, 3, 5)
    full, some = operators.mask_of(None, 5), operators.mask_of((0, 3, 4), 5)
    weight = torch.ones(5, dtype=torch.float64)
    matrix = torch.randn(3, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    plain = prediction.detach(), target.detach()
    calls = [
        (operators.joint_errors, (prediction, target)),
        (operators.mpjpe, (prediction, target, some)),
        (operators.n_mpjpe, (prediction, target, some)),
        (operators.procrustes, (prediction, target, False)),
        (operators.pa_mpjpe, (prediction, target, True, full)),
        (operators.share_below, (*plain, 0.0, 5.0, 31, some)),
        (operators.mpjpe_with_gradient, (*plain, weight)),
        (operators.mpjpe_with_gradient, (*plain, None)),
        (operators.distance_gradient, (weight[:3], *plain, some)),
        (operators.rotation_gradient, (matrix, matrix.mT.contiguous(), False)),
    ]
    with on_the_processor():
        for operator, arguments in calls:
            opcheck(operator, arguments)


@pytest.mark.parametrize("metric", [*DIFFERENTIABLE.values(), pck, auc, mpjpe_with_gradient])
def test_traced_graphs_are_made_of_pytorchs_operators(metric):
    prediction, target = (one.detach() for one in leaves(batch=3))
    with on_the_processor():
        graph = make_fx(lambda p, g: metric(p, g))(prediction, target).graph
        called = {str(node.target) for node in graph.nodes if node.op == "call_function"}
        assert called and all(name.startswith("aten.") or "getitem" in name for name in called)
        assert not any("_local_scalar_dense" in name or "nonzero" in name for name in called)  # nothing waits


def test_exported_programs_too():
    class Module(torch.nn.Module):
        def forward(self, p, g):
            return mpjpe(p, g, joints=PCK_JOINTS), auc(p, g), n_mpjpe(p, g)

    with on_the_processor():
        program = torch.export.export(Module(), tuple(one.detach() for one in leaves(batch=3)))
    assert "turncoat" not in str(program.graph)


def test_checks_and_dispatch_look_at_no_number():
    """What waits for a GPU reads numbers: meta tensors have none to read."""
    meta = torch.empty(5, 17, 3, device="meta")
    for metric in (mpjpe, n_mpjpe, joint_errors, pck, auc, mpjpe_with_gradient):
        result = metric(meta, meta)
        assert all(one.device.type == "meta" for one in (result if isinstance(result, tuple) else (result,)))
    assert mpjpe(meta, meta, joints=PCK_JOINTS).shape == (5,)


REGISTERS = {  # at most, on any generation; with 128 of them eight blocks of 64 threads fit on a multiprocessor
    "joint_errors": 48,
    "mpjpe": 48,
    "share_below": 48,
    "distance_gradient": 72,
    "mpjpe_with_gradient": 64,
    "n_mpjpe": 64,
    "procrustes": 128,
    "rotation_gradient": 128,
}


GENERATIONS = [(dtype, arch) for dtype in (torch.float32, torch.float64) for arch in ("sm_80", "sm_90", "sm_120")]


@pytest.mark.parametrize("dtype, architecture", [*GENERATIONS, (torch.float16, "sm_90"), (torch.bfloat16, "sm_90")])
def test_machine_code_stays_in_registers(dtype, architecture):
    resources = compile_cubin(operators.kernel("mpjpe", dtype), architecture).resources
    assert resources.keys() == REGISTERS.keys()
    for name, found in resources.items():
        assert found.spilled == 0 and found.stack == 0, (name, found)
        assert 0 < found.registers <= REGISTERS[name] and found.shared <= 48 * 1024, (name, found)


def test_masks_are_bits():
    assert operators.mask_of((0, 2, 16), 17) == 0b1_0000_0000_0000_0101
    assert operators.mask_of(None, 63) == np.iinfo(np.int64).max
