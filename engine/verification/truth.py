"""What the right answers are: real frames, clean and attacked codes, and the network in float64."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from turncoat.export.attack_step import Unpainted, attack_step
from turncoat.export.fold import exact
from turncoat.kernels import ConfigError
from turncoat.training.data import Dataset
from turncoat.training.networks import Canvas, Codes, Given, given_of, guide

JOINTS = 17
_STEPS, _STRIDE = 8, 0.05  # of the ascent that makes attacked codes: each step is 5 % of the code's length


class Sample(NamedTuple):
    """Real frames.

    frames, background: (N, 3, H, W) float32 in [0, 1]; given: where the people are, for networks that are told.
    rows: their rows in the dataset.
    """

    frames: Tensor
    background: Tensor
    given: Given | None
    rows: np.ndarray


@dataclass(frozen=True)
class Truth:
    """The answers of the float64 network to one batch of frames, and what was asked. Tensors batch first.

    Attributes:
        codes, canvas, appearance, reference, weight, sign, rgb_gradient: what is asked, float32: every backend gets the
            same codes and canvas, so that each graph is judged by itself. `appearance` has two entries, the clean codes
            and the attacked ones.
        answers: (graph, where) -> name of output -> float64 tensor; where is "clean" or "attacked".
    """

    frames: Tensor
    background: Tensor
    given: Given | None
    codes: Codes
    canvas: Canvas | None
    appearance: dict[str, Tensor]
    reference: Tensor
    weight: Tensor
    sign: Tensor
    rgb_gradient: Tensor | None
    answers: dict[tuple[str, str], dict[str, Tensor]]


def draw_sample(dataset: Dataset, network: Any, count: int = 128) -> Sample:
    """`count` held-out frames, spread evenly over the split.

    Raises:
        ConfigError: the dataset's frames have another size than the network wants, or it has too few of them.
    """
    size = network.settings.frame_size
    if dataset.size != size:
        raise ConfigError(f"{dataset.folder} holds frames of {dataset.size} pixels, the network wants {size}.")
    rows = dataset.select(split="held-out")
    if len(rows) < count:
        raise ConfigError(f"{dataset.folder} has {len(rows)} held-out frames, {count} are needed; use a larger one.")
    rows = rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)]
    frames = torch.from_numpy(dataset.read(rows)).float() / 255
    background = torch.from_numpy(dataset.background(rows)).float() / 255
    given = given_of(dataset, rows) if network.needs_given else None
    return Sample(frames, background, given, rows)


def invented_sample(network: Any, count: int = 128) -> Sample:
    """Random smooth pictures, for networks that no dataset fits (random weights at paper size)."""
    size = network.settings.frame_size
    random = torch.Generator().manual_seed(0)

    def smooth() -> Tensor:
        coarse = torch.rand(count, 3, 12, 12, generator=random)
        return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)

    frames, background = smooth(), smooth()
    given = None
    if network.needs_given:
        box = torch.tensor([[0.45, 0.7, 0.0, 0.1]]).repeat(count, 1)
        given = Given(box, (frames[:, :1] > 0.5).float())
    return Sample(frames, background, given, np.arange(count))


def truth_of(network: Any, sample: Sample, *, objective: Any = "squared") -> Truth:
    """Ask the network in float64.

    network: in float32; it decides which codes and canvas everybody is asked about.
    sample: at most as many frames as fit into memory in float64.
    """
    double = exact(network)
    frames, background, given = sample.frames, sample.background, sample.given
    given64 = None if given is None else Given(*(t.double() for t in given))
    random = torch.Generator().manual_seed(0)
    count = len(frames)
    weight = 0.5 + torch.rand(JOINTS, generator=random)
    sign = torch.where(torch.rand(count, generator=random) < 0.25, -1.0, 1.0)
    answers: dict[tuple[str, str], dict[str, Tensor]] = {}
    with torch.no_grad():
        codes = guide(network, given).encode(frames)
        exact_codes = guide(double, given64).encode(frames.double())
        answers["encode", "clean"] = {"appearance": exact_codes.appearance, "pose_code": exact_codes.pose_code}
        if given is None:
            answers["encode", "clean"]["box"] = exact_codes.box
    wide = Codes(*(t.double() for t in codes))
    reference = torch.zeros(count, JOINTS, 3)
    if network.has_regressor:
        with torch.no_grad():
            pose = guide(double, given64).predict(frames.double())
        answers["predict", "clean"] = {"pose": pose}
        reference = pose.float() + 20 * torch.randn(pose.shape, generator=random)
        aim = (reference.double(), weight.double(), sign.double())
        target = guide(double, given64)
        pose, gradient = attack_step(Unpainted(), target, frames.double(), None, *aim, objective=objective)
        answers["target", "clean"] = {"pose": pose, "gradient": gradient}
    canvas, appearance, rgb_gradient = None, {"clean": codes.appearance}, None
    if network.has_decoder:
        with torch.no_grad():
            canvas = guide(network, given).canvas(codes, background)
            made = guide(double, given64).canvas(wide, background.double())
        answers["canvas", "clean"] = {"features": made.features, "base": made.base}
        if given is None:
            answers["canvas", "clean"]["mask"] = made.mask
        appearance["attacked"] = attacked_codes(network, codes.appearance, canvas, reference, given)
        rgb_gradient = torch.randn(count, 3, *[network.settings.crop_size] * 2, generator=random)
        wide_canvas = Canvas(*(t.double() for t in canvas))
        for where, code in appearance.items():
            _decoder_answers(double, code.double(), wide_canvas, rgb_gradient.double(), where, answers)
            if network.has_regressor:
                painted = answers["paint", where]["frames"]
                with torch.no_grad():
                    answers["predict", f"painted {where}"] = {"pose": guide(double, given64).predict(painted)}
                pose, gradient = attack_step(
                    double, guide(double, given64), code.double(), wide_canvas, *aim, objective=objective
                )
                answers["attack", where] = {"pose": pose, "gradient": gradient}
    return Truth(frames, background, given, codes, canvas, appearance, reference, weight, sign, rgb_gradient, answers)


def attacked_codes(network: Any, code: Tensor, canvas: Canvas, reference: Tensor, given: Given | None) -> Tensor:
    """Codes a short ascent away from the natural ones (B, 128): where an attack asks for gradients.

    Without a regressor there is nothing to climb; then a step in a fixed random direction.
    """
    if not network.has_regressor:
        direction = torch.randn(code.shape, generator=torch.Generator().manual_seed(0))
        return code + direction / direction.norm(dim=1, keepdim=True) * code.norm(dim=1, keepdim=True) * 0.4
    weight = torch.ones(JOINTS)
    stride = _STRIDE * code.norm(dim=1, keepdim=True)
    for _ in range(_STEPS):
        _, gradient = attack_step(network, guide(network, given), code, canvas, reference, weight, 1.0)
        code = code + stride * gradient / gradient.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return code


def _decoder_answers(
    network: Any, code: Tensor, canvas: Canvas, rgb_gradient: Tensor, where: str, answers: dict[Any, Any]
) -> None:
    with torch.no_grad():
        answers["paint", where] = {"frames": network.paint(code, canvas)}
    with torch.enable_grad():
        leaf = code.detach().requires_grad_(True)
        rgb = network.decode_colours(leaf, canvas.features)
        (gradient,) = torch.autograd.grad(rgb, leaf, rgb_gradient)
    answers["decode", where] = {"rgb": rgb.detach()}
    answers["decode-vjp", where] = {"gradient": gradient}
