"""A mean from few labels and a proxy for all rows: prediction-powered inference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .laws import student_isf
from .result import Estimate, Result, Undefined, estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Rows of one kind whose label is here, as sums by bucket, and the chance that it is.

    `probability` pi: of such a row to have its label by now: completeness F(age | class), or the
    sampling share of a survey. `log_error` is the standard error of ln pi (0 by design); groups
    with the same `source` (one ladder) err together.
    """

    n: Floats
    label: Floats
    proxy: Floats
    probability: float
    log_error: float = 0.0
    source: str = ""


def labelled(
    n: ArrayLike,
    label: ArrayLike,
    proxy: ArrayLike,
    probability: float,
    log_error: float = 0.0,
    source: str = "",
) -> Labelled:
    """Build a `Labelled`: labelled rows, sums of labels and of proxies over them, by bucket.

    Raises ValueError when the probability is not in (0, 1].

    >>> labelled([2, 3], [1, 1], [0.9, 1.2], 0.1).probability
    0.1
    """
    if not 0 < probability <= 1:
        raise ValueError(f"a label arrives with a probability in (0, 1], not {probability}")
    rows, y, f = (np.asarray(x, dtype=np.float64) for x in (n, label, proxy))
    if not rows.shape == y.shape == f.shape or rows.ndim != 1:
        raise ValueError("labelled rows need n, labels and proxies by bucket")
    return Labelled(rows, y, f, float(probability), float(log_error), source)


@dataclass(frozen=True, slots=True)
class PredictionPowered:
    """The estimate, the weight lam of the proxy, and what it was worth.

    `labels`: the rows labelled so far. `gain`: variance without the proxy over variance with it
    (1: it is useless). `effective_n`: labels that would give as narrow an interval alone.
    """

    mean: Estimate
    weight: float
    effective_n: float
    labels: float
    gain: float


@dataclass(frozen=True, slots=True, eq=False)
class _Weighed:
    """Sums over labelled rows, each row counted 1 / pi times: by bucket, and the means."""

    n: Floats
    label: Floats
    proxy: Floats

    @property
    def size(self) -> float:
        return float(self.n.sum())

    @property
    def mean(self) -> float:
        return float(self.label.sum()) / self.size

    @property
    def proxy_mean(self) -> float:
        return float(self.proxy.sum()) / self.size

    def residual(self, lam: float) -> Floats:
        """Influence by bucket of the labelled rows on mean(Y) - lam mean(f)."""
        of_labels = self.label - self.mean * self.n
        return (of_labels - lam * (self.proxy - self.proxy_mean * self.n)) / self.size


def _weighed(groups: Sequence[Labelled]) -> _Weighed:
    sums = (
        np.sum([getattr(g, name) / g.probability for g in groups], axis=0)
        for name in ("n", "label", "proxy")
    )
    return _Weighed(*sums)


def _covariance(a: Floats, b: Floats) -> float:
    """Over buckets, of two sums of influences."""
    k = len(a)
    return k / (k - 1) * float((a - a.mean()) @ (b - b.mean()))


