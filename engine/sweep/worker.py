"""A process that does parts for another: it is told which, writes them into the run folder, and says so."""

import pickle
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from turncoat.engine.attack.step_size import Choice
from turncoat.engine.runs import Parts
from turncoat.engine.runs.same import differences, said
from turncoat.engine.sweep.jobs import Job
from turncoat.engine.sweep.prepare import Asked, Sweep, prepare
from turncoat.engine.sweep.run import do_parts, throughput_of
from turncoat.kernels.device import exact_float32
from turncoat.kernels.errors import DataError, TurncoatError
from turncoat.kernels.processes import die_with_parent


def work(
    pipe: Connection, asked: bytes, facts: dict[str, Any], choices: dict[str, Choice], folder: Path, threads: int
) -> None:
    """Main function of a worker process.

    Over `pipe` it gets lists of part numbers, None at the end, and sends: ("ready",), ("advance", samples, attack),
    ("done", throughput) after each list, or ("failed", error) before it ends. `asked` is an `Asked`, packed.
    """
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks gets it too, and ends this one
    try:
        jobs: dict[str, Job] = {}
        sweep = prepare_again(asked, facts, threads)
        pipe.send(("ready",))
        parts = Parts(folder)
        while (numbers := pipe.recv()) is not None:
            with exact_float32():
                do_parts(sweep, choices, jobs, numbers, parts, lambda *step: pipe.send(("advance", *step)))
            pipe.send(("done", throughput_of(jobs.values())))
    except (EOFError, BrokenPipeError):
        return  # nobody is there any more
    except Exception as error:
        pipe.send(("failed", sendable(error)))


def prepare_again(asked: bytes, facts: dict[str, Any], threads: int) -> Sweep:
    """What the process that asks has prepared, in this one.

    Raises:
        DataError: networks or frames are not those any more.
    """
    import torch

    torch.set_num_threads(threads)
    unpacked: Asked = pickle.loads(asked)  # of the process that started this one, through its pipe: never a file
    sweep = prepare(unpacked)
    found = differences(facts, sweep.facts)
    if found:
        raise DataError(
            f"A worker found other networks or frames than the run has: {said(found)}; start the run again."
        )
    return sweep


def sendable(error: Exception) -> Exception:
    """An error that another process can raise: a sentence stays one, of a defect its traceback is kept."""
    if isinstance(error, TurncoatError):
        return DataError(str(error)) if isinstance(error, DataError) else type(error)(str(error))
    if isinstance(error, OSError):
        return OSError(error.errno, error.strerror, error.filename)
    import traceback

    return RuntimeError("in a worker: " + "".join(traceback.format_exception(error)))
