"""ImageNet weights from a local file: the official start of the encoder, and the perceptual loss (methods 1.3, 1.7).

They cannot be shipped. A file is safetensors under torchvision's names (``conv1.weight``, ``layer1.0.conv1.weight``,
...): what ``safetensors.torch.save_file`` makes of the state_dict of torchvision's resnet18 or resnet50.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from turncoat.kernels import DataError
from turncoat.training.networks.encoder import OfficialEncoder
from turncoat.training.networks.layers import BasicBlock

_BASIC = {"conv1": "first.0", "bn1": "first.1", "conv2": "second.0", "bn2": "second.1", "downsample": "shortcut"}
_BOTTLENECK = {
    "conv1": "body.0",
    "bn1": "body.1",
    "conv2": "body.3",
    "bn2": "body.4",
    "conv3": "body.6",
    "bn3": "body.7",
    "downsample": "shortcut",
}


class ResNet18Features(nn.Module):
    """Features that the perceptual loss compares: conv1 with ReLU, layer1 and layer2 of ResNet-18, max-pool kept.

    Always in evaluation mode. (The official code leaves its batch norms in training mode, methods 1.7: a quirk.)
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(BasicBlock(64, 64), BasicBlock(64, 64))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128))
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "ResNet18Features":
        """Stays in evaluation mode whatever is asked."""
        return super().train(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """ImageNet-normalised pictures (B, 3, H, W) -> three feature maps."""
        first = self.stem(pictures)
        second = self.layer1(self.pool(first))
        return [first, second, self.layer2(second)]

    def load(self, path: str | Path) -> "ResNet18Features":
        """Read ResNet-18 weights; DataError if they are not."""
        _copy(self, _renamed(read_weights(path), _BASIC, ("layer1", "layer2")), Path(path))
        return self


def load_encoder(encoder: OfficialEncoder, path: str | Path) -> None:
    """Copy ResNet-50's stem and layers 1 to 3 into the official encoder (layer4 starts at random, methods 1.3)."""
    weights = _renamed(read_weights(path), _BOTTLENECK, ("layer1", "layer2", "layer3"))
    _copy(encoder, weights, Path(path))


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; DataError if it is missing or damaged."""
    if not Path(path).is_file():
        raise DataError(f"There are no ImageNet weights at {path}; give a safetensors file with torchvision's names.")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise DataError(f"{path} is truncated or not a safetensors file ({error}); convert it again.") from error


def _renamed(weights: dict[str, Tensor], parts: dict[str, str], layers: tuple[str, ...]) -> dict[str, Tensor]:
    """torchvision's names -> ours, for the stem and some of the layers."""
    result = {}
    for name, tensor in weights.items():
        words = name.split(".")
        if words[0] in ("conv1", "bn1"):
            result[".".join(["stem", "0" if words[0] == "conv1" else "1", *words[1:]])] = tensor
        elif words[0] in layers and len(words) > 3 and words[2] in parts:
            result[".".join([words[0], words[1], parts[words[2]], *words[3:]])] = tensor
    return result


def _copy(module: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Copy weights by name into the stem and the layers that `weights` is about, all of them or none."""
    parts = {"stem"} | {name.split(".")[0] for name in weights}
    own = {name: tensor for name, tensor in module.state_dict().items() if name.split(".")[0] in parts}
    for name, tensor in own.items():
        if name not in weights and not name.endswith("num_batches_tracked"):
            raise DataError(f"{path} lacks {name!r} under torchvision's name; expected weights of the right ResNet.")
        if name in weights and weights[name].shape != tensor.shape:
            found, expected = tuple(weights[name].shape), tuple(tensor.shape)
            raise DataError(f"{path}: {name!r} has shape {found}, expected {expected}; these are other weights.")
    with torch.no_grad():
        for name, tensor in own.items():
            if name in weights:
                tensor.copy_(weights[name])
