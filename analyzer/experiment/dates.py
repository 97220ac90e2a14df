"""Days since 1970 (UTC) as they are written."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(day: int) -> str:
    """The date of a day since 1970.

    >>> iso(20_528)
    '2026-03-16'
    """
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d")
