"""What a sweep has done so far: samples for whoever looks on, seconds for run.json."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from turncoat.engine.runs import RunWriter

Progress = Callable[..., None]


class Bar:
    """Counts samples, once for every attack on them, and tells whoever asked."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self._tell()

    def skip(self, steps: int) -> None:
        """So many that an earlier start of this run has done; negative: that have to be done again."""
        self._done += steps
        self._tell()

    def advance(self, samples: int, attack: str) -> None:
        """So many more samples went through `attack`."""
        self._done += samples
        self._tell(attack=attack)

    def _tell(self, **facts: Any) -> None:
        if self._progress is not None:
            self._progress(self._done, self._total, **facts)


class Recorder:
    """Writes parts into the run, and the time that it has taken, so that a killed run knows it too."""

    def __init__(self, writer: RunWriter) -> None:
        self._writer, self._before = writer, float(writer.info["wall_s"])
        self._started = self._saved = time.monotonic()

    def write(self, part: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """A part that was computed here."""
        self._writer.write(part, rows)
        self.tick()

    def log(self, **facts: Any) -> None:
        """Facts of progress."""
        self._writer.log(**facts)

    def tick(self, every_s: float = 2.0) -> None:
        """Note the time, if it was not noted in the last seconds."""
        now = time.monotonic()
        if now - self._saved >= every_s:
            self._writer.save(wall_s=round(self._before + now - self._started, 3))
            self._saved = now
