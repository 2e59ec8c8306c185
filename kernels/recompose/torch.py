"""PyTorch: one matrix product a frame."""

from torch import Tensor


def recompose(shading: Tensor, colours: Tensor, rest: Tensor, *, clamp: bool = True) -> Tensor:
    """See `turncoat.kernels.recompose.recompose`."""
    batch, materials, height, width = shading.shape
    mixed = colours.transpose(1, 2) @ shading.reshape(batch, materials, height * width)  # (B, 3, H W)
    frame = mixed.reshape(batch, 3, height, width) + rest
    return frame.clamp(0, 1) if clamp else frame
