"""One definition, four backends: NumPy is the reference, PyTorch, numba and the emulated CUDA kernels agree with it."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from fixtures.emulated import on_the_processor
from fixtures.scenes import hard_scenes, scene
from turncoat.kernels import composite as package
from turncoat.kernels.composite import composite, paint
from turncoat.kernels.composite import torch as by_torch
from turncoat.kernels.recompose import recompose
from turncoat.kernels.recompose import torch as recompose_by_torch
from turncoat.kernels.resample import invert_box, resample
from turncoat.kernels.resample import torch as resample_by_torch

SCENES = hard_scenes()
BACKENDS = [
    ("torch", torch.float64),
    ("torch", torch.float32),
    ("numba", torch.float32),
    ("cuda", torch.float64),
    ("cuda backward", torch.float32),
]
WITHOUT_NUMBA = [one for one in BACKENDS if one[0] != "numba"]
PIXELS = [torch.uint8, torch.float16, torch.bfloat16, torch.float32]
# Of colours in [0, 1]; of gradients, relative to the largest.
TOLERANCE = {torch.float64: 1e-10, torch.float32: 3e-5}
RELATIVE = {torch.float64: 1e-9, torch.float32: 1e-4}


@pytest.fixture(autouse=True)
def _spoilt_memory():
    """What is not written is NaN."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def backend(request, monkeypatch):
    monkeypatch.setattr(package, "COMPILED_FROM", 0 if request.param == "numba" else 1 << 60)
    cuda = request.param.startswith("cuda")
    with on_the_processor(backward=request.param == "cuda backward") if cuda else nullcontext():
        yield request.param


def tensors(arrays, dtype, *, grad=True):
    return [torch.from_numpy(np.ascontiguousarray(array)).to(dtype).requires_grad_(grad) for array in arrays]


