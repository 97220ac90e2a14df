"""Planted truth: is the gate right where the truth is known? See `benchmarks.planted.shadow`."""
