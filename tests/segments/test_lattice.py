"""Counting against brute force: every combination, folded and wide columns, hours."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from itertools import combinations, product

import numpy as np
import pytest

import analyzer.segments
from analyzer.segments import counting, lattice
from analyzer.segments.counting import fold
from analyzer.segments.lattice import Lattice, Slots
from analyzer.stats.contrast import Moments, clustered_variance, contrast, welch_variance

ROWS, LEAST = 5_000, 60


def build(columns: list[np.ndarray], group: np.ndarray) -> Lattice:
    def supported(n: np.ndarray) -> np.ndarray:
        return np.asarray((n >= LEAST).all(axis=-1))

    folded = []
    for codes in columns:
        size = int(codes.max()) + 1
        counts = np.bincount(codes.astype(np.int64) * 2 + group, minlength=2 * size)
        folded.append(fold(codes, supported(counts.reshape(size, 2))))
    return Lattice(folded, Slots(group, 2, lambda dense: dense), 3, supported)


def expected(columns: list[np.ndarray], group: np.ndarray, y: np.ndarray) -> dict:
    found = {}
    for size in (1, 2, 3):
        for names in combinations(range(len(columns)), size):
            for values in product(*(range(int(columns[c].max()) + 1) for c in names)):
                held = np.all([columns[c] == v for c, v in zip(names, values, strict=True)], axis=0)
                n = np.bincount(group[held], minlength=2)
                if (n >= LEAST).all():
                    total = np.bincount(group[held], weights=y[held], minlength=2)
                    found[tuple(zip(names, values, strict=True))] = (n.tolist(), total.tolist())
    return found


@pytest.mark.parametrize("block_cells", [1 << 18, 300, 40])
def test_every_supported_conjunction_is_counted_once(
    block_cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small blocks send combinations through the table of supported pairs."""
    monkeypatch.setattr(lattice, "BLOCK_CELLS", {block_cells: 1.0})
    monkeypatch.setattr(counting, "CHUNK", 999)
    rng = np.random.default_rng(1)
    skewed = np.minimum(rng.geometric(0.3, ROWS) - 1, 40).astype(np.uint8)
    columns = [rng.integers(0, k, ROWS).astype(np.uint8) for k in (2, 3, 5)] + [skewed]
    group = rng.integers(0, 2, ROWS).astype(np.uint8)
    y = rng.integers(-50, 50, ROWS).astype(np.float64)
    found = build(columns, group)
    (sums,) = found.sums(y)
    truth = expected(columns, group, y)
    named = {}
    for at in range(len(found.n)):
        pairs = zip(found.columns[at], found.values[at], strict=True)
        key = tuple((int(c), int(found.folded[c].values[v])) for c, v in pairs if c >= 0)
        assert key not in named
        named[key] = (found.n[at].tolist(), sums[at].tolist())
    assert named == truth
    assert max(len(key) for key in truth) == 3

    rows = np.flatnonzero(rng.random(ROWS) < 0.3)
    n, part = found.sums(None, y[rows], rows=rows)
    some = np.isin(np.arange(ROWS), rows)
    assert np.array_equal(part, found.sums(np.where(some, y, 0.0))[0])
    assert np.array_equal(n, found.sums(some.astype(np.float64))[0])


def test_contrast_is_welch_where_no_spread_is_below_that_of_all() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(1, 3, 500), rng.normal(0, 1, 5_000)

    def moments(x: np.ndarray) -> Moments:
        return Moments(np.array([float(len(x))]), np.array([x.sum()]), np.array([(x**2).sum()]))

    whole = moments(np.concatenate([a, b]))
    effect, variance = contrast(moments(a), whole, [1])
    assert effect == pytest.approx(a.mean() - b.mean())
    assert welch_variance(moments(a), whole) == pytest.approx(a.var() / 500 + b.var() / 5_000)
    assert variance == pytest.approx(a.var() / 500 + np.concatenate([a, b]).var() / 5_000)
    quiet = moments(a[:500] * 0)
    _, variance = contrast(quiet, quiet + moments(b), [1])
    assert variance > b.var() / 600


def test_clustered_variance_is_the_jackknife() -> None:
    """Against each bucket left out in turn, for a change between two groups."""
    rng = np.random.default_rng(3)
    buckets, signs = 60, np.array([-1.0, 1.0])
    n = rng.poisson(30, (2, buckets)).astype(float)
    total = n * rng.normal(0, 0.3, buckets) + rng.normal(0, 1, (2, buckets)) * np.sqrt(n)
    all_n = n + rng.poisson(60, (2, buckets))
    all_total = total + rng.normal(0, 1, (2, buckets)) * np.sqrt(all_n - n)

    def effect(keep: np.ndarray) -> float:
        inside = total[:, keep].sum(axis=1) / n[:, keep].sum(axis=1)
        outside = (all_total - total)[:, keep].sum(axis=1) / (all_n - n)[:, keep].sum(axis=1)
        return float(signs @ (inside - outside))

    without = np.array([effect(np.arange(buckets) != k) for k in range(buckets)])
    jackknife = (buckets - 1) / buckets * np.square(without - without.mean()).sum()
    variance, held, df = clustered_variance(n, total, all_n, all_total, signs)
    assert held == buckets
    assert 0.5 * buckets < df <= buckets - 1
    assert variance == pytest.approx(jackknife, rel=0.05)


def test_one_large_unit_leaves_few_degrees_of_freedom() -> None:
    n, total = np.full((1, 100), 10.0), np.random.default_rng(4).normal(0, 3, (1, 100))
    _, _, many = clustered_variance(n, total, n * 10, total * 10, [1])
    total[0, 0] += 300
    _, _, few = clustered_variance(n, total, n * 10, total, [1])
    assert few < 5 < 50 < many


def test_doctests() -> None:
    modules = pkgutil.iter_modules(analyzer.segments.__path__, "analyzer.segments.")
    for name in ["analyzer.stats.contrast", *(module.name for module in modules)]:
        assert doctest.testmod(importlib.import_module(name)).failed == 0, name
