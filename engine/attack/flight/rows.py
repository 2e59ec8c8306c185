"""What flies: one row a sample, all arrays batch first, so that samples come and go in any order.

Nothing in a row depends on its neighbours. A row that is taken out and put back later goes on as if it had never left.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from turncoat.engine.attack.settings import OPTIMISERS, Optimiser
from turncoat.engine.attack.slots import BETA_1, BETA_2, EPSILON, Slots, take
from turncoat.engine.attack.spaces import Space

PAST, NOT_FINITE, USED_UP, FLAT, EMPTY = 1, 2, 4, 8, 16
"""Why a row stands still, as bits: past the threshold, a number that is not finite, all steps made, no gradient, nobody
there. 0: it moves."""

UNCHECKED = -1


class Course(NamedTuple):
    """How the ascents of B samples go; a row each, since different attacks fly side by side.

    Attributes:
        steps: (B,) int64, largest number of steps.
        step_size: (B,) float32, of the optimiser.
        optimiser: (B,) int64, index into `settings.OPTIMISERS`.
        stop: (B,) bool, a verified crossing of the threshold ends it; else all steps are made and the strongest
            iterate is what counts.
        threshold_mm: (B,) float32, an error past it, verified, ends a row that stops.
        sign: (B,) float32, 1 drives predictions away from the reference; -1 towards it. Then an error below the
            threshold ends it, the nearest iterate counts where none is, and steps shrink to nothing in equal parts:
            those of one length would circle the reference for ever.
    """

    steps: Tensor
    step_size: Tensor
    optimiser: Tensor
    stop: Tensor
    threshold_mm: Tensor
    sign: Tensor

    @classmethod
    def same(
        cls,
        count: int,
        steps: int,
        step_size: float,
        optimiser: Optimiser = "adam",
        *,
        threshold_mm: float,
        stop: bool = True,
        sign: float = 1.0,
        device: torch.device | str = "cpu",
    ) -> "Course":
        """One course for all of `count` samples."""

        def column(value: float | bool, dtype: torch.dtype) -> Tensor:
            return torch.full((count,), value, dtype=dtype, device=device)

        return cls(
            column(steps, torch.int64),
            column(step_size, torch.float32),
            column(OPTIMISERS.index(optimiser), torch.int64),
            column(stop, torch.bool),
            column(threshold_mm, torch.float32),
            column(sign, torch.float32),
        )

    @property
    def keeps(self) -> Tensor:
        """(B,) bool: the strongest iterate counts, not the last."""
        return ~self.stop | (self.sign < 0)

    def measure(self, error: Tensor) -> Tensor:
        """What grows as an attack gets on, (B,): the error, or, driven towards a pose, less of it."""
        return self.sign * error

    def crossed(self, error: Tensor) -> Tensor:
        """(B,) bool: past the threshold, on the side where the attack wants to be."""
        return self.measure(error) > self.measure(self.threshold_mm)


class Rows(NamedTuple):
    """S samples in flight.

    Attributes:
        slots: what an attack keeps of each: which sample, steps made, coordinates, moments, limits, reference, canvas.
        course: how each goes.
        halted: (S,) uint8, why it stands still; 0: it moves.
        error: (S,) mm, at the last look.
        best: (S,) mm, the strongest error of rows that keep it (`Course.measure` of it).
        kept_x: (S, ...) coordinates that count: of the strongest iterate, or of the last crossing of a row that stops.
        curve: (S, steps + 1) mm, error at every iterate; NaN after the last.
        checks: (S,) int64, verifications made. checked_age: (S,) steps made at the last crossing.
        next_error: (S,) mm, a failed check is repeated once the error is there, or some steps later.
        confirmed: (S,) int8, whether the first verification held: 1, 0, or UNCHECKED.
    """

    slots: Slots
    course: Course
    halted: Tensor
    error: Tensor
    best: Tensor
    kept_x: Tensor
    curve: Tensor
    checks: Tensor
    checked_age: Tensor
    next_error: Tensor
    confirmed: Tensor

    @property
    def size(self) -> int:
        return self.slots.size


def board(slots: Slots, course: Course, longest: int) -> Rows:
    """Rows that have not moved yet.

    longest: largest number of steps of any row that flies beside these; fixes the curves' length.
    """
    count, device = slots.size, slots.x.device
    return Rows(
        slots=slots,
        course=course,
        halted=torch.zeros(count, dtype=torch.uint8, device=device),
        error=torch.full((count,), torch.nan, device=device),
        best=torch.full((count,), -torch.inf, device=device),
        kept_x=slots.x.clone(),
        curve=torch.full((count, longest + 1), torch.nan, device=device),
        checks=torch.zeros(count, dtype=torch.int64, device=device),
        checked_age=torch.full((count,), -1, dtype=torch.int64, device=device),
        next_error=torch.full((count,), -torch.inf, device=device),
        confirmed=torch.full((count,), UNCHECKED, dtype=torch.int8, device=device),
    )


def put(into: Any, where: Tensor, rows: Any) -> None:
    """Write rows into the places `where`, (K,) int64, of a tensor or of every tensor in a nest of tuples, in place.

    Addresses stay, so that a captured CUDA graph goes on reading them.
    """
    if into is None:
        return
    if isinstance(into, Tensor):
        into.index_copy_(0, where, rows)
        return
    for one, other in zip(into, rows, strict=True):
        put(one, where, other)


def owned(rows: Any) -> Any:
    """The same nest of tuples with tensors of its own, contiguous; what came in may be views, or expanded."""
    if rows is None:
        return None
    if isinstance(rows, Tensor):
        return rows.clone(memory_format=torch.contiguous_format)
    values = [owned(one) for one in rows]
    return type(rows)(*values) if hasattr(rows, "_fields") else tuple(values)


def climb(rows: Rows, gradient: Tensor, space: Space, moves: Tensor) -> Slots:
    """The slots after one step uphill of every row that `moves`, (S,) bool; the others stay as they are.

    gradient: (S, ...) of the objective with respect to the coordinates, uphill.

    Adam as in Algorithm 1 (Kingma and Ba 2015, with bias correction); plain steps as `settings.OPTIMISERS` says.
    """
    slots, course = rows.slots, rows.course
    column = (-1, *[1] * (gradient.ndim - 1))
    age = slots.age + moves
    gradient = torch.where(moves.view(column), gradient, 0.0)
    first = BETA_1 * slots.first + (1 - BETA_1) * gradient
    second = BETA_2 * slots.second + (1 - BETA_2) * gradient.square()
    power = age.clamp(min=1).view(column).to(gradient.dtype)
    adam = (first / (1 - BETA_1**power)) / ((second / (1 - BETA_2**power)).sqrt() + EPSILON)
    flat = gradient.flatten(1)
    tiny = torch.finfo(flat.dtype).tiny
    along = flat / flat.abs().amax(dim=1, keepdim=True).clamp(min=tiny)  # the squares of a small one are zero
    along = along / along.norm(dim=1, keepdim=True).clamp(min=EPSILON) * flat.shape[1] ** 0.5
    speed = torch.where((course.optimiser == OPTIMISERS.index("sign")).view(column), gradient.sign(), adam)
    speed = torch.where((course.optimiser == OPTIMISERS.index("gradient")).view(column), along.view_as(gradient), speed)
    share = torch.where(course.sign < 0, 1 - slots.age / course.steps, 1.0)
    x = space.project(slots.x + (course.step_size * share).view(column) * speed, slots.limits)
    mask = moves.view(column)
    return slots._replace(
        age=age,
        x=torch.where(mask, x, slots.x),
        first=torch.where(mask, first, slots.first),
        second=torch.where(mask, second, slots.second),
    )


__all__ = ["Course", "Rows", "board", "climb", "owned", "put", "take"]
