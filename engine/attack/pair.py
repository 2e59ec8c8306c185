"""The networks of an attack, and the precision they compute in."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.identity import Asker
from turncoat.export.attack_step import Objective, attack_step
from turncoat.kernels.device import find_device
from turncoat.kernels.errors import ConfigError
from turncoat.training.data import Dataset
from turncoat.training.networks import Given, given_of, guide, needs_given

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Pair:
    """A generator that repaints and a target whose prediction is attacked; often one and the same network.

    Networks that are told where the person is (UGAR) look where `given` says, which belongs to the frames at hand.

    Attributes:
        generator: a `DisentangledNetwork`; None when no appearance code is touched (the colour attack).
        target: a `PoseTarget`.
        names: what the columns `generator` and `target` show.
        device: where both lie.
        precision: of the attack's steps, "float32" or "bfloat16". Everything outside `reduced` is float32.
        judge: a `PoseTarget` that nobody attacks and that is asked what it sees; None: there is none.
        runtime: a `Session` that takes the generator's steps against itself in place of PyTorch, or the `PairStep` of
            two; everything else, and above all verification, stays with `generator` and `target`.
        queries: a `QueryStep` that takes the steps, because no gradients come from the target.
    """

    generator: Any
    target: Any
    names: tuple[str, str]
    device: torch.device
    precision: str = "float32"
    judge: Any = None
    runtime: Any = None
    queries: Any = None

    @property
    def backend(self) -> str:
        """What the column `backend` shows."""
        if self.queries is not None:
            return f"queries-{self.queries.settings.estimator}"
        return self.runtime.backend if self.runtime is not None else f"torch-{self.precision}"

    def step(
        self,
        painter: Any,
        appearance: Tensor,
        canvas: Any,
        reference: Tensor,
        joint_weight: Tensor,
        sign: Tensor | float,
        *,
        objective: Objective = "squared",
        given: Given | None = None,
        askers: Sequence[Asker] | None = None,
        iteration: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """`export.attack_step` in the pair's precision, or by its runtime where that holds the generator.

        Where the target is asked by queries, `askers` and `iteration`, (B,) each, say what the directions depend on.
        """
        if self.queries is not None:
            if askers is None or iteration is None:
                raise ConfigError(
                    "Queries are drawn for samples; say for which ones, or attack a target with gradients."
                )
            return self.queries.step(
                self.target,
                painter,
                appearance,
                canvas,
                reference,
                joint_weight,
                sign,
                askers=askers,
                iteration=iteration,
                objective=objective,
                given=given,
            )
        if self.runtime is not None and painter is self.generator:
            signs = torch.as_tensor(sign, dtype=torch.float32, device=self.device).expand(len(appearance))
            told = {"given": given} if given is not None and self.target is not self.generator else {}
            return self.runtime.attack_step(appearance, canvas, reference, joint_weight, signs, **told)
        with self.reduced():
            target = guide(self.target, given)
            return attack_step(painter, target, appearance, canvas, reference, joint_weight, sign, objective=objective)

    @contextmanager
    def reduced(self) -> Iterator[None]:
        """Inside, both networks compute in `precision`; networks that have no choice stay in float32."""
        with compute_in(DTYPES[self.precision], self.generator, self.target):
            yield

    def given(self, data: Dataset, rows: np.ndarray) -> Given | None:
        """Where the dataset says that the people of `rows` are; None, and nothing is read, if no network wants it."""
        if not needs_given(self.generator, self.target, self.judge):
            return None
        return given_of(data, rows, self.device)

    def predict(self, frames: Tensor, given: Given | None = None) -> Tensor:
        """The target's poses in float32: (B, 3, H, W) in [0, 1] -> (B, J, 3) mm."""
        return _predicted(self.target, frames, given)

    def predict_rounded(self, frames: Tensor, given: Given | None = None) -> Tensor:
        """The target's poses in float32 on the frames as a picture file would hold them, 8 bits a channel."""
        return self.predict(from_bytes(to_bytes(frames)), given)

    def judged(self, frames: Tensor, given: Given | None = None) -> Tensor | None:
        """The judge's poses in float32: (B, 3, H, W) in [0, 1] -> (B, J, 3) mm; None without a judge."""
        return None if self.judge is None else _predicted(self.judge, frames, given)

    def frames(self, pictures: np.ndarray) -> Tensor:
        """uint8 (B, 3, H, W) at rest -> float32 (B, 3, H, W) in [0, 1] on the device."""
        return from_bytes(torch.from_numpy(pictures).to(self.device))


def _predicted(network: Any, frames: Tensor, given: Given | None) -> Tensor:
    with torch.no_grad(), compute_in(torch.float32, network):
        poses: Tensor = guide(network, given).predict(frames)
        return poses.float()


@contextmanager
def compute_in(dtype: torch.dtype, *networks: Any) -> Iterator[None]:
    """Inside, each network that has a `compute_dtype` computes in `dtype`."""
    before = [(network, network.compute_dtype) for network in networks if hasattr(network, "compute_dtype")]
    try:
        for network, _ in before:
            network.compute_dtype = dtype
        yield
    finally:
        for network, old in before:
            network.compute_dtype = old


def to_bytes(frames: Tensor) -> Tensor:
    """float (B, 3, H, W) in [0, 1] -> uint8, to the nearest grey level."""
    return (frames.clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def from_bytes(pictures: Tensor) -> Tensor:
    """uint8 (B, 3, H, W) -> float32 in [0, 1]."""
    return pictures.to(torch.float32) / 255


def choose_device(wanted: str, network: Any) -> torch.device:
    """The torch device of that name; "auto" is where the network's weights lie.

    Raises:
        ConfigError: torch knows no such device, or this machine has none.
    """
    if wanted == "auto":
        weights = next(iter(network.parameters()), None) if hasattr(network, "parameters") else None
        return weights.device if weights is not None else torch.device("cpu")
    return find_device(wanted)
