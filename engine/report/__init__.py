"""A run as one self-contained HTML page."""

from turncoat.engine.report.page import write_report

__all__ = ["write_report"]
