"""What charts are drawn from: series, marks and intervals; their sizes and colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDE, HALF, NARROW, SMALL = 1050, 480, 344, 296
"""Widths of a whole drawing in CSS pixels: a page, half of one, a phone, a third of a page."""

INK, QUIET, GRID, PAPER = "var(--ink)", "var(--quiet)", "var(--line)", "var(--paper)"
CHAMPION, CHALLENGER, ALARM = "var(--champion)", "var(--accent)", "var(--bad)"


@dataclass(frozen=True)
class Line:
    """One series over time. tone: a colour; dashed tells it apart without colour."""

    values: Sequence[float | None]
    tone: str = CHALLENGER
    dashed: bool = False
    thickness: float = 1.5


@dataclass(frozen=True)
class Mark:
    """An instant on a time axis, or a time when `end` is given."""

    at: str
    text: str
    end: str | None = None
    alarming: bool = False


@dataclass(frozen=True)
class Interval:
    """A value with its interval on its own line of a chart; ends None are open."""

    label: str
    value: float
    low: float | None
    high: float | None
    tone: str = CHALLENGER


def lookup(labels: Sequence[str]) -> str:
    """A lookup of labels by position. Written in hexadecimal: no name can end its own string."""
    quoted = ",".join(
        "'" + "".join(f"\\u{unit:04x}" for unit in _utf16(text)) + "'" for text in labels
    )
    return f"[{quoted}][datum.value]"


def _utf16(text: str) -> list[int]:
    raw = text.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(raw[i : i + 2]) for i in range(0, len(raw), 2)]
