"""What a command prints: tables and sentences for a person, one JSON document for a program.

out = Output(json)                                 # json: the command's --json flag
with out.progress("rendering", "frames", log=folder / "log.jsonl") as advance:
    render(settings, progress=advance)             # calls advance(done, total, **facts), now and then
out.show(table)                                    # anything rich can print
out.finish({"frames": 60000})                      # the JSON document; nothing without --json
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Advance = Callable[..., None]


class Output:
    """Standard output belongs to the answer. With --json the answer is one document and all else goes to stderr."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.notes = Console(stderr=True, highlight=False)
        self._console = self.notes if as_json else Console(highlight=False)

    def show(self, *renderables: RenderableType) -> None:
        """Print sentences or rich tables for a person; brackets in sentences are brackets, not markup."""
        self._console.print(*(Text(one) if isinstance(one, str) else one for one in renderables))

    @property
    def width(self) -> int:
        """Columns of the terminal that tables are printed on."""
        return self._console.width

    def warn(self, sentence: str) -> None:
        """Print a warning on standard error, above a bar if one is shown."""
        self.notes.print(Text(f"warning: {sentence}"), style="yellow")

    def finish(self, document: Any) -> None:
        """Print the JSON document if it was asked for. Call once, last."""
        if self.as_json:
            print(json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False))

    @contextmanager
    def progress(self, description: str, unit: str, *, log: Path | None = None) -> Iterator[Advance]:
        """A bar with rate and time left on standard error, and the same facts as JSON lines in `log`.

        The bar appears with the first call, so that bad input that is found before it is one sentence and no bar.
        Yields ``advance(done, total, **facts)``: `done` counts from the start of the work, facts (a loss, a share) are
        shown behind the bar. The log gets at most one line a second, and always the last one.
        """
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(unit),
            TimeRemainingColumn(),
            TextColumn("{task.fields[facts]}"),
        )
        file = _open_log(log)
        try:
            with ExitStack() as shown:
                bar = Progress(*columns, console=self.notes)
                task = bar.add_task(description, total=None, facts="")
                recorder = _Recorder(description, unit, file)

                def advance(done: int, total: int | None = None, **facts: Any) -> None:
                    if not bar.live.is_started:
                        shown.enter_context(bar)
                    text = "  ".join(f"{name} {_short(value)}" for name, value in facts.items())
                    bar.update(task, completed=done, total=total, facts=text)
                    recorder.record(done, total, facts)

                try:
                    yield advance
                finally:
                    recorder.close()
        finally:
            if file is not None:
                file.close()


class _Recorder:
    """Writes progress as JSON lines, at most one a second."""

    def __init__(self, description: str, unit: str, file: TextIO | None) -> None:
        self._names = {"what": description, "unit": unit}
        self._file = file
        self._start = time.monotonic()
        self._first: int | None = None
        self._written = -math.inf
        self._pending: dict[str, Any] | None = None

    def record(self, done: int, total: int | None, facts: dict[str, Any]) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first, self._start = done, now  # a resumed run starts at `done`, which costs it no time
        seconds = now - self._start
        rate = (done - self._first) / seconds if seconds > 0 else None
        left = (total - done) / rate if rate and total is not None else None
        self._pending = {
            "time": time.time(),
            **self._names,
            "done": done,
            "total": total,
            "seconds": round(seconds, 3),
            "per_second": rate,
            "seconds_left": left,
            **facts,
        }
        if now - self._written >= 1:
            self.close()
            self._written = now

    def close(self) -> None:
        """Write what was recorded last, if it is not written yet."""
        if self._file is not None and self._pending is not None:
            self._file.write(json.dumps(plain(self._pending), ensure_ascii=False) + "\n")
            self._file.flush()
        self._pending = None


class _Rate(ProgressColumn):
    """Units a second, over the last ones."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text(f"{_short(rate)} {self._unit}/s" if rate else f"- {self._unit}/s", style="progress.data.speed")


def plain(value: Any) -> Any:
    """`value` in the types of JSON: paths and enums as strings, arrays as lists, settings as objects, NaN as null."""
    if value is None or (isinstance(value, bool | int | str) and type(value) in (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(mode="json"))
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if hasattr(value, "value"):
        return plain(value.value)
    return str(value)


def _open_log(path: Path | None) -> TextIO | None:
    return None if path is None else open(path, "a", encoding="utf-8")


def _short(value: Any) -> str:
    """Three digits of a number: 1234 stays, 1.2345 becomes 1.23."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
