"""The CUDA kernels as PyTorch operators: registered fully, compiled for every generation, absent from graphs."""

import sys
import types

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.emulated import on_the_processor
from fixtures.scenes import scene
from turncoat.export.trace import trace
from turncoat.kernels import composite as package
from turncoat.kernels.composite import composite, operators, paint
from turncoat.kernels.cuda import Kernel, compile_cubin
from turncoat.kernels.errors import DataError
from turncoat.kernels.recompose import operators as recompose_operators
from turncoat.kernels.recompose import recompose
from turncoat.kernels.resample import operators as resample_operators
from turncoat.kernels.resample import resample

FLOAT = {"Real": "float", "Background": "float", "Frame": "float", "Pixel": "float"}
# Every generation computes in float32, and every type that pixels have stands in every place on one of them;
# benchmarks/kernel_resources.py compiles all there is for all of them.
COMPILED = [
    *((FLOAT, architecture) for architecture in ("sm_80", "sm_90", "sm_120")),
    (FLOAT | {"Background": "uint8", "Frame": "half_t", "Pixel": "half_t"}, "sm_80"),
    (FLOAT | {"Background": "half_t", "Frame": "bfloat16_t", "Pixel": "bfloat16_t"}, "sm_120"),
    (FLOAT | {"Background": "bfloat16_t", "Frame": "uint8"}, "sm_90"),
    (dict.fromkeys(FLOAT, "double"), "sm_90"),
]
MOST_REGISTERS = 128  # of a thread, computing in float32: two blocks of 256 fit on a multiprocessor


def arrays(seed=0, dtype=torch.float32, grad=True):
    rgb, mask, box, background, _ = scene(seed, batch=2, crop=(5, 6), frame=(7, 9))
    return [torch.from_numpy(one).to(dtype).requires_grad_(grad) for one in (rgb, mask, box, background)]


@pytest.mark.parametrize(("kinds", "architecture"), COMPILED)
@pytest.mark.parametrize("source", ["composite", "composite_backward", "paint_backward", "resample", "recompose"])
def test_kernels_compile_for_every_generation_and_spill_nothing(source, kinds, architecture):
    places = {"resample": ("Real", "Pixel"), "recompose": ("Real",)}.get(source, ("Real", "Background", "Frame"))
    kinds = {place: kinds[place] for place in places}
    if "Frame" in kinds and kinds["Frame"] == "uint8" and source != "composite":
        kinds["Frame"] = "float"  # bytes have no gradient
    resources = compile_cubin(Kernel(source, "any", kinds), architecture).resources
    assert resources
    for name, needed in resources.items():
        assert needed.spilled == 0 and needed.stack == 0, (name, needed)
        assert needed.registers <= (MOST_REGISTERS if kinds["Real"] == "float" else 255), (name, needed)
        assert needed.shared <= 48 << 10


@pytest.mark.parametrize("operator", ["composite", "paint", "resample", "recompose"])
def test_operators_pass_pytorchs_own_checks(operator):
    rgb, mask, box, background = arrays(dtype=torch.float64)
    full_mask = torch.rand(2, 1, 7, 9, dtype=torch.float64, requires_grad=True)
    shading = torch.rand(2, 3, 7, 9, dtype=torch.float64, requires_grad=True)
    colours = torch.rand(2, 3, 3, dtype=torch.float64, requires_grad=True)
    grad, small = torch.rand_like(background), torch.rand(2, 3, 4, 3, dtype=torch.float64)
    peak = torch.ones(2, dtype=torch.float64)
    calls = {
        "composite": [
            (operators.composite, (rgb, mask, box, background, True, True, torch.float64)),
            (operators.composite, (*arrays(grad=False), False, False, torch.uint8)),
            (operators.composite_backward, (grad, None, rgb, mask, box, background, peak, True, True, True)),
        ],
        "paint": [
            (operators.paint, (rgb, box, full_mask, background, torch.float64)),
            (operators.paint_backward, (grad, rgb, box, full_mask, background, True, False, True)),
        ],
        "resample": [
            (resample_operators.resample, (background, box, 4, 3, True)),
            (resample_operators.resample_backward, (small, background, box, False, True, True)),
        ],
        "recompose": [
            (recompose_operators.recompose, (shading, colours, background, True)),
            (recompose_operators.recompose_backward, (grad, shading, colours, background, True, True, True, False)),
        ],
    }
    with on_the_processor():
        for function, arguments in calls[operator]:
            if "backward" in function._name:  # gradients of gradients are not there
                arguments = [one.detach() if isinstance(one, torch.Tensor) else one for one in arguments]
            torch.library.opcheck(function, tuple(arguments))


