"""On a GPU: the kernels answer, say what the reference says, wait for nothing, and are the same every time."""

import numpy as np
import pytest
import torch

from fixtures.poses import hard_pairs, pair
from turncoat.kernels.cuda import why_not
from turncoat.kernels.pose_error import dispatch, mpjpe, mpjpe_with_gradient, n_mpjpe, operators, pa_mpjpe, pose_errors
from turncoat.kernels.skeleton import PCK_JOINTS

pytestmark = pytest.mark.gpu
METRICS = {"mpjpe": mpjpe, "n_mpjpe": n_mpjpe, "pa_mpjpe": pa_mpjpe}


@pytest.fixture(autouse=True)
def _kernels():
    if why_not():
        pytest.skip(why_not())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", METRICS)
def test_kernels_say_what_the_reference_says(name, dtype):
    for case, (prediction, target) in hard_pairs().items():
        p, g = (torch.from_numpy(one).to("cuda", dtype) for one in (prediction, target))
        expected = METRICS[name](p.double().cpu().numpy(), g.double().cpu().numpy())
        limit = 1e-3 * max(1e-9, np.abs([prediction, target]).max(initial=0) / 1000)
        found = METRICS[name](p, g).double().cpu().numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=limit, err_msg=case)


def test_nothing_waits_for_the_gpu_and_operators_answer(monkeypatch):
    p, g = (torch.from_numpy(one).float().cuda() for one in pair(0, 1000))
    leaf, asked = p.clone().requires_grad_(), []
    real = dispatch._by_operators
    monkeypatch.setattr(dispatch, "_by_operators", lambda *a, **k: asked.append(a[1]) or real(*a, **k))
    for _ in range(2):  # the first time compiles
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            pose_errors(p, g)
            mpjpe(p, g, joints=PCK_JOINTS)
            mpjpe_with_gradient(p, g, torch.ones_like(p[0, :, 0]))
            for metric in METRICS.values():
                torch.autograd.grad(metric(leaf, g, joints=PCK_JOINTS).sum(), leaf)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert len(asked) == 2 * 10 and set(asked) == {"mpjpe", "n_mpjpe", "pa_mpjpe", "share_below", "mpjpe_with_gradient"}


def test_gradients_are_those_of_the_processor():
    prediction, target = (torch.from_numpy(one) for one in pair(1, 300))
    for metric in METRICS.values():
        found = []
        for device in ("cpu", "cuda"):
            leaf = prediction.to(device).requires_grad_()
            found.append(torch.autograd.grad(metric(leaf, target.to(device)).sum(), leaf)[0].cpu())
        torch.testing.assert_close(found[1], found[0], rtol=1e-8, atol=1e-10)


def test_results_are_the_same_every_time_and_on_every_stream():
    p, g = (torch.from_numpy(one).float().cuda() for one in pair(2, 5000))
    mask = operators.mask_of(PCK_JOINTS, 17)
    first = [operators.mpjpe(p, g, mask), operators.n_mpjpe(p, g, mask), *operators.pa_mpjpe(p, g, False, mask)]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        again = [operators.mpjpe(p, g, mask), operators.n_mpjpe(p, g, mask), *operators.pa_mpjpe(p, g, False, mask)]
    torch.cuda.current_stream().wait_stream(stream)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
