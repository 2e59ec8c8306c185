"""Attacks on the pixels of the parts of a run, for context; nothing is repainted, so there is no generator."""

import time

import numpy as np

from turncoat.engine.attack.pixels import admit_pixels, attack_pixels, random_signs
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.sweep.admission import truth_of
from turncoat.engine.sweep.jobs import Advance, Job, Row


class PixelJob(Job):
    """Attacks on every pixel."""

    name = "pixels"

    @staticmethod
    def asked(settings: AttackSettings) -> tuple[str, ...]:
        return settings.pixel_attacks

    def _attacked(self, rows: np.ndarray, pictures: np.ndarray, advance: Advance) -> list[Row]:
        index, truth = self._index(rows), truth_of(self.pair, self.data, rows)
        admitted = admit_pixels(self.pair, pictures, self.settings.batch, self.pair.given(self.data, rows))
        found: list[Row] = []
        for name in self.asked(self.settings):
            clock = time.monotonic()
            block = attack_pixels(self.pair, admitted, name, index, self.settings, truth)
            self._timed(name, clock, block)
            advance(len(rows), name)
            found += block.rows(index)
            if self.settings.controls:
                found += random_signs(self.pair, admitted, name, index, self.settings, truth).rows(index)
        return found
