"""How long a backend takes to answer: percentiles, throughput, cold start, all backends in one interleaved run."""

from turncoat.engine.latency.measure import Case, Latency, measure_latency
from turncoat.engine.latency.plain import PlainSession

__all__ = ["Case", "Latency", "PlainSession", "measure_latency"]
