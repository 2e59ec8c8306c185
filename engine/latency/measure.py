"""Times of all backends in one run, call by call in turn, so that a noisy machine is noisy for everybody."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.verification.truth import Sample
from turncoat.training.networks import Canvas, Given, guide

VERBS = ("predict", "gradient")
PERCENTILES = (50, 90, 95, 99, 99.9)
_WINDOW, _STABLE, _MOST_WARM_UP_S = 5, 0.05, 5.0


@dataclass(frozen=True)
class Case:
    """One verb at one batch size.

    verb: "predict" (frames -> pose) or "gradient" (one attack step: pose and gradient).
    """

    verb: str
    batch: int


@dataclass(frozen=True)
class Latency:
    """Times of one backend in one case.

    Attributes:
        calls: how many were timed.
        percentiles: 50, 90, 95, 99, 99.9 -> ms; those that so few calls cannot tell are left out.
        per_second: samples a second, at the median.
        ratio: the plain loop's median over this one's, and the interval of the ratio of neighbouring calls (quartiles).
        first_s: opening the session and its very first call in this case, in seconds.
        warm_up: calls until windows were stable within 5 %.
        stable: whether they ever were.
        device_ms: median time on the GPU alone, transfers left out; None on a CPU.
        transfer_ms: median with inputs from and outputs to host memory; None on a CPU, where there is none.
    """

    backend: str
    precision: str
    case: Case
    calls: int
    percentiles: dict[float, float]
    per_second: float
    ratio: float
    ratio_low: float
    ratio_high: float
    first_s: float
    warm_up: int
    stable: bool
    device_ms: float | None = None
    transfer_ms: float | None = None


def measure_latency(
    sessions: Mapping[str, Callable[[], Any]],
    network: Any,
    sample: Sample,
    cases: Sequence[Case],
    *,
    calls: int = 200,
    seconds: float = 30.0,
    progress: Callable[..., None] | None = None,
) -> list[Latency]:
    """Time backends.

    Args:
        sessions: name -> function that opens a session; the first is what the others are compared with.
        network: in float32, for the codes and canvases that are asked about.
        sample: at least as many frames as the largest batch.
        cases: what to time.
        calls: of each backend in each case, at most.
        seconds: for one case, all backends together, at most (but at least five calls each).
        progress: called as ``progress(done, total, case=text)``.

    Returns:
        for every case one `Latency` a backend, in the order given.
    """
    opened: dict[str, Any] = {}
    opening: dict[str, float] = {}
    found = []
    try:
        for name, open_session in sessions.items():
            begin = time.perf_counter()
            opened[name] = open_session()
            opening[name] = time.perf_counter() - begin
        for done, case in enumerate(cases):
            if progress is not None:
                progress(done, len(cases), case=f"{case.verb}, batch {case.batch}")
            found += _case(opened, opening, _questions(network, sample, case), case, calls, seconds)
        if progress is not None:
            progress(len(cases), len(cases), case="done")
    finally:
        for session in opened.values():
            session.close()
    return found


class _Question:
    """One case, ready to be asked of a session."""

    def __init__(self, case: Case, arguments: tuple[Any, ...], given: Given | None) -> None:
        self.case, self.arguments, self.given = case, arguments, given

    def on(self, device: torch.device) -> "_Question":
        """The same with everything on `device`."""
        given = None if self.given is None else Given(*(t.to(device) for t in self.given))
        return _Question(self.case, tuple(_moved(a, device) for a in self.arguments), given)

    def __call__(self, session: Any) -> Any:
        if self.case.verb == "predict":
            return session.predict(*self.arguments, given=self.given)
        return session.attack_step(*self.arguments)


def _questions(network: Any, sample: Sample, case: Case) -> _Question:
    frames, background = sample.frames[: case.batch], sample.background[: case.batch]
    given = None if sample.given is None else Given(*(t[: case.batch] for t in sample.given))
    if case.verb == "predict":
        return _Question(case, (frames,), given)
    with torch.no_grad():
        told = guide(network, given)
        codes = told.encode(frames)
        canvas = told.canvas(codes, background)
        reference = told.predict(frames)
    return _Question(case, (codes.appearance, canvas, reference, torch.ones(17), torch.ones(case.batch)), given)


def _case(
    opened: dict[str, Any], opening: dict[str, float], question: _Question, case: Case, calls: int, seconds: float
) -> list[Latency]:
    asked = {name: question.on(session.device) for name, session in opened.items()}
    first, warm = {}, {}
    for name, session in opened.items():
        first[name] = opening[name] + _timed(asked[name], session)
        warm[name] = _warm_up(asked[name], session)
    times: dict[str, list[float]] = {name: [] for name in opened}
    order = list(opened)
    begin = time.perf_counter()
    while len(times[order[0]]) < calls:
        if time.perf_counter() - begin > seconds and len(times[order[0]]) >= 5:
            break
        for name in order:
            times[name].append(_timed(asked[name], opened[name]))
        order = order[1:] + order[:1]  # nobody is always behind the same neighbour
    base = np.array(times[next(iter(opened))])
    found = []
    for name, session in opened.items():
        taken = np.array(times[name])
        ratios = base / taken
        device_ms, transfer_ms = _gpu_times(question, asked[name], session)
        found.append(
            Latency(
                backend=name,
                precision=session.precision,
                case=case,
                calls=len(taken),
                percentiles=_percentiles(taken),
                per_second=case.batch / float(np.median(taken)),
                ratio=float(np.median(base) / np.median(taken)),
                ratio_low=float(np.quantile(ratios, 0.25)),
                ratio_high=float(np.quantile(ratios, 0.75)),
                first_s=first[name],
                warm_up=warm[name][0],
                stable=warm[name][1],
                device_ms=device_ms,
                transfer_ms=transfer_ms,
            )
        )
    return found


def _timed(question: _Question, session: Any) -> float:
    _wait(session.device)
    begin = time.perf_counter()
    question(session)
    _wait(session.device)
    return time.perf_counter() - begin


def _warm_up(question: _Question, session: Any) -> tuple[int, bool]:
    """Calls until the medians of two windows differ by less than 5 %, and whether they ever did."""
    begin, before, made = time.perf_counter(), float("inf"), 0
    while time.perf_counter() - begin < _MOST_WARM_UP_S:
        window = float(np.median([_timed(question, session) for _ in range(_WINDOW)]))
        made += _WINDOW
        if abs(window - before) <= _STABLE * before:
            return made, True
        before = window
    return made, False


def _gpu_times(question: _Question, asked: _Question, session: Any) -> tuple[float | None, float | None]:
    """Median ms on the device alone, and with all inputs coming from and outputs going to pinned host memory."""
    if session.device.type != "cuda":
        return None, None
    inside, around = [], []
    pinned = _Question(question.case, tuple(_pinned(a) for a in question.arguments), question.given)
    for _ in range(50):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        asked(session)
        end.record()
        _wait(session.device)
        inside.append(start.elapsed_time(end))
        begin = time.perf_counter()
        answer = pinned.on(session.device)(session)
        _moved(answer, torch.device("cpu"))
        _wait(session.device)
        around.append(1e3 * (time.perf_counter() - begin))
    return float(np.median(inside)), float(np.median(around))


def _percentiles(taken: np.ndarray) -> dict[float, float]:
    beyond = {p: len(taken) * (1 - p / 100) for p in PERCENTILES}
    return {p: float(1e3 * np.percentile(taken, p)) for p in PERCENTILES if p == 50 or beyond[p] > _few(p) - 1e-6}


def _few(percentile: float) -> float:
    return 1.0 if percentile > 99 else 2.0


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, tuple):
        moved = [_moved(item, device) for item in value]
        return type(value)(*moved) if hasattr(value, "_fields") else tuple(moved)
    return value


def _pinned(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.pin_memory()
    if isinstance(value, Canvas):
        return Canvas(*(t.pin_memory() for t in value))
    return value


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
