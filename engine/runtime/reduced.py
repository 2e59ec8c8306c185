"""A network whose layers compute in reduced precision, prepared once.

Autocast alone casts every frozen weight again in every call, which costs more than the arithmetic at batch 1; here they
are cast once. Two small layers stay in float32, because all that a network knows passes through them: the encoder's
head (the whole code is an affine map of 128 sigmoids) and the detector's last layer. Measured on the shipped network in
bfloat16, 48 frames: poses 4.5 mm off in the median with everything reduced, 1.2 mm with these two kept; cosine of the
gradient .971 and .993; the slowest tenth of it .86 and .98.
"""

import copy

import torch
from torch import Tensor, nn

from turncoat.training.checkpoint import Network


class InFloat32(nn.Module):
    """A layer that does not take part in autocast: it and its input are float32."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer.float()

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) of any precision -> float32."""
        with torch.autocast(x.device.type, enabled=False):
            return self.layer(x.float())


def reduced(network: Network, dtype: torch.dtype = torch.bfloat16) -> Network:
    """A copy of a folded network (`export.fold`) with its convolutions and linear layers in `dtype`, channels last.

    Inputs and outputs stay float32, and so do boxes, resampling weights, codes, poses and the objective.
    """
    network = copy.deepcopy(network)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.to(dtype)
    network.encoder.head = InFloat32(network.encoder.head)
    if network.detector is not None:
        layers: nn.Module = network.detector.layers
        layers.box = InFloat32(layers.get_submodule("box"))
    network.compute_dtype = dtype
    return channels_last(network)


def channels_last(network: Network) -> Network:
    """The same network with its weights in the layout that its convolutions run fastest in."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
