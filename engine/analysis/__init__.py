"""What the rows of runs say: rates with intervals, tables in the paper's layout, comparisons.

    from turncoat.engine.analysis import attack_family, compare_runs, make_tables
    tables = make_tables(attack_family(["nsd", "cssl"], "data", "runs/tables"))

Importing this package costs nothing; torch and pyarrow come in with the first name that is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turncoat.engine.analysis.compare import Comparison, compare_runs
    from turncoat.engine.analysis.family import attack_family
    from turncoat.engine.analysis.tables import FamilyTables, make_tables

__all__ = ["Comparison", "FamilyTables", "attack_family", "compare_runs", "make_tables"]

_HOME = {
    "Comparison": "compare",
    "compare_runs": "compare",
    "attack_family": "family",
    "FamilyTables": "tables",
    "make_tables": "tables",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"turncoat.engine.analysis.{_HOME[name]}"), name)
    raise AttributeError(f"module 'turncoat.engine.analysis' has no attribute {name!r}")
