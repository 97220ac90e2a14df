"""The scan: raw logs to profiles, slot by slot. `scan` is its door; the kernels live beside it."""

from analyzer.scan.run import Scan, scan

__all__ = ["Scan", "scan"]
