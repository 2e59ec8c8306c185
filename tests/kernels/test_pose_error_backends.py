"""One definition, four backends: NumPy is the reference, PyTorch, numba and the emulated CUDA kernels agree with it."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes

from fixtures.emulated import on_the_processor
from fixtures.poses import hard_pairs, pair
from turncoat.kernels import pose_error
from turncoat.kernels.pose_error import (
    auc,
    dispatch,
    joint_errors,
    mpjpe,
    mpjpe_with_gradient,
    n_mpjpe,
    pa_mpjpe,
    pck,
    procrustes,
)
from turncoat.kernels.pose_error import numba as compiled
from turncoat.kernels.skeleton import PCK_JOINTS, WITHOUT_ROOT

PAIRS = hard_pairs()
EVEN = (0, 2, 4, 6, 8, 10, 12)
METRICS = {
    "joint_errors": joint_errors,
    "mpjpe": mpjpe,
    "n_mpjpe": n_mpjpe,
    "pa_mpjpe": pa_mpjpe,
    "pa_mpjpe with reflections": lambda p, g: pa_mpjpe(p, g, reflections=True),
    "aligned": lambda p, g: procrustes(p, g)[0],
    "scale": lambda p, g: procrustes(p, g)[1],
    "pck": lambda p, g: pck(p, g, threshold=123.4),
    "auc": auc,
    "weighted": lambda p, g: mpjpe_with_gradient(p, g, weights(p))[0],
    "gradient": lambda p, g: mpjpe_with_gradient(p, g)[1],
    "gradient of weighted": lambda p, g: mpjpe_with_gradient(p, g, weights(p))[1],
}
SUBSETS = {
    f"{name} of {len(joints)}": (lambda p, g, metric=metric, joints=joints: metric(p, g, joints=joints))
    for name, metric in {
        "mpjpe": mpjpe,
        "n_mpjpe": n_mpjpe,
        "pa_mpjpe": pa_mpjpe,
        "aligned": lambda p, g, joints: procrustes(p, g, joints=joints)[0],
        "rotation": lambda p, g, joints: procrustes(p, g, joints=joints)[2],
        "pck": pck,
        "auc": auc,
    }.items()
    for joints in (WITHOUT_ROOT, PCK_JOINTS, (16, 3, 4, 5, 0))
}
BACKENDS = ["torch", "numba", "cuda", "cuda backward"]
# mm, relative to poses of two metres, or percent; half precision is what its rounding is
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3, torch.float16: 1.0, torch.bfloat16: 8.0}


def weights(poses):
    values = np.arange(1.0, poses.shape[1] + 1)
    return values if isinstance(poses, np.ndarray) else torch.from_numpy(values).to(poses)


def running(backend, monkeypatch):
    """Inside, tensors are answered for by this backend."""
    monkeypatch.setattr(dispatch, "MANY", 0 if backend == "numba" else 1 << 60)
    return on_the_processor(backward="backward" in backend) if "cuda" in backend else nullcontext()


def compare(metric, prediction, target, backend, dtype, monkeypatch, tolerance):
    p, g = (torch.from_numpy(np.ascontiguousarray(pose)).to(dtype) for pose in (prediction, target))
    expected = metric(p.double().numpy(), g.double().numpy())
    with running(backend, monkeypatch):
        ours = metric(p, g)
    assert ours.dtype == dtype and ours.shape == expected.shape
    np.testing.assert_allclose(ours.double().numpy(), expected, rtol=tolerance / 1000, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_says_what_the_reference_says(backend, dtype, monkeypatch):
    for pose, (prediction, target) in PAIRS.items():
        size = max(np.abs([prediction, target]).max(initial=0) / 1000, 1e-9)
        for name, metric in METRICS.items():
            if name == "aligned" and not one_answer(prediction, target):
                continue
            of_length = name not in ("pck", "auc", "scale") and "gradient" not in name
            tolerance = TOLERANCE[dtype] * (size if of_length else 1)
            if name == "scale":
                tolerance *= max(1.0, np.abs(procrustes(prediction, target)[1]).max(initial=0))
            try:
                compare(metric, prediction, target, backend, dtype, monkeypatch, tolerance)
            except AssertionError as error:
                raise AssertionError(f"{name} of {pose}: {error}") from None


def one_answer(prediction, target):
    """Whether the rotation, as far as it shows in the aligned pose, is determined."""
    p, g = (pose - pose.mean(1, keepdims=True) for pose in (prediction, target))
    singular = np.linalg.svd(g.transpose(0, 2, 1) @ p, compute_uv=False)
    return bool((singular[:, 1] > 1e-6 * singular[:, 0]).all())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", SUBSETS)
def test_joints_that_do_not_count_are_as_if_they_were_not_there(name, backend, monkeypatch):
    prediction, target = pair(3)
    metric, joints = SUBSETS[name], {"16": WITHOUT_ROOT, "14": PCK_JOINTS, "5": (16, 3, 4, 5, 0)}[name.split()[-1]]
    for dtype in (torch.float64, torch.float32):
        compare(metric, prediction, target, backend, dtype, monkeypatch, TOLERANCE[dtype])
    whole = {"aligned": lambda p, g: procrustes(p, g)[0], "rotation": lambda p, g: procrustes(p, g)[2]}
    whole |= {one: getattr(pose_error, one) for one in ("mpjpe", "n_mpjpe", "pa_mpjpe", "pck", "auc")}
    cut = [pose[:, list(joints)] for pose in (prediction, target)]
    np.testing.assert_allclose(metric(prediction, target), whole[name.split()[0]](*cut), rtol=1e-12, atol=1e-9)
    spoilt = prediction.copy()
    spoilt[:, [joint for joint in range(17) if joint not in joints]] = np.nan
    with running(backend, monkeypatch):
        found = metric(torch.from_numpy(spoilt), torch.from_numpy(target))
    np.testing.assert_allclose(found.numpy(), metric(prediction, target), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_a_pose_that_cannot_be_measured_spoils_only_itself(backend, bad, monkeypatch):
    for joints in (17, 3):
        prediction, target = pair(4, 5, joints)
        with running(backend, monkeypatch):
            clean = {name: metric(*map(torch.from_numpy, (prediction, target))) for name, metric in METRICS.items()}
        for side in (prediction, target):
            kept, side[2, 1, 1] = side[2, 1, 1], bad
            for name, metric in METRICS.items():
                expected = metric(prediction, target)
                with running(backend, monkeypatch):
                    ours = metric(torch.from_numpy(prediction), torch.from_numpy(target))
                others = [0, 1, 3, 4]
                np.testing.assert_array_equal(ours[others], clean[name][others], err_msg=name)
                finite = np.isfinite(expected[2])
                np.testing.assert_array_equal(ours[2].isfinite(), finite, err_msg=f"{name} {bad}")
                if bad != 1e200 or (side is prediction and name in ("pa_mpjpe", "aligned", "scale")):
                    assert not finite.all(), name
            side[2, 1, 1] = kept


@pytest.mark.parametrize("backend", ["torch", "cuda", "cuda backward"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once_and_does_not_overflow(backend, dtype, monkeypatch):
    for prediction, target in (PAIRS["17 joints"], PAIRS["14 joints"], PAIRS["mirrored"], PAIRS["batch of 129"]):
        for name, metric in METRICS.items():
            tolerance = TOLERANCE[dtype] * (0.5 if name in ("pck", "auc") else 0.01 if "gradient" in name else 1)
            compare(metric, prediction, target, backend, dtype, monkeypatch, tolerance)


@pytest.mark.parametrize("backend", ["numpy", *BACKENDS])
def test_alignment_is_scipys_orthogonal_procrustes(backend, monkeypatch):
    """With reflections, which scipy allows; and without, where it found none."""
    for name in ("17 joints", "14 joints", "mirrored", "tiny", "huge", "both planar", "repeated exactly"):
        prediction, target = PAIRS[name]
        expected, proper = [], []
        for p, g in zip(
            prediction - prediction.mean(1, keepdims=True), target - target.mean(1, keepdims=True), strict=True
        ):
            turn, total = orthogonal_procrustes(p, g)
            expected.append(np.linalg.norm(total / (p**2).sum() * p @ turn - g, axis=1).mean())
            proper.append(np.linalg.det(turn) > 0)
        given = (prediction, target) if backend == "numpy" else (torch.from_numpy(prediction), torch.from_numpy(target))
        with running(backend, monkeypatch):
            free, fixed = (np.asarray(pa_mpjpe(*given, reflections=allowed)) for allowed in (True, False))
        limit = 1e-6 * np.abs(target).max() / 1000
        np.testing.assert_allclose(free, expected, atol=limit, rtol=0)
        if name != "both planar":
            np.testing.assert_allclose(fixed[proper], np.array(expected)[proper], atol=limit, rtol=0)
        assert (fixed >= free - limit).all() and (name != "mirrored" or (fixed > free + 10).all())


@pytest.mark.parametrize("backend", ["numpy", *BACKENDS])
def test_rotations_are_rotations_wherever_joints_lie(backend, monkeypatch):
    for name, (prediction, target) in PAIRS.items():
        given = (prediction, target) if backend == "numpy" else (torch.from_numpy(prediction), torch.from_numpy(target))
        with running(backend, monkeypatch):
            aligned, scale, rotation = map(np.asarray, procrustes(*given))
        np.testing.assert_allclose(np.linalg.det(rotation), 1, atol=1e-9, err_msg=name)
        identity = np.broadcast_to(np.eye(3), rotation.shape)
        np.testing.assert_allclose(rotation @ rotation.transpose(0, 2, 1), identity, atol=1e-9, err_msg=name)
        centred = prediction - prediction.mean(1, keepdims=True)
        laid = scale[:, None, None] * centred @ rotation.transpose(0, 2, 1) + target.mean(1, keepdims=True)
        np.testing.assert_allclose(aligned, laid, rtol=1e-9, atol=1e-9 * max(1, np.abs(target).max(initial=0)))
        if "in one place" in name or name in ("zeros", "1 joints"):
            np.testing.assert_array_equal(scale, 0)
            np.testing.assert_allclose(rotation, identity, atol=0)
            np.testing.assert_allclose(
                aligned, np.broadcast_to(target.mean(1, keepdims=True), target.shape), rtol=1e-12
            )


@pytest.mark.parametrize("backend", BACKENDS)
def test_ties_between_rotations_have_one_squared_error(backend, monkeypatch):
    """A mirrored cube: every axis is as good to turn about as any other."""
    cube, _ = PAIRS["repeated exactly"]
    mirrored, cube = torch.from_numpy(cube * [1, 1, -1]), torch.from_numpy(cube)
    expected = ((procrustes(mirrored.numpy(), cube.numpy())[0] - cube.numpy()) ** 2).sum((1, 2))
    with running(backend, monkeypatch):
        aligned, _, rotation = procrustes(mirrored, cube)
    np.testing.assert_allclose((aligned - cube).square().sum((1, 2)).numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(torch.linalg.det(rotation).numpy(), 1, atol=1e-12)


def test_more_joints_than_kernels_know_are_answered_by_pytorch():
    prediction, target = map(torch.from_numpy, pair(5, 3, 70))
    with on_the_processor():
        found = pa_mpjpe(prediction, target), mpjpe(prediction, target, joints=range(1, 70))
    np.testing.assert_allclose(found[0].numpy(), pa_mpjpe(prediction.numpy(), target.numpy()), rtol=1e-9)
    np.testing.assert_allclose(found[1].numpy(), joint_errors(prediction, target)[:, 1:].mean(1).numpy())


def test_poses_that_are_not_contiguous_are_measured_all_the_same(monkeypatch):
    prediction, target = map(torch.from_numpy, pair(6))
    strange = prediction.permute(2, 1, 0).contiguous().permute(2, 1, 0), target[:1].expand_as(target)
    for backend in BACKENDS:
        for name, metric in METRICS.items():
            with running(backend, monkeypatch):
                ours = metric(*strange)
            expected = metric(strange[0].numpy(), strange[1].numpy())
            np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-9, atol=1e-9, err_msg=f"{backend} {name}")


def test_large_batches_without_gradients_are_compiled_and_threads_change_nothing(monkeypatch):
    prediction, target = pair(7, 4100)
    small = [torch.from_numpy(one).float() for one in (prediction, target)]
    one_thread = compiled.procrustes(small[0].numpy(), small[1].numpy())
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    for alone, together in zip(one_thread, compiled.procrustes(small[0].numpy(), small[1].numpy()), strict=True):
        np.testing.assert_array_equal(alone, together)
    asked = []
    for name in ("pa_mpjpe", "procrustes"):
        real = getattr(compiled, name)
        monkeypatch.setattr(compiled, name, lambda *a, real=real, **k: asked.append(a[0].dtype) or real(*a, **k))
    monkeypatch.setattr(dispatch, "MANY", 4000)
    pa_mpjpe(*small), procrustes(*small), pa_mpjpe(small[0][:3999], small[1][:3999])
    assert asked == [np.float32, np.float32]
    leaf = small[0].clone().requires_grad_()
    pa_mpjpe(leaf, small[1]).sum().backward()
    assert len(asked) == 2 and leaf.grad is not None
    with torch.no_grad():
        pa_mpjpe(leaf, small[1])
    expected = pa_mpjpe(prediction.astype(np.float32), target.astype(np.float32))
    assert asked[2:] == [np.float32, np.float64] and expected.dtype == np.float64
    assert pa_mpjpe(prediction, target).shape == (4100,) and len(asked) == 4  # the reference
