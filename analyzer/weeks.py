"""The hour of the week where people live: what traffic and behaviour repeat by."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analyzer.window import HOUR

Ints = NDArray[np.int64]


def local_hours(start: int, hours: int, zone: ZoneInfo) -> tuple[Ints, Ints]:
    """Per hour from `start` (microseconds UTC, a whole hour) on the hour of the week where people
    live, 0 being Monday's first, and the number of that local week.

    When clocks are put back an hour of a week occurs twice; when they are put forward, never.

    >>> [x.tolist() for x in local_hours(95 * HOUR, 2, ZoneInfo("UTC"))]  # 1970: a Thursday
    [[167, 0], [102737, 102738]]
    """
    first = start // HOUR
    local = [datetime.fromtimestamp(hour * 3600, zone) for hour in range(first, first + hours)]
    of_week = [moment.weekday() * 24 + moment.hour for moment in local]
    week = [(moment.toordinal() - 1) // 7 for moment in local]
    return np.asarray(of_week, dtype=np.int64), np.asarray(week, dtype=np.int64)


def hours_of_week(start: int, step: int, points: int, zone: ZoneInfo) -> Ints:
    """Per point of a grid the hour of the week where people live: 0 is Monday's first hour.

    start, step: microseconds UTC.

    >>> hours_of_week(0, HOUR, 3, ZoneInfo("UTC")).tolist()  # 1970 began on a Thursday
    [72, 73, 74]
    """
    first = start // HOUR
    hours = (start + points * step - 1) // HOUR + 1 - first
    table, _ = local_hours(first * HOUR, max(hours, 0), zone)
    found: Ints = table[(start + np.arange(points) * step) // HOUR - first]
    return found
