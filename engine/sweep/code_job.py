"""Appearance attacks on the parts of a run: samples stream through the slots, parts come out as they are complete."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.appearance import admit_in_batches, attack_codes, block_of
from turncoat.engine.attack.block import Block
from turncoat.engine.attack.code_flight import CodeFlight, Rider
from turncoat.engine.attack.controls import code_pool, other_codes, random_direction
from turncoat.engine.attack.goals import find_goal
from turncoat.engine.attack.measure import Admitted
from turncoat.engine.attack.outcomes import ATTACKED
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.attack.slots import join, take
from turncoat.engine.attack.step_size import Choice
from turncoat.engine.sweep.admission import truth_of
from turncoat.engine.sweep.jobs import Advance, Job, Row
from turncoat.training.data import Dataset

TOGETHER = 32
"""Samples that are measured together once an attack on them is over."""


@dataclass
class _Part:
    """A part on its way.

    Attributes:
        left: attacks on samples that are not measured yet.
        rows: (what they are, place in the part) -> row.
    """

    left: int
    rows: dict[tuple[int, int], Row] = field(default_factory=dict)


@dataclass(frozen=True)
class _Sample:
    """Where a sample belongs: its part, its place in it, its index columns, its true pose (17, 3)."""

    part: int
    place: int
    index: Row
    truth: Tensor


class CodeJob(Job):
    """Attacks on the appearance code."""

    name = "appearance"

    def __init__(
        self, pair: Pair, data: Dataset, settings: AttackSettings, choices: dict[str, Choice], subjects: Sequence[str]
    ) -> None:
        super().__init__(pair, data, settings, choices, subjects)
        self.pool = code_pool(pair, data, subjects, settings) if settings.controls else None
        self.goal = find_goal(pair, data, settings)
        self._names = self.asked(settings)
        self.traffic: dict[str, Any] = {}

    @staticmethod
    def asked(settings: AttackSettings) -> tuple[str, ...]:
        return settings.appearance_attacks

    def parts(self, numbered: Iterable[tuple[int, np.ndarray]], advance: Advance) -> Iterator[tuple[int, list[Row]]]:
        if any(
            self.settings.optimiser_of(name) == "random" for name in self._names
        ):  # a search makes no steps to share
            yield from super().parts(numbered, advance)
            return
        yield from _Stream(self, iter(numbered), advance).run()

    def _attacked(self, rows: np.ndarray, pictures: np.ndarray, advance: Advance) -> list[Row]:
        """One part by itself, attack after attack."""
        index, truth = self._index(rows), truth_of(self.pair, self.data, rows)
        given = self.pair.given(self.data, rows)
        admitted = self.aimed(
            admit_in_batches(self.pair, pictures, self.data.background(rows), self.settings.batch, given)
        )
        found: list[Row] = []
        for name in self._names:
            clock = time.monotonic()
            size = self.choices[name].step_size
            block = attack_codes(self.pair, admitted, name, size, self.settings, truth, index)
            self._timed(name, clock, block)
            advance(len(rows), name)
            found += [row for _, row in self.measured(block, admitted, index, truth)]
        return found + [row for _, _, row in self.worn(admitted, index, truth)]

    def aimed(self, admitted: Admitted) -> Admitted:
        """The same samples, with the pose that attacks towards one drive to."""
        return admitted if self.goal is None else admitted._replace(goal=self.goal.of(admitted.clean_pose))

    def measured(self, block: Block, admitted: Admitted, index: Sequence[Row], truth: Tensor) -> list[tuple[int, Row]]:
        """(place in `index`, row) of an attack and of the control that goes as far."""
        found = list(enumerate(block.rows(index)))
        if self.pool is not None:
            control = random_direction(self.pair, admitted, block, index, self.settings, truth)
            found += list(enumerate(control.rows(index)))
        return found

    def worn(self, admitted: Admitted, index: Sequence[Row], truth: Tensor) -> list[tuple[int, int, Row]]:
        """(which control, place in `index`, row) of other frames' and other people's codes."""
        if self.pool is None:
            return []
        return [
            (kind, int(place), row)
            for kind, (where, block) in enumerate(
                other_codes(self.pair, admitted, self.pool, index, self.settings, truth)
            )
            for place, row in zip(where, block.rows([index[place] for place in where]), strict=True)
        ]

    def count(self, name: str, attacked: int, seconds: float) -> None:
        """Add to the throughput of an attack."""
        samples, before = self.throughput.get(name, (0, 0.0))
        self.throughput[name] = samples + attacked, before + seconds


class _Stream:
    """One pass over parts: admit, fly, measure, hand out."""

    def __init__(self, job: CodeJob, numbered: Iterator[tuple[int, np.ndarray]], advance: Advance) -> None:
        self._job, self._numbered, self._advance = job, numbered, advance
        sizes = {name: job.choices[name].step_size for name in job.asked(job.settings)}
        self._names = tuple(sizes)
        self._flight = CodeFlight(job.pair, job.settings, sizes)
        self._parts: dict[int, _Part] = {}
        self._samples: dict[int, _Sample] = {}  # by id of the rider
        self._over: dict[str, list[Rider]] = defaultdict(list)
        self._attacked = dict.fromkeys(self._names, 0)
        self._controls_s = 0.0

    def run(self) -> Iterator[tuple[int, list[Row]]]:
        begun = time.monotonic()
        for done in self._flight.run(self._admit):
            for rider, name in done:
                self._over[name].append(rider)
            for name in self._names:
                if len(self._over[name]) >= TOGETHER:
                    self._measure(name)
            yield from self._complete()
        for name in self._names:
            self._measure(name)
        yield from self._complete()
        seconds, made = time.monotonic() - begun - self._controls_s, sum(self._flight.iterations.values())
        for name in self._names:  # they fly side by side: their time is shared out by steps made
            share = self._flight.iterations[name] / made if made else 1 / len(self._names)
            self._job.count(name, self._attacked[name], seconds * share)
        self._job.traffic = self._flight.flight.traffic.facts()

    def _admit(self) -> bool:
        """The next part, into the queue."""
        number, rows = next(self._numbered, (-1, np.zeros(0, dtype=np.int64)))
        if number < 0:
            return False
        job = self._job
        pictures, valid, bad = job.data.read_valid(rows)
        part = self._parts[number] = _Part(left=len(valid) * len(self._names))
        lost = job._lost(bad, self._advance)
        part.rows |= {(-1, n): row for n, row in enumerate(lost)}
        if not len(valid):
            return True
        index, truth = job._index(valid), truth_of(job.pair, job.data, valid)
        given = job.pair.given(job.data, valid)
        background = job.data.background(valid)
        admitted = job.aimed(admit_in_batches(job.pair, pictures, background, job.settings.batch, given))
        begun = time.monotonic()
        for kind, place, row in job.worn(admitted, index, truth):
            part.rows[2 * len(self._names) + kind, place] = row
        self._controls_s += time.monotonic() - begun
        for place, rider in enumerate(self._flight.board(admitted, index)):
            self._samples[id(rider)] = _Sample(number, place, index[place], truth[place])
        return True

    def _measure(self, name: str) -> None:
        """Rows of the samples that this attack is over for."""
        riders = self._over.pop(name, [])
        if not riders:
            return
        job, samples = self._job, [self._samples[id(rider)] for rider in riders]
        admitted, truth = _gathered(riders), torch.stack([sample.truth for sample in samples])
        index = [sample.index for sample in samples]
        kept = [rider.kept[name] for rider in riders]
        block = block_of(job.pair, admitted, kept, name, job.settings, truth)
        self._attacked[name] += sum(outcome in ATTACKED for outcome in block.outcome)
        begun = time.monotonic()
        kind = 2 * self._names.index(name)
        for n, (place, row) in enumerate(job.measured(block, admitted, index, truth)):
            sample = samples[place]
            self._parts[sample.part].rows[kind + (n >= len(samples)), sample.place] = row
        self._controls_s += time.monotonic() - begun
        for rider, sample in zip(riders, samples, strict=True):
            self._parts[sample.part].left -= 1
            del rider.kept[name]
            if not rider.kept:
                del self._samples[id(rider)]
        self._advance(len(riders), name)

    def _complete(self) -> Iterator[tuple[int, list[Row]]]:
        for number in [number for number, part in self._parts.items() if part.left == 0]:
            rows = self._parts.pop(number).rows
            yield number, [rows[key] for key in sorted(rows)]


def _gathered(riders: Sequence[Rider]) -> Admitted:
    """The samples of riders as one batch."""
    batches: dict[int, list[int]] = defaultdict(list)
    for n, rider in enumerate(riders):
        batches[id(rider.admitted)].append(n)
    pieces, order = [], []
    for members in batches.values():
        admitted = riders[members[0]].admitted
        where = torch.tensor([riders[n].place for n in members], device=admitted.error_initial.device)
        pieces.append(take(admitted, where))
        order += members
    back = torch.tensor(np.argsort(order), device=pieces[0].error_initial.device)
    gathered: Admitted = take(join(pieces), back)
    return gathered
