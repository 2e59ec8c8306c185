"""From the pose code to joints: the small network that is trained on labels, after everything else."""

import torch
from torch import Tensor, nn

from turncoat.training.networks.layers import widened
from turncoat.training.networks.presets import NetworkSettings

JOINTS = 17


def hidden_layers(settings: NetworkSettings, inputs: int, outputs: int) -> nn.Sequential:
    """The regressor's layers from (B, inputs) to (B, outputs): one or two hidden ones in the official order."""
    hidden = settings.regressor_hidden
    eps = 0.1 if settings.regressor == "standardised" else 1e-5
    layers: list[nn.Module] = []
    for width in (inputs, hidden)[: settings.regressor_layers]:
        layers += [nn.Linear(width, hidden), nn.ReLU(), nn.BatchNorm1d(hidden, eps=eps)]
        layers.append(nn.Dropout(settings.regressor_dropout))
    return nn.Sequential(*layers, nn.Linear(hidden, outputs))


class PoseRegressor(nn.Module):
    """Two hidden layers, or one (methods section 5), on a code standardised with training statistics.

    A batch norm after a ReLU explodes on rare frames: a unit that hardly ever fires has a tiny variance. The default
    therefore standardises the code and gives the batch norms eps .1 (measured: MPJPE 74 -> 69 mm, the worst initial
    error of an attack 2264 -> 276 mm). "literal" is the official order with the raw code and eps 1e-5.

    Buffers: code_mean, code_std (600,); pose_mean, pose_std (17, 3) in millimetres, from the labelled training frames.
    """

    code_mean: Tensor
    code_std: Tensor
    pose_mean: Tensor
    pose_std: Tensor

    def __init__(self, settings: NetworkSettings, inputs: int | None = None) -> None:
        super().__init__()
        inputs = settings.pose_size if inputs is None else inputs
        self.standardise = settings.regressor == "standardised"
        self.layers = hidden_layers(settings, inputs, JOINTS * 3)
        self.register_buffer("code_mean", torch.zeros(inputs))
        self.register_buffer("code_std", torch.ones(inputs))
        self.register_buffer("pose_mean", torch.zeros(JOINTS, 3))
        self.register_buffer("pose_std", torch.ones(JOINTS, 3))

    def normalised(self, code: Tensor) -> Tensor:
        """(B, 600) -> (B, 51), poses in units of their standard deviation: what the training loss compares."""
        code = widened(code)
        if self.standardise:
            code = (code - self.code_mean) / self.code_std
        return self.layers(code)

    def forward(self, code: Tensor) -> Tensor:
        """(B, 600) -> (B, 17, 3) in millimetres, camera axes, relative to joint 0."""
        return self.normalised(code).view(-1, JOINTS, 3) * self.pose_std + self.pose_mean
