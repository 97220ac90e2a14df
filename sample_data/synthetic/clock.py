"""When requests come: daily and weekly cycles, minutes that resemble their neighbours."""

from dataclasses import dataclass

import numpy as np

from .spec import MINUTES_PER_DAY, US_PER_DAY, US_PER_MINUTE, Spec
from .streams import BlockStreams, Stream, generator

WEEKEND_LEVEL = 0.7
ROW_SIGMA = 0.6


@dataclass(frozen=True)
class Clock:
    """Per minute of the whole period: requests, and each model's mean log latency."""

    requests: np.ndarray
    log_latency: dict[str, np.ndarray]


def wind(spec: Spec) -> Clock:
    """Lay out the traffic of all minutes; it adds up to exactly `spec.pairs`."""
    minutes = spec.days * MINUTES_PER_DAY
    weights = _cycle(spec, minutes)
    weights *= np.exp(_wander(generator(spec.seed, Stream.TRAFFIC), minutes, 0.08))
    draw = generator(spec.seed, Stream.TRAFFIC, 1)
    requests = draw.multinomial(spec.pairs, weights / weights.sum())
    return Clock(requests, _log_latency(spec, minutes))


def _cycle(spec: Spec, minutes: int) -> np.ndarray:
    minute = np.arange(minutes)
    day = minute // MINUTES_PER_DAY + spec.start.weekday()
    hour_angle = 2 * np.pi * (minute % MINUTES_PER_DAY) / MINUTES_PER_DAY
    daily = 1.0 - 0.55 * np.cos(hour_angle - 0.5) - 0.15 * np.cos(2 * hour_angle)
    return np.asarray(daily * np.where(day % 7 >= 5, WEEKEND_LEVEL, 1.0))


def _wander(rng: np.random.Generator, minutes: int, sigma: float) -> np.ndarray:
    """Return an AR(1) series with a memory of about 20 minutes and stationary deviation sigma."""
    memory = 0.95
    steps = rng.standard_normal(minutes) * sigma * np.sqrt(1 - memory**2)
    series, level = np.empty(minutes), rng.standard_normal() * sigma
    for minute, step in enumerate(steps):
        level = memory * level + step
        series[minute] = level
    return series


def _log_latency(spec: Spec, minutes: int) -> dict[str, np.ndarray]:
    shared = _wander(generator(spec.seed, Stream.MINUTE_LATENCY), minutes, 0.10)
    medians = {"champion": 30.0, "challenger": 31.0}
    series = {}
    for number, (side, median) in enumerate(medians.items(), start=1):
        own = _wander(generator(spec.seed, Stream.MINUTE_LATENCY, number), minutes, 0.10)
        series[side] = np.log(median) + shared + own
    return series


def arrivals(
    requests: np.ndarray, rows: range, streams: BlockStreams
) -> tuple[np.ndarray, np.ndarray]:
    """Return the minute and the microsecond (both since the part began) of the given rows.

    Requests of a minute are spread evenly with jitter, so that a row's time needs no neighbour
    and rows come out in order.
    """
    ends = np.cumsum(requests)
    row = np.arange(rows.start, rows.stop)
    minute = np.searchsorted(ends, row, side="right")
    place = row - (ends[minute] - requests[minute])
    jitter = streams.open(Stream.ARRIVAL).random(len(row))
    offset = ((place + jitter) / requests[minute] * US_PER_MINUTE).astype(np.int64)
    return minute, minute * US_PER_MINUTE + np.minimum(offset, US_PER_MINUTE - 1)


def shadow_times(ts: np.ndarray, streams: BlockStreams) -> np.ndarray:
    """Return when the challenger logged each request: 5 to 50 ms later, inside the same day."""
    delay = 5_000 + (streams.uniform(Stream.SHADOW_DELAY, len(ts)) * 45_000).astype(np.int64)
    midnight = (ts // US_PER_DAY + 1) * US_PER_DAY
    return np.asarray(np.minimum(ts + delay, midnight - 1))
