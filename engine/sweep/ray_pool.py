"""The parts of a run on a Ray cluster: a pool of actors, one for each GPU or share of processors.

Actors return tables of rows and the driver writes them, so that only the driver needs the run folder; networks travel
through Ray, and the dataset's folder has to be there, under the same path, on every machine. Ray does not repeat an
actor's work unless it is told to: here a dead actor is started again and its call repeated, which is safe, because a
part comes out the same each time.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from turncoat.engine.attack.step_size import Choice
from turncoat.engine.runs import RunWriter, as_table
from turncoat.engine.sweep.chunks import DEATHS, Chunks
from turncoat.engine.sweep.jobs import Job
from turncoat.engine.sweep.prepare import Asked, Sweep
from turncoat.engine.sweep.progress import Bar, Recorder
from turncoat.engine.sweep.run import do_parts, throughput_of
from turncoat.engine.sweep.worker import prepare_again, sendable
from turncoat.kernels.device import exact_float32
from turncoat.kernels.errors import EngineError, TurncoatError

LOCAL = "local"
CPUS = 2  # of an actor without a GPU, where the number of actors is not given
LARGEST = 8  # batches that an actor does before it returns them: so much is lost when the driver is killed
Throughput = dict[str, tuple[int, float]]


def run_on_ray(
    address: str,
    writer: RunWriter,
    recorder: Recorder,
    sweep: Sweep,
    asked: Asked,
    missing: list[int],
    choices: dict[str, Choice],
    actors: int | None,
    bar: Bar,
) -> list[Throughput]:
    """Do the missing parts on a Ray cluster; a part that three actors died on is left out.

    Args:
        address: of the cluster, ``auto`` for the one that this machine belongs to; ``local`` starts one here.
        actors: how many; None: one for each GPU, or for every two processors where there is none.

    Returns:
        throughput of each actor.

    Raises:
        EngineError: Ray is not installed, or there is no such cluster.
    """
    ray = _connected(address)
    try:
        pool = _Pool(ray, sweep, asked, choices, actors, len(missing))
        writer.log(actors=len(pool.actors), threads=pool.threads, gpus=pool.gpus)
        smallest = max(1, sweep.settings.batch // len(sweep.parts[0]))
        chunks = Chunks(missing, len(sweep.parts), len(pool.actors), smallest, writer.has, largest=LARGEST * smallest)
        return _serve(pool, chunks, writer, recorder, sweep, bar)
    finally:
        ray.shutdown()


class _Attacker:
    """What an actor does. `order` is ``[reference]`` to what `_Pool` has put into Ray: fetched by an actor that is new,
    or new again after a death."""

    def __init__(self) -> None:
        self._sweep: Sweep | None = None
        self._choices: dict[str, Choice] = {}
        self._jobs: dict[str, Job] = {}

    def process(self, order: list[Any]) -> int:
        """Its process, once it is ready."""
        self._get_ready(order)
        return os.getpid()

    def do(self, order: list[Any], numbers: list[int]) -> tuple[dict[int, pa.Table], list[dict[str, Any]], Throughput]:
        """Tables of parts, lines for the log, and the throughput so far."""
        kept = _Kept()
        sweep = self._get_ready(order)
        try:
            with exact_float32():
                do_parts(sweep, self._choices, self._jobs, numbers, kept, lambda samples, attack: None)
        except Exception as error:
            raise sendable(error) from None
        return kept.tables, kept.lines, throughput_of(self._jobs.values())

    def _get_ready(self, order: list[Any]) -> Sweep:
        if self._sweep is None:
            import ray

            asked, facts, self._choices, threads = ray.get(order[0])
            self._sweep = prepare_again(asked, facts, threads)
        return self._sweep


class _Kept:
    """Parts and lines that travel to the driver."""

    def __init__(self) -> None:
        self.tables: dict[int, pa.Table] = {}
        self.lines: list[dict[str, Any]] = []

    def write(self, part: int, rows: Sequence[Mapping[str, Any]]) -> None:
        self.tables[part] = as_table(rows)

    def log(self, **facts: Any) -> None:
        self.lines.append(facts)


class _Pool:
    """Actors, started; `ray` is the module, connected."""

    def __init__(
        self, ray: Any, sweep: Sweep, asked: Asked, choices: dict[str, Choice], actors: int | None, parts: int
    ) -> None:
        there = ray.cluster_resources()
        cpus = max(1, int(there.get("CPU", 1)))
        self.ray, self.gpus = ray, int(there.get("GPU", 0)) if sweep.pair.device.type == "cuda" else 0
        wanted = actors or self.gpus or max(1, cpus // CPUS)
        self.threads = max(1, cpus // wanted)
        if self.gpus:  # Ray shows each actor its own GPU alone, so the number of one would be wrong
            needs = {"num_gpus": min(1.0, self.gpus / wanted)}
            asked = replace(asked, settings=asked.settings.model_copy(update={"device": "cuda"}))
        else:
            needs = {"num_cpus": self.threads if wanted <= cpus else cpus / wanted}
        made = ray.remote(_Attacker).options(max_restarts=-1, max_task_retries=DEATHS - 1, **needs)
        # Not as arguments of the constructor, which a restarted actor could find gone (ray-project/ray#53727).
        self._order = [ray.put((asked.packed(), sweep.facts, choices, self.threads))]
        self.actors = [made.remote() for _ in range(min(parts, wanted))]

    def greet(self, place: int) -> Any:
        """Ask an actor to get ready; a reference to the number of its process."""
        return self.actors[place].process.remote(self._order)

    def give(self, place: int, chunk: list[int]) -> Any:
        """Ask an actor for parts; a reference to them."""
        return self.actors[place].do.remote(self._order, chunk)


def _serve(
    pool: _Pool, chunks: Chunks, writer: RunWriter, recorder: Recorder, sweep: Sweep, bar: Bar
) -> list[Throughput]:
    """Hand out chunks until all parts are written or given up."""
    ray, errors = pool.ray, pool.ray.exceptions
    measured: list[Throughput] = [{} for _ in pool.actors]
    busy: dict[Any, tuple[int, list[int]]] = {}
    for place in range(len(pool.actors)):
        busy[pool.greet(place)] = place, []
    idle: list[int] = []
    while busy:
        ready, _ = ray.wait(list(busy), num_returns=1, timeout=1.0)
        for reference in ready:
            place, chunk = busy.pop(reference)
            idle.append(place)
            try:
                found = ray.get(reference)
            except errors.RayTaskError as error:
                raise _own(error) from error
            except (errors.RayActorError, errors.OutOfMemoryError) as error:
                if not chunk:
                    raise EngineError(f"Actors on Ray die before they begin ({_line(error)}).") from error
                lost = chunks.died(chunk, DEATHS if len(chunk) == 1 else 1)
                writer.log(died=place, parts=chunk, given_up=lost)
                bar.skip(sweep.steps(lost))
                continue
            if not chunk:
                writer.log(actor=place, process=found)
                continue
            tables, lines, measured[place] = found
            for part, table in tables.items():
                writer.write_table(part, table)
            for line in lines:
                writer.log(actor=place, **line)
            bar.skip(sweep.steps(chunk))
        while idle and (chunk := chunks.next()):
            place = idle.pop()
            busy[pool.give(place, chunk)] = place, chunk
        recorder.tick()
    return measured


def _connected(address: str) -> Any:
    """The module `ray`, connected to a cluster.

    Raises:
        EngineError: it is not installed, or cannot connect.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telephone calls
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise EngineError(f"Ray cannot be imported ({_line(error)}); pip install 'turncoat[ray]'.") from error
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False, "configure_logging": False}
    try:
        if address == LOCAL:
            ray.init(address=LOCAL, include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise EngineError(
            f"There is no Ray cluster at {address!r} ({_line(error)}); give its address, `auto`, or `local` to start "
            "one on this machine."
        ) from error
    return ray


def _own(error: Any) -> Exception:
    """What an actor raised, where turncoat or the system said it."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, TurncoatError | OSError) else error


def _line(error: object) -> str:
    return " ".join(str(error).split())[:200]
