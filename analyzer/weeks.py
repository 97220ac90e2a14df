"""The hour of the week where people live: what traffic and behaviour repeat by."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analyzer.window import HOUR


def hours_of_week(start: int, step: int, points: int, zone: ZoneInfo) -> NDArray[np.int64]:
    """Per point of a grid the hour of the week where people live: 0 is Monday's first hour.

    start, step: microseconds UTC.

    >>> hours_of_week(0, HOUR, 3, ZoneInfo("UTC")).tolist()  # 1970 began on a Thursday
    [72, 73, 74]
    """
    hours = np.arange(start // HOUR, (start + points * step - 1) // HOUR + 1)
    local = [datetime.fromtimestamp(int(hour) * 3600, zone) for hour in hours]
    table = np.asarray([moment.weekday() * 24 + moment.hour for moment in local], dtype=np.int64)
    found: NDArray[np.int64] = table[(start + np.arange(points) * step) // HOUR - hours[0]]
    return found
