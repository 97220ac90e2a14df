"""How a diagnosis puts its numbers to people: series by their titles, shifts in their units."""

from __future__ import annotations

import math

from analyzer.diagnose.series import TITLES
from analyzer.onset.search import Onset
from analyzer.verdict import Observed

LARGEST_LOG = 50.0
"""Log ratios beyond it are written as if they were it: e to that power is large enough."""


def title(name: str) -> str:
    """What people call a series, inside of a sentence."""
    words = TITLES[name][0] if name in TITLES else name
    return words if words[:2].isupper() else words[:1].lower() + words[1:]


def shifted(onset: Onset) -> str:
    """Which series moved, by how much and when, in a sentence."""
    name, shift = title(onset.series), onset.shift or 0.0
    way = "down" if shift < 0 else "up"
    grew = ", growing gradually" if onset.kind == "ramp" else ""
    grew += ", and hardly varied before" if onset.shift_sd is None else ""
    name = name[:1].upper() + name[1:]
    return f"{name} moved {way} by {size(abs(shift), onset.unit)}{grew}, at about {onset.at}."


def size(value: float, unit: str) -> str:
    """A shift for people: shares in percentage points.

    >>> size(0.242, "share"), size(0.2973, "ms"), size(0.136, "score")
    ('24.2 percentage points', '0.297 ms', '0.136')
    """
    if unit == "share":
        return f"{value * 100:.3g} percentage points"
    return f"{value:.3g} ms" if unit == "ms" else f"{value:.3g}"


def change(mean: Observed, unit: str) -> str:
    """A change and its interval for people; a log ratio of latencies in percent.

    >>> seen = Observed(value=0.1, low=0.05, high=0.15, method="")
    >>> change(seen, "score")
    '+0.1, between +0.05 and +0.15'
    >>> change(seen, "share")
    '+10, between +5 and +15 percentage points'
    >>> change(seen, "log ratio")
    '+10.5%, between +5.1% and +16.2%'
    """
    ends = [x for x in (mean.value, mean.low, mean.high) if x is not None]
    if unit == "log ratio":
        words = [f"{math.expm1(min(x, LARGEST_LOG)):+.1%}" for x in ends]
    elif unit == "share":
        words = [f"{x * 100:+.3g}" for x in ends]
        words[-1] += " percentage points"
    else:
        words = [f"{x:+.3g}" for x in ends]
    return f"{words[0]}, between {words[1]} and {words[2]}" if len(words) == 3 else words[0]


def spoken(minutes: float) -> str:
    """A span of time as people say it.

    >>> spoken(4.0), spoken(150.0), spoken(-30.0)
    ('4 min', '2.5 h', '30 min earlier')
    """
    length = abs(minutes)
    words = f"{length:.3g} min" if length < 120 else f"{length / 60:.3g} h"
    if length >= 48 * 60:
        words = f"{length / 1440:.3g} days"
    return f"{words} earlier" if minutes < 0 else words
