"""What may be compared, and what is refused in a sentence; CuPy arrays; what loading costs whom."""

import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

import turncoat.kernels.pose_error as pose_error
from fixtures.emulated import on_the_processor
from fixtures.poses import pair
from turncoat.kernels import DataError
from turncoat.kernels.skeleton import PCK_JOINTS, WITHOUT_ROOT

PAIRWISE = ["joint_errors", "mpjpe", "mpjpe_with_gradient", "n_mpjpe", "pa_mpjpe", "procrustes", "pck", "auc"]
WITH_JOINTS = ["mpjpe", "n_mpjpe", "pa_mpjpe", "procrustes", "pck", "auc"]
A = np.zeros((4, 17, 3))
BAD = {
    "joints differ": (A, A[:, :16], r"shapes \(4, 17, 3\) and \(4, 16, 3\).*one shape \(batch, (joints|17), 3\)"),
    "batches differ": (A, A[:1], r"shapes \(4, 17, 3\) and \(1, 17, 3\)"),
    "no batch": (A[0], A[0], r"shapes \(17, 3\) and \(17, 3\)"),
    "flat": (A.reshape(4, 51), A.reshape(4, 51), r"shapes \(4, 51\) and \(4, 51\)"),
    "turned": (A.transpose(0, 2, 1), A.transpose(0, 2, 1), r"shapes \(4, 3, 17\)"),
    "no joints": (A[:, :0], A[:, :0], r"shapes \(4, 0, 3\)"),
    "types differ": (A, A.astype(np.float32), r"types .*float64 and .*float32, shapes \(4, 17, 3\) and"),
    "whole numbers": (A.astype(int), A.astype(int), r"types .*int64 and .*int64.*one floating-point type"),
    "complex": (A + 0j, A + 0j, r"types .*complex128"),
}


@pytest.mark.parametrize("kind", ["numpy", "torch", "cuda"])
@pytest.mark.parametrize("name", [*PAIRWISE, "bone_ratios", "pose_errors"])
def test_poses_that_do_not_fit_are_refused(kind, name):
    for prediction, target, words in BAD.values():
        pair_of = (prediction, target) if kind == "numpy" else (torch.from_numpy(prediction), torch.from_numpy(target))
        with on_the_processor() if kind == "cuda" else torch.enable_grad(), pytest.raises(ValueError, match=words):
            getattr(pose_error, name)(*pair_of)


@pytest.mark.parametrize("name", [*PAIRWISE, "bone_ratios"])
def test_arrays_of_two_kinds_and_devices_are_refused(name):
    metric, tensor = getattr(pose_error, name), torch.from_numpy(A)
    with pytest.raises(DataError, match="Poses of ndarray and Tensor cannot be compared; expected two"):
        metric(A, tensor)
    with pytest.raises(DataError, match="Poses of list and list"):
        metric(A.tolist(), A.tolist())
    with pytest.raises(DataError, match=r"Poses on cpu and meta, shapes \(4, 17, 3\) and \(4, 17, 3\).*one device"):
        metric(tensor, tensor.to("meta"))


@pytest.mark.parametrize("name", WITH_JOINTS)
@pytest.mark.parametrize("joints", [(), (17,), (-1, 2), (3, 3), (0.5,), 4, "ab", [True, False], torch.tensor([1, 2])])
def test_joints_that_are_not_there_are_refused(name, joints):
    for poses in (A, torch.from_numpy(A)):
        with pytest.raises(DataError, match=r"expected different numbers from 0 to 16"):
            getattr(pose_error, name)(poses, poses, joints=joints)


def test_joints_may_be_any_sequence():
    prediction, target = pair()
    for joints in (list(WITHOUT_ROOT), range(1, 17), np.arange(1, 17)):
        np.testing.assert_array_equal(
            pose_error.mpjpe(prediction, target, joints=joints),
            pose_error.mpjpe(prediction, target, joints=WITHOUT_ROOT),
        )


