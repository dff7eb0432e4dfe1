"""The report of a benchmark run: one HTML file, for a browser without a network."""

from twnm.bench.report.page import write_report

__all__ = ["write_report"]
