"""Whether tensors hold numbers now, or stand for numbers in a graph that is being written."""

import torch
from torch import Tensor


def eager(*tensors: Tensor) -> bool:
    """False while a graph is traced, compiled or exported, under `torch.func` transformations, for fake tensors.

    Kernels that are no operators of PyTorch's own run on eager tensors only: graphs are made of PyTorch's operators,
    which every engine knows.
    """
    if torch.compiler.is_compiling() or torch.compiler.is_exporting() or torch.jit.is_tracing():
        return False
    # Modes are what make_fx and fake tensors are made of; neither they nor transformations are asked for in public.
    if torch._C._len_torch_dispatch_stack() or torch._C._are_functorch_transforms_active():
        return False
    return all(type(tensor) in (Tensor, torch.nn.Parameter) for tensor in tensors)
