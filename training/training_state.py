"""Everything that training changes, and how it gets on disk and back without a trace."""

import copy
import math
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field

from turncoat.kernels import ConfigError
from turncoat.kernels.settings import Settings
from turncoat.training.checkpoint import find_weights, load_state, read_tensors, save_network, write_tensors
from turncoat.training.networks import Disentangled, NetworkSettings
from turncoat.training.networks.encoder import OfficialEncoder
from turncoat.training.networks.imagenet import load_encoder


class OptimiserSettings(Settings):
    """What a network starts from and how it moves. All defaults are [choice], those of the laptop-size proof.

    images: frames seen in all, drawn with repetition; the learning rate's schedule ends there.
    batch: frames a step; 16 in the official code.
    learning_rate: its peak; AdamW in place of the official Adam at 1e-3 without a schedule.
    weight_decay, clip: of AdamW, and the largest norm of a step's gradient (None: any).
    warmup: steps over which the learning rate rises from nothing.
    final_rate: where the cosine ends, as a share of the peak.
    average: decay a step of the averaged weights, which are what is kept.
    precision: "bfloat16" runs the layers in reduced precision.
    seed: of the weights, the batches and the exchanges.
    init: weights to start from (a file or a shipped name) instead of random ones.
    imagenet: ResNet-50 weights for the encoder of preset paper (a safetensors file); its first layers then stay as
        they are, as in the official code (methods 1.3).
    """

    images: int = Field(1_000_000, ge=1)
    batch: int = Field(48, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    clip: float | None = Field(1.0, gt=0)
    warmup: int = Field(200, ge=1)
    final_rate: float = Field(0.01, ge=0, le=1)
    average: float = Field(0.998, ge=0, lt=1)
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    seed: int = 0
    init: str | None = None
    imagenet: str | None = None

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return max(1, self.images // self.batch)


class TrainingState:
    """Everything that training changes."""

    def __init__(self, network: Disentangled, average: Disentangled, optimiser: torch.optim.AdamW) -> None:
        self.network, self.average, self.optimiser, self.step = network, average, optimiser, 0

    @classmethod
    def fresh(cls, shape: NetworkSettings, settings: OptimiserSettings, rates: dict[str, float]) -> "TrainingState":
        torch.manual_seed(settings.seed)
        network = Disentangled(shape)
        network.compute_dtype = getattr(torch, settings.precision)
        if settings.imagenet is not None:
            if not isinstance(network.encoder, OfficialEncoder):
                raise ConfigError(f"ImageNet weights are for preset 'paper', not {shape.preset!r}; leave them out.")
            for part in network.encoder.frozen():
                part.requires_grad_(False)
        groups = []
        for name, part in network.named_children():
            parameters = [parameter for parameter in part.parameters() if parameter.requires_grad]
            groups.append({"params": parameters, "share": rates.get(name, 1.0)})
        optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
        average = copy.deepcopy(network).requires_grad_(False)
        return cls(network.train(), average, optimiser)

    def initialise(self, source: str | None, imagenet: str | None = None) -> None:
        """Start from other weights: a network's, without its regressor, or ResNet-50's in the official encoder."""
        for network in (self.network, self.average):
            if imagenet is not None and isinstance(network.encoder, OfficialEncoder):
                load_encoder(network.encoder, imagenet)
        if source is None:
            return
        path = find_weights(source)
        tensors, header = read_tensors(path, "network")
        if header["settings"]["preset"] != self.network.settings.preset:
            raise ConfigError(
                f"{path} holds weights of preset {header['settings']['preset']!r}, expected "
                f"{self.network.settings.preset!r}; choose other weights or preset."
            )
        own = {name: t for name, t in tensors.items() if not name.startswith(("regressor.", "statistics."))}
        load_state(self.network, own, path)
        load_state(self.average, own, path)

    def rate(self, settings: OptimiserSettings) -> float:
        """The learning rate of the present step."""
        done = self.step / settings.steps
        cosine = settings.final_rate + (1 - settings.final_rate) * 0.5 * (1 + math.cos(math.pi * done))
        return settings.learning_rate * min(1.0, (self.step + 1) / settings.warmup) * cosine

    def update(self, loss: torch.Tensor, settings: OptimiserSettings) -> float:
        """One optimiser step; returns the gradient's norm before clipping."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(settings) * group["share"]
        self.optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip or math.inf)
        self.optimiser.step()
        self.step += 1
        decay = min(settings.average, self.step / (self.step + 20))  # young averages follow quickly
        with torch.no_grad():
            ours, theirs = self._floats(self.average), self._floats(self.network)
            torch._foreach_lerp_(ours, theirs, 1 - decay)
        return float(norm)

    @staticmethod
    def _floats(network: Disentangled) -> list[torch.Tensor]:
        """Weights and the running statistics of batch norms; counters stay behind, nothing reads them."""
        return [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]

    def save(self, path: Path) -> None:
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        for number, values in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": value for name, value in values.items()}
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        write_tensors(path, tensors, {"format": 1, "kind": "training", "step": self.step})

    def load(self, path: Path) -> None:
        tensors, header = read_tensors(path, "training")
        parts: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        load_state(self.network, parts["network"], path)
        load_state(self.average, parts["average"], path)
        moments: dict[int, dict[str, torch.Tensor]] = defaultdict(dict)
        for name, tensor in parts["optimiser"].items():
            number, _, rest = name.partition(".")
            moments[int(number)][rest] = tensor
        blank = self.optimiser.state_dict()
        self.optimiser.load_state_dict({"state": dict(moments), "param_groups": blank["param_groups"]})
        for parameter, values in self.optimiser.state.items():  # files forget memory formats, on which sums depend
            for name, value in values.items():
                if value.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter).copy_(value)
        self.step = header["step"]

    def export(self, path: Path, metadata: dict[str, Any]) -> None:
        path.parent.mkdir(exist_ok=True)
        save_network(path, self.average, metadata | {"images": self.step * metadata["fit"]["batch"]})
