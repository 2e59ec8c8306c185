"""What is done with a part of the samples: every attack of one family, and the controls beside it."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from turncoat.engine.attack.block import Block
from turncoat.engine.attack.colour_controls import (
    grey_noise,
    other_wardrobes,
    random_colours,
    random_corners,
    wardrobes_of,
)
from turncoat.engine.attack.colours import admit_colours, attack_colours, draw_colours
from turncoat.engine.attack.outcomes import ATTACKED, Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.attack.step_size import Choice
from turncoat.engine.sweep.admission import truth_of
from turncoat.engine.sweep.plan import index_rows
from turncoat.training.data import Dataset
from turncoat.training.networks import needs_given

Row = dict[str, Any]
Advance = Callable[[int, str], None]


class Job(ABC):
    """One family of attacks, set up once and applied to part after part.

    Attributes:
        throughput: attack -> (samples really attacked, seconds), summed over the parts.
    """

    name: ClassVar[str]

    def __init__(
        self, pair: Pair, data: Dataset, settings: AttackSettings, choices: dict[str, Choice], subjects: Sequence[str]
    ) -> None:
        self.pair, self.data, self.settings, self.choices = pair, data, settings, choices
        self.throughput: dict[str, tuple[int, float]] = {}

    def parts(self, numbered: Iterable[tuple[int, np.ndarray]], advance: Advance) -> Iterator[tuple[int, list[Row]]]:
        """Result rows of parts, given as (number, rows of the dataset), each as it is done, in whatever order.

        Samples that cannot be read get rows too. `advance(samples, attack)` is called as they go through an attack.
        The rows of a part are the same, in the same order, whatever is computed beside it.
        """
        for number, rows in numbered:
            pictures, valid, bad = self.data.read_valid(rows)
            found = self._lost(bad, advance)
            if len(valid):
                found += self._attacked(valid, pictures, advance)
            yield number, found

    def _lost(self, bad: np.ndarray, advance: Advance) -> list[Row]:
        """Rows of samples that cannot be read."""
        found: list[Row] = []
        for name in self.asked(self.settings):
            found += [self._unreadable(sample, name) for sample in self._index(bad)]
            if len(bad):
                advance(len(bad), name)
        return found

    @staticmethod
    @abstractmethod
    def asked(settings: AttackSettings) -> tuple[str, ...]:
        """The attacks of this family that are asked for."""

    @abstractmethod
    def _attacked(self, rows: np.ndarray, pictures: np.ndarray, advance: Advance) -> list[Row]:
        """Result rows of readable samples; pictures uint8 (N, 3, H, W)."""

    def _index(self, rows: np.ndarray) -> list[Row]:
        """Index and identity columns of samples."""
        generator, target = self.pair.names
        paints = self.name == "appearance"
        identity = {
            "generator": generator if paints else None,
            "target": target,
            "given": needs_given(self.pair.target, self.pair.generator if paints else None),
            "restart": 0,
            "backend": self.pair.backend,
        }
        return [{**sample, **identity} for sample in index_rows(self.data, rows)]

    def _unreadable(self, sample: Row, name: str) -> Row:
        return {**sample, "attack": self.name, "setting": name, "outcome": Outcome.UNREADABLE.value}

    def _timed(self, name: str, clock: float, block: Block) -> None:
        samples, seconds = self.throughput.get(name, (0, 0.0))
        attacked = sum(outcome in ATTACKED for outcome in block.outcome)
        self.throughput[name] = samples + attacked, seconds + time.monotonic() - clock


class ColourJob(Job):
    """Attacks on the garments' colours."""

    name = "colours"

    def __init__(
        self, pair: Pair, data: Dataset, settings: AttackSettings, choices: dict[str, Choice], subjects: Sequence[str]
    ) -> None:
        super().__init__(pair, data, settings, choices, subjects)
        self.wardrobes = wardrobes_of(data, settings) if settings.controls else {}

    @staticmethod
    def asked(settings: AttackSettings) -> tuple[str, ...]:
        return settings.colour_attacks

    def _attacked(self, rows: np.ndarray, pictures: np.ndarray, advance: Advance) -> list[Row]:
        index, truth = self._index(rows), truth_of(self.pair, self.data, rows)
        given = self.pair.given(self.data, rows)
        dressed = admit_colours(self.pair, pictures, self.data.layers(rows), self.settings.batch, given)
        found: list[Row] = []
        for name in self.asked(self.settings):
            clock = time.monotonic()
            drawn = draw_colours(self.pair, dressed, name, index, self.settings)
            block = attack_colours(self.pair, dressed, drawn, name, index, self.settings, truth)
            self._timed(name, clock, block)
            advance(len(rows), name)
            found += block.rows(index)
            if self.settings.controls:
                for control in random_colours(self.pair, dressed, drawn, name, self.settings, truth):
                    found += control.rows(index)
                corners = random_corners(self.pair, dressed, name, index, self.settings, truth)
                found += corners.rows(index)
        if self.settings.controls:
            if len(self.wardrobes) > 1:
                found += other_wardrobes(self.pair, dressed, self.wardrobes, index, self.settings, truth).rows(index)
            found += grey_noise(self.pair, dressed, pictures, index, self.settings, truth).rows(index)
        return found
