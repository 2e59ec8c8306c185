"""Every backend of a bundle, every graph, held against float64 on real frames; what was found is written down."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from turncoat.engine.runtime.choices import this_machine
from turncoat.engine.verification.attacks import SETTINGS, agreement, attack_frames
from turncoat.engine.verification.judge import Verdict, judge
from turncoat.engine.verification.measure import Eager, Measured, measure
from turncoat.engine.verification.truth import Sample, truth_of
from turncoat.export.bundle import Bundle
from turncoat.kernels import ConfigError, TurncoatError
from turncoat.kernels.machine import versions
from turncoat.training.checkpoint import Network, load_network, shipped_weights

CHUNK = 64
ATTACK_FRAMES, ATTACK_ITERATIONS = 200, 60

Open = Callable[[str], AbstractContextManager[Any]]
Progress = Callable[..., None]


def source_of(bundle: Bundle, weights: str | None = None) -> tuple[Network, str]:
    """The network that a bundle has to equal, and in words where it came from.

    weights: where the original weights are; None: shipped ones of the same hash, else the bundle's own copy, which
        tells a wrong graph from a right one but not wrong weights.

    Raises:
        ConfigError: `weights` are others than the bundle was exported from.
    """
    if weights is not None:
        network = load_network(weights)
        if network.weights_hash != bundle.weights_hash:
            raise ConfigError(f"{weights} are not the weights that {bundle.folder} was exported from.")
        return network, "the original weights"
    for name in shipped_weights():
        network = load_network(name)
        if network.weights_hash == bundle.weights_hash:
            return network, f"the shipped weights {name}"
    return bundle.network, "the bundle's own copy of the weights (the original was not given: --weights)"


def verify_bundle(
    bundle: Bundle,
    network: Network,
    backends: Iterable[str],
    open_backend: Open,
    sample: Sample,
    *,
    attack_sample: Sample | None = None,
    iterations: int = ATTACK_ITERATIONS,
    quick: bool = False,
    progress: Progress | None = None,
) -> dict[str, Verdict]:
    """Judge backends, and write the verdicts into bundle.json.

    Args:
        bundle: what is verified.
        network: what it has to equal, from `source_of`.
        backends: names.
        open_backend: name -> session.
        sample: at least 128 frames for the comparison with float64.
        attack_sample: 200 frames on which reduced precisions are judged by their attacks; None: they are not.
        iterations: of those attacks.
        quick: run the shorter rungs on a few batches only, not on every frame.
        progress: called as ``progress(done, total, backend=name)``.

    Returns:
        backend -> verdict. A backend that cannot answer at all has failed, with the reason.
    """
    names = list(backends)
    pieces = [_piece(sample, slice(at, at + CHUNK)) for at in range(0, len(sample.frames), CHUNK)]
    truths = []
    eager = Measured()
    total = len(pieces) + len(names)
    for done, piece in enumerate(pieces):
        if progress is not None:
            progress(done, total, backend="float64")
        truths.append(truth_of(network, piece, objective=bundle.objective))
        measure(Eager(network, bundle.objective), truths[-1], eager)
    reference: dict[str, Any] = {}
    verdicts: dict[str, Verdict] = {}
    for done, name in enumerate(names, start=len(pieces)):
        if progress is not None:
            progress(done, total, backend=name)
        try:
            with open_backend(name) as session:
                found = Measured()
                for truth in truths:
                    measure(session, truth, found, quick=quick)
                verdict = judge(name, session.precision, found, eager)
                attackable = network.has_decoder and network.has_regressor
                if session.precision != "float32" and attack_sample is not None and attackable:
                    verdict = _with_attacks(verdict, network, session, attack_sample, iterations, reference)
        except TurncoatError as error:
            verdict = Verdict(name, "unknown", (), None, (str(error),))
        verdicts[name] = verdict
        parity = {**bundle.info.get("parity", {}), name: _recorded(verdict)}
        bundle.record(parity=parity)
    if progress is not None:
        progress(total, total, backend="done")
    return verdicts


def _with_attacks(
    verdict: Verdict, network: Network, session: Any, sample: Sample, iterations: int, reference: dict[str, Any]
) -> Verdict:
    found, reasons = {}, list(verdict.reasons)
    for setting in SETTINGS:
        if setting == "natural" and network.statistics is None:
            continue
        if setting not in reference:
            reference[setting] = attack_frames(network, None, sample, setting, iterations)
        result = agreement(setting, reference[setting], attack_frames(network, session, sample, setting, iterations))
        found[setting] = result.facts()
        if not result.agrees:
            reasons.append(
                f"attack {setting}: {result.success:.0%} fooled where float32 steps fool {result.success_float32:.0%} "
                f"of {result.samples} frames (difference {result.low:+.0%} to {result.high:+.0%})"
            )
    return replace(verdict, attack=found, reasons=tuple(reasons))


def _recorded(verdict: Verdict) -> dict[str, Any]:
    """What bundle.json keeps: the verdict, and each graph's worst rung and place."""
    worst: dict[str, dict[str, float]] = {}
    for check in verdict.checks:
        kept = worst.setdefault(f"{check.graph} {check.output}", {})
        for fact, value in check.facts.items():
            keep = min if fact.removeprefix("eager_").startswith(("psnr", "cosine")) else max
            kept[fact] = float(f"{keep(kept.get(fact, value), value):.6g}")
    return {
        "machine": this_machine(),
        "versions": versions("onnx", "polygraphy", "tensorrt_rtx"),
        "precision": verdict.precision,
        "passed": verdict.passed,
        "reasons": list(verdict.reasons),
        "frames": max((check.samples for check in verdict.checks), default=0),
        "worst": worst,
        "attack": verdict.attack,
    }


def _piece(sample: Sample, rows: slice) -> Sample:
    given = sample.given if sample.given is None else type(sample.given)(*(t[rows] for t in sample.given))
    return Sample(sample.frames[rows], sample.background[rows], given, sample.rows[rows])
