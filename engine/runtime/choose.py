"""Opening a session: a backend by name, or the fastest one that is right on this machine."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch

from turncoat.engine.runtime.backends import Wanted, available_backends, backends
from turncoat.engine.runtime.choices import Choice, recorded, remember, remembered
from turncoat.engine.runtime.session import Session
from turncoat.engine.runtime.source import bundle_of
from turncoat.engine.runtime.torch_session import TorchSession
from turncoat.engine.runtime.trial import Purpose, invented_question, mistake, race
from turncoat.export.attack_step import Objective
from turncoat.export.bundle import Bundle
from turncoat.kernels import ConfigError, EngineError, ParityError, TurncoatError
from turncoat.kernels.device import find_device
from turncoat.training.checkpoint import Network

AUTO = "auto"
PLAIN = "torch-float32"
_CHECKED = 8  # pictures of the trial where nothing is recorded


def open_session(
    source: Bundle | Network | str | Path,
    backend: str = AUTO,
    device: str = "auto",
    threads: int | None = None,
    cache_folder: str | Path | None = None,
    *,
    purpose: Purpose = "gradient",
    batch: int | None = None,
    objective: Objective = "squared",
    progress: Callable[..., None] | None = None,
) -> Session:
    """Open a network on a backend.

    Args:
        source: a bundle or its folder; or weights (a file, a shipped name, a network), which PyTorch alone runs.
        backend: a name of `available_backends`; "auto": the fastest that gives right answers on this machine, as
            `turncoat verify` recorded, or a short trial of its own where nothing is recorded. The first time takes a
            minute (graphs are compiled); the choice is remembered in the bundle, or in the cache.
        device: "cpu", "cuda", "cuda:1"; "auto": a GPU where PyTorch has one.
        threads: of CPU backends; it becomes PyTorch's number of threads in this process. None: leave it as it is.
        cache_folder: for compiled graphs and remembered choices; by default $XDG_CACHE_HOME/turncoat.
        purpose: what "auto" is to be fast at, "gradient" (a step of an attack) or "predict".
        batch: the batch size it is to be fast at; None: the ladder's rung nearest to 8.
        objective: of the gradients of weights; a bundle has its own.
        progress: called as ``progress(done, total, graph=name)`` when something is compiled or built.

    Returns:
        the session. `remark` is one line for a person: what "auto" chose and why, or what did not work.

    Raises:
        ConfigError: there is no such backend or device.
        DataError: there is no bundle, or it is damaged.
        EngineError: the backend cannot run here.
    """
    if backend != AUTO and backend not in backends():
        raise ConfigError(f"There is no backend {backend!r}; choose {AUTO} or one of {', '.join(backends())}.")
    place = find_device(device)
    if threads is not None:
        torch.set_num_threads(threads)
    bundle = bundle_of(source, objective=objective)
    folder = default_cache_folder() if cache_folder is None else Path(cache_folder)
    wanted = Wanted(place, threads, folder / "compiled", progress)
    if backend != AUTO:
        problem = backends()[backend].problem(bundle, place)
        if problem is not None:
            raise EngineError(f"The backend {backend} cannot run on {place}: {problem.rstrip('.')}.")
        return backends()[backend].open(bundle, wanted)
    choice = choose(bundle, wanted, device, purpose, _rung(bundle, batch), folder)
    session = backends()[choice.backend].open(bundle, wanted)
    session.remark = " ".join(part for part in (choice.why, session.remark) if part)
    return session


def default_cache_folder() -> Path:
    """Where compiled graphs lie unless told otherwise."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "turncoat"


def choose(bundle: Bundle, wanted: Wanted, device: str, purpose: Purpose, batch: int, folder: Path) -> Choice:
    """The fastest backend that is right here; remembered, or found out now and remembered.

    Raises:
        EngineError: none is right, not even eager float32.
    """
    if not bundle.info["has_regressor"]:
        return Choice(PLAIN, f"{bundle.name} predicts no poses, so there is nothing to race: {PLAIN}.", {}, {})
    key = f"{purpose}, batch {batch}, {wanted.device}, {torch.get_num_threads()} threads"
    here = available_backends(bundle, device)
    choice = remembered(key, bundle, folder, here)
    if choice is None:
        choice = _found_out(bundle, wanted, here, purpose, batch)
        remember(key, choice, bundle, folder, here)
    return choice


def _found_out(bundle: Bundle, wanted: Wanted, here: dict[str, str], purpose: Purpose, batch: int) -> Choice:
    """Open every backend that is here, leave out what is wrong, and race the others."""
    left_out = {name: reason for name, reason in here.items() if reason}
    proofs: dict[str, str] = {}
    wrong_here: list[str] = []
    with ExitStack() as opened:
        reference = opened.enter_context(TorchSession(bundle, device=wanted.device))
        question = invented_question(reference, max(batch, _CHECKED))
        sessions: dict[str, Session] = {}
        for name in here:
            if name in left_out:
                continue
            passed, reason = recorded(bundle, name)
            try:
                if passed is False:
                    raise ParityError(f"`turncoat verify` failed it: {reason}")
                session = opened.enter_context(backends()[name].open(bundle, wanted))
                wrong, close = mistake(session, reference, question, purpose, batch)
                if wrong:
                    raise ParityError(wrong)
            except TurncoatError as error:
                left_out[name] = str(error)
                wrong_here.append(name)
                continue
            if session.backend != name:  # without a compiler it runs as another backend, which is raced by itself
                left_out[name] = session.remark
                continue
            sessions[name] = session
            proofs[name] = "verified" if passed else f"a trial found {close}"
        if not sessions:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
            raise EngineError(f"No backend gives right answers here ({reasons}); export the network again.")
        milliseconds = race(sessions, question, purpose, batch) if len(sessions) > 1 else {}
    best = min(sessions, key=lambda name: milliseconds.get(name, 0.0))
    wrong = f" Left out, wrong here: {', '.join(wrong_here)}." if wrong_here else ""
    why = f"{bundle.name} runs on {best}: {_speed(best, milliseconds, purpose, batch)}; {proofs[best]}.{wrong}"
    return Choice(best, why, milliseconds, left_out)


def _speed(best: str, milliseconds: dict[str, float], purpose: Purpose, batch: int) -> str:
    if not milliseconds:
        return "the only backend here"
    what = "gradient step" if purpose == "gradient" else "prediction"
    others = [f"{n} {ms:.3g}" for n, ms in sorted(milliseconds.items(), key=lambda pair: pair[1]) if n != best]
    return f"{milliseconds[best]:.3g} ms a {what} of {batch} ({', '.join(others)})"


def _rung(bundle: Bundle, batch: int | None) -> int:
    return batch if batch is not None else min(bundle.batches, key=lambda rung: abs(rung - 8))
