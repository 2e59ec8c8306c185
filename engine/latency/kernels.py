"""Times of the kernels: against plain PyTorch, and against the memory that they have to move.

A case says how many bytes must be moved at least (every input read once, every output written once). Copying as many
bytes on the same device, in the same rounds, is the floor; `of_floor` is the floor's time over the kernel's. Where the
plain way computes the same thing, the ratio to it is of medians, with the quartiles of neighbouring calls.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.latency.plain import sample_plainly
from turncoat.kernels.composite import composite, paint
from turncoat.kernels.pose_error import mpjpe, pa_mpjpe, reference

Call = Callable[[], Any]
FLOOR, OURS = "copy", "turncoat"
_ROTATED_BYTES = 1 << 28
"""On a GPU inputs take turns until so many bytes were touched: more than its cache holds."""


@dataclass(frozen=True)
class KernelCase:
    """One kernel at one size.

    Attributes:
        name: of the operation. shape: of what it is given, in words.
        bytes_moved: inputs and outputs, each once.
        ways: name -> one call for every set of inputs; "turncoat" is ours.
        most: rounds, for ways that take seconds.
    """

    name: str
    shape: str
    bytes_moved: int
    ways: dict[str, list[Call]]
    most: int = 200


@dataclass(frozen=True)
class KernelTime:
    """What was measured of one way in one case.

    Attributes:
        ms: median of a call. calls: how many.
        gigabytes_per_s: bytes that must be moved over that time.
        of_floor: time of copying as many bytes over that time; 1 is as fast as memory allows.
        ratio, ratio_low, ratio_high: time of this way over ours (ours: 1), quartiles of neighbouring calls.
    """

    case: str
    shape: str
    way: str
    ms: float
    calls: int
    bytes_moved: int
    gigabytes_per_s: float
    of_floor: float
    ratio: float
    ratio_low: float
    ratio_high: float
    facts: dict[str, Any] = field(default_factory=dict)


def kernel_cases(device: torch.device) -> list[KernelCase]:
    """The cases of the tables: sizes of studio and paper, on a GPU those of its large batches."""
    big = device.type == "cuda"
    sizes = [(64, 128, 64), (64, 500, 128)] if big else [(32, 128, 64), (8, 500, 128)]
    found = []
    for batch, frame, crop in sizes:
        found += [_paint_case(batch, frame, crop, device), _composite_case(batch, frame, crop, device)]
    poses = 4_000_000 if big else 100_000
    return [*found, _mpjpe_case(poses, device), _procrustes_case(1_000_000 if big else 100_000, device)]


def time_kernels(
    cases: Sequence[KernelCase],
    device: torch.device,
    *,
    seconds: float = 10.0,
    progress: Callable[..., None] | None = None,
) -> list[KernelTime]:
    """Time every way of every case, call by call in turn, beside copying as many bytes.

    Args:
        cases: from `kernel_cases`.
        device: that they lie on.
        seconds: for one case, all ways together, at most (but at least five calls each).
        progress: called as ``progress(done, total, case=text)``.
    """
    found = []
    for done, case in enumerate(cases):
        if progress is not None:
            progress(done, len(cases), case=f"{case.name}, {case.shape}")
        found += _timed(case, device, seconds)
    if progress is not None:
        progress(len(cases), len(cases), case="done")
    return found


def _timed(case: KernelCase, device: torch.device, seconds: float) -> list[KernelTime]:
    sets = len(next(iter(case.ways.values())))
    half = max(1, case.bytes_moved // 2)
    source = torch.zeros(half, dtype=torch.uint8, device=device)
    ways: dict[str, list[Call]] = {
        **case.ways,
        FLOOR: [partial(torch.empty_like(source).copy_, source) for _ in range(sets)],
    }
    for calls in ways.values():
        for call in calls[:2]:
            _milliseconds(call, device)
    times: dict[str, list[float]] = {name: [] for name in ways}
    order, begin, turn = list(ways), time.perf_counter(), 0
    while turn < 5 or (turn < case.most and time.perf_counter() - begin < seconds):
        for name in order:
            times[name].append(_milliseconds(ways[name][turn % sets], device))
        order, turn = order[1:] + order[:1], turn + 1
    ours, floor = np.array(times[OURS]), float(np.median(times[FLOOR]))
    found = []
    for name in ways:
        taken = np.array(times[name])
        ms = float(np.median(taken))
        low, high = np.quantile(taken / ours, (0.25, 0.75))
        found.append(
            KernelTime(
                case.name,
                case.shape,
                name,
                ms,
                len(taken),
                case.bytes_moved,
                gigabytes_per_s=case.bytes_moved / ms / 1e6,
                of_floor=floor / ms,
                ratio=ms / float(np.median(ours)),
                ratio_low=float(low),
                ratio_high=float(high),
            )
        )
    return found


def _milliseconds(call: Call, device: torch.device) -> float:
    """Of one call; on a GPU between two events of its stream."""
    if device.type != "cuda":
        begin = time.perf_counter()
        call()
        return 1e3 * (time.perf_counter() - begin)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    call()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


def _sets(bytes_moved: int, device: torch.device) -> int:
    return max(2, -(-_ROTATED_BYTES // bytes_moved)) if device.type == "cuda" else 1


def _scene(batch: int, frame: int, crop: int, device: torch.device, seed: int) -> dict[str, Tensor]:
    """A decoded crop with a soft blob as its mask, boxes as detectors give them, and a background."""
    generator = torch.Generator().manual_seed(seed)
    line = torch.linspace(-1, 1, crop)
    blob = torch.exp(-4 * (line[:, None] ** 2 + line[None] ** 2)).expand(batch, 1, crop, crop)
    box = torch.cat([torch.rand(batch, 2, generator=generator) * 0.4 + 0.3,
                     torch.rand(batch, 2, generator=generator) * 0.4 - 0.2], 1)  # fmt: skip
    scene = {
        "rgb": torch.rand(batch, 3, crop, crop, generator=generator),
        "mask": blob.contiguous(),
        "box": box,
        "background": torch.rand(batch, 3, frame, frame, generator=generator),
        "grad": torch.randn(batch, 3, frame, frame, generator=generator),
    }
    return {name: tensor.to(device) for name, tensor in scene.items()}


def _backward(function: Callable[..., Any], inputs: Sequence[Tensor], grad: Tensor) -> Call:
    """Forward, and the gradient with respect to every input."""

    def call() -> Any:
        leaves = [tensor.detach().requires_grad_(True) for tensor in inputs]
        return torch.autograd.grad(function(*leaves), leaves, grad)

    return call


def _paint_case(batch: int, frame: int, crop: int, device: torch.device) -> KernelCase:
    pixels = 4 * batch * frame * frame
    # Forward reads mask, base, writes the frame; backward reads mask, frame's gradient (and what was clamped).
    moved = pixels * (1 + 3 + 3) + pixels * (1 + 3 + 3) + 4 * 2 * 3 * batch * crop * crop
    ways: dict[str, list[Call]] = {OURS: [], "plain PyTorch": []}
    for seed in range(_sets(moved, device)):
        scene = _scene(batch, frame, crop, device, seed)
        _, full = composite(scene["rgb"], scene["mask"], scene["box"], scene["background"])
        base, box = scene["background"] * (1 - full), scene["box"]

        def ours(rgb: Tensor, box: Tensor = box, full: Tensor = full, base: Tensor = base) -> Tensor:
            return paint(rgb, box, full, base)

        def plainly(rgb: Tensor, box: Tensor = box, full: Tensor = full, base: Tensor = base) -> Tensor:
            return (full * sample_plainly(rgb, _inverse(box), [frame, frame], "border") + base).clamp(0, 1)

        ways[OURS].append(_backward(ours, [scene["rgb"]], scene["grad"]))
        ways["plain PyTorch"].append(_backward(plainly, [scene["rgb"]], scene["grad"]))
    return KernelCase("paint, forward and backward", f"{batch} x 3 x {frame} x {frame}, crop {crop}", moved, ways)


def _composite_case(batch: int, frame: int, crop: int, device: torch.device) -> KernelCase:
    pixels = 4 * batch * frame * frame
    # Forward reads the background, writes frame and mask; backward reads the frame's gradient and the background.
    moved = pixels * (3 + 3 + 1) + pixels * (3 + 3) + 4 * 2 * 4 * batch * crop * crop
    ways: dict[str, list[Call]] = {OURS: [], "plain PyTorch": []}
    for seed in range(_sets(moved, device)):
        scene = _scene(batch, frame, crop, device, seed)
        background = scene["background"]

        def ours(rgb: Tensor, mask: Tensor, box: Tensor, background: Tensor = background) -> Tensor:
            return composite(rgb, mask, box, background)[0]

        def plainly(rgb: Tensor, mask: Tensor, box: Tensor, background: Tensor = background) -> Tensor:
            inverse = _inverse(box)
            full = sample_plainly(mask, inverse, [frame, frame], "zeros")
            full = full / (1e-4 + full.amax(dim=(2, 3), keepdim=True))
            colours = sample_plainly(rgb, inverse, [frame, frame], "border")
            return (full * colours + (1 - full) * background).clamp(0, 1)

        inputs = [scene["rgb"], scene["mask"], scene["box"]]
        ways[OURS].append(_backward(ours, inputs, scene["grad"]))
        ways["plain PyTorch"].append(_backward(plainly, inputs, scene["grad"]))
    return KernelCase("composite, forward and backward", f"{batch} x 3 x {frame} x {frame}, crop {crop}", moved, ways)


def _inverse(box: Tensor) -> Tensor:
    return torch.cat([1 / box[:, :2], -box[:, 2:] / box[:, :2]], 1)


def _poses(count: int, device: torch.device, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = 400 * torch.randn(count, 17, 3, generator=generator)
    return (target + 60 * torch.randn(count, 17, 3, generator=generator)).to(device), target.to(device)


def _mpjpe_case(count: int, device: torch.device) -> KernelCase:
    moved = count * (2 * 17 * 3 + 1) * 4
    pairs = [_poses(count, device, seed) for seed in range(min(2, _sets(moved, device)))]
    ways: dict[str, list[Call]] = {
        OURS: [partial(mpjpe, p, g) for p, g in pairs],
        "plain PyTorch": [partial(_plain_mpjpe, p, g) for p, g in pairs],
    }
    return KernelCase("MPJPE", f"{count:,} poses", moved, ways)


def _procrustes_case(count: int, device: torch.device) -> KernelCase:
    pairs = [_poses(count, device, seed) for seed in range(2 if device.type == "cuda" else 1)]
    ways: dict[str, list[Call]] = {
        OURS: [partial(pa_mpjpe, p, g) for p, g in pairs],
        "torch.linalg.svd": [partial(_by_svd, p, g) for p, g in pairs],
    }
    if device.type != "cuda":
        arrays = [(p.numpy(), g.numpy()) for p, g in pairs]
        ways["SciPy, pose by pose"] = [partial(_by_scipy, p, g) for p, g in arrays]
    most = 200 if device.type == "cuda" else 5
    return KernelCase("PA-MPJPE", f"{count:,} poses", count * (2 * 17 * 3 + 1) * 4, ways, most)


def _plain_mpjpe(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target).norm(dim=-1).mean(-1)


def _by_svd(prediction: Tensor, target: Tensor) -> Tensor:
    """Umeyama's solution by PyTorch's batched decomposition, in float32."""
    mean = target.mean(1, keepdim=True)
    p, g = prediction - prediction.mean(1, keepdim=True), target - mean
    u, singular, vt = torch.linalg.svd(g.transpose(1, 2) @ p)
    sign = torch.linalg.det(u @ vt).sign()
    signs = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], -1)
    rotation = (u * signs[:, None]) @ vt
    scale = (singular * signs).sum(-1) / p.square().sum((1, 2))
    return (scale[:, None, None] * p @ rotation.transpose(1, 2) - g).norm(dim=-1).mean(-1)


def _by_scipy(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The loop of most evaluation scripts: SciPy's orthogonal Procrustes for each pose."""
    from scipy.linalg import svd

    found = np.empty(len(prediction))
    for index, (p, g) in enumerate(zip(prediction, target, strict=True)):
        p, g = p - p.mean(0), g - g.mean(0)
        u, singular, vt = svd(g.T @ p)
        signs = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
        scale = (singular * signs).sum() / (p**2).sum()
        found[index] = np.linalg.norm(scale * p @ ((u * signs) @ vt).T - g, axis=-1).mean()
    return found


def agreement_mm(count: int = 2000) -> float:
    """Largest difference of PA-MPJPE from the float64 reference, mm, on poses of the benchmark."""
    prediction, target = _poses(count, torch.device("cpu"), 0)
    aligned = reference.procrustes(prediction.numpy(), target.numpy())[0]
    exact = reference.mpjpe(aligned, target.numpy())
    return float(np.abs(pa_mpjpe(prediction, target).numpy() - exact).max())
