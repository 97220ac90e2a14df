"""Benchmarks of the analyzer: `python -m benchmarks.NAME` from the repository's root."""
