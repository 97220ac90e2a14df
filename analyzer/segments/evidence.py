"""How sure one segment is: its effect against the complement, from its rows and their units."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analyzer.segments.rows import Sums
from analyzer.stats.contrast import (
    Moments,
    clustered_variance,
    contrast,
    interval,
    two_sided_p,
    welch_variance,
)
from analyzer.stats.result import Result

MANY = math.inf
"""Degrees of freedom where rows stand for themselves: hundreds at least, the normal law."""


@dataclass(frozen=True)
class Evidence:
    """Effect of a segment with its variance.

    variance: over units where they are logged, else of independent rows. inflation: what it is
    multiplied by for the test, because a segment's spread is never taken below that of all rows
    (`stats.contrast`). deff: variance over units to variance of independent rows, 1 without units.
    """

    effect: float
    variance: float
    inflation: float
    deff: float
    df: float
    buckets: int
    n: float
    inside: Moments
    outside: Moments

    @property
    def z(self) -> float:
        """Effect in standard errors; 0 when there is no variance to compare with."""
        variance = self.variance * self.inflation
        return self.effect / math.sqrt(variance) if 0 < variance < math.inf else 0.0

    @property
    def p(self) -> float:
        """Two-sided, not corrected for what else was tested."""
        return float(two_sided_p(self.z, self.df)) if self.df >= 1 else 1.0

    def result(self) -> Result:
        """The effect with its 95 % interval."""
        method = f"jackknife over {self.buckets} buckets, t interval"
        if not self.buckets:
            method = "Welch, rows taken as independent"
        return interval(self.effect, self.variance, self.df, self.n, method)


def weigh(part: Sums, whole: Sums) -> Evidence:
    """Evidence for a segment's rows (part) against all others of the whole."""
    rows = part.rows
    inside, everything = part.moments, whole.moments
    signs = rows.groups.signs
    effect, variance = contrast(inside, everything, signs)
    independent = float(welch_variance(inside, everything))
    deff, df, clustered, buckets = 1.0, MANY, independent, 0
    if rows.table.bucket is not None:
        clustered, buckets, df = clustered_variance(
            part.bucket_n,
            part.bucket_total * rows.unit,
            whole.bucket_n,
            whole.bucket_total * rows.unit,
            signs,
        )
        if independent > 0:
            deff = clustered / independent
    inflation = float(variance) / independent if independent > 0 else 1.0
    if independent == 0:
        clustered = float(variance)
    count = float(inside.n[list(rows.groups.window)].sum())
    rest = everything - inside
    return Evidence(float(effect), clustered, inflation, deff, df, buckets, count, inside, rest)


def overall(whole: Sums, confidence: float = 0.95) -> Result:
    """The signed mean of all rows with its interval: the level, the change, the arms apart."""
    rows, sums = whole.rows, whole.moments
    signs = np.asarray(rows.groups.signs, dtype=np.float64)
    value = float((sums.mean + rows.centres) @ signs)
    variance, df = float((sums.variance / sums.n).sum()), MANY
    if rows.table.bucket is not None:
        n, total = whole.bucket_n, whole.bucket_total * rows.unit
        buckets = int(np.count_nonzero(n.any(axis=0)))
        share = (total - sums.mean[:, None] * n) / sums.n[:, None]
        variance = buckets / max(buckets - 1, 1) * float(np.square(signs @ share).sum())
        df = float(buckets - 1)
    count = float(sums.n.sum())
    return interval(value, variance, df, count, "mean of all rows,", confidence)
