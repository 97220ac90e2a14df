"""Is the arrival of labels what it was: uploads in one batch, and labels that became slower."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .laws import norm_isf, norm_sf
from .result import Result, Significance, Undefined, estimate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ONE_UPLOAD: Final = 0.8
"""Share of a cohort's labels on one label day that makes it an upload."""
_FEWEST_COHORTS: Final = 3
_FEWEST_LABELS: Final = 20


def _counts(arrivals: ArrayLike, observed: ArrayLike) -> tuple[Floats, Bools]:
    """Labels by cohort and age at arrival, and which of these ages have been lived through."""
    counts = np.asarray(arrivals, dtype=np.float64)
    lived = np.asarray(observed, dtype=np.int64)
    if counts.ndim != 2 or lived.shape != counts.shape[:1]:
        raise ValueError("arrivals need shape (cohorts, ages) and one observed age per cohort")
    known = np.arange(counts.shape[1]) < lived[:, None]
    return np.where(known, counts, 0.0), known


def batched(arrivals: ArrayLike, observed: ArrayLike, days: ArrayLike | None = None) -> Bools:
    """Cohorts whose labels came in one upload: leave them out of the ladder.

    An upload is one label day on which at least 3 cohorts got at least 80 % of the labels they
    have (20 or more), at three or more different ages. Such cohorts say when somebody pressed a
    button, not how long a label takes. `arrivals` has shape (cohorts, ages): labels by age at
    arrival; `observed` is how many ages each cohort has lived; `days` is each cohort's day
    (default 0, 1, 2, ...). The newest cohorts, whose labels are all of the last days anyway, are
    never called so: only label days that half of a cohort's observed ages lie after count.

    >>> counts = np.zeros((6, 12))
    >>> counts[[0, 1, 2], [5, 4, 3]] = 40
    >>> counts[3:, :5] = 10
    >>> batched(counts, [12, 12, 12, 12, 12, 12]).tolist()
    [True, True, True, False, False, False]
    """
    counts, _ = _counts(arrivals, observed)
    lived = np.asarray(observed, dtype=np.int64)
    day = np.arange(len(counts)) if days is None else np.asarray(days, dtype=np.int64)
    total, age = counts.sum(axis=1), np.argmax(counts, axis=1)
    share = np.divide(counts.max(axis=1), total, out=np.zeros_like(total), where=total > 0)
    whole = (total >= _FEWEST_LABELS) & (share >= ONE_UPLOAD) & (2 * (age + 1) <= lived)
    upload = day + age
    sizes = {at: len({*day[whole & (upload == at)].tolist()}) for at in {*upload[whole].tolist()}}
    crowded = [sizes.get(at, 0) >= _FEWEST_COHORTS for at in upload.tolist()]
    return np.asarray(whole & np.array(crowded, dtype=np.bool_), dtype=np.bool_)


def _thinning(counts: Floats, known: Bools) -> tuple[Floats, Floats]:
    """Per cohort and age k >= 1: labels up to k, and of these the ones that came at k itself."""
    cumulative = np.cumsum(counts, axis=1)
    return np.where(known, cumulative, 0.0)[:, 1:], np.where(known, counts, 0.0)[:, 1:]


def _dispersion(at_risk: Floats, came: Floats) -> float:
    """Pearson dispersion of the arrivals about their common hazard, at least 1."""
    pooled = at_risk.sum(axis=0)
    hazard = np.divide(came.sum(axis=0), pooled, out=np.zeros_like(pooled), where=pooled > 0)
    variance = at_risk * hazard * (1 - hazard)
    used = variance > 0
    excess = np.divide((came - at_risk * hazard) ** 2, variance, out=came * 0, where=used)
    freedom = int(used.sum()) - int(np.any(used, axis=0).sum())
    return max(float(excess.sum()) / freedom, 1.0) if freedom > 0 else 1.0


