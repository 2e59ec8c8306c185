"""Runs networks and bundles: attacks, sweeps, analyses, reports, the command line.

    from turncoat.engine import AttackSettings, attack_dataset
    run = attack_dataset("nsd", "data/demo", AttackSettings(iterations=200), "runs/first")

Importing this package costs nothing; torch and pyarrow come in with the first name that is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turncoat.engine.attack import AttackSettings, Outcome
    from turncoat.engine.demo import run_demo
    from turncoat.engine.report import write_report
    from turncoat.engine.runs import Run, open_run
    from turncoat.engine.sweep import attack_dataset

__all__ = ["AttackSettings", "Outcome", "Run", "attack_dataset", "open_run", "run_demo", "write_report"]

_HOME = {
    "AttackSettings": "turncoat.engine.attack",
    "Outcome": "turncoat.engine.attack",
    "attack_dataset": "turncoat.engine.sweep",
    "Run": "turncoat.engine.runs",
    "open_run": "turncoat.engine.runs",
    "run_demo": "turncoat.engine.demo",
    "write_report": "turncoat.engine.report",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'turncoat.engine' has no attribute {name!r}")
