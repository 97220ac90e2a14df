"""What made-up pages are made of: hostile names, seeded courses and distributions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from analyzer.diagnose.findings import Density, Hours
from analyzer.stats.result import Estimate

START = datetime(2025, 3, 3, tzinfo=UTC)

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'; DROP TABLE predictions; --",
    "</style></svg><script>alert(3)</script>",
    "<b>bold</b> &amp; &lt;i&gt;",
    "{{ 7 * 7 }}{% raw %}${7*7}",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe",
    "\u0645\u0631\u062d\u0628\u0627",
    "family \U0001f468\u200d\U0001f469\u200d\U0001f467 caf\u00e9",
    "bell\x07 esc\x1b[31m nul\x00",
    "two\nlines\ttab",
    "javascript:alert(4)",
    "datum.value + 1 \\u0041 \\",
    "x" * 5_000,
    " ",
    "",
]
"""Names that someone's log may hold: markup, quotes, templates, other scripts, control codes."""


def instant(hours: float) -> str:
    """An instant of the made-up window."""
    return (START + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%MZ")


def estimate(value: float, width: float = 0.1, n: float = 10_000) -> Estimate:
    """A value with a symmetrical interval."""
    return Estimate(value, value - width, value + width, n, "made up 95%")


def course(random: np.random.Generator, steps: int, minutes: int, *names: str) -> Hours:
    """Series with a gap in each."""
    columns = {}
    for name in names:
        values: list[float | None] = np.abs(random.normal(1, 0.2, steps)).round(6).tolist()
        if steps > 8:
            values[3] = None
        columns[name] = values
    return Hours(start=instant(0), step_minutes=minutes, columns=columns)


def density(name: str, random: np.random.Generator, first: float, *series: str) -> Density:
    return Density(
        name=name,
        edges=(first + np.arange(25) / 24).tolist(),
        shares={s: random.dirichlet(np.ones(24)).tolist() for s in series},
        n=dict.fromkeys(series, 58999),
    )
