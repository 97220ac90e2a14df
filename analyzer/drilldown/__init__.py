"""Drill-downs: the raw logs of a few windows read again, paired, every pair kept as small codes."""
