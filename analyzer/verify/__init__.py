"""`analyzer verify`: numbers that were judged, counted once more from the raw logs.

Another path than the scan's: DuckDB reads the files and SQL pairs and counts, slot by slot. Only
`columns.json` is shared, for what a store has decided (score scale, list of decisions).

What SQL settles otherwise than the scan, and may show as a difference that means nothing: of
rows equal in id, time and score any one may pair; a naive time in the hour that a change of
clocks skips; text ids or classes that are spelled as numbers in one log only.
"""

from analyzer.verify.levels import verify_levels
from analyzer.verify.verification import Number, Verification, verify

__all__ = ["Number", "Verification", "verify", "verify_levels"]
