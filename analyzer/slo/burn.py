"""Burn rates: does a budget burn too fast? Followed over two windows at every minute.

An alert needs both: over the long one it is worth waking somebody, and the short one says that it
goes on. It is a rule on counts; the intervals beside it say how far the counts can be trusted.
Where too few requests come to tell, it is undecided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analyzer.phases.gate import percent
from analyzer.policy import Burn, Slo
from analyzer.slo.history import History, Ints, by_hour
from analyzer.stats.budget import burn_rate, spent_by
from analyzer.stats.result import Estimate, Result, Undefined, point
from analyzer.verdict import Observed, holds, observed
from analyzer.window import MINUTE, Window, show

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Objective:
    """bad and all requests by minute; dark: by hour, of which nothing is known."""

    name: str
    words: str
    allowed: float
    bad: Ints
    n: Ints
    dark: Ints

    @property
    def known(self) -> Ints:
        """Requests by minute of which it is known whether they are bad: an hour's unknown ones are
        spread evenly over its minutes.
        """
        hours = by_hour(self.n)
        dark = np.minimum(self.dark, hours)
        shares = 1 - np.divide(dark, hours, out=np.zeros(len(hours)), where=hours > 0)
        found: Ints = np.floor(self.n * np.repeat(shares, 60)).astype(np.int64)
        return found


@dataclass(frozen=True)
class Alert:
    """A pair of windows. highest: the fastest that both burned at once in the window judged, a
    minute at a time; long, short: at its end. episodes: when it alerted, first to last minute.
    spends: share of the budget that is gone when it alerts. judged: share of the minutes that
    could be judged. course: the fastest of both at once in each hour, None where nobody can tell.
    """

    rate: float
    hours: int
    minutes: int
    alert: Literal["page", "ticket"]
    outcome: Literal["quiet", "alerted", "undecided"]
    highest: Observed
    long: Observed
    short: Observed
    spends: float
    judged: float
    episodes: list[tuple[str, str]]
    course: list[float | None]


def follow(limits: Slo, past: History, objective: Objective, burn: Burn) -> Alert:
    """A pair of windows followed over every minute of the window judged."""
    start = past.inside.start * 60
    least = limits.min_burn_events / (burn.rate * objective.allowed)
    never = burn.rate * objective.allowed >= 1
    both = []
    for minutes in (burn.hours * 60, burn.minutes):
        bad, n = (_before(x, minutes)[start:] for x in (objective.bad, objective.known))
        enough = (n >= least) & (not never)
        # rounded: 144 of 10,000 burn exactly 14.4 times a thousandth
        burned = np.round(bad / np.maximum(n, 1) / objective.allowed, 9)
        both.append(np.where(enough, burned, np.nan))
    speed = np.minimum(*both)  # NaN where either is unknown
    one = np.fmin(*both)  # quiet is known where one window alone says so
    judged = ~np.isnan(speed) | holds(one, "<=", burn.rate)
    over_rate = holds(speed, ">", burn.rate)
    highest: Result = _highest(speed, one, judged, objective, burn, limits.min_judged_share)
    ends = [
        burn_rate(
            float(objective.bad[-minutes:].sum()),
            float(objective.known[-minutes:].sum()),
            objective.allowed,
            burn.rate,
            limits.min_burn_events,
            limits.confidence,
        )
        for minutes in (burn.hours * 60, burn.minutes)
    ]
    outcome: Literal["quiet", "alerted", "undecided"] = (
        "alerted" if over_rate.any() else "quiet" if isinstance(highest, Estimate) else "undecided"
    )
    return Alert(
        burn.rate,
        burn.hours,
        burn.minutes,
        burn.alert,
        outcome,
        observed(highest),
        observed(ends[0]),
        observed(ends[1]),
        spent_by(burn.rate, burn.hours, limits.budget_days),
        round(float(judged.mean()), 6),
        _episodes(over_rate, past.window),
        _course(np.where(judged, np.where(np.isnan(speed), one, speed), np.nan)),
    )


def _before(counts: Ints, minutes: int) -> Ints:
    """Sums over so many minutes up to and with each one."""
    total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
    end = np.arange(1, len(total))
    found: Ints = total[end] - total[np.maximum(end - minutes, 0)]
    return found


def _highest(
    speed: Floats, one: Floats, judged: Bools, objective: Objective, burn: Burn, least: float
) -> Result:
    """The fastest burn of both windows at once; by one window alone where it is quiet and the
    other cannot tell.
    """
    if burn.rate * objective.allowed >= 1:
        return burn_rate(0, 0, objective.allowed, burn.rate)
    seen = np.where(np.isnan(speed), one, speed)
    if bool(holds(speed, ">", burn.rate).any()):
        return point(float(np.nanmax(speed)), len(speed), "counts, minute by minute")
    if judged.mean() < least:
        share_judged = percent(float(judged.mean()))
        return Undefined(
            f"too few requests: {share_judged} of the minutes can be judged", len(speed)
        )
    return point(float(np.max(seen[judged])), len(speed), "counts, minute by minute")


def _course(burned: Floats) -> list[float | None]:
    """The fastest of each hour."""
    hours = np.fmax.reduce(burned.reshape(-1, 60), axis=1)
    return [None if np.isnan(x) else round(x, 6) for x in hours.tolist()]


def _episodes(alerting: Bools, window: Window) -> list[tuple[str, str]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], alerting.astype(np.int8), [0]))))
    return [
        (show(window.start + first * MINUTE), show(window.start + (end - 1) * MINUTE))
        for first, end in edges.reshape(-1, 2).tolist()
    ]
