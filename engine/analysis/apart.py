"""Attacks and analyses of several networks in several processes, a network each at a time.

What little of an analysis is not matrix products (statistics, drawings, embeddings) keeps one core busy; with a network
a process, the others have work meanwhile.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from queue import Empty
from typing import Any

import torch

from turncoat.engine.analysis.catalogue import Analysis, Case, chosen, look
from turncoat.kernels.device import find_device
from turncoat.kernels.errors import ConfigError, EngineError
from turncoat.kernels.processes import die_with_parent, threads_of_children
from turncoat.training.data import Dataset

MOST = 4
"""Processes that are started where nobody says how many: each takes one to two GB."""
Found = Callable[[Analysis, Case, Any], None]
_said: Any = None
"""Where a worker says what it has to say."""


def default_workers(networks: int, device: str) -> int:
    """One a network, no more than there are threads, or `MOST`; one on a GPU, which they would only share."""
    if find_device(device).type != "cpu":
        return 1
    return max(1, min(networks, torch.get_num_threads(), MOST))


def in_processes(
    work: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], workers: int, heard: Callable[..., None]
) -> list[Any]:
    """`work` of every job, in `workers` processes with their share of the threads.

    Args:
        work: a function of a module. jobs: its arguments, job by job; they have to be pickled.
        heard: called here with whatever a job tells by `say`, soon after.

    Returns:
        what came of the jobs, in their order.

    Raises:
        ConfigError: fewer than one worker.
        BrokenProcessPool: a process died.
        Whatever the first job that fails raises; those that had not begun are left.
    """
    if workers < 1:
        raise ConfigError(f"The number of workers is {workers}; it has to be at least 1.")
    context = multiprocessing.get_context("spawn")  # forked, torch's threads would hang
    said, threads = context.Queue(), max(1, torch.get_num_threads() // workers)
    with threads_of_children(threads), ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=context, initializer=_begin, initargs=(said, threads)
    ) as pool:  # fmt: skip
        futures = [pool.submit(work, *job) for job in jobs]
        try:
            _follow(futures, said, heard)
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def say(*words: Any) -> None:
    """Tell the process that waits for this job."""
    _said.put(words)


def _follow(futures: list[Future[Any]], said: Any, heard: Callable[..., None]) -> None:
    """Pass on what jobs tell until all are done, or one has failed."""
    waiting = set(futures)
    while waiting:
        over, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
        for future in over:
            future.result()
        try:
            while True:
                heard(*(said.get(timeout=0.5) if not waiting else said.get_nowait()))
        except Empty:
            pass


def _begin(said: Any, threads: int) -> None:
    """First of all in a worker."""
    global _said
    die_with_parent()
    torch.set_num_threads(threads)
    _said = said


def analyse_apart(
    analyses: Sequence[Analysis],
    cases: Sequence[Case],
    workers: int,
    progress: Callable[..., None] | None = None,
    found: Found | None = None,
) -> None:
    """Every analysis of every network, in `workers` processes, a network each at a time.

    Args:
        analyses: of the catalogue. cases: with `source`, which each process opens again.
        progress: called with analyses done, analyses in all, and the network and title of the last one.
        found: called with what came of each, network by network in the order of `cases`, once all are done.

    Raises:
        ConfigError: fewer than one worker, or a network that cannot be opened by name.
        EngineError: a process died.
    """
    without = [case.name for case in cases if case.source is None]
    if without:
        raise ConfigError(f"{without[0]} was not opened by name, so no other process can open it; use one worker.")
    keys, total, done = [analysis.key for analysis in analyses], len(analyses) * len(cases), 0

    def heard(network: str, title: str) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total, network=network, analysis=title)

    try:
        results = in_processes(_look_at_all, [(keys, *_packed(case)) for case in cases], workers, heard)
    except BrokenProcessPool as error:
        raise EngineError(
            "A process that analysed a network died; there may be too little memory for so many: give fewer --workers. "
            "Attacks that are finished are not made again."
        ) from error
    if found is not None:
        for case, of_case in zip(cases, results, strict=True):
            for analysis, result in zip(analyses, of_case, strict=True):
                found(analysis, case, result)


def _packed(case: Case) -> tuple[Any, ...]:
    shared = {name: getattr(case, name) for name in ("crossed", "device", "command", "split", "group")}
    return str(case.source), case.data, case.folder, shared


def _look_at_all(
    keys: list[str],
    source: str,
    data: Dataset,
    folder: Path,
    shared: dict[str, Any],
) -> list[Any]:
    """All results of one network, in a worker."""
    from turncoat.engine.analysis.analyse import open_case

    case = open_case(source, data, **shared)
    case.folder = folder
    results = []
    for analysis in chosen(keys):
        results.append(look(analysis, case))
        say(case.name, analysis.title)
    return results
