"""Segment search: which user segments diverged most, with evidence that survives the counting."""
