"""Sums of a series after each of its points: what a shift that begins there would add up to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_BEFORE = 48
"""Points with data that must lie before an onset."""


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """A series less its baseline, ready to be searched.

    values: per point of the range, NaN where nothing is known; relative_variance: of each point
    (1 for the typical one); season and baseline_variance: per point, which baseline value was
    taken off and its variance in points (all 0 and no season: the level before is unknown and
    must be estimated from the range itself). history: clean residuals of the same scale, for the
    long-run sd; duplicates: how many of them stand for one independent one. before: points with
    data before the range.
    """

    values: Floats
    relative_variance: Floats
    season: Ints
    baseline_variance: Floats
    history: Floats
    duplicates: float
    before: int

    @property
    def level_known(self) -> bool:
        """Whether clean history gives the level before."""
        return self.before >= LEAST_BEFORE


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Per candidate point: sum of weighted residuals, its variance for sd 1, information."""

    sums: Floats
    variance: Floats
    information: Floats

    @property
    def z(self) -> Floats:
        """Standardised sums for sd 1; 0 where nothing is known."""
        sound = self.variance > 0
        z: Floats = np.zeros(len(self.sums))
        np.divide(self.sums, np.sqrt(self.variance), out=z, where=sound)
        return z


def suffix_sums(x: Floats) -> Floats:
    """Sums from each point to the end along the first axis.

    >>> suffix_sums(np.array([1.0, 2.0, 3.0])).tolist()
    [6.0, 5.0, 3.0]
    """
    sums: Floats = np.cumsum(x[::-1], axis=0)[::-1]
    return sums


def _averaged(suffixes: Floats, ramp: int) -> Floats:
    """Mean of `ramp` consecutive suffix sums: a step's sums turned into a ramp's."""
    padded = np.concatenate([suffixes, np.zeros((ramp, *suffixes.shape[1:]))])
    ahead = np.concatenate([np.zeros((1, *suffixes.shape[1:])), np.cumsum(padded, axis=0)])
    mean: Floats = (ahead[ramp:-1] - ahead[: len(suffixes)])[: len(suffixes)] / ramp
    return mean


def weights_of(residuals: Residuals) -> Floats:
    """One over each point's relative variance; 0 where the point or its baseline is unknown.

    >>> one, none = np.ones(2), np.zeros(2, dtype=np.int64)
    >>> r = Residuals(np.array([3.0, np.nan]), 4 * one, none, 0 * one, one, 1.0, 99)
    >>> weights_of(r).tolist()
    [0.25, 0.0]
    """
    held = np.isfinite(residuals.values) & np.isfinite(residuals.baseline_variance)
    weights: Floats = np.where(held, 1 / residuals.relative_variance, 0.0)
    return weights


def scan(residuals: Residuals, values: Floats, ramp: int = 1) -> Scan:
    """Sums for a shift that begins at each point and is complete `ramp` points later.

    values: the residuals with gaps 0 (drawn in or not). S_k = sum_t w_t g_{t-k} r_t, g a step or a
    ramp; its variance for a unit sd is sum_t w_t g^2 plus, for each season, what its baseline's
    error adds, which points of one season share. Where the level before is unknown, after minus
    before within the range, and no ramps.

    >>> one, none = np.ones(4), np.zeros(4, dtype=np.int64)
    >>> r = Residuals(np.array([0.0, 0.0, 1.0, 1.0]), one, none, 0 * one, one, 1.0, 99)
    >>> scan(r, r.values).z.round(3).tolist()
    [1.0, 1.155, 1.414, 1.0]
    """
    weights = weights_of(residuals)
    suffix_weights = suffix_sums(weights)
    if not residuals.level_known:
        return _scan_level_free(weights, values, suffix_weights)
    sums = _averaged(suffix_sums(weights * values), ramp)
    shape = np.minimum(np.arange(1, len(values) + 1) / ramp, 1.0)
    information = np.convolve(weights[::-1], shape**2)[: len(values)][::-1]
    variance = information + _baseline_variance(residuals, weights, ramp, shape)
    return Scan(sums, variance, information)


def _baseline_variance(residuals: Residuals, weights: Floats, ramp: int, shape: Floats) -> Floats:
    """What the baseline's own error adds: points of one season share it."""
    shared = np.where(weights > 0, residuals.baseline_variance * residuals.relative_variance, 0.0)
    names, season, times = np.unique(residuals.season, return_inverse=True, return_counts=True)
    if times.max() == 1:
        own: Floats = np.convolve((weights**2 * shared)[::-1], shape**2)[: len(weights)][::-1]
        return own
    by_season = np.zeros((len(weights), len(names)))
    by_season[np.arange(len(weights)), season] = weights
    common = np.zeros(len(names))
    np.maximum.at(common, season, shared)
    added: Floats = _averaged(suffix_sums(by_season), ramp) ** 2 @ common
    return added


def _scan_level_free(weights: Floats, values: Floats, after: Floats) -> Scan:
    """After minus before within the range, where no history says what the level was."""
    sums = suffix_sums(weights * values)
    before = after[0] - after
    sound = (before > 0) & (after > 0)
    share = np.divide(before, after[0], out=np.zeros_like(before), where=sound)
    difference = np.where(sound, sums - after * sums[0] / max(float(after[0]), 1e-300), 0.0)
    return Scan(difference, after * share, after * share)
