"""Which features drifted first: planted drifts around an onset, by label, rank and finding."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from analyzer.onset.precursors import (
    FeatureCounts,
    Finding,
    Hours,
    Precursor,
    Precursors,
    find_precursors,
)
from analyzer.window import HOUR, parse

WEEK = 168
MONDAY = parse("2025-03-03")
SPECIAL = ("below", "above", "null", "nan", "+inf", "-inf")
CELLS = 16
TOTAL = 6 * WEEK
ONSET = 5 * WEEK + 60


def grid(weeks: int = 5, onset: int = ONSET, score_shift: float | None = 1.0) -> Hours:
    total = weeks * WEEK + WEEK
    at = onset - (5 - weeks) * WEEK
    return Hours(
        MONDAY,
        np.arange(total) % WEEK,
        np.arange(total) < weeks * WEEK,
        MONDAY + at * HOUR,
        MONDAY + (at + 2) * HOUR,
        MONDAY + total * HOUR,
        score_shift,
    )


def shares(total: int, begin: int | None, by: float, seasonal: float = 0.0) -> NDArray[np.float64]:
    """Shares of 16 cells per hour, tilted by `by` from hour `begin` on."""
    slope = np.linspace(-1, 1, CELLS)
    tilt = seasonal * np.sin(2 * np.pi * np.arange(total) / 24)
    if begin is not None:
        tilt = tilt + by * (np.arange(total) >= begin)
    weights = np.exp(tilt[:, None] * slope)
    return weights / weights.sum(axis=1, keepdims=True)


def numeric(
    seed: int,
    name: str,
    begin: int | None = None,
    by: float = 0.0,
    *,
    seasonal: float = 0.0,
    beta: float = 1.0,
    total: int = TOTAL,
    rows: float = 2000,
) -> FeatureCounts:
    rng = np.random.default_rng(seed)
    counts = np.zeros((total, CELLS + len(SPECIAL)), dtype=np.int64)
    counts[:, :CELLS] = rng.poisson(rows * shares(total, begin, by, seasonal))
    mean = np.full(counts.shape[1], np.nan)
    mean[:CELLS] = beta * np.linspace(-1, 1, CELLS)
    names = (*(str(i) for i in range(CELLS)), *SPECIAL)
    return FeatureCounts(name, "numeric", names, len(SPECIAL), counts, mean)


def categorical(seed: int, name: str, total: int = TOTAL) -> FeatureCounts:
    rng = np.random.default_rng(seed)
    expected = 2000 * np.array([0.5, 0.3, 0.19, 0.0, 0.01])
    counts = rng.poisson(np.tile(expected, (total, 1)))
    return FeatureCounts(name, "categorical", ("a", "b", "c", "(other)", "null"), 2, counts)


def quiet(n: int = 20, total: int = TOTAL) -> list[FeatureCounts]:
    return [numeric(1000 + i, f"quiet {i:02}", total=total) for i in range(n)]


def named(found: Precursors, name: str) -> Precursor:
    return next(f for f in found.features if f.feature == name)


def finding(found: Precursors, name: str) -> Finding:
    return next(f for f in found.findings if f.feature == name)


@pytest.fixture(scope="module")
def incident() -> Precursors:
    features = [
        *quiet(),
        numeric(1, "cause", ONSET - 12, 0.6),
        numeric(2, "with it", ONSET, 0.6),
        numeric(3, "late", ONSET + 20, 0.6),
        numeric(4, "clockwork", seasonal=0.8),
        numeric(5, "irrelevant", ONSET - 12, 0.6, beta=0.0),
    ]
    return find_precursors(grid(), features)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("cause", "leads"),
        ("with it", "coincides"),
        ("late", "follows"),
        ("clockwork", "unmoved"),
        ("irrelevant", "drifts, score unmoved"),
    ],
)
def test_labels(incident: Precursors, name: str, label: str) -> None:
    assert named(incident, name).label == label


def test_the_cause_comes_first(incident: Precursors) -> None:
    assert [f.feature for f in incident.features[:3]] == ["cause", "with it", "late"]
    assert [f.rank for f in incident.features] == list(range(1, len(incident.features) + 1))


def test_first_drifting_hours(incident: Precursors) -> None:
    for name, hour in (("cause", ONSET - 12), ("with it", ONSET), ("late", ONSET + 20)):
        found = named(incident, name)
        assert found.first and found.first_low and found.first_high
        assert abs(parse(found.first) - MONDAY - hour * HOUR) <= HOUR
        assert parse(found.first_low) <= MONDAY + hour * HOUR < parse(found.first_high)


def test_what_the_figures_are(incident: Precursors) -> None:
    cause, calm = named(incident, "cause"), named(incident, "quiet 00")
    # tilt t of 16 even cells with slope x: PSI is t^2 var(x), 0.36 * 0.378
    assert cause.psi == pytest.approx(0.136, rel=0.1)
    assert cause.debiased is not None and cause.psi is not None and cause.debiased < cause.psi
    assert calm.psi is not None and calm.psi < 0.01
    assert cause.q is not None and cause.q <= incident.level < 0.11
    assert incident.null_windows >= 28 and not incident.ranking_only
    assert incident.weeks == 4
    assert len(cause.sparkline) == 96 and max(x for x in cause.sparkline if x) > 0.05


def test_what_is_carried(incident: Precursors) -> None:
    """The mean of x over cells moves by t var(x) under a small tilt; the shift given is 1."""
    x = np.linspace(-1, 1, CELLS)
    weights = np.exp(0.6 * x)
    expected = float(weights @ x / weights.sum())
    assert named(incident, "cause").carried == pytest.approx(expected, rel=0.05)
    assert named(incident, "irrelevant").carried == pytest.approx(0.0, abs=1e-9)
    assert incident.left_after_top_two == pytest.approx(1 - expected, rel=0.05)


def test_words(incident: Precursors) -> None:
    sentence = named(incident, "cause").sentence
    assert sentence.startswith("cause drifted before the onset: PSI 0.1")
    assert "% of the score shift" in sentence
    everything = " ".join([*(f.sentence for f in incident.features), *incident.sentences])
    assert "caused" not in everything
    assert "the same hours of 4 earlier clean weeks" in incident.sentences[0]


def test_quiet_weeks_yield_nothing() -> None:
    found = find_precursors(grid(), quiet(40))
    assert {f.label for f in found.features} == {"unmoved"}
    assert found.findings == [] and found.left_after_top_two is None


def test_nulls_are_a_finding() -> None:
    broken = numeric(7, "broken")
    late = slice(ONSET - 8, None)
    broken.counts[late, CELLS + SPECIAL.index("null")] += 60
    found = find_precursors(grid(), [*quiet(), broken])
    null = finding(found, "broken")
    assert (null.what, null.when) == ("null", "leads")
    assert null.share == pytest.approx(8 / 10 * 60 / 2060, rel=0.1) and null.share_reference == 0
    assert null.first is not None
    assert abs(parse(null.first) - MONDAY - (ONSET - 8) * HOUR) <= HOUR
    assert "rows were NULL or NaN" in null.sentence


@pytest.mark.parametrize("cell", ["below", "+inf"])
def test_out_of_range_is_a_finding(cell: str) -> None:
    broken = numeric(8, "broken")
    broken.counts[ONSET + 10 :, CELLS + SPECIAL.index(cell)] += 50
    out = finding(find_precursors(grid(), [*quiet(), broken]), "broken")
    assert (out.what, out.when) == ("out of range", "follows")


def test_unseen_values_are_a_finding() -> None:
    plain = categorical(9, "country")
    plain.counts[ONSET:, 3] += 40
    found = find_precursors(grid(), [*quiet(), plain])
    assert [f.feature for f in found.findings] == ["country"]
    assert finding(found, "country").what == "unseen"


def test_a_value_that_stood_still_is_a_finding() -> None:
    stuck = numeric(10, "stuck")
    hours = slice(ONSET - 4, ONSET + 6)
    rows = stuck.counts[hours].sum(axis=1)
    stuck.counts[hours] = 0
    stuck.counts[hours, 5] = rows
    stale = [f for f in find_precursors(grid(), [*quiet(), stuck]).findings if f.what == "stale"]
    assert [(f.feature, f.when) for f in stale] == [("stuck", "leads")]
    assert stale[0].rows == int(rows.sum()) and "10 h from" in stale[0].sentence


def test_a_constant_feature_is_not_stale() -> None:
    constant = numeric(11, "constant")
    constant.counts[:, :CELLS] = 0
    constant.counts[:, 3] = 2000
    found = find_precursors(grid(), [*quiet(), constant])
    assert found.findings == []
    assert named(found, "constant").psi is None


def test_few_clean_weeks_give_a_ranking_and_say_so() -> None:
    total = 3 * WEEK
    cause = numeric(1, "cause", ONSET - 3 * WEEK - 12, 0.6, total=total)
    found = find_precursors(grid(weeks=2), [*quiet(total=total), cause])
    assert found.ranking_only
    assert found.features[0].feature == "cause"
    assert {f.label for f in found.features} == {"undecided"}
    assert all(f.p is None and f.q is None for f in found.features)
    assert "a ranking only" in found.sentences[1]


def test_three_clean_weeks_suffice_for_p_values() -> None:
    total = 4 * WEEK
    cause = numeric(1, "cause", ONSET - 2 * WEEK - 12, 0.6, total=total)
    found = find_precursors(grid(weeks=3), [*quiet(total=total), cause])
    assert not found.ranking_only and found.weeks == 2
    assert named(found, "cause").label == "leads"


def test_what_follows_by_a_day_is_seen_in_a_short_history() -> None:
    total, onset = 4 * WEEK, 3 * WEEK + 60
    quiet = [numeric(i, f"quiet {i}", total=total) for i in range(20)]
    late = numeric(90, "late", onset + 30, 0.5, total=total)
    soon = numeric(91, "soon", onset, 0.5, total=total)
    found = find_precursors(grid(3), [*quiet, late, soon])
    labels = {f.feature: f.label for f in found.features}
    assert (labels["late"], labels["soon"]) == ("follows", "coincides")
    assert all(labels[q.name] == "unmoved" for q in quiet)


def test_few_rows_lengthen_the_window() -> None:
    features = [numeric(i, f"f{i}", rows=500) for i in range(3)]
    found = find_precursors(grid(), features)
    start, end = (parse(text) for text in found.before)
    assert (end - start) // HOUR == pytest.approx(40, abs=1)


def test_refusals_are_findings() -> None:
    assert find_precursors(grid(), []).refusal == "no features to compare"
    hours = grid()
    nothing = Hours(
        hours.start,
        hours.hour_of_week,
        np.zeros(TOTAL, dtype=bool),
        hours.onset_low,
        hours.onset_high,
        hours.end,
    )
    assert "no clean week or day" in find_precursors(nothing, quiet(2)).refusal


def test_arrays_must_fit() -> None:
    with pytest.raises(ValueError, match="quiet 00: counts must be hours x cells"):
        find_precursors(grid(weeks=2), quiet(1))


def test_the_order_of_features_does_not_matter() -> None:
    features = [*quiet(10), numeric(1, "cause", ONSET - 12, 0.6)]
    first, second = (find_precursors(grid(), f) for f in (features, features[::-1]))
    assert msgspec.json.encode(first) == msgspec.json.encode(second)


def test_summer_time_moves_the_reference_by_an_hour() -> None:
    """A feature that follows local time does not drift when the clock is changed."""
    local = np.arange(TOTAL) + (np.arange(TOTAL) >= 5 * WEEK + 2)
    week = local % WEEK
    clocked = numeric(12, "clocked")
    rng = np.random.default_rng(4)
    tilt = 1.5 * np.sin(2 * np.pi * local / 24)
    weights = np.exp(tilt[:, None] * np.linspace(-1, 1, CELLS))
    clocked.counts[:, :CELLS] = rng.poisson(2000 * weights / weights.sum(axis=1, keepdims=True))
    hours = grid()
    moved = Hours(hours.start, week, hours.clean, hours.onset_low, hours.onset_high, hours.end, 1.0)
    assert named(find_precursors(moved, [*quiet(), clocked]), "clocked").label == "unmoved"
