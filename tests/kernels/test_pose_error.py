"""Pose errors: torch against the NumPy float64 reference, their invariances, and poses with no good answer."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from turncoat.kernels import DataError
from turncoat.kernels.pose_error import auc, bone_ratios, mpjpe, n_mpjpe, pa_mpjpe, pck, procrustes, yaw_deg
from turncoat.kernels.pose_error import numba as compiled
from turncoat.kernels.pose_error import torch as aten
from turncoat.kernels.skeleton import BONES, JOINTS, LEFT, MIRROR, PCK_JOINTS, RIGHT

METRICS = {
    "mpjpe": mpjpe,
    "n_mpjpe": n_mpjpe,
    "pa_mpjpe": pa_mpjpe,
    "pa_mpjpe with reflections": lambda p, g: pa_mpjpe(p, g, reflections=True),
    "pck": pck,
    "pck of 14": lambda p, g: pck(p, g, threshold=100.0, joints=PCK_JOINTS),
    "auc": auc,
    "bone_ratios": bone_ratios,
    "procrustes scale": lambda p, g: procrustes(p, g)[1],
    "procrustes rotation": lambda p, g: procrustes(p, g)[2],
    "yaw": lambda p, g: yaw_deg(procrustes(p, g)[2]),
}
ERRORS = {name: METRICS[name] for name in ("mpjpe", "n_mpjpe", "pa_mpjpe")}
seeds = st.integers(0, 2**32 - 1)


def poses(seed=0, batch=6, noise=120.0):
    rng = np.random.default_rng(seed)
    target = rng.normal(0, 400, (batch, 17, 3))
    return target + rng.normal(0, noise, target.shape), target


def rotations(seed, batch):
    return Rotation.random(batch, rng=np.random.default_rng(seed)).as_matrix()


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_torch_equals_the_reference(name, dtype, tolerance):
    prediction, target = poses()
    target[1] *= [1, 1, -1]  # one pose that only a reflection would align
    expected = METRICS[name](prediction, target)
    ours = METRICS[name](torch.from_numpy(prediction).to(dtype), torch.from_numpy(target).to(dtype))
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours.double().numpy(), expected, rtol=tolerance, atol=tolerance)


@given(seeds, st.floats(0.05, 20))
@settings(max_examples=25, deadline=None)
def test_n_mpjpe_ignores_scale(seed, factor):
    prediction, target = poses(seed, 2)
    np.testing.assert_allclose(n_mpjpe(factor * prediction, target), n_mpjpe(prediction, target), rtol=1e-9)


@given(seeds, st.floats(0.05, 20), st.booleans())
@settings(max_examples=25, deadline=None)
def test_pa_mpjpe_ignores_rotation_translation_and_scale(seed, factor, reflections):
    prediction, target = poses(seed, 3)
    moved = factor * prediction @ rotations(seed, 3).transpose(0, 2, 1) + np.array([10.0, -300, 2000])
    expected = pa_mpjpe(prediction, target, reflections=reflections)
    if reflections:
        moved = moved * [1, -1, 1]
    np.testing.assert_allclose(pa_mpjpe(moved, target, reflections=reflections), expected, rtol=1e-7)
    for backend in (compiled, aten):
        given_ = (moved, target) if backend is compiled else (torch.from_numpy(moved), torch.from_numpy(target))
        found = np.asarray(backend.pa_mpjpe(*given_, reflections=reflections))
        np.testing.assert_allclose(found, expected, rtol=1e-7)


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_procrustes_recovers_the_similarity_that_was_applied(seed):
    _, target = poses(seed, 3)
    applied = rotations(seed, 3)
    prediction = (target - target.mean(1, keepdims=True)) / 1.7 @ applied  # applied @ prediction = target / 1.7
    aligned, scale, rotation = procrustes(prediction, target)
    np.testing.assert_allclose(aligned, target, atol=1e-8)
    np.testing.assert_allclose(scale, 1.7, rtol=1e-9)
    np.testing.assert_allclose(rotation, applied, atol=1e-9)


def squared(aligned, target):
    return ((aligned - target) ** 2).sum((1, 2))


@given(seeds, st.floats(1, 900), st.sampled_from([1, 2, 3, 14, 17]))
@settings(max_examples=40, deadline=None)
def test_in_squared_error_alignment_beats_scaling_beats_nothing(seed, noise, joints):
    """N-MPJPE's best scale may be negative, which no rotation is: with reflections, or where it is not."""
    prediction, target = (pose[:, :joints] for pose in poses(seed, 4, noise))
    scale = (prediction * target).sum((1, 2)) / (prediction**2).sum((1, 2))
    plain, scaled = squared(prediction, target), squared(scale[:, None, None] * prediction, target)
    kept, mirrored = (squared(procrustes(prediction, target, reflections=r)[0], target) for r in (False, True))
    assert (scaled <= plain * (1 + 1e-9)).all()
    assert (mirrored <= scaled * (1 + 1e-9) + 1e-9).all() and (mirrored <= kept * (1 + 1e-9) + 1e-9).all()
    assert (kept <= scaled * (1 + 1e-9) + 1e-9)[scale >= 0].all()


def test_known_values():
    target = np.zeros((1, 17, 3))
    prediction = target + [3.0, 4.0, 0.0]
    np.testing.assert_allclose(mpjpe(prediction, target), [5.0])
    np.testing.assert_allclose(pa_mpjpe(prediction, target), [0.0])
    np.testing.assert_allclose(pck(prediction, target, threshold=5.0), [0.0])  # "below", not "at"
    np.testing.assert_allclose(pck(prediction, target, threshold=5.1), [100.0])
    np.testing.assert_allclose(auc(prediction, target), [100 * 29 / 31])


