"""Networks that claim to separate appearance from pose, and the protocols they are used through."""

from turncoat.training.networks.disentangled import Disentangled
from turncoat.training.networks.presets import PRESETS, NetworkSettings, preset
from turncoat.training.networks.protocols import Canvas, Codes, DisentangledNetwork, PoseTarget
from turncoat.training.networks.regressor import PoseRegressor, hidden_layers

__all__ = [
    "PRESETS",
    "Canvas",
    "Codes",
    "Disentangled",
    "DisentangledNetwork",
    "NetworkSettings",
    "PoseRegressor",
    "PoseTarget",
    "hidden_layers",
    "preset",
]
