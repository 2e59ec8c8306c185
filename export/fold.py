"""A network as it is exported: a frozen copy with nothing left that only training needs."""

import copy
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from turncoat.training.networks.regressor import PoseRegressor

_Module = TypeVar("_Module", bound=nn.Module)
_Norm = (nn.BatchNorm1d, nn.BatchNorm2d)


class Affine(nn.Module):
    """A batch norm with frozen statistics that could not be folded: ``x * scale + shift`` a channel."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        super().__init__()
        scale, shift = _affine(norm)
        shape = (-1, 1, 1) if isinstance(norm, nn.BatchNorm2d) else (-1,)
        self.register_buffer("scale", scale.to(norm.weight.dtype).view(shape))
        self.register_buffer("shift", shift.to(norm.weight.dtype).view(shape))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> the same shape."""
        return x * self.scale + self.shift


def folded(network: _Module) -> _Module:
    """A copy of `network` for inference: same answers to float rounding, fewer and simpler operations.

    Batch norms become part of the convolution or linear layer before them, in the pose regressor of the linear layer
    behind them (the ReLU stands between); the regressor's standardisation becomes part of its first layer. Dropout is
    gone, in-place operations are not in place, nothing asks for a gradient.
    """
    network = copy.deepcopy(network).eval()
    for module in list(network.modules()):
        if isinstance(module, PoseRegressor):
            _fold_regressor(module)
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            _fold_pairs(module)
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, _Norm):
                setattr(module, name, Affine(child))
            elif isinstance(child, nn.Dropout):
                setattr(module, name, nn.Identity())
            elif isinstance(child, nn.ReLU):
                child.inplace = False
    return network.requires_grad_(False)


def exact(network: _Module) -> _Module:
    """A copy of a network that computes in float64: the truth that float32 and less are held against."""
    network = copy.deepcopy(network).double().eval().requires_grad_(False)
    network.compute_dtype = torch.float64  # type: ignore[assignment]
    return network


def _fold_pairs(sequence: nn.Sequential) -> None:
    """Put each batch norm into the layer right before it."""
    names = list(sequence._modules)
    for first, second in pairwise(names):
        layer, norm = sequence._modules[first], sequence._modules[second]
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            dtype = layer.weight.dtype
            sequence._modules[first] = fuse_conv_bn_eval(layer.double(), norm.double()).to(dtype)
            sequence._modules[second] = nn.Identity()


def _fold_regressor(regressor: PoseRegressor) -> None:
    """Standardisation into the first layer, batch norms (they follow a ReLU) into the next one."""
    scale: Tensor | None = None
    shift: Tensor | None = None
    if regressor.standardise:
        scale = 1 / regressor.code_std.double()
        shift = -regressor.code_mean.double() * scale
        regressor.standardise = False
    layers: Any = regressor.layers
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.BatchNorm1d):
            scale, shift = _affine(layer)
            layers[index] = nn.Identity()
        elif isinstance(layer, nn.Linear) and scale is not None and shift is not None:
            weight, bias = layer.weight.double(), layer.bias.double()
            with torch.no_grad():
                layer.bias.copy_(bias + weight @ shift)
                layer.weight.copy_(weight * scale)
            scale = shift = None


def _affine(norm: Any) -> tuple[Tensor, Tensor]:
    """(C,) scale and shift of a batch norm with frozen statistics, float64."""
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return scale.detach(), (norm.bias.double() - norm.running_mean.double() * scale).detach()
