"""The whole product in one call: render frames, load the shipped network, attack it, write the report.

    from turncoat.engine import run_demo
    demo = run_demo()
    print(demo)

Every step leaves what it made in the demo's folder under a name that says what it was made from, so a second call finds
it there, and a killed one goes on where it stopped.
"""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table

from turncoat.engine.attack import AttackSettings
from turncoat.engine.report import write_report
from turncoat.engine.report.terminal import terminal_tables
from turncoat.engine.runs import Run
from turncoat.engine.sweep import Selection, attack_dataset, finished_run, place_of_run
from turncoat.training.checkpoint import load_network
from turncoat.training.data import Dataset, open_dataset

SETTINGS = AttackSettings(attacks=("paper", "natural", "colours-0.1"), iterations=200, precision="auto")
SELECTION = Selection(groups=("everyday",), per_subject=20)
FOLDER = Path("runs/demo")


class Screen(Protocol):
    """Where steps and progress are shown; `turncoat.engine.cli.output.Output` is one."""

    def show(self, *renderables: Any) -> None:
        """Show a sentence."""

    def progress(self, description: str, unit: str) -> AbstractContextManager[Any]:
        """A bar, as a context manager that yields ``advance(done, total, **facts)``."""


@dataclass(frozen=True)
class Step:
    """One of the demo's steps.

    Attributes:
        name: weights, dataset, attack or report; `made`: what is there now, as a sentence.
        cached: it was there already, so nothing was made; seconds: what it took.
    """

    name: str
    made: str
    cached: bool
    seconds: float


@dataclass(frozen=True)
class Demo:
    """What the demo made. Printing it prints its table and the path of the report.

    Attributes:
        run: the run folder, opened; `report`: the page; `steps`: how it came about.
    """

    run: Run
    report: Path
    steps: tuple[Step, ...]

    def tables(self) -> list[Table]:
        """Initial and final error per subject, and every attack beside its controls, for a terminal."""
        return terminal_tables(self.run)

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        from turncoat.engine.analysis.summary import summaries

        return {
            "run": str(self.run.folder),
            "report": str(self.report),
            "steps": [vars(step) for step in self.steps],
            "attacks": self.run.info["attacks"],
            "failed": self.run.info["failed"],
            "summaries": [one.facts() for one in summaries(self.run)],
        }

    def __str__(self) -> str:
        console = Console(width=110, no_color=True, highlight=False)
        with console.capture() as captured:
            console.print(*self.tables(), sep="")
            console.print(f"Report: {self.report}", soft_wrap=True)
        return captured.get().rstrip()


@dataclass
class _Stage:
    """Runs steps one after the other, times them and says what they made."""

    screen: Screen
    total: int
    steps: list[Step] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)

    def done(self, name: str, made: str, cached: bool, shown: str = "cached") -> None:
        now = time.monotonic()
        step = Step(name, made, cached, round(now - self._since, 3))
        self.steps.append(step)
        took = shown if cached else f"{step.seconds:.0f} s"
        self.screen.show(f"{len(self.steps)}/{self.total} {name}: {made} ({took})")
        self._since = now


def run_demo(
    out: str | Path = FOLDER,
    *,
    network: Any = "nsd",
    screen: Screen | None = None,
    workers: int | None = 1,
    command: str | None = None,
) -> Demo:
    """Render, attack, report; what is there already is not made again.

    Args:
        out: folder of everything the demo makes.
        network: shipped name or file of the weights to attack, or a network.
        screen: where steps and progress are shown; None: standard error.
        workers: processes that render; None: as many as there are cores. More than one needs a main module that may
            be imported again (``if __name__ == "__main__"``), so one is the default.
        command: command line to record.

    Raises:
        DataError: the weights are missing or damaged, or cannot be attacked.
        ConfigError: `out` cannot be written.
    """
    if screen is None:
        from turncoat.engine.cli.output import Output

        screen = Output(as_json=True)
    folder, stage = Path(out), _Stage(screen, 4)
    generator = load_network(network, regressor=True) if isinstance(network, str | Path) else network
    stage.done("weights", _network_words(generator, network), cached=True, shown="loaded")
    dataset = _render(folder, stage, workers)
    run = _attack(folder, stage, generator, dataset, command or f"run_demo({str(out)!r})")
    page = _report(run, stage, generator, dataset)
    return Demo(run, page, tuple(stage.steps))


def _network_words(generator: Any, network: Any) -> str:
    name = network if isinstance(network, str | Path) else type(generator).__name__
    return f"{name}, sha256 {str(getattr(generator, 'weights_hash', 'unknown'))[:12]}"


def _render(folder: Path, stage: _Stage, workers: int | None) -> Dataset:
    """The demo preset of the studio dataset, rendered unless it is there."""
    from turncoat.training.data.studio.recipe import FRAME_SIZE, fingerprint
    from turncoat.training.data.studio.render import render_dataset

    mark = fingerprint("confounded", "demo", 0, FRAME_SIZE, False)
    place = folder / f"data-{mark[:8]}"
    cached = (place / "dataset.json").is_file()
    if not cached:
        with stage.screen.progress("rendering", "frames") as advance:
            render_dataset(place, preset="demo", workers=workers, progress=advance)
    dataset = open_dataset(place)
    stage.done("dataset", f"{len(dataset):,} frames in {place}", cached)
    return dataset


def _attack(folder: Path, stage: _Stage, generator: Any, dataset: Dataset, command: str) -> Run:
    """A run in a folder named after everything that decides its rows; gone on with if it was killed."""
    place = place_of_run(folder, generator, dataset, SETTINGS, SELECTION)
    run = finished_run(place)
    cached = run is not None
    if run is None:
        with stage.screen.progress("attacking", "parts") as advance:
            run = attack_dataset(
                generator,
                dataset,
                SETTINGS,
                place,
                selection=SELECTION,
                resume=True,
                progress=advance,
                command=command,
            )
    attacked = f"{run.info['selection']['frames']} frames, {', '.join(SETTINGS.attacks)}, with controls, in {place}"
    stage.done("attack", attacked, cached)
    return run


def _report(run: Run, stage: _Stage, generator: Any, dataset: Dataset) -> Path:
    """The page, unless it is there and younger than the run and than the code that writes it."""
    page = run.folder / "report" / "index.html"
    code = [source for source in (Path(__file__).parent / "report").rglob("*.*") if source.suffix != ".pyc"]
    sources = [run.folder / "run.json", *code]
    cached = page.is_file() and page.stat().st_mtime > max(source.stat().st_mtime for source in sources)
    if not cached:
        write_report(run, data=dataset, weights=generator)
    stage.done("report", str(page), cached)
    return page
