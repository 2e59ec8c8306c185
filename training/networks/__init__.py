"""Networks that claim to separate appearance from pose, and the protocols they are used through."""

from turncoat.training.networks.disentangled import Disentangled
from turncoat.training.networks.given import given_of, guide, guided_by, needs_given
from turncoat.training.networks.presets import PRESETS, NetworkSettings, preset
from turncoat.training.networks.protocols import Canvas, Codes, DisentangledNetwork, Given, PoseTarget
from turncoat.training.networks.regressor import PoseRegressor, hidden_layers

__all__ = [
    "PRESETS",
    "Canvas",
    "Codes",
    "Disentangled",
    "DisentangledNetwork",
    "Given",
    "NetworkSettings",
    "PoseRegressor",
    "PoseTarget",
    "given_of",
    "guide",
    "guided_by",
    "hidden_layers",
    "needs_given",
    "preset",
]