def ladder_shift(
    arrivals: ArrayLike, observed: ArrayLike, recent: int = 4
) -> Significance | Undefined:
    """Do the labels of the last cohorts arrive later than those of the earlier ones?

    Reversed-time log-rank test: of the labels that arrived by age k, the share that came at k
    itself, last `recent` cohorts against earlier, summed over k; z > 0 means slower. Variance
    hypergeometric times the arrivals' dispersion. Unlike the ladder's own counts it does not
    move with the base rate, but cohorts that have lived for a day or two say little: read it
    with `recent` of 4 and of a week or two, and with `arrival_shortfall`. Put any group of
    cohorts last (a weekday, a segment) to ask whether it needs a ladder of its own.
    `arrivals` (cohorts, ages) from the oldest cohort on, `observed` ages lived. `p` two-sided.
    Undefined with fewer than `recent` + 2 cohorts or no age both sides have reached.
    Lagakos, Barraj, De Gruttola (1988), Biometrika 75; Kalbfleisch and Lawless (1989), JASA 84.

    >>> found = ladder_shift([[60, 30, 10]] * 6 + [[40, 30, 30]] * 4, [3] * 10)
    >>> round(found.statistic, 2)
    7.41
    """
    counts, known = _counts(arrivals, observed)
    if len(counts) < recent + 2:
        return Undefined(f"{len(counts)} cohorts, {recent + 2} needed", len(counts))
    at_risk, came = _thinning(counts, known)
    new, old = slice(len(counts) - recent, None), slice(0, len(counts) - recent)
    risk_new, risk_old = at_risk[new].sum(axis=0), at_risk[old].sum(axis=0)
    risk, events = risk_new + risk_old, came.sum(axis=0)
    both = (risk_new > 0) & (risk_old > 0) & (risk > 1)
    share = np.divide(risk_new, risk, out=np.zeros_like(risk), where=both)
    excess = np.where(both, came[new].sum(axis=0) - events * share, 0.0)
    spread = np.divide(risk - events, risk - 1, out=np.zeros_like(risk), where=both)
    variance = float(np.sum(events * share * (1 - share) * spread))
    if variance <= 0:
        return Undefined("the last cohorts and the earlier share no age with arrivals", recent)
    scale = _dispersion(at_risk[old], came[old])
    z = float(excess.sum()) / math.sqrt(variance * scale)
    return Significance(z, 2 * norm_sf(abs(z)), math.inf, float(risk_new.max()), "reverse log-rank")


def arrival_shortfall(
    arrivals: ArrayLike,
    observed: ArrayLike,
    rows: ArrayLike,
    recent: int = 4,
    confidence: float = 0.95,
) -> Result:
    """Labels of the last cohorts over what the earlier ones had, per row, at the same ages.

    Ratio of observed to expected labels; below 1: labels became slower, or there are fewer of
    them (a lower base rate looks the same until later ages). Expected: rows times the earlier
    cohorts' labels per row by that age. Scatter between cohorts by a Poisson ratio with Pearson
    dispersion, log scale. `rows` predictions of each cohort. Undefined with fewer than two
    earlier cohorts of each age or no labels on a side. McCullagh and Nelder (1989), 6.

    >>> r = arrival_shortfall([[50, 50]] * 8 + [[25, 25]] * 2, [2] * 10, [1000] * 10, recent=2)
    >>> round(r.value, 3), r.high < 1
    (0.5, True)
    """
    counts, known = _counts(arrivals, observed)
    size, lived = np.asarray(rows, dtype=np.float64), known.sum(axis=1)
    cut = max(len(counts) - recent, 0)
    cumulative = np.cumsum(counts, axis=1)
    seen = expected = borrowed = 0.0
    residuals: list[float] = []
    for i in range(cut, len(counts)):
        at = int(lived[i]) - 1
        peers = np.flatnonzero(lived[:cut] > at) if at >= 0 else np.zeros(0, np.int64)
        labels, base = float(cumulative[peers, at].sum()), float(size[peers].sum())
        if len(peers) < 2 or labels <= 0:
            continue
        share = labels / base
        seen, expected = seen + float(cumulative[i, at]), expected + share * float(size[i])
        borrowed += (share * float(size[i])) ** 2 / labels
        own = share * size[peers]
        pearson = (cumulative[peers, at] - own) ** 2 / own
        residuals.append(float(pearson.sum()) / (len(peers) - 1))
    if expected <= 0 or seen <= 0:
        return Undefined("too few labels to compare the last cohorts with the earlier", seen)
    scale = max(float(np.mean(residuals)), 1.0)
    error = math.sqrt(scale * (1 / seen + borrowed / expected**2))
    ratio, factor = seen / expected, math.exp(norm_isf((1 - confidence) / 2) * error)
    return estimate(
        ratio, ratio / factor, ratio * factor, seen, f"arrivals over expected {confidence:.0%}"
    )
