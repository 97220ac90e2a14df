"""When did it begin? Change points of several hourly (or minutely) series, searched together.

Input are plain arrays, one value and one count per point on a dense grid, so nothing here knows
of the store. Output are frozen records that cross files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.onset.shift_words import in_deviations, onset_sentence
from analyzer.stats.changepoint import ChangePoint, NotLocated, locate
from analyzer.stats.seasonal import relative_variance, seasonal_baseline
from analyzer.stats.stepscan import LEAST_BEFORE, Residuals
from analyzer.window import HOUR, parse, show

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FALSE_ALARM = 0.03
"""Chance that a quiet past yields any onset, over all series searched; below the 5 % promised."""

BLOCK = 12
MINUTE_BLOCK = 30
ENOUGH_SEASONS = 0.6


@dataclass(frozen=True, eq=False)
class Timeline:
    """The grid that all series share. Point i covers [start + i step, start + (i + 1) step).

    start: microseconds UTC; step: microseconds, an hour or a minute. hour_of_week: 0 (Monday
    00 h) to 167 in the declared time zone, per point. clean: points of clean history, which give
    the baseline; only those before `first` are used. [first, last): the points searched; the last
    one should lie where the incident ended (rollback), as the shift is taken to last until then.
    trigger, rollback: known instants, microseconds UTC.
    """

    start: int
    step: int
    hour_of_week: Ints
    clean: Bools
    first: int
    last: int
    trigger: int | None = None
    rollback: int | None = None

    def instant(self, point: int) -> int:
        """Start of a point, microseconds UTC."""
        return self.start + point * self.step


@dataclass(frozen=True, eq=False)
class Series:
    """One measured series: the mean (or rate) per point and the rows behind it.

    A value counts only where n > 0 and the value is finite.
    """

    name: str
    unit: str
    values: Floats
    n: Floats


class Onset(Struct, frozen=True, kw_only=True):
    """When one series shifted, or why that cannot be said.

    at, low, high: instants (UTC text); the onset lies in [low, high) by likelihood. shift: after
    minus before, in the series' unit; shift_sd: the same in long-run standard deviations of one
    point, None where nothing varied before. statistic and threshold: largest standardised shift,
    and what chance alone exceeds in `false_alarm` of searches over all series. deseasoned: what was
    taken out, in words.
    """

    series: str
    unit: str
    located: bool
    refusal: str
    at: str | None
    low: str | None
    high: str | None
    shift: float | None
    shift_sd: float | None
    direction: Literal["up", "down"] | None
    kind: Literal["step", "ramp"] | None
    statistic: float | None
    threshold: float | None
    deseasoned: str
    points_before: int
    points_searched: int
    sentence: str


class Onsets(Struct, frozen=True, kw_only=True):
    """All series searched, and the order in which those that shifted did so.

    order: names of located series, earliest first (by `at`, then `low`, then name). low, high:
    interval of the earliest onset. hours_to_trigger, hours_to_rollback: from the earliest `at`.
    """

    searched: tuple[str, str]
    step: Literal["hour", "minute"]
    false_alarm: float
    series: list[Onset]
    order: list[str]
    at: str | None
    low: str | None
    high: str | None
    hours_to_trigger: float | None
    hours_to_rollback: float | None
    sentences: list[str]


def find_onsets(
    timeline: Timeline, series: Sequence[Series], *, false_alarm: float = FALSE_ALARM
) -> Onsets:
    """Search every series for the point at which its level shifted for good.

    Each series is deseasoned by the median of the same hour of the week over clean weeks (fewer
    than 2: of the same hour of the day; else only the clean level is taken off), then searched by
    `stats.changepoint.locate`, whose threshold allows for the number of series. Sigma blocks are 12
    points of hours, 30 of minutes. Raises ValueError when the arrays do not fit the grid.
    """
    points = len(timeline.hour_of_week)
    if not 0 <= timeline.first < timeline.last <= points or len(timeline.clean) != points:
        raise ValueError("the range searched must lie on the grid of hours of the week")
    found = [_onset(timeline, one, len(series), false_alarm) for one in series]
    located = [(f.at or "", f.low or "", f.series) for f in found if f.located]
    order = [name for _, _, name in sorted(located)]
    by_name = {f.series: f for f in found}
    first = by_name[order[0]] if order else None
    at = parse(first.at) if first and first.at else None
    return Onsets(
        searched=(show(timeline.instant(timeline.first)), show(timeline.instant(timeline.last))),
        step="hour" if timeline.step >= HOUR else "minute",
        false_alarm=false_alarm,
        series=found,
        order=order,
        at=first.at if first else None,
        low=first.low if first else None,
        high=first.high if first else None,
        hours_to_trigger=_hours(at, timeline.trigger),
        hours_to_rollback=_hours(at, timeline.rollback),
        sentences=_sentences(timeline, found, [by_name[name] for name in order], at),
    )


def _hours(start: int | None, end: int | None) -> float | None:
    return None if start is None or end is None else (end - start) / HOUR


def _onset(timeline: Timeline, series: Series, searches: int, false_alarm: float) -> Onset:
    """One series: prepared, searched, and said in words."""
    if not len(series.values) == len(series.n) == len(timeline.hour_of_week):
        raise ValueError(f"{series.name}: one value and one count per point of the grid are needed")
    residuals, deseasoned = prepare(timeline, series)
    block = BLOCK if timeline.step >= HOUR else MINUTE_BLOCK
    found = locate(residuals, block, searches=searches, false_alarm=false_alarm)
    instants = _instants(timeline, found) if isinstance(found, ChangePoint) else (None, None, None)
    return Onset(
        series=series.name,
        unit=series.unit,
        located=isinstance(found, ChangePoint),
        refusal="" if isinstance(found, ChangePoint) else found.reason,
        at=instants[0],
        low=instants[1],
        high=instants[2],
        shift=found.shift if isinstance(found, ChangePoint) else None,
        shift_sd=in_deviations(found) if isinstance(found, ChangePoint) else None,
        direction=("up" if found.shift > 0 else "down") if isinstance(found, ChangePoint) else None,
        kind=found.kind if isinstance(found, ChangePoint) else None,
        statistic=found.statistic,
        threshold=found.threshold,
        deseasoned=deseasoned,
        points_before=residuals.before,
        points_searched=int(np.sum(np.isfinite(residuals.values))),
        sentence=onset_sentence(series.name, series.unit, found, instants),
    )


def _instants(timeline: Timeline, found: ChangePoint) -> tuple[str, str, str]:
    """Onset and interval; the interval ends where its last point does."""
    ends = (found.point, found.low, found.high + 1)
    at, low, high = (show(timeline.instant(timeline.first + point)) for point in ends)
    return at, low, high


def prepare(timeline: Timeline, series: Series) -> tuple[Residuals, str]:
    """A series less what was usual, ready to be searched; and in words what was taken off."""
    held = (np.asarray(series.n) > 0) & np.isfinite(series.values)
    values = np.where(held, series.values, np.nan)
    index = np.arange(len(values))
    history = held & timeline.clean & (index < timeline.first)
    searched = slice(timeline.first, timeline.last)
    season, cycle, deseasoned = _season(timeline, history)
    base = seasonal_baseline(values, season, cycle, history)
    before = int(history.sum())
    if before < LEAST_BEFORE:  # no baseline: the range is compared with itself
        base = replace(base, values=np.zeros(len(values)), variance=np.zeros(len(values)))
    usual = np.where(held, series.n, 0.0)
    variance = relative_variance(base.left_out, usual)
    residual = (values - base.values)[searched]
    left_out = (base.left_out / np.sqrt(variance))[: timeline.first]
    count = np.isfinite(left_out).sum(), np.isfinite(residual).sum()
    independent = count[0] * (1 - 1 / max(base.cycles, 1)) + count[1]
    return Residuals(
        residual,
        variance[searched],
        season[searched],
        base.variance[searched],
        left_out,
        max(float(sum(count)) / max(float(independent), 1.0), 1.0),
        before if before >= LEAST_BEFORE else 0,
    ), deseasoned.format(cycles=base.cycles, points=before)


def first_shift(timeline: Timeline, series: Series) -> tuple[int, int, int] | None:
    """Where a series known to have shifted did so: point and interval [low, high) on the grid."""
    residuals, _ = prepare(timeline, series)
    found = locate(residuals, BLOCK if timeline.step >= HOUR else MINUTE_BLOCK, false_alarm=0.05)
    if isinstance(found, NotLocated):
        return None
    first = timeline.first
    return first + found.point, first + found.low, first + found.high + 1


def _season(timeline: Timeline, history: Bools) -> tuple[Ints, Ints, str]:
    """Season and cycle of each point by what clean history there is, and its name."""
    unit = "hours" if timeline.step >= HOUR else "minutes"
    week = np.asarray(timeline.hour_of_week, dtype=np.int64)
    day = week % 24
    weeks, days = (np.concatenate(([0], np.cumsum(np.diff(s) < 0))) for s in (week, day))
    searched = slice(timeline.first, timeline.last)
    if _seen_twice(week, weeks, history, week[searched]):
        return week, weeks, "the median of the same hour of the week over {cycles} clean weeks"
    if _seen_twice(day, days, history, day[searched]):
        words = "the median of the same hour of the day over {cycles} clean days"
        return day, days, f"{words}; there are fewer than 2 clean weeks"
    nothing = np.zeros(len(week), dtype=np.int64)
    if history.sum() >= LEAST_BEFORE:
        words = f"only the level of {{points}} clean {unit}; there are fewer than 2 clean days"
        return nothing, days, words
    words = "nothing: before and after are compared within the range searched"
    return nothing, days, f"{words}; there are {{points}} clean {unit} before it"


def _seen_twice(season: Ints, cycle: Ints, history: Bools, wanted: Ints) -> bool:
    """Whether at least two clean cycles hold most of the seasons searched."""
    wanted = np.unique(wanted)
    cells = np.unique(np.stack([cycle[history], season[history]]), axis=1)
    held = np.bincount(cells[0][np.isin(cells[1], wanted)], minlength=1)
    known = np.isin(wanted, cells[1])
    enough = ENOUGH_SEASONS * len(wanted)
    return int(np.sum(held >= enough)) >= 2 and float(known.sum()) >= enough


def _sentences(
    timeline: Timeline, found: Sequence[Onset], order: Sequence[Onset], at: int | None
) -> list[str]:
    """What moved first, what cannot be told apart from it, and what followed."""
    if not order:
        return [f"onset not located in any of {len(found)} series"]
    first = order[0]
    said = [first.sentence]
    together = [o.series for o in order[1:] if (o.low or "") < (first.high or "")]
    later = [o.series for o in order[1:] if (o.low or "") >= (first.high or "")]
    if together:
        said.append(f"not to be told apart from it in time: {', '.join(together)}")
    if later:
        said.append(f"moved later: {', '.join(later)}")
    for word, instant in (("trigger", timeline.trigger), ("rollback", timeline.rollback)):
        hours = _hours(at, instant)
        if hours is not None:
            when = "after" if hours >= 0 else "before"
            said.append(f"the {word} came {abs(hours):.1f} h {when} the onset")
    return said
