"""Several processes on one machine that share the parts of a run.

Each has a pipe of its own: of a queue that all share, a process that is killed could take the lock along.
"""

import multiprocessing
import pickle
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import torch

from turncoat.engine.attack.step_size import Choice
from turncoat.engine.runs import RunWriter
from turncoat.engine.sweep.chunks import DEATHS, Chunks
from turncoat.engine.sweep.prepare import Asked, Sweep
from turncoat.engine.sweep.progress import Bar, Recorder
from turncoat.engine.sweep.worker import work
from turncoat.kernels.errors import EngineError
from turncoat.kernels.processes import threads_of_children

Throughput = dict[str, tuple[int, float]]


@dataclass(eq=False)
class _Worker:
    """One of the places that a process works at; a dead process is replaced in its place.

    chunk: parts that it is at. advanced: steps of them that it has reported. measured: throughput of its processes that
    are gone, and of the one that is here.
    """

    process: SpawnProcess
    pipe: Connection
    chunk: list[int] = field(default_factory=list)
    advanced: int = 0
    born_dead: int = 0
    gone: Throughput = field(default_factory=dict)
    here: Throughput = field(default_factory=dict)

    @property
    def measured(self) -> Throughput:
        return _added(self.gone, self.here)


def run_workers(
    writer: RunWriter,
    recorder: Recorder,
    sweep: Sweep,
    asked: Asked,
    missing: list[int],
    choices: dict[str, Choice],
    workers: int,
    bar: Bar,
) -> list[Throughput]:
    """Do the missing parts in `workers` processes, each with its share of the threads.

    A process that dies is replaced, and its parts are done again one by one. A part that three processes died on is
    left out: the run then says that it lacks parts.

    Returns:
        throughput of each worker.

    Raises:
        EngineError: processes die before they begin.
        TurncoatError, OSError: what a worker came upon; the others are stopped.
    """
    smallest = max(1, sweep.settings.batch // len(sweep.parts[0]))
    chunks = Chunks(missing, len(sweep.parts), workers, smallest, writer.has)
    office = _Office(writer, sweep, asked, choices, max(1, torch.get_num_threads() // workers))
    staff = [office.hire() for _ in range(min(workers, len(missing)))]
    try:
        _serve(staff, office, chunks, recorder, sweep, bar)
    finally:
        for worker in staff:
            office.dismiss(worker)
    return [worker.measured for worker in staff]


def _serve(staff: list[_Worker], office: "_Office", chunks: Chunks, recorder: Recorder, sweep: Sweep, bar: Bar) -> None:
    """Answer workers until all parts are written or given up."""
    resting: list[_Worker] = []  # nothing is left for them, unless somebody dies
    while len(resting) < len(staff):
        for pipe in wait([worker.pipe for worker in staff if worker not in resting], timeout=1.0):
            worker = next(one for one in staff if one.pipe is pipe)
            try:
                kind, *said = worker.pipe.recv()
            except (EOFError, OSError, pickle.UnpicklingError):
                kind, said = "died", []
            if kind == "failed":
                raise said[0]
            if kind == "advance":
                worker.advanced += said[0]
                bar.advance(*said)
            if kind == "done":
                worker.here = said[0]
                worker.chunk, worker.advanced = [], 0
            if kind == "died":
                bar.skip(sweep.steps([k for k in worker.chunk if office.writer.has(k)]) - worker.advanced)
                lost = chunks.died(worker.chunk)
                bar.skip(sweep.steps(lost))
                office.replace(worker, lost)
                idle, resting = resting, []
                for one in idle:
                    _give(one, chunks, resting)
            if kind in ("ready", "done"):
                _give(worker, chunks, resting)
        recorder.tick()


def _give(worker: _Worker, chunks: Chunks, resting: list[_Worker]) -> None:
    """Hand out the next chunk, if there is one."""
    worker.chunk, worker.advanced = chunks.next(), 0
    if not worker.chunk:
        resting.append(worker)
        return
    with suppress(OSError):  # it has just died, which is read from its pipe next
        worker.pipe.send(worker.chunk)


class _Office:
    """Starts, replaces and ends workers."""

    def __init__(self, writer: RunWriter, sweep: Sweep, asked: Asked, choices: dict[str, Choice], threads: int) -> None:
        self.writer, self._threads = writer, threads
        self._arguments: tuple[Any, ...] = (
            asked.packed(), sweep.facts, choices, writer.folder.resolve(), threads
        )  # fmt: skip
        self._context = multiprocessing.get_context("spawn")  # forked, torch's threads would hang

    def hire(self) -> _Worker:
        """Start a process."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=work, args=(theirs, *self._arguments), daemon=True)
        with threads_of_children(self._threads):
            process.start()
        theirs.close()  # or its end would not be noticed
        self.writer.log(worker=process.pid, threads=self._threads)
        return _Worker(process, ours)

    def replace(self, worker: _Worker, lost: list[int]) -> None:
        """Put a new process in the place of a dead one.

        Raises:
            EngineError: it is the third that dies there before it has any part to do.
        """
        worker.process.join()
        self.writer.log(died=worker.process.pid, exit=worker.process.exitcode, parts=worker.chunk, given_up=lost)
        worker.born_dead = 0 if worker.chunk else worker.born_dead + 1
        if worker.born_dead >= DEATHS:
            raise EngineError(
                f"Workers die before they begin (the last one with exit code {worker.process.exitcode}); there may be "
                "too little memory for so many: give fewer --workers."
            )
        worker.pipe.close()
        new = self.hire()
        worker.gone, worker.here = worker.measured, {}
        worker.process, worker.pipe, worker.chunk, worker.advanced = new.process, new.pipe, [], 0

    def dismiss(self, worker: _Worker) -> None:
        """End a process: one that rests ends by itself, another is stopped, which costs no part that is written."""
        with suppress(OSError):
            worker.pipe.send(None)
        if not worker.chunk:
            worker.process.join(10)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.pipe.close()


def _added(one: Throughput, other: Throughput) -> Throughput:
    empty = (0, 0.0)
    return {
        name: (one.get(name, empty)[0] + other.get(name, empty)[0], one.get(name, empty)[1] + other.get(name, empty)[1])
        for name in {**one, **other}
    }
