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
    """A value with its interval on its own line of a chart; ends None are open. limit: marked."""

    label: str
    value: float
    low: float | None
    high: float | None
    tone: str = CHALLENGER
    limit: float | None = None


@dataclass(frozen=True)
class Band:
    """An interval that moves along an axis, with its value, or without (`values` all None).

    filled: as an area under its value; else its two ends as dashed lines.
    """

    values: Sequence[float | None]
    low: Sequence[float | None]
    high: Sequence[float | None]
    tone: str = CHALLENGER
    filled: bool = True


def extremes(values: Sequence[float | None], pixels: int) -> list[int]:
    """Places of the values that a line of so many pixels can show: where several fall on one
    pixel, the least and the greatest of each group and the first that is missing.

    >>> extremes([1, 2, 3], 10)
    [0, 1, 2]
    >>> extremes([5, 1, 3, 9, 2, 2, None, 2], 2)
    [1, 3, 4, 6]
    """
    step = -(-len(values) // pixels)
    if step < 3:
        return list(range(len(values)))
    kept: set[int] = set()
    for first in range(0, len(values), step):
        group = list(enumerate(values[first : first + step], first))
        known = [(value, i) for i, value in group if value is not None]
        if known:
            kept |= {min(known)[1], max(known, key=lambda pair: (pair[0], -pair[1]))[1]}
        kept.update([i for i, value in group if value is None][:1])
    return sorted(kept)


def lonely(values: Sequence[float | None], i: int) -> bool:
    """A point that no line would show: nothing comes right before or after it."""
    around = [*values[max(i - 1, 0) : i], *values[i + 1 : i + 2]]
    return values[i] is not None and all(value is None for value in around)


def lookup(labels: Sequence[str]) -> str:
    """A lookup of labels by position. Written in hexadecimal: no name can end its own string."""
    quoted = ",".join(
        "'" + "".join(f"\\u{unit:04x}" for unit in _utf16(text)) + "'" for text in labels
    )
    return f"[{quoted}][datum.value]"


def _utf16(text: str) -> list[int]:
    raw = text.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(raw[i : i + 2]) for i in range(0, len(raw), 2)]
