"""ImageNet weights from a local file: the official start of the encoder, and the perceptual loss (methods 1.3, 1.7).

They cannot be shipped. A file is safetensors under torchvision's names (``conv1.weight``, ``layer1.0.conv1.weight``,
...): what ``safetensors.torch.save_file`` makes of the state_dict of torchvision's resnet18 or resnet50.
"""

import re
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
        _load(self, Path(path), "resnet18", _BASIC, ("layer1", "layer2"))
        return self


def load_encoder(encoder: OfficialEncoder, path: str | Path) -> None:
    """Copy ResNet-50's stem and layers 1 to 3 into the official encoder (layer4 starts at random, methods 1.3).

    Raises:
        DataError: the file is missing, damaged, or holds something else.
    """
    _load(encoder, Path(path), "resnet50", _BOTTLENECK, ("layer1", "layer2", "layer3"))


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; DataError if it is missing or damaged."""
    if not Path(path).is_file():
        raise DataError(f"There are no ImageNet weights at {path}; give a safetensors file with torchvision's names.")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise DataError(f"{path} is truncated or not a safetensors file ({error}); convert it again.") from error


def _load(module: nn.Module, path: Path, model: str, parts: dict[str, str], layers: tuple[str, ...]) -> None:
    """Copy the stem and some layers of torchvision's `model` into `module`, all of them or none."""
    weights = read_weights(path)
    own = {_torchvision_name(name, parts): tensor for name, tensor in module.state_dict().items()
           if name.split(".")[0] in ("stem", *layers) and not name.endswith("num_batches_tracked")}  # fmt: skip
    if wrong := _difference(weights, own, layers):
        looks = _model_of(weights)
        looks = f" (it looks like {looks})" if looks not in (None, model) else ""
        raise DataError(
            f"{path} does not hold the weights of torchvision's {model}{looks}: {wrong}; give what "
            f"safetensors.torch.save_file makes of {model}().state_dict()."
        )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(weights[name])


def _torchvision_name(name: str, parts: dict[str, str]) -> str:
    """Our name of a tensor -> torchvision's: ``layer1.0.first.0.weight`` -> ``layer1.0.conv1.weight``."""
    names = {ours: theirs for theirs, ours in parts.items()} | {"stem.0": "conv1", "stem.1": "bn1"}
    for ours, theirs in names.items():
        name = re.sub(rf"(^|\.){re.escape(ours)}(?=\.)", rf"\g<1>{theirs}", name)
    return name


def _difference(weights: dict[str, Tensor], own: dict[str, Tensor], layers: tuple[str, ...]) -> str:
    """The first thing in which a file's tensors are not those that are wanted, in words; "" if there is none."""
    if not weights.keys() & own.keys():
        return f"of its {len(weights)} tensors none has a name that is used there, such as {next(iter(own))}"
    for name, tensor in own.items():
        if name not in weights:
            return f"{name} is missing"
        if weights[name].shape != tensor.shape:
            found, expected = ("x".join(map(str, each.shape)) for each in (weights[name], tensor))
            return f"{name} is {found} where {expected} is expected"
        if not torch.isfinite(weights[name]).all():
            return f"{name} holds NaN or infinity"
    blocks = {_block(name) for name in own}
    for name in weights:
        if name.split(".")[0] in layers and _block(name) not in blocks:
            return f"{_block(name)} is a block too many"
    return ""


def _block(name: str) -> str:
    """``layer1.0.conv1.weight`` -> ``layer1.0``."""
    return ".".join(name.split(".")[:2])


def _model_of(weights: dict[str, Tensor]) -> str | None:
    """Which of torchvision's ResNets has these blocks in its layers 1 to 3; None if it is none of them."""
    blocks = tuple(len({name.split(".")[1] for name in weights if name.startswith(f"layer{k}.")}) for k in (1, 2, 3))
    return _BLOCKS.get(("layer1.0.conv3.weight" in weights, *blocks))


_BLOCKS: dict[tuple[int, ...], str] = {
    (False, 2, 2, 2): "resnet18",
    (False, 3, 4, 6): "resnet34",
    (True, 3, 4, 6): "resnet50",
    (True, 3, 4, 23): "resnet101",
    (True, 3, 8, 36): "resnet152",
}
"""Whether it has bottlenecks, and how many blocks its layers 1 to 3 have."""
