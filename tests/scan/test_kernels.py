"""The small kernels: bins, pairing, id hashes, exact sums. Oracles are plain Python."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer import histogram, ids
from analyzer.errors import LogError
from analyzer.histogram import (
    CELLS,
    MINUS_INF,
    NAN,
    NULL,
    PLUS_INF,
    Binning,
    HourlyCounts,
    bin_edges,
    codes_of,
    raw_bins,
    reference_cells,
)
from analyzer.reader import null_positions, numbers
from analyzer.scan.pairing import Identity, pair
from analyzer.scan.tallies import cover, exact_sums

FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)
NONE = np.zeros(0, dtype=np.int64)


def codes(values: np.ndarray, kind: histogram.Kind = "distance", origin: float = 0.0) -> np.ndarray:
    out = np.empty(len(values), dtype=np.int64)
    return codes_of(raw_bins(values, NONE, kind, origin, out), kind)


@given(st.lists(FLOATS, min_size=2, max_size=50), st.sampled_from([0.0, 2013.0, -3.5]))
def test_codes_keep_the_order(values: list[float], origin: float) -> None:
    ordered = np.sort(np.array(values, dtype=np.float64))
    assert (np.diff(codes(ordered, origin=origin)) >= 0).all()


@given(st.lists(st.floats(0, 1), min_size=2, max_size=50))
def test_codes_of_probabilities_keep_the_order(values: list[float]) -> None:
    ordered = np.sort(np.array(values))
    assert (np.diff(codes(ordered, "probability")) >= 0).all()


@given(st.lists(FLOATS, min_size=1, max_size=50), st.sampled_from([0.0, 16.0]))
def test_edges_hold_the_values(values: list[float], origin: float) -> None:
    array = np.array(values, dtype=np.float32)
    low, high = bin_edges(codes(array, origin=origin), "distance", origin)
    shifted = (array - np.float32(origin)).astype(np.float64) + origin
    assert ((low <= shifted) & (shifted <= high)).all()


@given(st.floats(0, 1))
def test_edges_of_probabilities_hold_the_values(value: float) -> None:
    low, high = bin_edges(codes(np.array([value]), "probability"), "probability", 0.0)
    assert low[0] <= value * (1 + 1e-7) and value <= high[0] * (1 + 1e-7)
    assert high[0] - low[0] <= 2**-7 * max(min(value, 1 - value), 1e-37)


@given(FLOATS.filter(lambda x: abs(x) > 1e-30 and abs(x) < 1e38))
def test_bins_are_narrow(value: float) -> None:
    low, high = bin_edges(codes(np.array([value])), "distance", 0.0)
    assert high[0] - low[0] <= 2**-7 * abs(value)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_ends_and_middle_of_probabilities(kind: type) -> None:
    found = codes(np.array([0.0, -0.0, 0.25, 0.5, 0.75, 1.0], dtype=kind), "probability")
    assert found.tolist() == [0, 0, 0x3E80, 0x3F00, 0x3F80, 0x7E00]


def test_special_values_have_their_own_cells() -> None:
    values = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 7.0, 1e300, -1e300])
    binning = Binning("distance", 0.0, (0,), 0)
    counts = HourlyCounts(binning, 1, fine_by_hour=False)
    nulls = np.array([5])
    raw = raw_bins(values, nulls, "distance", 0.0, np.empty(8, dtype=np.int64))
    counts.add(raw, np.array([0, 8]), nulls)
    each, times = np.unique(counts.cells[0], return_counts=True)
    found = dict(zip(each.tolist(), times.tolist(), strict=True))
    assert found == {0: CELLS - 7, 1: 6, 2: 1}
    assert counts.cells[0, 0] == 2, "both zeros"
    for cell in (NULL, NAN, PLUS_INF, MINUS_INF, histogram.BELOW, histogram.ABOVE):
        assert counts.cells[0, cell] == 1
    assert counts.fine_table()[2].sum() == 4, "finite values, also those beyond float32"


@given(
    st.lists(st.one_of(st.floats(width=32), st.none(), st.sampled_from([0.0, 1.0])), max_size=200),
    st.lists(st.integers(0, 200), min_size=3, max_size=3),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_dense_and_sparse_count_the_same(
    values: list[float | None], cuts: list[int], by_hour: bool
) -> None:
    array, nulls = numbers(pa.array(values, pa.float32()))
    starts, last = reference_cells(*np.unique(codes(np.linspace(-2, 2, 90)), return_counts=True))
    binning = Binning("distance", 0.5, tuple(starts.tolist()), last)
    raw = raw_bins(array, nulls, "distance", 0.5, np.empty(len(array), dtype=np.int64))
    bounds = np.array([0, *sorted(min(c, len(values)) for c in cuts), len(values)])
    found = []
    for threshold in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(histogram, "DENSE_ROWS", threshold)
            counts = HourlyCounts(binning, 4, by_hour)
            counts.add(raw, bounds, nulls)
            found.append(counts)
    dense, sparse = found
    assert (dense.cells == sparse.cells).all() and (dense.fine == sparse.fine).all()
    assert dense.cells.sum() == len(values) and (dense.cells >= 0).all()
    assert dense.cells[:, NULL].sum() == values.count(None)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=300), st.integers(1, 64))
def test_reference_cells_are_even(counts: list[int], cells: int) -> None:
    places = np.arange(len(counts)) * 3
    starts, last = reference_cells(places, np.array(counts), cells)
    assert starts[0] == 0 and last == places[-1] and len(starts) <= cells
    assert (np.diff(starts) > 0).all() and set(starts.tolist()) <= set(places.tolist())
    weights = np.add.reduceat(np.array(counts), np.searchsorted(places, starts))
    assert weights.max() <= sum(counts) / cells + max(counts)


def test_reference_cells_of_nothing() -> None:
    starts, last = reference_cells(NONE, NONE)
    assert (starts.tolist(), last) == ([0], 0)


@given(st.lists(st.one_of(st.none(), st.booleans()), max_size=70), st.integers(0, 9))
def test_null_positions_of_slices(values: list[bool | None], skipped: int) -> None:
    array = pa.array(values, pa.bool_()).slice(skipped)
    wanted = [i for i, value in enumerate(values[skipped:]) if value is None]
    assert null_positions(array).tolist() == wanted
    assert numbers(array)[1].tolist() == wanted


REQUESTS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 12)),
        st.integers(0, 3),
        st.sampled_from([0.25, 0.5, float("nan")]),
    ),
    max_size=25,
)


def identity(rows: list[tuple[int | None, int, float]], keys: int) -> Identity:
    """One side of a log whose ids collide on the first hash (keys of them) but never on both."""
    number = np.array([row[0] or 0 for row in rows], dtype=np.uint64)
    return Identity(
        number % np.uint64(keys) << np.uint64(60),
        number + np.uint64(1),
        np.array([row[0] is not None for row in rows], dtype=bool),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float64),
        lambda chosen: [chosen],
    )


def leaders(rows: list[tuple[int | None, int, float]]) -> tuple[dict[int, int], set[int]]:
    """The row that represents each id, and the duplicates: the definition, spelled out."""
    first: dict[int, int] = {}
    order = sorted(
        range(len(rows)), key=lambda i: (rows[i][1], np.nan_to_num(rows[i][2], nan=9), i)
    )
    twice = set()
    for row in order:
        request = rows[row][0]
        if request is not None and first.setdefault(request, row) != row:
            twice.add(row)
    return first, twice


@given(REQUESTS, REQUESTS, st.sampled_from([1, 3, 16]))
@settings(max_examples=400, deadline=None)
def test_pairing_against_a_dictionary(
    ours: list[tuple[int | None, int, float]],
    theirs: list[tuple[int | None, int, float]],
    keys: int,
) -> None:
    found = pair(identity(ours, keys), identity(theirs, keys))
    mine, my_twice = leaders(ours)
    other, other_twice = leaders(theirs)
    wanted = {mine[request]: other[request] for request in mine.keys() & other.keys()}
    assert {i: j for i, j in enumerate(found.challenger_of.tolist()) if j >= 0} == wanted
    assert {i: j for j, i in enumerate(found.champion_of.tolist()) if i >= 0} == wanted
    assert set(np.flatnonzero(found.champion_duplicate).tolist()) == my_twice
    assert set(np.flatnonzero(found.challenger_duplicate).tolist()) == other_twice


IDS = ["", "a", "12345678", "123456789", "Zoë 🚀" * 30, None, "u1"]
BUCKETS = [226, 94, 131, 124, 216, 0, 69]


def test_buckets_never_change() -> None:
    """Literal values: a profile of last year must mean the same today."""
    assert ids.buckets(pa.array(IDS)).tolist() == BUCKETS
    numbers = pa.array([0, 1, -1, 2**63 - 1, None])
    assert ids.buckets(numbers).tolist() == NUMBER_BUCKETS


NUMBER_BUCKETS = [226, 145, 228, 42, 0]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
)
def test_buckets_do_not_depend_on_the_layout(kind: pa.DataType) -> None:
    array = pa.array(["skipped", *IDS, "left out"]).cast(kind)
    assert ids.buckets(array.slice(1, len(IDS))).tolist() == BUCKETS
    assert ids.buckets(array.slice(0, 0)).tolist() == []
    assert ids.buckets(pa.array([None, None]).cast(pa.string()).cast(kind)).tolist() == [0, 0]


def test_buckets_are_even() -> None:
    for units in (pa.array(range(100_000)), pa.array([f"user-{i}" for i in range(100_000)])):
        counts = np.bincount(ids.buckets(units), minlength=256)
        chi2 = float(((counts - counts.mean()) ** 2 / counts.mean()).sum())
        assert chi2 < 340, "chi-square with 255 degrees of freedom, p > 3e-4"


def test_ids_of_any_type_are_the_same_request() -> None:
    wanted = ids.pairing_keys(pa.array([1, 2, None]), as_text=False)
    for kind in (pa.int8(), pa.int32(), pa.float64(), pa.decimal128(30, 2)):
        found = ids.pairing_keys(pa.array([1, 2, None]).cast(kind), as_text=False)
        assert all((a == b).all() for a, b in zip(wanted, found, strict=True))
    spelled = ids.pairing_keys(pa.array(["1", "2", None]), as_text=True)
    found = ids.pairing_keys(pa.array([1, 2, None]), as_text=True)
    assert all((a == b).all() for a, b in zip(spelled, found, strict=True))
    large = ids.pairing_keys(pa.array(["1", "2", None], pa.large_string()), as_text=True)
    assert all((a == b).all() for a, b in zip(spelled, large, strict=True))


def test_fractions_are_no_ids() -> None:
    with pytest.raises(LogError, match="whole numbers"):
        ids.pairing_keys(pa.array([1.5]), as_text=False)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-(2**46), 2**46)), max_size=200))
def test_sums_are_exact(rows: list[tuple[int, int]]) -> None:
    code = np.array([row[0] for row in rows], dtype=np.int64)
    weight = np.array([row[1] for row in rows], dtype=np.float64)
    many = np.repeat(weight, 300)  # so that a float64 would round
    found = exact_sums(np.repeat(code, 300), 4, many)
    wanted = [300 * sum(w for c, w in rows if c == cell) for cell in range(4)]
    assert found.tolist() == wanted


@given(st.lists(st.integers(2, 52), max_size=7), st.integers(1, 2), st.sampled_from([200, 32768]))
def test_cover_holds_every_combination(widths: list[int], order: int, limit: int) -> None:
    groups = cover(widths, order, limit)
    wanted = set(combinations(range(len(widths)), min(order, len(widths))))
    assert wanted <= {c for g in groups for c in combinations(g, min(order, len(widths)))}
    for group in groups:
        cells = int(np.prod([widths[column] for column in group]))
        assert cells <= limit or len(group) <= order
