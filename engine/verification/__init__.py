"""Whether an exported network gives the right answers on this machine, backend by backend."""

from turncoat.engine.verification.judge import Check, Verdict, judge
from turncoat.engine.verification.measure import Measured, measure
from turncoat.engine.verification.truth import Sample, Truth, draw_sample, truth_of
from turncoat.engine.verification.verify import verify_bundle

__all__ = [
    "Check",
    "Measured",
    "Sample",
    "Truth",
    "Verdict",
    "draw_sample",
    "judge",
    "measure",
    "truth_of",
    "verify_bundle",
]
