"""What is done with a part of the samples: every attack of one family, and the controls beside it."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.appearance import admit_in_batches, attack_codes
from turncoat.engine.attack.block import Block
from turncoat.engine.attack.colour_controls import (
    grey_noise,
    other_wardrobes,
    random_colours,
    random_corners,
    wardrobes_of,
)
from turncoat.engine.attack.colours import admit_colours, attack_colours, draw_colours
from turncoat.engine.attack.controls import code_pool, other_codes, random_direction
from turncoat.engine.attack.measure import Admitted
from turncoat.engine.attack.outcomes import ATTACKED, Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.attack.step_size import Choice
from turncoat.engine.sweep.plan import index_rows
from turncoat.kernels.errors import DataError
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

    def rows_of(self, rows: np.ndarray, advance: Advance) -> list[Row]:
        """Result rows of the samples at `rows`; samples that cannot be read get theirs too.

        `advance(samples, attack)` is called after each attack on them.
        """
        pictures, valid, bad = self.data.read_valid(rows)
        found: list[Row] = []
        for name in self.asked(self.settings):
            found += [self._unreadable(sample, name) for sample in self._index(bad)]
            if len(bad):
                advance(len(bad), name)
        if len(valid):
            found += self._attacked(valid, pictures, advance)
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


class CodeJob(Job):
    """Attacks on the appearance code."""

    name = "appearance"

    def __init__(
        self, pair: Pair, data: Dataset, settings: AttackSettings, choices: dict[str, Choice], subjects: Sequence[str]
    ) -> None:
        super().__init__(pair, data, settings, choices, subjects)
        self.pool = code_pool(pair, data, subjects, settings) if settings.controls else None

    @staticmethod
    def asked(settings: AttackSettings) -> tuple[str, ...]:
        return settings.appearance_attacks

    def _attacked(self, rows: np.ndarray, pictures: np.ndarray, advance: Advance) -> list[Row]:
        index, truth = self._index(rows), truth_of(self.pair, self.data, rows)
        given = self.pair.given(self.data, rows)
        admitted = admit_in_batches(self.pair, pictures, self.data.background(rows), self.settings.batch, given)
        found: list[Row] = []
        for name in self.asked(self.settings):
            clock = time.monotonic()
            size = self.choices[name].step_size
            block = attack_codes(self.pair, admitted, name, size, self.settings, truth, index)
            self._timed(name, clock, block)
            advance(len(rows), name)
            found += block.rows(index)
            if self.pool is not None:
                found += random_direction(self.pair, admitted, block, index, self.settings, truth).rows(index)
        if self.pool is not None:
            for where, block in other_codes(self.pair, admitted, self.pool, index, self.settings, truth):
                found += block.rows([index[place] for place in where])
        return found


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


def admit_rows(pair: Pair, data: Dataset, rows: np.ndarray, batch: int) -> tuple[Admitted, np.ndarray]:
    """Admit the readable ones of the samples at `rows`; also returns which those are."""
    pictures, valid, _ = data.read_valid(rows)
    if not len(valid):
        raise DataError(f"None of {len(rows)} frames of {data.folder} can be read; render it again.")
    return admit_in_batches(pair, pictures, data.background(valid), batch, pair.given(data, valid)), valid


def truth_of(pair: Pair, data: Dataset, rows: np.ndarray) -> Tensor:
    """Ground truth poses (N, 17, 3) mm on the device."""
    return torch.from_numpy(data.pose(rows)).to(pair.device)
