"""A run, or the tables of a family of networks, as one self-contained HTML page."""

from turncoat.engine.report.family_page import write_tables
from turncoat.engine.report.page import write_report

__all__ = ["write_report", "write_tables"]
