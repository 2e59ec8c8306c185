"""The state of an attack: one slot a sample, all arrays batch first, and the verbs that change it.

`fill` puts samples in, `step` moves them uphill, `keep` takes the retired ones out. Nothing in a slot depends on its
neighbours, so samples may come and go in any order.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from turncoat.engine.attack.settings import Optimiser
from turncoat.engine.attack.spaces import Limits, Space
from turncoat.kernels.errors import ConfigError

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Slots(NamedTuple):
    """S samples under attack."""

    sample: Tensor  # (S,) int64, which sample sits here
    age: Tensor  # (S,) int64, steps it has made
    x: Tensor  # (S, ...) coordinates in the attack's space
    first: Tensor  # (S, ...) Adam's first moment
    second: Tensor  # (S, ...) Adam's second moment
    limits: Limits  # of the space, a row each
    reference: Tensor  # (S, J, 3) mm, prediction on the clean frame
    canvas: Any  # a NamedTuple of tensors, batch first
    given: Any = None  # where the people are (`Given`), for a target that is told

    @property
    def size(self) -> int:
        """S. (A NamedTuple's own length is its number of fields.)"""
        return self.x.shape[0]


def fill(x: Tensor, reference: Tensor, canvas: Any, limits: Limits = (), given: Any = None) -> Slots:
    """Slots for samples 0 .. S-1 that start at coordinates `x`."""
    count = len(x)
    return Slots(
        sample=torch.arange(count, device=x.device),
        age=torch.zeros(count, dtype=torch.int64, device=x.device),
        x=x,
        first=torch.zeros_like(x),
        second=torch.zeros_like(x),
        limits=limits,
        reference=reference,
        canvas=canvas,
        given=given,
    )


def keep(slots: Slots, index: Tensor) -> Slots:
    """The slots that `index` picks: (K,) int64, or (S,) bool."""
    return take(slots, index)


def step(
    slots: Slots, gradient: Tensor, space: Space, step_size: float | Tensor, optimiser: Optimiser = "adam"
) -> Slots:
    """One step uphill for every slot, then back into the limits of the space.

    Args:
        slots: S of them.
        gradient: (S, ...) of the objective with respect to `slots.x`.
        space: whose `project` bounds the coordinates.
        step_size: a number, or a tensor that broadcasts over x.
        optimiser: what the gradient becomes, see `settings.OPTIMISERS`.
    """
    age = slots.age + 1
    if optimiser != "adam":
        x = space.project(slots.x + step_size * _plain(gradient, optimiser), slots.limits)
        return slots._replace(age=age, x=x)
    first = BETA_1 * slots.first + (1 - BETA_1) * gradient
    second = BETA_2 * slots.second + (1 - BETA_2) * gradient.square()
    power = age.view(-1, *[1] * (gradient.ndim - 1)).to(gradient.dtype)
    speed = (first / (1 - BETA_1**power)) / ((second / (1 - BETA_2**power)).sqrt() + EPSILON)
    x = space.project(slots.x + step_size * speed, slots.limits)
    return slots._replace(age=age, x=x, first=first, second=second)


def _plain(gradient: Tensor, optimiser: Optimiser) -> Tensor:
    """The sign of every coordinate, or a vector along the gradient that is as long as that, sqrt(D); (S, ...)."""
    if optimiser == "sign":
        return gradient.sign()
    if optimiser == "gradient":
        flat = gradient.flatten(1)
        along = flat / flat.abs().amax(dim=1, keepdim=True)  # first, or the squares of a small one are zero
        along = along / along.norm(dim=1, keepdim=True)
        return (along * flat.shape[1] ** 0.5).view_as(gradient)
    raise ConfigError(f"The optimiser is {optimiser!r}, which follows no gradient; expected adam, sign or gradient.")


def take(value: Any, index: Tensor | slice) -> Any:
    """Rows `index` of a tensor, or of every tensor in a (named) tuple of them; None stays None."""
    if value is None:
        return None
    if isinstance(value, Tensor):
        return value[index]
    if hasattr(value, "_fields"):
        return type(value)(*[take(item, index) for item in value])
    return tuple(take(item, index) for item in value)


def join(values: list[Any]) -> Any:
    """The inverse of taking batches apart: concatenate tensors, or (named) tuples of them."""
    first = values[0]
    if first is None:
        return None
    if isinstance(first, Tensor):
        return torch.cat(values)
    parts = [join(list(items)) for items in zip(*values, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
