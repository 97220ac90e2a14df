"""Level, change, arms and change of arms; refusals; what a table refuses."""

from __future__ import annotations

import numpy as np
import pytest

from analyzer.errors import ConfigError, LogError
from analyzer.segments.finding import Found
from analyzer.segments.search import search, search_pairs
from analyzer.segments.settings import Settings
from analyzer.segments.table import Dimension, Outcome, Table, binned, coded

ROWS = 60_000


def draw(seed: int) -> tuple[np.random.Generator, list[Dimension], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = [rng.integers(0, 5, ROWS).astype(np.uint8) for _ in range(3)]
    labels = tuple("pqrst")
    dimensions = [Dimension(n, labels, c) for n, c in zip("abc", codes, strict=True)]
    return rng, dimensions, codes[0] == 1, codes[1] == 2


def wheres(found: Found) -> list[object]:
    return [segment.where for segment in found.segments]


def test_change_ignores_what_was_always_so() -> None:
    rng, dimensions, always, changed = draw(1)
    incident = rng.random(ROWS) < 0.4
    values = rng.normal(size=ROWS) + 2.0 * always + 0.3 * (changed & incident)
    table = Table(tuple(dimensions), ROWS, incident=incident)
    found = search(table, Outcome("difference", values))
    assert found.mode == "change"
    assert wheres(found) == [(("b", "r"),)]
    (segment,) = found.segments
    assert segment.n == np.count_nonzero(changed & incident)
    assert segment.effect.low is not None and segment.effect.high is not None
    assert segment.effect.low < 0.3 < segment.effect.high
    assert segment.mean == pytest.approx(0.3, abs=0.1)
    level = search(Table(tuple(dimensions), ROWS), Outcome("difference", values))
    assert wheres(level)[0] == (("a", "q"),)


def test_arms_of_an_experiment() -> None:
    rng, dimensions, always, treated = draw(2)
    challenger = rng.random(ROWS) < 0.5
    values = rng.normal(size=ROWS) + 1.0 * always + 0.3 * (treated & challenger)
    table = Table(tuple(dimensions), ROWS, challenger=challenger)
    found = search(table, Outcome("score", values))
    assert found.mode == "arms"
    assert wheres(found) == [(("b", "r"),)]
    assert found.segments[0].n == np.count_nonzero(treated)


def test_change_of_arms() -> None:
    rng, dimensions, always, changed = draw(3)
    challenger, incident = rng.random(ROWS) < 0.5, rng.random(ROWS) < 0.5
    values = rng.normal(size=ROWS) + 1.0 * (always & challenger) + 0.5 * (always & incident)
    values += 0.5 * (changed & challenger & incident)
    table = Table(tuple(dimensions), ROWS, incident=incident, challenger=challenger)
    found = search(table, Outcome("score", values))
    assert found.mode == "change of arms"
    assert wheres(found) == [(("b", "r"),)]


def test_hours_of_an_incident_against_a_baseline() -> None:
    rng, dimensions, always, changed = draw(4)
    incident = rng.random(ROWS) < 0.5
    hour = rng.integers(0, 24, ROWS).astype(np.uint16)
    inside = changed & incident & (hour >= 5) & (hour < 11)
    values = rng.normal(size=ROWS) + 1.0 * always + 0.6 * inside
    table = Table(tuple(dimensions), ROWS, incident=incident, hour=hour)
    (segment,) = search(table, Outcome("difference", values)).segments
    assert (segment.where, segment.hours) == ((("b", "r"),), (5, 11))
    assert segment.n == np.count_nonzero(inside)


def test_an_hour_that_moves_everybody_singles_out_nobody() -> None:
    rng, dimensions, _, _ = draw(5)
    hour = rng.integers(0, 24, ROWS).astype(np.uint16)
    values = rng.normal(size=ROWS) + 1.0 * ((hour >= 5) & (hour < 11))
    table = Table(tuple(dimensions), ROWS, hour=hour)
    assert search(table, Outcome("difference", values)).segments == ()


def test_a_uniform_change_is_said() -> None:
    rng, dimensions, _, _ = draw(6)
    incident = rng.random(ROWS) < 0.5
    values = rng.normal(size=ROWS) + 0.4 * incident
    found = search(Table(tuple(dimensions), ROWS, incident=incident), Outcome("flips", values))
    assert found.segments == ()
    assert [r.reason for r in found.refusals] == ["uniform change"]
    assert "everywhere alike" in found.refusals[0].sentence


@pytest.mark.parametrize(("rows", "reason"), [(700, "too few rows"), (0, "too few rows")])
def test_too_few_rows_are_refused(rows: int, reason: str) -> None:
    table = Table((Dimension("a", ("x",), np.zeros(rows, np.uint8)),), rows)
    found = search(table, Outcome("difference", np.ones(rows)))
    assert [r.reason for r in found.refusals] == [reason]
    assert found.segments == found.one_way == ()


def test_few_units_and_nothing_to_compare() -> None:
    rng, dimensions, _, _ = draw(7)
    table = Table(tuple(dimensions), ROWS, bucket=rng.integers(0, 4, ROWS).astype(np.uint8))
    found = search(table, Outcome("difference", rng.normal(size=ROWS)))
    assert [r.reason for r in found.refusals] == ["too few units"]
    same = search(table, Outcome("difference", np.full(ROWS, 0.25)))
    assert [r.reason for r in same.refusals] == ["nothing to compare"]
    assert "same in every row" in same.refusals[0].sentence
    none = search(Table((), ROWS), Outcome("difference", rng.normal(size=ROWS)))
    assert [r.reason for r in none.refusals] == ["nothing to compare"]


def test_rows_that_were_not_measured_are_left_out_and_counted() -> None:
    rng, dimensions, segment, _ = draw(8)
    values = rng.normal(size=ROWS) + 0.4 * segment
    values[:100], values[100] = np.nan, np.inf
    flips = segment & (rng.random(ROWS) < 0.5)
    answers = search_pairs(Table(tuple(dimensions), ROWS), Outcome("difference", values, flips))
    assert [a.outcome for a in answers] == ["difference", "spread", "flips"]
    assert all(a.rows == ROWS - 101 for a in answers)
    assert "101 rows without difference were left out" in answers[0].notes
    assert wheres(answers[0]) == wheres(answers[2]) == [(("a", "q"),)]
    assert answers[0].segments[0].risk_ratio.undefined == "no flips to compare with"


def test_risk_ratio_share_and_sentence() -> None:
    rng, dimensions, segment, _ = draw(9)
    flips = rng.random(ROWS) < np.where(segment, 0.10, 0.05)
    values = rng.normal(size=ROWS) + 1.0 * segment
    found = search(Table(tuple(dimensions), ROWS), Outcome("difference", values, flips))
    (first,) = found.segments
    assert first.risk_ratio.low is not None and first.risk_ratio.high is not None
    assert first.risk_ratio.low < 2.0 < first.risk_ratio.high
    share = np.abs(values[segment]).sum() / np.abs(values).sum()
    assert first.share == pytest.approx(share, rel=1e-6)
    assert first.lift == pytest.approx(share / segment.mean(), rel=1e-6)
    assert "over-represented" in first.sentence and "caused" not in first.sentence
    assert found.one_way[0].column == "a" and found.one_way[0].value == "q"
    shares = [line.share for line in found.one_way]
    assert shares == sorted(shares, reverse=True)
    by_column = sum(line.share for line in found.one_way if line.column == "c")
    assert by_column == pytest.approx(1.0)


def test_the_whole_effect_is_explained_without_noise() -> None:
    _, dimensions, one, other = draw(10)
    values = 1.0 * one - 0.5 * other
    found = search(Table(tuple(dimensions), ROWS), Outcome("difference", values))
    assert found.explained == pytest.approx(1.0, abs=1e-6)
    assert {s.where for s in found.segments} == {(("a", "q"),), (("b", "r"),)}
    assert [s.alone.value for s in found.segments] == pytest.approx([1.0, -0.5], abs=1e-6)


def test_tables_that_contradict_themselves() -> None:
    codes = np.array([0, 1], dtype=np.uint8)
    with pytest.raises(LogError, match="a code has no value"):
        Dimension("a", ("x",), codes)
    with pytest.raises(LogError, match="same value"):
        Dimension("a", ("x", "x"), codes)
    with pytest.raises(LogError, match="unsigned"):
        Dimension("a", ("x", "y"), codes.astype(np.int64))
    with pytest.raises(LogError, match="same name"):
        Table((Dimension("a", ("x", "y"), codes),) * 2, 2)
    with pytest.raises(LogError, match="'bucket' has 3 rows"):
        Table((Dimension("a", ("x", "y"), codes),), 2, bucket=np.zeros(3, np.uint8))
    with pytest.raises(ConfigError, match="order"):
        Settings(order=4)


def test_dimensions_from_values() -> None:
    texts = np.array(["b", None, "a", float("nan")], dtype=object)
    column = coded("x", texts)
    assert column.labels == ("a", "b", None)
    assert column.codes.tolist() == [1, 2, 0, 2]
    numbers = np.array([1.0, 2, 3, 4, np.nan, np.inf, -np.inf])
    bins = binned("n", numbers, 2)
    assert bins.labels == ("< 2.5", ">= 2.5", None)
    assert bins.codes.tolist() == [0, 0, 1, 1, 2, 1, 0]
    assert binned("n", np.full(5, 7.0)).labels == ("any",)
    assert binned("n", np.full(3, np.nan)).labels == ("any", None)


def test_what_a_segment_does_at_that_time_of_every_day_is_no_change() -> None:
    rng = np.random.default_rng(5)
    hour = rng.integers(0, 48, ROWS).astype(np.uint16)
    incident = rng.random(ROWS) < 0.5
    codes = rng.integers(0, 4, ROWS).astype(np.uint8)
    usual = (codes == 0) * np.sin(2 * np.pi * hour / 24)
    dimension = Dimension("a", ("a0", "a1", "a2", "a3"), codes)
    table = Table((dimension,), ROWS, incident=incident, hour=hour)
    noise = rng.normal(size=ROWS)
    assert search(table, Outcome("difference", usual + noise)).segments == ()
    late = incident & (hour >= 30) & (hour < 36) & (codes == 1)
    (found,) = search(table, Outcome("difference", usual + noise + late)).segments
    assert found.where == (("a", "a1"),) and found.hours == (30, 36)