def with_gradients(function, inputs, wanted=None):
    """Outputs, and the gradients of a random functional of them by `wanted` (indices of inputs)."""
    outputs = function(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    generator = torch.Generator().manual_seed(5)
    weights = [torch.randn(one.shape, generator=generator, dtype=torch.float64).to(one.dtype) for one in outputs]
    leaves = [inputs[place] for place in (range(len(inputs)) if wanted is None else wanted)]
    return list(outputs), list(torch.autograd.grad(outputs, leaves, weights))


def assert_same(found, expected, dtype, *, gradients=False, leave_out=()):
    for place, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert one.shape == other.shape
        if place in leave_out or not other.numel():
            continue
        scale = max(1.0, float(other.abs().max())) * RELATIVE[dtype] if gradients else TOLERANCE[dtype]
        torch.testing.assert_close(one.double(), other.double(), atol=scale, rtol=0, msg=lambda m, p=place: f"{p}: {m}")


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize(("backend", "dtype"), BACKENDS, indirect=["backend"])
def test_composite_is_the_references(backend, name, dtype):
    *arrays, smooth = SCENES[name]
    wanted = (0, 1, 2) if backend == "numba" else (0, 1, 2, 3)
    for options in ({}, {"clamp": False}, {"renormalise": False}):
        inputs = tensors(arrays, dtype)
        inputs[3].requires_grad_(3 in wanted)
        outputs, gradients = with_gradients(lambda *a, o=options: composite(*a, **o), inputs, wanted)
        exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
        assert_same(outputs, [torch.from_numpy(one) for one in composite(*[one.detach().numpy() for one in exact],
                                                                           **options)], dtype)  # fmt: skip
        _, expected = with_gradients(lambda *a, o=options: by_torch.composite(*a, **o), exact, wanted)
        assert_same(gradients, expected, dtype, gradients=True, leave_out=() if smooth else (2,))


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize(("backend", "dtype"), WITHOUT_NUMBA, indirect=["backend"])
def test_paint_is_the_references_whatever_its_mask_covers(backend, name, dtype):
    rgb, mask, box, background, smooth = SCENES[name]
    _, own = composite(rgb, mask, box, background)
    rng = np.random.default_rng(0)
    for full_mask in (own, rng.random(own.shape)):
        arrays = (rgb, box, full_mask, background * (1 - full_mask))
        inputs = tensors(arrays, dtype)
        outputs, gradients = with_gradients(paint, inputs)
        exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
        assert_same(outputs, [torch.from_numpy(paint(*[one.detach().numpy() for one in exact]))], dtype)
        expected = with_gradients(by_torch.paint, exact)[1]
        assert_same(gradients, expected, dtype, gradients=True, leave_out=() if smooth else (1,))


@pytest.mark.parametrize("padding", ["zeros", "border"])
@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize(("backend", "dtype"), WITHOUT_NUMBA, indirect=["backend"])
def test_resample_is_the_references_both_ways(backend, name, padding, dtype):
    rgb, _, box, background, smooth = SCENES[name]
    uncropped = (rgb, invert_box(box), background.shape[2], background.shape[3])
    cropped = (background, box, rgb.shape[2], rgb.shape[3])
    for image, where, height, width in (cropped, uncropped):
        inputs = tensors((image, where), dtype)
        outputs, gradients = with_gradients(lambda *a, s=(height, width): resample(*a, *s, padding=padding), inputs)
        exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
        arrays = [tensor.detach().numpy() for tensor in exact]
        assert_same(outputs, [torch.from_numpy(resample(*arrays, height, width, padding=padding))], dtype)
        expected = with_gradients(
            lambda *a, s=(height, width): resample_by_torch.resample(*a, *s, border=padding == "border"), exact
        )[1]
        assert_same(gradients, expected, dtype, gradients=True, leave_out=() if smooth else (1,))


@pytest.mark.parametrize("clamp", [True, False])
@pytest.mark.parametrize("shape", [(2, 5, 7, 9), (1, 1, 1, 1), (0, 3, 4, 4), (1, 9, 50, 45)])
@pytest.mark.parametrize(("backend", "dtype"), WITHOUT_NUMBA, indirect=["backend"])
def test_recompose_is_the_references(backend, shape, clamp, dtype):
    batch, materials, height, width = shape
    rng = np.random.default_rng(1)
    arrays = (rng.random((batch, materials, height, width)), rng.random((batch, materials, 3)),
              rng.random((batch, 3, height, width)) - materials / 4)  # fmt: skip
    inputs = tensors(arrays, dtype)
    outputs, gradients = with_gradients(lambda *a: recompose(*a, clamp=clamp), inputs)
    exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
    expected = [torch.from_numpy(recompose(*[one.detach().numpy() for one in exact], clamp=clamp))]
    assert_same(outputs, expected, dtype)
    expected = with_gradients(lambda *a: recompose_by_torch.recompose(*a, clamp=clamp), exact)[1]
    assert_same(gradients, expected, dtype, gradients=True)


@pytest.mark.parametrize("frame", PIXELS)
@pytest.mark.parametrize("background", PIXELS)
def test_every_type_of_background_and_frame(background, frame):
    """Both positions take every type in turn on the emulated GPU; PyTorch takes all pairs."""
    where = "cuda" if torch.float32 in (background, frame) or background is frame else "torch"
    rgb, mask, box, real, _ = scene(20, frame=(6, 8), crop=(5, 5))
    stored = torch.from_numpy(real)
    stored = (255 * stored).round().to(background) if background is torch.uint8 else stored.to(background)
    read = stored.double() / (255 if background is torch.uint8 else 1)
    leaves = tensors((rgb, mask, box), torch.float32)
    expected, expected_mask = composite(*[one.detach().double().numpy() for one in leaves], read.numpy())
    with on_the_processor() if where == "cuda" else nullcontext():
        found, found_mask = composite(*leaves, stored, dtype=frame)
        assert found.dtype is frame and found_mask.dtype is torch.float32
        close(found, expected)
        np.testing.assert_allclose(found_mask.detach().numpy(), expected_mask, atol=3e-5)
        assert composite(*leaves, stored)[0].dtype is torch.float32
        base = read * (1 - torch.from_numpy(expected_mask))
        base = (255 * base).round().to(background) if background is torch.uint8 else base.to(background)
        painted = paint(leaves[0], leaves[2], found_mask, base, dtype=frame)
        assert painted.dtype is frame
        close(painted, expected, more=0.004 + torch.finfo(torch.bfloat16).eps / 2)
        if frame is torch.uint8:
            assert not found.requires_grad and not painted.requires_grad and found_mask.requires_grad
            torch.autograd.grad(found_mask.sum(), leaves[1:])
            return
        gradients = torch.autograd.grad((found * found).sum() + found_mask.sum() + painted.sum(), leaves)
    exact = [one.detach().double().requires_grad_() for one in leaves]
    full, full_mask = by_torch.composite(*exact, read)
    again = by_torch.paint(exact[0], exact[2], full_mask, base.double() / (255 if background is torch.uint8 else 1))
    expected_gradients = torch.autograd.grad((full * full).sum() + full_mask.sum() + again.sum(), exact)
    for one, other in zip(gradients, expected_gradients, strict=True):
        assert one.dtype is torch.float32
        scale = {torch.float32: 3e-5, torch.float16: 3e-3, torch.bfloat16: 3e-2}[frame]
        assert (one - other).abs().max() <= scale * other.abs().max()


def close(found, expected, more=0.0):
    """Rounded to the frame's type: to the nearest of 256 levels, or of its own numbers."""
    found, expected = found.detach(), torch.as_tensor(expected)
    if found.dtype is torch.uint8:
        levels = (255 * expected).round()
        off = (found.double() - levels).abs()
        assert off.max() <= (2 if more else 1) and (more or (off > 0).double().mean() < 0.02)
    else:
        atol = max(3e-5, torch.finfo(found.dtype).eps / 2) + more
        torch.testing.assert_close(found.double(), expected, atol=atol, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_crops_of_half_precision_are_rounded_once(dtype):
    image, box = torch.rand(2, 3, 17, 20).to(dtype), torch.tensor([[0.63, 0.41, 0.1, -0.2], [0.9, 0.7, 0.4, 0.6]])
    exact = resample(image.double().numpy(), box.double().numpy(), 9, 7)
    leaf, weight = image.clone().requires_grad_(), torch.randn(2, 3, 9, 7).to(dtype)
    with on_the_processor():
        found = resample(leaf, box, 9, 7)
        (gradient,) = torch.autograd.grad(found, leaf, weight)
    np.testing.assert_allclose(found.detach().double().numpy(), exact, atol=torch.finfo(dtype).eps / 2 + 1e-5)
    wide = image.double().requires_grad_()
    (expected,) = torch.autograd.grad(resample_by_torch.resample(wide, box.double(), 9, 7), wide, weight.double())
    torch.testing.assert_close(
        gradient.double(), expected, atol=2 * torch.finfo(dtype).eps, rtol=torch.finfo(dtype).eps
    )


def test_numpy_and_torch_round_frames_alike():
    arrays = scene(21)[:4]
    exact = composite(*arrays)[0]
    bytes_ = composite(*arrays, dtype=np.uint8)[0]
    np.testing.assert_array_equal(bytes_, np.rint(255 * exact))
    ours = composite(*tensors(arrays, torch.float64, grad=False), dtype=torch.uint8)[0]
    assert (ours.numpy() != bytes_).mean() < 0.001  # where 255 x is half a level to fifteen digits
    assert composite(*arrays, dtype=np.float16)[0].dtype == np.float16
    again = composite(*arrays[:3], bytes_)[0]
    assert again.dtype == np.float64 and again.min() >= 0 and again.max() <= 1


def test_sums_do_not_depend_on_the_order_of_threads():
    inputs = tensors(scene(22, crop=(9, 70), frame=(30, 90))[:4], torch.float32)
    found = []
    for backward in (False, True):
        with on_the_processor(backward=backward):
            outputs, gradients = with_gradients(composite, inputs)
            full = outputs[1].detach()
            painted = with_gradients(paint, [inputs[0], inputs[2], full, inputs[3]], (0, 1))
        found.append([*outputs, *gradients, *painted[0], *painted[1]])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("backend", ["numba", "cuda"], indirect=True)
def test_a_sample_with_a_spoilt_box_is_nan_and_its_neighbours_are_not(backend):
    rgb, mask, box, background = tensors(scene(23, batch=3)[:4], torch.float32)
    background = background.detach()
    expected = composite(rgb, mask, box, background)[0].detach()
    spoilt = box.detach().clone()
    spoilt[1, 2] = torch.nan
    spoilt.requires_grad_()
    frame, full_mask = composite(rgb, mask, spoilt, background)
    gradients = torch.autograd.grad((frame[[0, 2]].sum(), full_mask.sum()), (rgb, mask, spoilt))
    for one in (frame, full_mask, *gradients):
        assert one[1].isnan().all() and one[[0, 2]].isfinite().all()
    torch.testing.assert_close(frame[[0, 2]], expected[[0, 2]], atol=0, rtol=0)


def test_a_box_that_nobody_looked_at_gives_nan_on_a_gpu():
    from turncoat.kernels.composite import operators

    rgb, mask, box, background = tensors(scene(24)[:4], torch.float32, grad=False)
    box[0, 0] = -0.5
    with on_the_processor():
        frame, full_mask, _ = operators.composite(rgb, mask, box, background, True, True, torch.float32)
        painted = operators.paint(rgb, box, torch.ones_like(full_mask), background, torch.float32)
    for one in (frame, full_mask, painted):
        assert one[0].isnan().all() and one[1].isfinite().all()
