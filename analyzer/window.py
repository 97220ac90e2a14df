"""A span of time [start, end) in UTC, whole hours; and how people write instants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from analyzer.errors import ConfigError

HOUR = 3_600_000_000
"""Microseconds in an hour; instants are integers of microseconds since 1970, UTC."""

MINUTE = 60_000_000
"""Microseconds in a minute."""

DAY = 24 * HOUR
WEEK = 7 * DAY
"""Microseconds in a day and a week of 24-hour days."""


@dataclass(frozen=True, order=True)
class Window:
    """[start, end) in microseconds UTC."""

    start: int
    end: int

    @property
    def hours(self) -> float:
        """Length in hours."""
        return (self.end - self.start) / HOUR

    def __str__(self) -> str:
        return f"{show(self.start)}/{show(self.end)}"

    def overlaps(self, start: int, end: int) -> bool:
        """Whether the window shares any instant with [start, end)."""
        return self.start < end and self.end > start

    def holds(self, start: int, end: int) -> bool:
        """Whether [start, end) lies wholly inside."""
        return self.start <= start and end <= self.end


def show(instant: int) -> str:
    """An instant as text, minutes precise when it is a whole minute.

    >>> show(parse("2013-06-01T05"))
    '2013-06-01T05:00Z'
    """
    moment = datetime.fromtimestamp(instant // 1_000_000, UTC)
    pattern = "%Y-%m-%dT%H:%MZ" if instant % 60_000_000 == 0 else "%Y-%m-%dT%H:%M:%SZ"
    return moment.strftime(pattern)


def date(day: int) -> str:
    """A day since 1970 (UTC) as a date.

    >>> date(20_528)
    '2026-03-16'
    """
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d")


def parse(text: str) -> int:
    """An instant from ISO 8601 text: a date, a date with hour, minute or second; UTC unless said.

    Raises ConfigError that shows the forms that work.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError(
            f"{text!r} is no instant; write 2013-06-01, 2013-06-01T05 or 2013-06-01T05:30Z (UTC)"
        ) from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return round(moment.timestamp()) * 1_000_000


def parse_window(start: str, end: str) -> Window:
    """A window of whole hours. Raises ConfigError when it is empty or not of whole hours."""
    window = Window(parse(start), parse(end))
    if window.end <= window.start:
        raise ConfigError(f"the window {window} is empty; --to must lie after --from")
    if window.start % HOUR or window.end % HOUR:
        raise ConfigError(f"the window {window} is not of whole hours (UTC)")
    return window
