"""When a backend is right enough to be used."""

from dataclasses import asdict, dataclass, field
from typing import Any

from turncoat.engine.verification.measure import KINDS, Key, Measured

POSE_LARGEST_MM, POSE_MEAN_MM = 0.1, 0.01
PICTURE_PSNR_DB = 70.0
CODE_LARGEST, BOX_LARGEST = 1e-3, 1e-4
EAGER_FACTOR = 10.0  # poses, pictures and codes: or this many times eager float32's own error, if that is more
COSINE_MEDIAN, COSINE_P1 = 0.9999, 0.99
GRADIENT_FACTOR = 2.0  # gradients: at most this many times eager float32's own error
GRADIENT_FLOOR = 1e-5  # below this relative error nobody asks
REDUCED = {
    "pose": 10.0,
    "psnr": 30.0,
    "code": 0.5,
    "box": 0.05,
    "cosine": 0.6,
}  # means and medians: sanity; their attacks decide


@dataclass(frozen=True)
class Check:
    """One output of one graph at one rung.

    Attributes:
        graph, output, where, rung: what was asked; rung 0: any batch.
        samples: number of frames.
        facts: largest and mean error (mm for poses), least `psnr` in dB, `cosine_median`, `cosine_p1`, `relative`
            (median error of gradients); `eager_*`: the same of eager float32.
        failed: what is wrong, in words; empty: nothing.
    """

    graph: str
    output: str
    where: str
    rung: int
    samples: int
    facts: dict[str, float]
    failed: str = ""

    @property
    def name(self) -> str:
        """As in a table: "attack-b8 gradient, attacked"."""
        return f"{self.graph}{f'-b{self.rung}' if self.rung else ''} {self.output}, {self.where}"


@dataclass(frozen=True)
class Verdict:
    """Whether a backend may be used.

    Attributes:
        backend, precision: which.
        checks: of every graph.
        attack: what a reduced precision is judged by (`attacks.Agreement` as JSON), None if it was not asked for.
        reasons: why it may not be used; empty: it may.
    """

    backend: str
    precision: str
    checks: tuple[Check, ...]
    attack: dict[str, Any] | None = None
    reasons: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether it may be used."""
        return not self.reasons

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"passed": self.passed}


def judge(backend: str, precision: str, measured: Measured, eager: Measured) -> Verdict:
    """Hold the errors of a backend against what its precision allows, and against eager float32's own errors."""
    checks = tuple(_check(key, measured, eager, precision) for key in measured.errors)
    reasons = tuple(f"{check.name}: {check.failed}" for check in checks if check.failed)
    return Verdict(backend, precision, checks, None, reasons)


def _check(key: Key, measured: Measured, eager: Measured, precision: str) -> Check:
    graph, output, where, rung = key
    kind = KINDS[output]
    facts = _facts(kind, measured, key)
    own = _facts(kind, eager, (graph, output, where, 0))
    samples = sum(map(len, next(iter(measured.errors[key].values()))))
    if not all(map(_finite, facts.values())):
        failed = "NaN or infinity"
    elif precision == "float32":
        failed = _fails_exactly(kind, facts, own)
    else:
        failed = _fails_roughly(kind, facts)
    facts |= {f"eager_{name}": value for name, value in own.items()}
    return Check(graph, output, where, rung, samples, facts, failed)


def _facts(kind: str, measured: Measured, key: Key) -> dict[str, float]:
    if kind == "gradient":
        cosine, relative = measured.get(key, "cosine"), measured.get(key, "relative")
        return {
            "cosine_median": float(cosine.median()),
            "cosine_p1": float(cosine.quantile(0.01)),
            "relative": float(relative.median()),
            "relative_mean": float(relative.mean()),
        }
    facts = {"largest": float(measured.get(key, "largest").max())}
    if kind == "picture":
        psnr = measured.get(key, "psnr")
        return facts | {"psnr": float(psnr.min()), "psnr_mean": float(psnr.mean())}
    return facts | {"mean": float(measured.get(key, "mean").mean())}


def _fails_exactly(kind: str, facts: dict[str, float], own: dict[str, float]) -> str:
    if kind == "pose":
        limits = (
            max(POSE_LARGEST_MM, EAGER_FACTOR * own["largest"]),
            max(POSE_MEAN_MM, EAGER_FACTOR * own["mean"]),
        )
        if facts["largest"] > limits[0] or facts["mean"] > limits[1]:
            return (
                f"off by {facts['largest']:.3g} mm at most and {facts['mean']:.2g} mm on average, "
                f"allowed {limits[0]:.2g} and {limits[1]:.2g}"
            )
    elif kind == "picture":
        limit = min(PICTURE_PSNR_DB, own["psnr"] - 20)
        if facts["psnr"] < limit:
            return f"{facts['psnr']:.1f} dB, at least {limit:.0f} expected"
    elif kind in ("code", "box"):
        limit = max(CODE_LARGEST if kind == "code" else BOX_LARGEST, EAGER_FACTOR * own["largest"])
        if facts["largest"] > limit:
            return f"off by {facts['largest']:.2g}, allowed {limit:.2g}"
    else:
        allowed = max(GRADIENT_FLOOR, GRADIENT_FACTOR * own["relative"])
        if facts["cosine_median"] < COSINE_MEDIAN or facts["cosine_p1"] < COSINE_P1:
            return (
                f"cosine {facts['cosine_median']:.5f} in the median, {facts['cosine_p1']:.4f} at the first percentile, "
                f"expected {COSINE_MEDIAN} and {COSINE_P1}"
            )
        if facts["relative"] > allowed:
            return f"relative error {facts['relative']:.2g}, allowed {allowed:.2g} (twice eager float32's)"
    return ""


def _fails_roughly(kind: str, facts: dict[str, float]) -> str:
    if kind == "pose" and facts["mean"] > REDUCED["pose"]:
        return f"off by {facts['mean']:.1f} mm on average, more than rounding does"
    if kind == "picture" and facts["psnr_mean"] < REDUCED["psnr"]:
        return f"{facts['psnr_mean']:.1f} dB on average, less than rounding leaves"
    if kind in ("code", "box") and facts["mean"] > REDUCED[kind]:
        return f"off by {facts['mean']:.2g} on average, more than rounding does"
    if kind == "gradient" and facts["cosine_median"] < REDUCED["cosine"]:
        return f"cosine {facts['cosine_median']:.3f} in the median, less than rounding leaves"
    return ""


def _finite(value: float) -> bool:
    return value == value and abs(value) != float("inf")
