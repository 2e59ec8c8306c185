"""Everything that training changes, and how it gets on disk and back without a trace."""

import copy
import math
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from turncoat.kernels import ConfigError
from turncoat.kernels.settings import Settings
from turncoat.training.checkpoint import find_weights, load_state, read_tensors, save_network, write_tensors
from turncoat.training.data import Dataset
from turncoat.training.methods.base import Method
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
    precision: "bfloat16" runs the layers in reduced precision, "auto" where the processor multiplies it in hardware;
        a run keeps what it was begun with.
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
    precision: Literal["float32", "bfloat16", "auto"] = "auto"
    seed: int = 0
    init: str | None = None
    imagenet: str | None = None

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return max(1, self.images // self.batch)


class TrainingState:
    """Everything that training changes: the network, its average, the method's adversary, the optimiser.

    One optimiser moves both; the adversary's loss reaches no weight of the network, nor the network's the adversary.
    """

    def __init__(
        self,
        network: Disentangled,
        average: Disentangled,
        adversary: nn.Module | None,
        optimiser: torch.optim.AdamW,
    ) -> None:
        self.network, self.average, self.adversary, self.optimiser = network, average, adversary, optimiser
        self.step, self.seconds = 0, 0.0

    @classmethod
    def fresh(
        cls,
        shape: NetworkSettings,
        settings: OptimiserSettings,
        method: Method,
        dataset: Dataset,
        rows: np.ndarray,
        device: torch.device,
    ) -> "TrainingState":
        """The state before the first step on the frames `rows`, from the seed alone.

        Raises:
            ConfigError: ImageNet weights for a network that has no place for them.
            DataError: the dataset lacks what the method needs.
        """
        torch.manual_seed(settings.seed)
        network = Disentangled(shape).to(device)
        network.compute_dtype = getattr(torch, settings.precision)
        method.begin(network, dataset, rows)
        if settings.imagenet is not None:
            if not isinstance(network.encoder, OfficialEncoder):
                raise ConfigError(f"ImageNet weights are for preset 'paper', not {shape.preset!r}; leave them out.")
            for part in network.encoder.frozen():
                part.requires_grad_(False)
        groups = []
        parts = [*network.named_children(), *([("adversary", method.adversary)] if method.adversary else [])]
        for name, part in parts:
            parameters = [parameter for parameter in part.parameters() if parameter.requires_grad]
            groups.append({"params": parameters, "share": method.learning_rates.get(name, 1.0)})
        optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
        average = copy.deepcopy(network).requires_grad_(False)
        return cls(network.train(), average, method.adversary, optimiser)

    def initialise(self, source: str | None, method: str, imagenet: str | None = None) -> None:
        """Start from other weights: a network's, without its regressor unless the method trains one, or ResNet-50's in
        the official encoder."""
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
        theirs = header["metadata"].get("method", method)
        if theirs != method:
            raise ConfigError(f"{path} holds weights of method {theirs!r}, expected {method!r}; choose other weights.")
        foreign = ("statistics.",) if self.network.has_regressor else ("regressor.", "statistics.")
        own = {name: t for name, t in tensors.items() if not name.startswith(foreign)}
        load_state(self.network, own, path)
        load_state(self.average, own, path)

    def rate(self, settings: OptimiserSettings) -> float:
        """The learning rate of the present step."""
        done = self.step / settings.steps
        cosine = settings.final_rate + (1 - settings.final_rate) * 0.5 * (1 + math.cos(math.pi * done))
        return settings.learning_rate * min(1.0, (self.step + 1) / settings.warmup) * cosine

    def update(self, loss: torch.Tensor, settings: OptimiserSettings) -> torch.Tensor:
        """One optimiser step; returns the norm of the network's gradient before clipping."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(settings) * group["share"]
        self.optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip or math.inf)
        if self.adversary is not None:
            nn.utils.clip_grad_norm_(self.adversary.parameters(), settings.clip or math.inf)
        self.optimiser.step()
        self.step += 1
        decay = min(settings.average, self.step / (self.step + 20))  # young averages follow quickly
        with torch.no_grad():
            ours, theirs = self._floats(self.average), self._floats(self.network)
            torch._foreach_lerp_(ours, theirs, 1 - decay)
        return norm.detach()

    @staticmethod
    def _floats(network: Disentangled) -> list[torch.Tensor]:
        """Weights and the running statistics of batch norms; counters stay behind, nothing reads them."""
        return [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]

    def save(self, path: Path) -> None:
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        if self.adversary is not None:
            tensors |= {f"adversary.{name}": tensor for name, tensor in self.adversary.state_dict().items()}
        for number, values in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": value for name, value in values.items()}
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        header = {"format": 1, "kind": "training", "step": self.step, "seconds": self.seconds}
        write_tensors(path, tensors, header)

    def load(self, path: Path) -> None:
        tensors, header = read_tensors(path, "training")
        parts: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        load_state(self.network, parts["network"], path)
        load_state(self.average, parts["average"], path)
        if self.adversary is not None:
            load_state(self.adversary, parts["adversary"], path)
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
        self.step, self.seconds = header["step"], header.get("seconds", 0.0)

    def export(self, path: Path, metadata: dict[str, Any]) -> None:
        path.parent.mkdir(exist_ok=True)
        save_network(path, self.average, metadata)
