"""Run folders: what an attack wrote, one row a sample, and how it is read again."""

from turncoat.engine.runs.columns import COLUMNS, INDEX_COLUMNS, as_table
from turncoat.engine.runs.folder import Parts, Run, RunWriter, open_run

__all__ = ["COLUMNS", "INDEX_COLUMNS", "Parts", "Run", "RunWriter", "as_table", "open_run"]
