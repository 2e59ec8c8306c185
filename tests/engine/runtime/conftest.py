"""What the sessions of these tests are asked."""

from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from turncoat.export.attack_step import attack_step
from turncoat.export.bundle import Bundle, open_bundle
from turncoat.training.data import open_dataset
from turncoat.training.data.tensors import as_float
from turncoat.training.networks import Canvas, Codes


class Asked(NamedTuple):
    """Five frames, what is asked about them, and the float32 network's answers."""

    frames: Tensor
    background: Tensor
    codes: Codes
    canvas: Canvas
    appearance: Tensor
    aim: tuple[Tensor, Tensor, Tensor]
    pose: Tensor
    step: tuple[Tensor, Tensor]

    def rows(self, count: int) -> "Asked":
        """The first `count` frames."""
        cut = slice(count)
        return Asked(
            self.frames[cut],
            self.background[cut],
            Codes(*(t[cut] for t in self.codes)),
            Canvas(*(t[cut] for t in self.canvas)),
            self.appearance[cut],
            (self.aim[0][cut], self.aim[1], self.aim[2][cut]),
            self.pose[cut],
            (self.step[0][cut], self.step[1][cut]),
        )


@pytest.fixture(scope="session")
def tiny_dataset(larger_dataset: Path) -> Path:
    """Frames of 64 x 64, which the bundles are for."""
    return larger_dataset


@pytest.fixture(scope="session")
def bundle(tiny_bundle: Path) -> Bundle:
    """The shared bundle, opened; read it, never write to it."""
    return open_bundle(tiny_bundle, check=False)


@pytest.fixture(scope="session")
def asked(tiny_dataset: Path, bundle: Bundle) -> Asked:
    dataset, network = open_dataset(tiny_dataset), bundle.network
    rows = dataset.select(split="held-out")[:5]
    frames, background = as_float(dataset.read(rows)), as_float(dataset.background(rows))
    with torch.no_grad():
        codes = network.encode(frames)
        canvas = network.canvas(codes, background)
        pose = network.predict(frames)
    aim = (pose + 20, torch.linspace(0.5, 1.5, 17), torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0]))
    appearance = codes.appearance.flip(0).contiguous()
    step = attack_step(network, network, appearance, canvas, *aim)
    return Asked(frames, background, codes, canvas, appearance, aim, pose, step)
