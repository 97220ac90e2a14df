"""Drift against a frozen reference: what moved is named, what did not stays quiet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from logbook import START, Book, times

from analyzer.drift import ColumnDrift, default_reference, drift, past_windows
from analyzer.errors import ConfigError
from analyzer.profiles import open_profiles
from analyzer.stats.result import Estimate, Undefined
from analyzer.window import HOUR, Window

DAYS, ROWS = 5, 4000
DAY = 24 * HOUR
KINDS = ["steady", "moved", "holes", "stuck", "outside", "constant"]
REFERENCE = Window(START, START + 2 * DAY)
LAST = Window(START + 4 * DAY, START + 5 * DAY)


@dataclass(frozen=True)
class Said:
    """What drift says of the champion's columns on the last day."""

    columns: dict[str, ColumnDrift]
    order: list[str]

    def __getitem__(self, name: str) -> ColumnDrift:
        return self.columns[name]


def features(day: int, random: np.random.Generator) -> dict[str, object]:
    """Columns of one day; on the last day all but `steady`, `plan` and `constant` go wrong."""
    bad = day == DAYS - 1
    values = {name: random.normal(0, 1, ROWS) for name in KINDS}
    values["constant"] = np.full(ROWS, 7.0)
    words = random.choice(["free", "pro", "team"], ROWS, p=[0.6, 0.3, 0.1]).astype(object)
    country = random.choice(["de", "fr"], ROWS).astype(object)
    if bad:
        values["moved"] = values["moved"] + 0.5
        values["holes"][random.random(ROWS) < 0.3] = np.nan
        values["stuck"] = np.full(ROWS, 0.25)
        values["outside"][random.random(ROWS) < 0.05] = 1e6
        country[random.random(ROWS) < 0.08] = "atlantis"
    return {**values, "plan": words.tolist(), "country": country.tolist()}


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    book = Book(tmp_path_factory.mktemp("drift"))
    random = np.random.default_rng(8)
    for day in range(DAYS):
        at = day * 86_400 + np.sort(random.uniform(0, 86_400, ROWS))
        score = random.beta(2, 5, ROWS)
        base = {
            "request_id": [f"{day}-{i}" for i in range(ROWS)],
            "ts": times(at),
            "score": score,
            "latency_ms": random.gamma(2, 20, ROWS),
        }
        book.write(f"champion/{day}.parquet", {**base, **features(day, random)})
        book.write(f"challenger/{day}.parquet", base)
    book.describe(
        {"paths": ["champion"]},
        {"paths": ["challenger"]},
        features={"numeric": KINDS, "categorical": ["plan", "country"]},
    )
    book.scan()
    yield book


def said(book: Book, window: Window, reference: Window = REFERENCE) -> Said:
    found = drift(open_profiles(book.store, window), reference)
    ours = [c for c in found.columns if c.model == "champion"]
    return Said({c.column: c for c in ours}, [c.column for c in ours])


@pytest.fixture(scope="module", params=["whole day", "part of a day"])
def last(logged: Book, request: pytest.FixtureRequest) -> Said:
    """The last day, and its hours 3 to 22 that cut the slot."""
    cut = Window(LAST.start + 3 * HOUR, LAST.end - 2 * HOUR)
    return said(logged, LAST if request.param == "whole day" else cut)


def test_what_moved_comes_first_and_what_did_not_stays_quiet(last: Said) -> None:
    assert set(last.order[:4]) == {"stuck", "moved", "holes", "country"}
    for quiet in ("steady", "plan", "score", "latency_ms"):
        assert last[quiet].psi is not None and abs(last[quiet].debiased) < 0.01, quiet
    # a normal shifted by half its SD: J divergence 0.25, a little less in ten cells
    assert 0.2 < last["moved"].psi < 0.3


def test_a_jump_of_nulls_is_seen_and_never_dropped(last: Said) -> None:
    holes = last["holes"]
    assert holes.null_share_reference < 0.001 and 0.27 < holes.null_share < 0.33
    assert holes.psi > 1
    assert isinstance(holes.ks, Estimate) and holes.ks.value < 0.05  # the values are as they were


def test_unseen_categories_have_a_share_of_their_own(last: Said) -> None:
    assert 0.06 < last["country"].unseen_share < 0.10
    assert last["plan"].unseen_share == 0.0
    # one unseen value is one cell: it cannot drive PSI without bound
    assert last["country"].psi < 1


