"""In-flight batching: a fixed number of slots, refilled as samples leave.

A loop over whole batches computes until the slowest sample of each is done. Here a sample that is done leaves at once
and the next takes its place, so that the gradient step always works on full slots:

    flight = Flight(pair, pair.generator, space, slots=64)
    flight.board(board(slots, Course.same(len(x), 500, 0.3, threshold_mm=175), 500))
    for landed in flight.run(admit):
        ...

A sample that crosses the threshold leaves its slot too, for the queue of those to be verified in float32 on 8-bit
frames, together. What fails there comes back, and goes on from where it was. At the end, when nobody waits any more,
the slots shrink down the ladder of batch sizes.

Which samples share a step, how many slots there are, in what order they come and how often the host looks change
nothing in what becomes of a sample, but for float rounding.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from turncoat.engine.attack.flight.landed import Landed, Traffic, outcome_of
from turncoat.engine.attack.flight.rows import (
    EMPTY,
    FLAT,
    NOT_FINITE,
    PAST,
    UNCHECKED,
    USED_UP,
    Rows,
    climb,
    owned,
    put,
)
from turncoat.engine.attack.identity import Asker
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.slots import join, take
from turncoat.engine.attack.spaces import Space
from turncoat.engine.attack.verified import verified_error
from turncoat.export.attack_step import Objective, Painter
from turncoat.kernels.pose_error import mpjpe

PATIENCE = 8
"""Steps after which a failed verification is repeated although the error has not risen by what was missing."""

TOGETHER = 16
"""Samples that are verified together, while others keep the slots busy."""

Admit = Callable[[], bool]
"""Asked when too few samples wait: boards some (`Flight.board`) and answers True, or False when there are no more."""


class _Check(NamedTuple):
    """A verification under way: its rows, and the errors, which on a GPU may still be being computed."""

    rows: Rows
    verified: Tensor
    done: Any  # a CUDA event, or None


class Flight:
    """A fixed number of slots, and the queue in front of them.

    Args:
        pair: the target that is attacked; steps run in the pair's precision or runtime, verification in float32.
        painter: repaints from an appearance: the pair's generator, or a colouring of layers.
        space: of the coordinates; what differs by sample (which attack, its ball) travels in the limits, and how long
            and how far it goes in its course.
        objective: of the attack step.
        slots: how many samples a step computes; cut to what `board` brings if that is less.
        every: steps between two looks at which samples are done. More than 1 spares a GPU from waiting for the host;
            a sample stands still from the step at which it is done, so the result is the same.
        bound: (new coordinates, slots) -> coordinates: a budget that cannot be said in the space, such as a picture's.
        askers: numbers of samples -> for whom each draws at random; needed where the pair asks by queries.

    Source: design.md section 4; the loop is Nakka and Salzmann 2023, Algorithm 1, lines 6 to 12.
    """

    def __init__(
        self,
        pair: Pair,
        painter: Painter,
        space: Space,
        *,
        objective: Objective = "squared",
        slots: int = 64,
        every: int = 1,
        bound: Callable[[Tensor, Any], Tensor] | None = None,
        askers: Callable[[Sequence[int]], Sequence[Asker]] | None = None,
    ) -> None:
        self.pair, self.painter, self.space = pair, painter, space
        self.objective = objective
        self.every, self.traffic = max(1, every), Traffic()
        self._wanted, self.bound = max(1, slots), bound
        self._step, self._askers = pair.step, askers
        self._queue: deque[tuple[Rows, int]] = deque()  # batches that wait, and how many rows of each were taken
        self._to_check: list[Rows] = []
        self._checks: deque[_Check] = deque()
        self._rows: Rows | None = None
        self._weight: Tensor | None = None
        self._open = True

    def board(self, rows: Rows, *, first: bool = False) -> None:
        """Put samples into the queue, at its front if `first`."""
        if rows.size:
            (self._queue.appendleft if first else self._queue.append)((rows, 0))

    @property
    def waiting(self) -> int:
        """Samples in the queue."""
        return sum(rows.size - taken for rows, taken in self._queue)

    @property
    def aboard(self) -> int:
        """Samples in the queue, in slots and in verification: those that have not landed."""
        flying = int((self._rows.halted & EMPTY == 0).sum()) if self._rows is not None else 0
        checking = sum(one.size for one in self._to_check) + sum(one.rows.size for one in self._checks)
        return self.waiting + flying + checking

    def run(self, admit: Admit | None = None) -> Iterator[Landed]:
        """Fly until everybody has landed; yields those that have, some at a time, as they do.

        While it is suspended more may be boarded: what a sample does next, for instance.

        admit: brings more samples; None: those that were boarded are all.
        """
        self._open = admit is not None
        while True:
            self._fill(admit)
            rows = self._rows
            free = rows is None or bool((rows.halted & EMPTY != 0).all())
            tail = not self._open and not self._queue
            idle = free and tail
            if self._to_check and (idle or tail or self._checkable() >= TOGETHER):
                self._start_check()
            landed = self._finish_checks(wait=idle)
            if landed is not None:
                yield landed
                continue  # what landed or came back may have filled the queue
            if free:
                if not self._queue and not self._open and not self._to_check and not self._checks:
                    return
                continue
            if tail:
                self._shrink()
            landed = self._advance(tail)
            if landed is not None:
                yield landed

    # Slots

    def _fill(self, admit: Admit | None) -> None:
        """Bring the next samples into empty slots."""
        empty = self._wanted if self._rows is None else int((self._rows.halted & EMPTY != 0).sum())
        while self._open and admit is not None and self.waiting < max(1, empty):
            begun = time.perf_counter()
            self._open = admit()
            self.traffic.admit_s += time.perf_counter() - begun
        if not self._queue or not empty:
            return
        if self._rows is None:
            self._begin()
            return
        places = (self._rows.halted & EMPTY != 0).nonzero()[:, 0]
        for piece in self._next(len(places)):
            put(self._rows, places[: piece.size], piece)
            places = places[piece.size :]

    def _begin(self) -> None:
        """The slots, as many as are wanted, or as wait if no more will come."""
        size = self._wanted if self._open else min(self._wanted, self.waiting)
        whole: Rows = join(self._next(size))
        missing = size - whole.size
        if missing:  # copies of the last one, so that what is computed there is as finite as the rest
            last = whole.size - 1
            spare: Rows = take(whole, torch.full((missing,), last, device=whole.halted.device))
            whole = join([whole, spare._replace(halted=torch.full_like(spare.halted, EMPTY))])
        self._rows = owned(whole)
        self._weight = torch.ones(self._rows.slots.reference.shape[1], device=whole.halted.device)

    def _next(self, wanted: int) -> list[Rows]:
        """Up to `wanted` rows off the front of the queue."""
        found: list[Rows] = []
        while wanted and self._queue:
            rows, taken = self._queue.popleft()
            many = min(wanted, rows.size - taken)
            found.append(take(rows, slice(taken, taken + many)))
            if taken + many < rows.size:
                self._queue.appendleft((rows, taken + many))
            wanted -= many
        return found

    def _shrink(self) -> None:
        """Down the ladder, once those that still fly fit the next rung; nobody waits any more."""
        assert self._rows is not None
        flying = (self._rows.halted & EMPTY == 0).nonzero()[:, 0]
        size = self._rung(len(flying))
        if size >= self._rows.size:
            return
        spare = (self._rows.halted & EMPTY != 0).nonzero()[: size - len(flying), 0]
        self._rows = owned(take(self._rows, torch.cat([flying, spare])))

    def _rung(self, flying: int) -> int:
        """The smallest batch size that a step is made for and that holds so many samples."""
        rungs: Sequence[int] | None = getattr(self.pair.runtime, "batches", None)
        return flying if not rungs else next((rung for rung in rungs if rung >= flying), flying)

    # Steps

    def _advance(self, tail: bool) -> Landed | None:
        """`every` steps of all slots, then a look at who is done."""
        assert self._rows is not None and self._weight is not None
        begun = time.perf_counter()
        for _ in range(self.every):
            self._rows = self._stepped(self._rows, self._weight, tail)
        done = self._rows.halted != 0
        done &= self._rows.halted & EMPTY == 0
        places = done.nonzero()[:, 0]  # waits for a GPU
        self.traffic.step_s += time.perf_counter() - begun
        if not len(places):
            return None
        leaving: Rows = take(self._rows, places)
        self._rows.halted[places] = EMPTY
        past = (leaving.halted & PAST) != 0
        to_check, others = past.nonzero()[:, 0], (~past).nonzero()[:, 0]
        if len(to_check):
            self._to_check.append(take(leaving, to_check))
        return self._landed(take(leaving, others)) if len(others) else None

    def _stepped(self, rows: Rows, weight: Tensor, tail: bool) -> Rows:
        """One step: Algorithm 1, lines 7 to 11, for the rows that move."""
        slots, course = rows.slots, rows.course
        extra: dict[str, Any] = {}
        if self.pair.queries is not None and self._askers is not None:
            extra = {"askers": self._askers(slots.sample.tolist()), "iteration": slots.age}
        pose, gradient = self._step(
            self.painter,
            self.space.appearance(slots.x, slots.limits),
            slots.canvas,
            slots.reference,
            weight,
            course.sign,
            objective=self.objective,
            given=slots.given,
            **extra,
        )
        gradient = self.space.pull_back(gradient.float(), slots.limits)
        error = mpjpe(pose.float(), slots.reference)  # (S,)
        moved = rows.halted == 0
        each = torch.arange(rows.size, device=error.device)
        rows.curve[each, slots.age] = torch.where(moved, error, rows.curve[each, slots.age])

        size = gradient.flatten(1).abs().amax(dim=1)
        finite = error.isfinite() & size.isfinite()
        used_up = slots.age >= course.steps
        measured = course.measure(error)
        due = (measured >= rows.next_error) | (slots.age >= rows.checked_age + PATIENCE) | used_up
        past = moved & course.stop & finite & course.crossed(error) & due
        why = past * PAST + (~finite) * NOT_FINITE + used_up * USED_UP + (size == 0) * FLAT
        halted = torch.where(moved, why.to(torch.uint8), rows.halted)

        higher = moved & course.keeps & finite & (measured > rows.best)
        shape = (-1, *[1] * (slots.x.ndim - 1))
        rows = rows._replace(
            halted=halted,
            error=torch.where(moved, error, rows.error),
            best=torch.where(higher, measured, rows.best),
            kept_x=torch.where((higher | past).view(shape), slots.x, rows.kept_x),
            checked_age=torch.where(past, slots.age, rows.checked_age),
        )
        # Those that crossed make their step too, in case that verification sends them on.
        climbed = climb(rows, gradient, self.space, (halted == 0) | past)
        if self.bound is not None:
            climbed = climbed._replace(x=self.bound(climbed.x, slots))
        self._count(moved, tail)
        return rows._replace(slots=climbed)

    def _count(self, moved: Tensor, tail: bool) -> None:
        busy = int(moved.sum()) if moved.device.type == "cpu" else 0  # a GPU is not made to wait for a count
        self.traffic.steps += 1
        self.traffic.places += len(moved)
        self.traffic.busy += busy
        if not tail:
            self.traffic.places_before_tail += len(moved)
            self.traffic.busy_before_tail += busy

    # Verification

    def _checkable(self) -> int:
        return sum(one.size for one in self._to_check)

    def _start_check(self) -> None:
        """Verify those that wait for it together; on a GPU beside the steps that follow, on a stream of its own."""
        rows: Rows = join(self._to_check)
        self._to_check = []
        begun = time.perf_counter()
        appearance = self.space.appearance(rows.kept_x, rows.slots.limits)
        event = None
        if rows.halted.is_cuda and torch.backends.cuda.is_built():
            side = _side_stream(rows.halted.device)
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                verified = verified_error(self.pair, self.painter, rows.slots, appearance)
                event = torch.cuda.Event()
                event.record(side)
        else:
            verified = verified_error(self.pair, self.painter, rows.slots, appearance)
        self.traffic.check_s += time.perf_counter() - begun
        self.traffic.checks += rows.size
        self.traffic.check_calls += 1
        self._checks.append(_Check(rows, verified, event))

    def _finish_checks(self, wait: bool) -> Landed | None:
        """Who was verified and is done; those whose crossing did not hold go back to the queue's front."""
        if not self._checks:
            return None
        check = self._checks[0]
        if check.done is not None:
            if not wait and not check.done.query():
                return None
            check.done.synchronize()
            torch.cuda.current_stream().wait_event(check.done)
        self._checks.popleft()
        rows, verified = check.rows, check.verified
        course = rows.course
        fooled = course.crossed(verified) & verified.isfinite()
        first = rows.confirmed == UNCHECKED
        missing = (course.measure(course.threshold_mm) - course.measure(verified)).clamp(min=0)
        rows = rows._replace(
            checks=rows.checks + 1,
            next_error=course.measure(rows.error) + missing,
            confirmed=torch.where(first, fooled.to(torch.int8), rows.confirmed),
            halted=torch.where(fooled, PAST, rows.halted & ~PAST).to(torch.uint8),
        )
        on = (rows.halted == 0).nonzero()[:, 0]
        if len(on):
            self.board(take(rows, on), first=True)
        done = (rows.halted != 0).nonzero()[:, 0]
        if not len(done):
            return None
        rows = take(rows, done)
        return self._landed(rows._replace(slots=rows.slots._replace(x=rows.kept_x, age=rows.checked_age)))

    def _landed(self, rows: Rows) -> Landed:
        self.traffic.iterations += rows.slots.age.tolist()
        return Landed(rows, [outcome_of(why) for why in rows.halted.tolist()])


_SIDE: dict[torch.device, Any] = {}


def _side_stream(device: torch.device) -> Any:
    if device not in _SIDE:
        _SIDE[device] = torch.cuda.Stream(device)
    return _SIDE[device]
