"""Several processes that train one network: what they must share beside gradients.

Each process works on its own whole groups of every batch. With batch norms synchronised (`synchronise_norms`) and
statistics of a batch taken over all processes (`gather`), the averaged gradient is that of one process with the whole
batch (tested). Alone, every function here does nothing.
"""

import inspect
import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from turncoat.kernels import ConfigError


def active() -> bool:
    """Whether this process is one of several."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def rank() -> int:
    """This process's number; 0 writes files."""
    return dist.get_rank() if active() else 0


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if active() else 1


def begin(device: torch.device) -> bool:
    """Join the processes that `torchrun` started, if it did; returns whether a group was joined here."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or dist.is_initialized():
        return False
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return True


def wait() -> None:
    """Until all processes are here: one that leaves while another still writes files takes the connection with it."""
    if active():
        dist.barrier()


def end() -> None:
    """Leave the group."""
    dist.destroy_process_group()


def parallel(step: nn.Module) -> nn.Module:
    """The module with its gradients averaged over all processes; its buffers stay each process's own."""
    wrap = nn.parallel.DistributedDataParallel
    known = inspect.signature(wrap.__init__).parameters
    own: Any = {"forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False}  # torch 2.13
    return wrap(step, **own)


def share(size: int, group: int) -> slice:
    """Which frames of a batch of `size` are this process's; ConfigError if groups cannot be shared evenly."""
    groups, count = size // group, world()
    if groups % count:
        raise ConfigError(
            f"A batch of {groups} groups cannot be shared by {count} processes; "
            f"use a multiple of {count * group} frames."
        )
    part = size // count
    return slice(rank() * part, (rank() + 1) * part)


def gather(values: Tensor) -> Tensor:
    """(B, ...) of this process -> (B of all processes, ...), in their order; differentiable."""
    if not active():
        return values
    if not values.requires_grad:
        parts = [torch.empty_like(values) for _ in range(world())]
        dist.all_gather(parts, values.contiguous())
        return torch.cat(parts)
    return torch.cat(list(_Gather.apply(values.contiguous())))


class _Gather(torch.autograd.Function):
    """All processes' values; backward adds up what all of them make of this process's values."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> tuple[Tensor, ...]:
        parts = [torch.empty_like(values) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, values)
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = torch.stack(gradients)
        dist.all_reduce(total)
        return total[dist.get_rank()]


def total(values: Tensor) -> Tensor:
    """Sum over all processes, for facts of the log; not differentiable."""
    if active():
        dist.all_reduce(values)
    return values


def anyone(asked: bool, device: torch.device) -> bool:
    """Whether any process says yes; all get the same answer."""
    if not active():
        return asked
    flag = torch.tensor([float(asked)], device=device)
    dist.all_reduce(flag)
    return bool(flag.item())


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        result = values.clone()
        dist.all_reduce(result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        result = gradient.clone()
        dist.all_reduce(result)
        return result


class _SharedNorm:
    """Batch norm with the statistics of all processes. torch's own SyncBatchNorm needs a GPU."""

    def forward(self: Any, x: Tensor) -> Tensor:
        if not self.training or not active():
            return super().forward(x)  # type: ignore[misc]
        dims = [d for d in range(x.dim()) if d != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        full = x.float()
        count = full.numel() / full.shape[1]
        sums = _Sum.apply(torch.stack([full.sum(dims), full.square().sum(dims)]))
        number = count * world()
        mean = sums[0] / number
        variance = (sums[1] / number - mean.square()).clamp(min=0)
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean.detach(), self.momentum)
            self.running_var.lerp_(variance.detach() * number / max(number - 1, 1), self.momentum)
        scale = (variance + self.eps).rsqrt() * self.weight
        return (full * scale.view(shape) + (self.bias - mean * scale).view(shape)).to(x.dtype)


class SharedBatchNorm1d(_SharedNorm, nn.BatchNorm1d):
    """`nn.BatchNorm1d` over all processes."""


class SharedBatchNorm2d(_SharedNorm, nn.BatchNorm2d):
    """`nn.BatchNorm2d` over all processes."""


def synchronise_norms(network: nn.Module) -> None:
    """Make every batch norm of `network` count all processes' frames; names and values in its state stay."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm2d
        elif type(module) is nn.BatchNorm1d:
            module.__class__ = SharedBatchNorm1d
