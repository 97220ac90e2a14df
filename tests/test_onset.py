"""When did it begin: found where it was planted, refused where nothing was."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from analyzer.onset.search import Onset, Onsets, Series, Timeline, find_onsets
from analyzer.window import HOUR, parse

WEEK = 168
MONDAY = parse("2025-03-03")
MINUTE = HOUR // 60


def noise(seed: int, points: int, phi: float = 0.3) -> NDArray[np.float64]:
    """Autoregressive noise of standard deviation 1."""
    draws = np.random.default_rng(seed).standard_normal(points + 100) * np.sqrt(1 - phi**2)
    series = np.zeros(points + 100)
    for i in range(1, len(series)):
        series[i] = phi * series[i - 1] + draws[i]
    return series[100:]


def cycle(points: int) -> NDArray[np.float64]:
    hour = np.arange(points)
    weekend = hour % WEEK >= 120
    return 3 * np.sin(2 * np.pi * hour / 24) - 2.0 * weekend


def line(points: int = 3 * WEEK, searched: int = WEEK, **known: int) -> Timeline:
    first = points - searched
    clean = np.arange(points) < first
    return Timeline(MONDAY, HOUR, np.arange(points) % WEEK, clean, first, points, **known)


def series(values: NDArray[np.float64], name: str = "difference", rows: float = 500) -> Series:
    return Series(name, "points", values, np.full(len(values), rows))


def shifted(seed: int, at: int, by: float, points: int = 3 * WEEK) -> NDArray[np.float64]:
    values = noise(seed, points) + cycle(points)
    values[at:] += by
    return values


def only(found: Onsets) -> Onset:
    assert len(found.series) == 1
    return found.series[0]


def hour_of(text: str | None) -> int:
    assert text is not None
    return (parse(text) - MONDAY) // HOUR


@pytest.mark.parametrize("seed", range(8))
def test_step_is_found_where_it_is(seed: int) -> None:
    at = 2 * WEEK + 40 + 11 * seed
    found = only(find_onsets(line(), [series(shifted(seed, at, 3.0))]))
    assert found.located and found.direction == "up"
    assert abs(hour_of(found.at) - at) <= 3
    assert hour_of(found.low) <= at < hour_of(found.high)
    assert found.shift == pytest.approx(3.0, abs=0.8)
    assert found.shift_sd is not None and 1.0 < found.shift_sd < 4.0


def test_direction_and_words() -> None:
    found = only(find_onsets(line(), [series(shifted(1, 400, -4.0))]))
    assert found.direction == "down"
    assert found.shift is not None and found.shift < -3
    assert found.deseasoned == "the median of the same hour of the week over 2 clean weeks"
    assert "difference moved down by" in found.sentence
    assert "the onset lies between" in found.sentence


def test_nulls_alarm_in_at_most_one_of_twenty_over_all_series() -> None:
    alarms = 0
    for seed in range(60):
        drawn = [
            series(noise(100 * seed + k, 3 * WEEK) + cycle(3 * WEEK), f"s{k}") for k in range(4)
        ]
        alarms += bool(find_onsets(line(), drawn).order)
    assert alarms <= 3


def test_the_threshold_grows_with_the_number_of_series() -> None:
    drawn = [series(shifted(k, 420, 0.0), f"s{k}") for k in range(8)]
    alone = only(find_onsets(line(), drawn[:1])).threshold
    together = find_onsets(line(), drawn).series[0].threshold
    assert alone is not None and together is not None
    assert together > alone + 0.4


def test_a_weekend_is_no_onset() -> None:
    """A cycle without noise of its own to hide in, searched over its Saturday."""
    values = 0.2 * noise(5, 3 * WEEK) + 10 * cycle(3 * WEEK)
    assert not only(find_onsets(line(), [series(values)])).located


@pytest.mark.parametrize("size", [8.0, 20.0, 1e6])
@pytest.mark.parametrize("at", [2 * WEEK + 30, 3 * WEEK - 3])
def test_one_spike_is_no_onset(size: float, at: int) -> None:
    values = shifted(9, 0, 0.0)
    values[at] += size
    found = only(find_onsets(line(), [series(values)]))
    assert not found.located
    assert found.refusal.startswith("onset not located")


def test_a_ramp_is_covered_from_its_start() -> None:
    at = 2 * WEEK + 70
    values = shifted(4, 0, 0.0)
    values[at:] += 5.0 * np.minimum(np.arange(1, len(values) - at + 1) / 30, 1)
    found = only(find_onsets(line(), [series(values)]))
    assert found.located and found.kind == "ramp"
    assert hour_of(found.low) <= at < hour_of(found.high)


def test_a_shift_that_was_there_before_is_refused() -> None:
    values = shifted(2, 2 * WEEK - 1, 3.0)
    found = only(find_onsets(line(), [series(values)]))
    assert not found.located
    assert "was there when the range searched begins" in found.refusal


def test_few_points_are_refused() -> None:
    found = only(find_onsets(line(60, 30), [series(shifted(1, 45, 5.0, 60))]))
    assert not found.located
    assert found.refusal.startswith("too few points")


def test_without_history_the_range_is_compared_with_itself() -> None:
    values = noise(3, 120, 0.0)
    values[80:] += 3
    grid = Timeline(MONDAY, HOUR, np.arange(120) % WEEK, np.zeros(120, bool), 0, 120)
    found = only(find_onsets(grid, [series(values)]))
    assert found.located
    assert abs(hour_of(found.at) - 80) <= 2
    assert found.deseasoned.startswith("nothing: before and after are compared")


def test_fewer_than_two_clean_weeks_take_the_hour_of_the_day() -> None:
    hour = np.arange(8 * 24)
    values = 3 * np.sin(2 * np.pi * hour / 24) + 0.5 * noise(6, len(hour))
    values[150:] += 2
    found = only(find_onsets(line(8 * 24, 3 * 24), [series(values)]))
    assert found.located and abs(hour_of(found.at) - 150) <= 2
    assert "same hour of the day over 5 clean days; there are fewer than 2" in found.deseasoned


def test_minutes() -> None:
    points, searched = 8 * 24 * 60, 8 * 60
    minute = np.arange(points)
    values = 2 * np.sin(2 * np.pi * minute / 1440) + noise(8, points)
    at = points - 200
    values[at:] += 2.5
    clean = minute < points - searched
    grid = Timeline(MONDAY, MINUTE, minute // 60 % WEEK, clean, points - searched, points)
    found = find_onsets(grid, [series(values)])
    assert found.step == "minute"
    one = only(found)
    assert one.located and one.at is not None and one.low is not None and one.high is not None
    assert abs(parse(one.at) - MONDAY - at * MINUTE) <= 5 * MINUTE
    assert parse(one.low) <= MONDAY + at * MINUTE < parse(one.high)


def test_order_and_what_followed() -> None:
    drawn = [
        series(shifted(1, 440, 4.0), "flip rate"),
        series(shifted(2, 400, 4.0), "difference"),
        series(shifted(3, 0, 0.0), "latency"),
    ]
    at = MONDAY + 400 * HOUR
    grid = line(trigger=at + 6 * HOUR, rollback=at + 8 * HOUR)
    found = find_onsets(grid, drawn)
    assert found.order == ["difference", "flip rate"]
    assert found.hours_to_trigger == pytest.approx(6, abs=2)
    assert found.hours_to_rollback == pytest.approx(8, abs=2)
    assert "moved later: flip rate" in found.sentences
    assert [s.series for s in found.series] == ["flip rate", "difference", "latency"]


def test_gaps_and_rows_of_zero_are_no_values() -> None:
    errors = []
    for seed in range(9):
        values = shifted(seed, 420, 3.0)
        rows = np.full(len(values), 500.0)
        gone = np.random.default_rng(seed).random(len(values)) < 0.15
        values[gone], rows[gone] = 1e9, 0
        found = only(find_onsets(line(), [Series("d", "", values, rows)]))
        assert found.located
        errors.append(abs(hour_of(found.at) - 420))
    assert np.median(errors) <= 1


def test_thin_hours_weigh_less() -> None:
    """Nights of few rows jump about; they are no onset and do not hide one."""
    hour = np.arange(3 * WEEK)
    night = hour % 24 < 7
    rows = np.where(night, 4.0, 1000.0)
    values = noise(2, len(hour)) * np.where(night, 6.0, 0.4)
    assert not only(find_onsets(line(), [Series("d", "", values, rows)])).located
    values[430:] += 1.5
    found = only(find_onsets(line(), [Series("d", "", values, rows)]))
    assert found.located and abs(hour_of(found.at) - 430) <= 8


@pytest.mark.parametrize("after", [0.0, 0.3])
def test_a_series_that_never_moved(after: float) -> None:
    """A null share of exactly 0 for weeks, then of 30 % (or never)."""
    values = np.zeros(3 * WEEK)
    values[450:] = after
    found = only(find_onsets(line(), [series(values)]))
    assert found.located == bool(after)
    if after:
        assert hour_of(found.at) == 450 and found.shift == pytest.approx(0.3)


def test_adding_a_constant_or_a_factor_moves_nothing() -> None:
    values = shifted(3, 410, 2.5)
    plain, moved = (only(find_onsets(line(), [series(v)])) for v in (values, 100 + 7 * values))
    assert (plain.at, plain.low, plain.high) == (moved.at, moved.low, moved.high)
    assert plain.shift_sd is not None
    assert moved.shift_sd == pytest.approx(plain.shift_sd, rel=1e-6)


def test_the_same_input_gives_the_same_bytes() -> None:
    drawn = [series(shifted(k, 420, k), f"s{k}") for k in range(3)]
    first, second = (msgspec.json.encode(find_onsets(line(), drawn)) for _ in range(2))
    assert first == second
    assert msgspec.json.decode(first, type=Onsets).order == find_onsets(line(), drawn).order


def test_arrays_must_fit_the_grid() -> None:
    with pytest.raises(ValueError, match="one value and one count per point"):
        find_onsets(line(), [series(np.zeros(5))])
    with pytest.raises(ValueError, match="range searched"):
        find_onsets(Timeline(0, HOUR, np.arange(5), np.ones(5, bool), 4, 4), [])