def test_a_depth_flip_is_hidden_only_when_reflections_are_allowed():
    _, target = poses(3, 2)
    flipped = target * [1, 1, -1]
    assert (pa_mpjpe(flipped, target) > 100).all()
    np.testing.assert_allclose(pa_mpjpe(flipped, target, reflections=True), 0, atol=1e-8)
    np.testing.assert_allclose(np.linalg.det(procrustes(flipped, target)[2]), 1)


@pytest.mark.parametrize("angle", [-170.0, -90.0, -3.0, 0.0, 45.0, 120.0])
def test_yaw_is_the_turn_about_the_vertical_axis(angle):
    _, target = poses(4, 1)
    turn = Rotation.from_euler("y", angle, degrees=True).as_matrix()
    np.testing.assert_allclose(yaw_deg(procrustes(target, target @ turn.T)[2]), angle, atol=1e-8)
    np.testing.assert_allclose(np.sign((turn @ [0, 0, 1])[0]), np.sign(round(np.sin(np.radians(angle)), 9)))


def test_bone_ratios_see_the_one_bone_that_grew():
    _, target = poses(5, 1)
    prediction = target.copy()
    prediction[:, 3] = target[:, 2] + 1.5 * (target[:, 3] - target[:, 2])
    expected = np.ones((1, 16))
    expected[0, 2] = 1.5
    np.testing.assert_allclose(bone_ratios(prediction, target), expected)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("side", ["prediction", "target"])
def test_a_pose_that_is_not_finite_spoils_only_itself(kind, bad, name, side):
    prediction, target = poses(6)
    clean = METRICS[name](prediction, target)
    (prediction if side == "prediction" else target)[2, 5, 1] = bad
    if kind == "torch":
        prediction, target = torch.from_numpy(prediction), torch.from_numpy(target)
    result = np.asarray(METRICS[name](prediction, target))
    keep = [0, 1, 3, 4, 5]
    np.testing.assert_allclose(result[keep], clean[keep], rtol=1e-9, atol=1e-9)
    if name == "bone_ratios":
        assert not np.isfinite(result[2, [4, 5]]).all() or (result[2] == 0).any()
    else:
        assert not np.isfinite(result[2]).any()


@pytest.mark.parametrize("name", ["mpjpe", "n_mpjpe", "pa_mpjpe", "pck", "auc", "yaw"])
@pytest.mark.parametrize("degenerate", ["prediction", "target", "both", "collinear", "planar"])
def test_degenerate_poses_have_finite_errors(name, degenerate):
    prediction, target = poses(7, 2)
    if degenerate in ("prediction", "both"):
        prediction[:] = 0
    if degenerate in ("target", "both"):
        target[:] = 12.5
    if degenerate == "collinear":
        prediction[..., 1:] = 0
    if degenerate == "planar":
        prediction[..., 2] = target[..., 2] = 0
    expected = METRICS[name](prediction, target)
    assert np.isfinite(expected).all()
    ours = METRICS[name](torch.from_numpy(prediction), torch.from_numpy(target))
    assert ours.isfinite().all()
    if name != "yaw":
        np.testing.assert_allclose(ours.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("name", ERRORS)
def test_gradients_agree_with_differences(name):
    prediction, target = (torch.from_numpy(pose).requires_grad_() for pose in poses(8, 3, noise=80))
    with torch.no_grad():
        target[1] = target[1] * torch.tensor([1.0, 1, -1])  # needs the sign of the reflection
    assert torch.autograd.gradcheck(ERRORS[name], (prediction / 100, target / 100), atol=1e-6)


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("case", ["equal poses", "equal singular values", "collinear", "one point"])
def test_gradients_stay_finite_where_the_alignment_is_not_unique(name, case):
    _, target = poses(9, 2)
    prediction = target.copy()
    if case == "equal singular values":
        corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
        target = np.zeros((2, 17, 3))
        target[:, 1:9] = target[:, 9:] = corners * 100
        prediction = target + np.random.default_rng(0).normal(0, 1e-9, target.shape)
    if case == "collinear":
        prediction[..., 1:] = 0
    if case == "one point":
        prediction[:] = 0
    leaf = torch.from_numpy(prediction).requires_grad_()
    ERRORS[name](leaf, torch.from_numpy(target)).sum().backward()
    assert leaf.grad.isfinite().all()


def test_the_shapes_must_agree():
    prediction, target = poses()
    with pytest.raises(DataError, match=r"\(6, 17, 3\) and \(6, 16, 3\)"):
        mpjpe(prediction, target[:, :16])


def test_an_empty_batch_gives_an_empty_result():
    empty = np.zeros((0, 17, 3))
    for array in (empty, torch.from_numpy(empty)):
        assert pa_mpjpe(array, array).shape == (0,)


def test_the_skeleton_is_a_tree_over_seventeen_joints_with_two_sides():
    assert len(JOINTS) == len(set(JOINTS)) == 17 and len(BONES) == 16 and len(PCK_JOINTS) == 14
    assert [child for _, child in BONES] == list(range(1, 17)) and all(parent < child for parent, child in BONES)
    for left, right in zip(LEFT, RIGHT, strict=True):
        assert JOINTS[left] == JOINTS[right].replace("right", "left")
        assert MIRROR[left] == right and MIRROR[right] == left
    assert [MIRROR[joint] for joint in MIRROR] == list(range(17))