@pytest.mark.parametrize(
    "weight, words",
    [
        (
            torch.ones(16, dtype=torch.float64),
            r"Weights \(16,\) do not fit poses of shape \(4, 17, 3\); expected \(17,\)",
        ),
        (torch.ones(4, 17, dtype=torch.float64), r"Weights \(4, 17\) do not fit"),
        (
            torch.ones(17),
            r"Weights \(17,\) are torch.float32 on cpu, poses of shape \(4, 17, 3\) are torch.float64 on cpu",
        ),
        (torch.ones(17, dtype=torch.float64, device="meta"), r"on meta, poses .* on cpu"),
        (np.ones(17), r"do not fit .* of one kind"),
        (3.0, r"Weights float do not fit"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weight, words):
    with pytest.raises(DataError, match=words):
        pose_error.mpjpe_with_gradient(torch.from_numpy(A), torch.from_numpy(A), weight)


def test_rotations_and_skeletons_of_other_shapes_are_refused():
    for kind in (np.asarray, torch.from_numpy):
        with pytest.raises(DataError, match=r"Rotations have the shape \(3, 3\); expected \(batch, 3, 3\)"):
            pose_error.yaw_deg(kind(np.eye(3)))
        with pytest.raises(DataError, match=r"\(4, 16, 3\) and \(4, 16, 3\).*\(batch, 17, 3\)"):
            pose_error.bone_ratios(kind(A[:, 1:]), kind(A[:, 1:]))


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_all_errors_at_once_are_the_errors_one_by_one(kind):
    given = pair() if kind == "numpy" else tuple(map(torch.from_numpy, pair()))
    found = pose_error.pose_errors(*given)
    assert list(found) == ["mpjpe", "n_mpjpe", "pa_mpjpe", "pck_150", "auc_150"]
    np.testing.assert_array_equal(found["pa_mpjpe"], pose_error.pa_mpjpe(*given))
    np.testing.assert_array_equal(found["pck_150"], pose_error.pck(*given, joints=PCK_JOINTS))
    moved = pose_error.pose_errors(*given, joints=WITHOUT_ROOT)
    np.testing.assert_array_equal(moved["n_mpjpe"], pose_error.n_mpjpe(*given, joints=WITHOUT_ROOT))
    np.testing.assert_array_equal(moved["auc_150"], found["auc_150"])


@pytest.fixture
def cupy(monkeypatch):
    """A pretended CuPy whose arrays lie on the processor; counts what comes back."""
    module = types.ModuleType("cupy")

    class ndarray:
        def __init__(self, tensor):
            self.tensor, self.shape, self.ndim = tensor, tuple(tensor.shape), tensor.ndim
            self.dtype, self.device = tensor.numpy().dtype, "Device 0"

        def __dlpack__(self, **options):
            return self.tensor.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.tensor.__dlpack_device__()

    ndarray.__module__ = "cupy"
    module.ndarray, module.from_dlpack = ndarray, lambda tensor: ndarray(torch.from_dlpack(tensor))
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


@pytest.mark.parametrize("kernels", [False, True])
def test_cupy_arrays_go_through_pytorch_and_come_back(cupy, kernels):
    prediction, target = map(torch.from_numpy, pair())
    given = cupy.ndarray(prediction), cupy.ndarray(target)
    with on_the_processor() if kernels else torch.enable_grad():
        for name in [*PAIRWISE, "bone_ratios"]:
            found = getattr(pose_error, name)(*given)
            expected = getattr(pose_error, name)(prediction, target)
            single = not isinstance(found, tuple)
            for ours, theirs in zip((found,) if single else found, (expected,) if single else expected, strict=True):
                assert type(ours) is cupy.ndarray
                np.testing.assert_array_equal(ours.tensor, theirs, err_msg=name)
        weight = torch.arange(17.0, dtype=torch.float64)
        found = pose_error.mpjpe_with_gradient(*given, cupy.ndarray(weight))[0]
        expected = pose_error.mpjpe_with_gradient(prediction, target, weight)[0]
        np.testing.assert_array_equal(found.tensor, expected)
        yaw = pose_error.yaw_deg(pose_error.procrustes(*given)[2])
        np.testing.assert_allclose(yaw.tensor, pose_error.yaw_deg(pose_error.procrustes(prediction, target)[2]))
    with pytest.raises(DataError, match=r"shapes \(7, 17, 3\) and \(7, 16, 3\)"):
        pose_error.mpjpe(given[0], cupy.ndarray(target[:, 1:]))
    with pytest.raises(DataError, match="Poses of ndarray and Tensor"):
        pose_error.mpjpe(given[0], target)


def python(code, **environment):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_whoever_compares_few_poses_loads_neither_numba_nor_cupy():
    code = (
        "import sys, torch; from turncoat.kernels.pose_error import pa_mpjpe, mpjpe; x = torch.rand(9, 17, 3);"
        "pa_mpjpe(x, x); mpjpe(x.numpy(), x.numpy());"
        "print(*[name for name in sys.modules if name.split('.')[0] in ('numba', 'cupy', 'scipy')])"
    )
    assert python(code) == []


@pytest.mark.slow
def test_alignment_is_compiled_where_no_folder_can_be_written(tmp_path):
    """Neither beside the source nor in the user's cache: numba would refuse to compile."""
    source = Path(pose_error.__file__).with_name("numba.py").read_text()
    (tmp_path / "__pycache__").write_text("a file where the folder should be")
    (tmp_path / "alone.py").write_text(source)
    code = (
        f"import sys; sys.dont_write_bytecode = True; sys.path.insert(0, {str(tmp_path)!r}); import alone, numpy as np;"
        "x = np.random.default_rng(0).normal(size=(3, 17, 3)); print(float(alone.pa_mpjpe(x, 2 * x).max()) < 1e-9,"
        "type(alone._align._cache).__name__)"
    )
    assert python(code, HOME="/dev/null", XDG_CACHE_HOME="/dev/null", PATH="", NUMBA_OPT="0") == ["True", "NullCache"]
