"""Planted truth: is the gate right when the truth is known? `python -m benchmarks.planted.shadow`."""