def prediction_powered_mean(
    rows: ArrayLike,
    proxy: ArrayLike,
    groups: Sequence[Labelled],
    confidence: float = 0.95,
    weight: float | None = None,
) -> PredictionPowered | Undefined:
    """Mean label of all rows, from a proxy f of all and the labels Y of some.

    mean over all rows of lam f + (R / pi)(Y - lam f), R = the label is here: right whatever the
    proxy is worth, if pi is. The weights R / pi are divided by their sum, so that labels which
    never come at all, whatever the row, leave no bias. lam minimises the variance over buckets
    and is clipped to [0, 1]; `weight` fixes it. `rows` and `proxy` are counts and sums of f over
    *all* rows, by bucket (of units or request ids); `groups` the labelled ones, one per pi (age
    and class: if classes arrive at different speeds, each has its own pi). Interval: linearised
    jackknife over buckets plus the error of each ln pi; t with K-1 degrees of freedom. Undefined
    without labels or with fewer than two buckets.
    Hajek (1971) for the weights; Angelopoulos et al. (2023), Science 382; Angelopoulos, Duchi,
    Zrnic (2023) for lam; Robins, Rotnitzky, Zhao (1994), JASA 89.

    >>> group = labelled([5, 5, 5, 5], [2, 1, 3, 2], [1.9, 1.2, 2.8, 2.1], 0.05)
    >>> found = prediction_powered_mean([100] * 4, [40.0, 38.0, 42.0, 40.0], [group])
    >>> round(found.mean.value, 3), round(found.weight, 2), round(found.gain, 1)
    (0.4, 1.0, 10.0)
    """
    n, f = np.asarray(rows, dtype=np.float64), np.asarray(proxy, dtype=np.float64)
    held = n > 0
    buckets, labels = int(held.sum()), float(sum(g.n.sum() for g in groups))
    if buckets < 2:
        return Undefined(f"{buckets} non-empty buckets, 2 needed", buckets)
    if labels <= 0:
        return Undefined("no label has arrived")
    here, total = _weighed(groups), float(n.sum())
    every = float(f.sum()) / total
    of_labels = here.residual(0)[held]
    of_proxy = (f - every * n)[held] / total + here.residual(1)[held] - of_labels
    scatter = _covariance(of_proxy, of_proxy)
    best = -_covariance(of_labels, of_proxy) / scatter if scatter > 0 else 0.0
    lam = min(max(best, 0.0), 1.0) if weight is None else weight
    mean = here.mean + lam * (every - here.proxy_mean)
    variance, plain = (
        _covariance(u, u) + _probability_variance(groups, here, w)
        for u, w in ((of_labels + lam * of_proxy, lam), (of_labels, 0.0))
    )
    found = _interval(mean, variance, buckets, confidence)
    gain = plain / variance if variance > 0 else 1.0
    return PredictionPowered(found, lam, labels * gain, labels, gain)


def _probability_variance(groups: Sequence[Labelled], here: _Weighed, lam: float) -> float:
    """What the errors of ln pi add: residuals of the groups of one source moved together."""
    by_source: dict[str, float] = {}
    for number, g in enumerate(groups):
        own = g.label - here.mean * g.n - lam * (g.proxy - here.proxy_mean * g.n)
        moved = float(own.sum()) / g.probability / here.size * g.log_error
        key = g.source or str(number)
        by_source[key] = by_source.get(key, 0.0) + moved
    return sum(moved**2 for moved in by_source.values())


def _interval(mean: float, variance: float, buckets: int, confidence: float) -> Estimate:
    half = student_isf((1 - confidence) / 2, buckets - 1) * math.sqrt(max(variance, 0.0))
    method = f"prediction-powered, {buckets} buckets, t interval {confidence:.0%}"
    return estimate(mean, mean - half, mean + half, buckets, method)


def calibrated_proxy(positives: ArrayLike, n: ArrayLike) -> Floats:
    """What each value of a fast signal has been worth: P(label = 1 | value) on matured rows.

    (k + 1/2) / (n + 1) per cell of the signal, shares. Jeffreys (1946).

    >>> calibrated_proxy([0, 9], [9, 9]).round(3).tolist()
    [0.05, 0.95]
    """
    k, rows = (np.asarray(x, dtype=np.float64) for x in (positives, n))
    return np.asarray((k + 0.5) / (rows + 1))


def early_warning(found: PredictionPowered | Undefined, baseline: Result) -> Result:
    """How far the mean lies above a matured baseline, with both intervals' errors.

    Difference of two independent estimates, half-widths added in squares. Undefined when one of
    them is.

    >>> a = PredictionPowered(Estimate(0.06, 0.05, 0.07, 9, "x"), 1.0, 100, 10, 2.0)
    >>> r = early_warning(a, Estimate(0.04, 0.04, 0.04, 9, "x"))
    >>> round(r.value, 3), round(r.low, 3)
    (0.02, 0.01)
    """
    if isinstance(found, Undefined):
        return found
    if isinstance(baseline, Undefined):
        return baseline
    now, value = found.mean, found.mean.value - baseline.value
    low = value - math.hypot(now.value - now.low, baseline.high - baseline.value)
    high = value + math.hypot(now.high - now.value, baseline.value - baseline.low)
    return estimate(value, low, high, now.n, "prediction-powered minus baseline")