def test_a_value_that_stuck_is_constant_and_a_constant_is_undefined(last: Said) -> None:
    assert last["stuck"].constant and not last["moved"].constant
    constant = last["constant"]
    assert constant.psi is None and "constant" in constant.note and not constant.constant
    assert isinstance(constant.p, Undefined)


def test_values_out_of_range_are_counted(last: Said) -> None:
    assert 0.04 < last["outside"].outside_share < 0.07
    assert last["steady"].outside_share < 0.005


def test_young_logs_are_ranked_and_given_no_p(logged: Book) -> None:
    profiles = open_profiles(logged.store, LAST)
    history = past_windows(LAST, REFERENCE, [])
    assert [w.start for w in history] == [START + 2 * DAY, START + 3 * DAY]
    found = drift(profiles, REFERENCE, history=history)
    assert found.windows_compared == 2
    assert all(isinstance(c.p, Undefined) for c in found.columns)
    assert any("ranking only" in c.p.reason for c in found.columns)


def test_a_history_that_is_long_enough_gives_a_p(logged: Book) -> None:
    """Hours 10 to 11 against the reference: 28 single hours of the past are windows enough."""
    at = Window(LAST.start + 10 * HOUR, LAST.start + 11 * HOUR)
    hours = range(REFERENCE.end, LAST.start, HOUR)
    history = [Window(hour, hour + HOUR) for hour in list(hours)[:28]]
    found = drift(open_profiles(logged.store, at), REFERENCE, history=history)
    by_name = {c.column: c for c in found.columns if c.model == "champion"}
    assert by_name["holes"].p.value < 0.01
    assert by_name["steady"].p.value > 0.02


def test_edges_do_not_move_when_another_day_is_pooled(logged: Book) -> None:
    """The same day against the same reference gives the same numbers, whatever else is there."""
    alone = said(logged, LAST)
    profiles = open_profiles(logged.store)
    again = drift(profiles.within(LAST), REFERENCE)
    for column in again.columns:
        if column.model == "champion":
            assert column == alone[column.column]


def test_a_column_that_went_away_is_named(book: Book) -> None:
    for day in range(2):
        columns = {
            "request_id": [f"{day}-{i}" for i in range(500)],
            "ts": times(day * 86_400 + np.arange(500) * 100),
            "score": np.linspace(0, 1, 500),
        }
        extra = {"age": np.arange(500.0)} if day == 0 else {}
        book.write(f"champion/{day}.parquet", {**columns, **extra})
        book.write(f"challenger/{day}.parquet", columns)
    book.describe({"paths": ["champion"]}, {"paths": ["challenger"]}, features={"numeric": ["age"]})
    book.scan()
    found = drift(
        open_profiles(book.store, Window(START + DAY, START + 2 * DAY)),
        Window(START, START + DAY),
    )
    age = next(c for c in found.columns if (c.model, c.column) == ("champion", "age"))
    assert age.null_share == 1.0 or age.note == "not logged in the window"


def test_a_window_is_not_compared_with_itself(logged: Book) -> None:
    with pytest.raises(ConfigError, match="against itself"):
        said(logged, LAST, Window(START + 3 * DAY, START + 5 * DAY))


def test_references_and_past_windows_avoid_incidents() -> None:
    late = START + 30 * DAY
    lasting = [(START + 2 * DAY, START + 2 * DAY + HOUR)]
    assert default_reference(START + 1, late, []) == Window(START + DAY, START + 8 * DAY)
    assert default_reference(START, late, lasting).start == START + 3 * DAY
    assert default_reference(START, START + 3 * DAY, []) == Window(START, START + 3 * DAY)
    window = Window(START + 10 * DAY, START + 11 * DAY)
    reference = Window(START, START + 7 * DAY)
    hit = [(START + 8 * DAY + HOUR, START + 8 * DAY + 2 * HOUR)]
    found = past_windows(window, reference, hit)
    assert [w.start for w in found] == [START + 7 * DAY, START + 9 * DAY]
    with pytest.raises(ConfigError, match="no clean whole day"):
        default_reference(START, late, [(START, None)])


def test_a_window_that_cuts_a_slot_is_counted_as_its_reference_is(logged: Book) -> None:
    """Fine bins of the reference against cells of the window would shift rows between deciles."""
    cut = said(logged, Window(START + 3 * DAY, START + 4 * DAY - HOUR))
    whole = said(logged, Window(START + 3 * DAY, START + 4 * DAY))
    for name in ("steady", "moved", "holes"):
        assert cut[name].psi < whole[name].psi + 0.003, name