def test_gradients_are_made_for_what_wants_them_only():
    rgb, mask, box, background = arrays(1, grad=False)
    rgb.requires_grad_()
    with on_the_processor():
        frame, full_mask = composite(rgb, mask, box, background)
        (only,) = torch.autograd.grad(frame.sum(), rgb, retain_graph=True)
        assert not torch.equal(only, torch.zeros_like(only))
        (nothing,) = torch.autograd.grad(full_mask.sum(), rgb)
        assert torch.equal(nothing, torch.zeros_like(nothing))
        again = paint(rgb, box, full_mask.detach(), background)
        (painted,) = torch.autograd.grad(again.sum(), rgb)
        assert painted.shape == rgb.shape


def test_graphs_hold_pytorchs_own_operators_wherever_kernels_could_run(monkeypatch):
    monkeypatch.setattr(package, "COMPILED_FROM", 0)
    rgb, mask, box, background = arrays(2, grad=False)

    def everything(rgb, mask, box, background):
        leaf = rgb.detach().requires_grad_()
        frame, full_mask = composite(leaf, mask, box, background)
        painted = paint(leaf, box, full_mask.detach(), background)
        coloured = recompose(mask, torch.ones_like(rgb[:, :1, 0, :3]), rgb)
        cropped = resample(frame + painted, box, 4, 4)
        (gradient,) = torch.autograd.grad(cropped.sum(), leaf)
        return cropped, gradient, coloured

    class Module(torch.nn.Module):
        def forward(self, *given):
            return composite(*given)[0]

    with on_the_processor():
        traced = trace(everything, (rgb, mask, box, background))
        exported = torch.export.export(Module(), (rgb, mask, box, background))
        expected = everything(rgb, mask, box, background)
    for graph in (traced.graph, exported.graph):
        used = {str(node.target) for node in graph.nodes if node.op == "call_function"}
        assert any("bmm" in name or "matmul" in name for name in used)
        assert not [name for name in used if "turncoat" in name or "grid_sampler" in name or "scatter" in name]
    for one, other in zip(traced(rgb, mask, box, background), expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@given(
    corner=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    finer=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    seed=st.integers(0, 1000),
    emulated=st.booleans(),
)
@settings(max_examples=40)
def test_uncrop_of_a_crop_is_the_identity_inside_the_box(corner, size, finer, seed, emulated):
    """For every picture whose pixels the crop's grid meets: a box from pixel to pixel, a crop `finer` times as fine."""
    height, width = 14, 15
    (x, y), (across, down) = corner, size
    image = torch.from_numpy(np.random.default_rng(seed).random((1, 2, height, width)))
    box = [across / (width - 1), down / (height - 1), (2 * x + across) / (width - 1) - 1,
           (2 * y + down) / (height - 1) - 1]  # fmt: skip
    box = torch.tensor([box], dtype=torch.float64)
    rows, columns = finer[1] * down + 1, finer[0] * across + 1

    def there_and_back(image, box):
        inverse = torch.cat([1 / box[:, :2], -box[:, 2:] / box[:, :2]], 1)
        return resample(resample(image, box, rows, columns, padding="border"), inverse, height, width, padding="border")

    if emulated:
        with on_the_processor():
            again = there_and_back(image, box)
    else:
        again = there_and_back(image, box)
    inside = np.s_[:, :, y : y + down + 1, x : x + across + 1]
    torch.testing.assert_close(again[inside], image[inside], atol=1e-12, rtol=0)


def good(numpy=False):
    rgb, mask, box, background = arrays(4, grad=False)
    given = {"rgb": rgb, "mask": mask, "box": box, "background": background}
    return {name: one.numpy() if numpy else one for name, one in given.items()}


SMALL = torch.rand(2, 3, 4, 4)
BAD = [
    ({"rgb": SMALL}, r"rgb \(2, 3, 4, 4\), mask \(2, 1, 5, 6\).*expected rgb \(B, 3, R, R\), mask \(B, 1, R, R\)"),
    ({"rgb": SMALL[:, :1]}, r"rgb \(2, 1, 4, 4\)"),
    ({"rgb": SMALL[0]}, r"rgb \(3, 4, 4\)"),
    ({"mask": torch.rand(2, 5, 6)}, r"mask \(2, 5, 6\)"),
    ({"mask": torch.rand(1, 1, 5, 6)}, r"mask \(1, 1, 5, 6\)"),
    ({"box": torch.rand(1, 4)}, r"box \(1, 4\).*expected.*box \(B, 4\)"),
    ({"box": torch.rand(2, 5)}, r"box \(2, 5\)"),
    ({"background": torch.rand(3, 7, 9)}, r"background \(3, 7, 9\)"),
    ({"background": torch.rand(1, 3, 7, 9)}, r"background \(1, 3, 7, 9\)"),
    ({"background": torch.rand(2, 3, 0, 9)}, r"background \(2, 3, 0, 9\)"),
    ({"background": torch.ones(2, 3, 7, 9).long()}, "background is torch.int64 .2, 3, 7, 9.; expected uint8"),
    (
        {"rgb": torch.ones(2, 3, 5, 6).to(torch.uint8)},
        r"rgb is torch.uint8 \(2, 3, 5, 6\), mask is .*; expected floating-point numbers; convert rgb",
    ),
    ({"box": torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0]])}, r"Box 0 of \(2, 4\) is \(1, 0, 0, 0\).*above 0"),
    ({"box": torch.tensor([[1.0, 1, 0, 0], [-0.5, 0.5, 0, 0]])}, r"Box 1 of \(2, 4\) is \(-0.5, 0.5, 0, 0\)"),
    (
        {"box": torch.rand(2, 4, device="meta")},
        r"lie on cpu \(2, 3, 5, 6\), cpu .*, meta \(2, 4\), cpu .*; expected one device",
    ),
    (
        {"background": np.zeros((2, 3, 7, 9))},
        r"numpy.ndarray \(2, 3, 7, 9\); expected all NumPy arrays, or all tensors",
    ),
    ({"mask": [[1.0]]}, "builtins.list"),
    ({"dtype": torch.int32}, "dtype is torch.int32; expected None or one of torch.uint8"),
    ({"dtype": "colour"}, "dtype is colour"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
@pytest.mark.parametrize("emulated", [False, True])
def test_bad_arrays_are_refused_with_shapes_and_expectation(change, message, emulated):
    with pytest.raises(ValueError, match=message) as refused:
        if emulated:
            with on_the_processor():
                composite(**(good() | change))
        else:
            composite(**(good() | change))
    assert isinstance(refused.value, DataError) and "\n" not in str(refused.value)


def test_bad_arrays_of_numpy_and_of_the_other_operations_are_refused():
    fine = good(numpy=True)
    with pytest.raises(ValueError, match=r"Box 1 of \(2, 4\) is \(0, 1, 0, 0\)"):
        composite(**(fine | {"box": np.array([[1.0, 1, 0, 0], [0, 1, 0, 0]])}))
    with pytest.raises(ValueError, match=r"mask \(2, 1, 5, 7\)"):
        composite(**(fine | {"mask": np.ones((2, 1, 5, 7))}))
    with pytest.raises(ValueError, match=r"dtype is torch\.uint8; expected None or NumPy's"):
        composite(**fine, dtype=torch.uint8)
    rgb, _, box, background = arrays(grad=False)
    full = torch.rand(2, 1, 7, 9)
    for wrong, message in [
        ((rgb, box, full[:, :, :6], background), r"full_mask \(2, 1, 6, 9\).*base \(2, 3, 7, 9\)"),
        ((rgb, box, full[:1], background), r"full_mask \(1, 1, 7, 9\)"),
        ((rgb, -box, full, background), "above 0"),
        ((rgb, box, full.bool(), background), "full_mask is torch.bool"),
        ((rgb, box, full.numpy(), background), "expected all NumPy arrays, or all tensors"),
    ]:
        with pytest.raises(ValueError, match=message):
            paint(*wrong)
    for wrong, message in [
        ((background, box[:1], 4, 4), r"image \(2, 3, 7, 9\), box \(1, 4\)"),
        ((background[0], box, 4, 4), r"image \(3, 7, 9\)"),
        ((background, box, 0, 4), "0 x 4 pixels"),
        ((background, box, 4.0, 4), "expected whole numbers"),
        ((background.to(torch.uint8), box, 4, 4), "image is torch.uint8"),
    ]:
        with pytest.raises(ValueError, match=message):
            resample(*wrong)
    shading, colours = torch.rand(2, 5, 7, 9), torch.rand(2, 5, 3)
    for wrong, message in [
        ((shading, colours[:, :4], background), r"colours \(2, 4, 3\)"),
        ((shading, colours[:1], background), r"colours \(1, 5, 3\)"),
        ((shading, colours, background[:, :1]), r"rest \(2, 1, 7, 9\)"),
        ((shading[0], colours, background), r"shading \(5, 7, 9\)"),
        ((shading, colours.int(), background), "colours is torch.int32"),
    ]:
        with pytest.raises(ValueError, match=message):
            recompose(*wrong)


def test_views_that_are_not_contiguous_give_what_copies_give():
    rgb, mask, box, background = arrays(5, grad=False)
    turned = background.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    both = torch.cat([mask, mask], 1)[:, 1:]
    wide = torch.cat([box, box], 1)[:, 4:]
    for there in (False, True):
        with on_the_processor() if there else torch.no_grad():
            ours = composite(rgb.flip(0).flip(0), both, wide, turned)
            plain = composite(rgb, mask, box, background)
        for one, other in zip(ours, plain, strict=True):
            torch.testing.assert_close(one, other, atol=0, rtol=0)


class Ndarray:
    """What CuPy's arrays look like from outside: memory behind DLPack."""

    def __init__(self, tensor):
        self.tensor = tensor
        self.shape, self.dtype, self.ndim = tuple(tensor.shape), tensor.dtype, tensor.ndim

    def __dlpack__(self, **options):
        return self.tensor.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()


def test_arrays_of_cupy_go_through_dlpack_and_cupy_is_imported_for_them_only(monkeypatch):
    assert "cupy" not in sys.modules
    fake = types.ModuleType("cupy")
    fake.from_dlpack = lambda tensor: Ndarray(torch.from_dlpack(tensor))
    monkeypatch.setattr(Ndarray, "__module__", "cupy")
    monkeypatch.setitem(sys.modules, "cupy", fake)
    rgb, mask, box, background = arrays(6, grad=False)
    theirs = [Ndarray(one) for one in (rgb, mask, box, background)]
    frame, full_mask = composite(*theirs)
    expected, expected_mask = composite(rgb, mask, box, background)
    assert type(frame) is Ndarray
    assert torch.equal(frame.tensor, expected) and torch.equal(full_mask.tensor, expected_mask)
    painted = paint(theirs[0], theirs[2], full_mask, theirs[3], dtype=torch.uint8)
    assert torch.equal(painted.tensor, paint(rgb, box, expected_mask, background, dtype=torch.uint8))
    assert torch.equal(resample(theirs[3], theirs[2], 4, 4).tensor, resample(background, box, 4, 4))
    colours = torch.rand(2, 1, 3)
    crop = recompose(theirs[1], Ndarray(colours), theirs[0])
    assert torch.equal(crop.tensor, recompose(mask, colours, rgb))
    with pytest.raises(ValueError, match="expected all NumPy arrays, or all tensors"):
        composite(theirs[0], mask.numpy(), theirs[2], theirs[3])


def test_large_batches_on_a_processor_are_compiled_and_small_ones_are_not(monkeypatch):
    from turncoat.kernels.composite import numba

    asked = []
    monkeypatch.setattr(numba, "composite", lambda *given, **_: (asked.append(given), (given[3], given[1]))[1])
    small = arrays(7, grad=False)
    large = [*small[:3], torch.rand(2, 3, 256, 128)]
    composite(*small)
    assert not asked
    composite(*large)
    assert len(asked) == 1
    composite(*large[:3], large[3].requires_grad_())
    composite(*[one.detach().double() for one in large])
    composite(*[one.detach() for one in large[:3]], (255 * large[3].detach()).to(torch.uint8))
    assert len(asked) == 1
