"""Is the arrival of labels what it was: uploads in one batch, labels grown slower or fewer."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .laws import norm_sf, student_isf, student_sf
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


def _spells(residual: Floats, variance: Floats, length: int) -> float:
    """Dispersion of single cohorts or of runs of `length`, whichever is larger."""
    if len(residual) < 2 * length or variance.min() <= 0:
        return 1.0
    single = float(np.sum(residual**2 / variance)) / (len(residual) - 1)
    run = np.ones(length)
    runs, own = np.convolve(residual, run, "valid"), np.convolve(variance, run, "valid")
    return max(single, float(np.mean(runs**2 / own)) / (1 - length / len(residual)))


SPELL: Final = 4
"""Cohorts in a row that may share what delays them: a storm, a holiday, a broken upload."""


def _dispersion(at_risk: Floats, came: Floats) -> tuple[float, int]:
    """Dispersion of the arrivals about their common hazard, at least 1, and its freedom: of single
    cells or, if larger, of spells of cohorts.
    """
    pooled = at_risk.sum(axis=0)
    hazard = np.divide(came.sum(axis=0), pooled, out=np.zeros_like(pooled), where=pooled > 0)
    variance = at_risk * hazard * (1 - hazard)
    used = variance > 0
    excess = np.divide((came - at_risk * hazard) ** 2, variance, out=came * 0, where=used)
    cells = int(used.sum()) - int(np.any(used, axis=0).sum())
    if cells <= 0:
        return 1.0, 0
    late, spread = (came - at_risk * hazard).sum(axis=1), variance.sum(axis=1)
    moving = spread > 0
    spells = _spells(late[moving], spread[moving], SPELL)
    freedom = min(cells, max(int(moving.sum()) // SPELL - 1, 1))
    return max(float(excess.sum()) / cells, spells, 1.0), freedom


def ladder_shift(
    arrivals: ArrayLike, observed: ArrayLike, recent: int = 4
) -> Significance | Undefined:
    """Do the labels of the last cohorts arrive later than those of the earlier ones?

    Reversed-time log-rank test: of the labels that arrived by age k, the share that came at k
    itself, last `recent` cohorts against earlier, summed over k; z > 0 means slower. Variance
    hypergeometric times the earlier arrivals' dispersion; `p` from Student's t with that
    dispersion's degrees of freedom (few cohorts do not know how much cohorts differ). Unlike the
    ladder's own counts it does not move with the base rate, but cohorts that have lived for a day
    or two say little: read it with `recent` of 4 and of a week or two, and with
    `arrival_shortfall`. Put any group of cohorts last (a weekday, a segment) to ask whether it
    needs a ladder of its own.
    `arrivals` (cohorts, ages) from the oldest cohort on, `observed` ages lived. `p` two-sided.
    Undefined with fewer than `recent` + 2 cohorts, no age both sides have reached, or earlier
    cohorts that share none.
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
    scale, freedom = _dispersion(at_risk[old], came[old])
    if freedom <= 0:
        return Undefined("the earlier cohorts share no age at which labels still came", recent)
    z = float(excess.sum()) / math.sqrt(variance * scale)
    p = 2 * student_sf(abs(z), freedom)
    return Significance(z, p, math.inf, float(risk_new.max()), "reverse log-rank")


def arrival_shortfall(
    arrivals: ArrayLike,
    observed: ArrayLike,
    rows: ArrayLike,
    recent: int = 4,
    confidence: float = 0.95,
    complete: ArrayLike | None = None,
) -> Result:
    """Labels of the last cohorts over what the earlier ones had, per row, at the same ages.

    Ratio of observed to expected labels; below 1: labels became slower, or there are fewer of
    them. Of one class a lower base rate looks the same; of all classes together, each label
    counted 1 / F of its class, it does not (`arrivals` of shape (classes, cohorts, ages),
    `complete` F of shape (classes, ages)). Expected: rows times the earlier cohorts' labels per
    row by that age. Log scale, Poisson times the earlier cohorts' dispersion: of single cohorts
    or, if larger, of runs of `recent` of them, as bad days come in spells; Student's t with one
    degree of freedom per such run less one. `rows` predictions of each cohort. Undefined with
    fewer than two earlier runs of each age or no labels on a side.
    McCullagh and Nelder (1989), 6.

    >>> r = arrival_shortfall([[50, 50]] * 8 + [[25, 25]] * 2, [2] * 10, [1000] * 10, recent=2)
    >>> round(r.value, 3), r.high < 1
    (0.5, True)
    """
    classes = np.atleast_3d(np.asarray(arrivals, dtype=np.float64).T).T
    share = np.ones((len(classes), classes.shape[2])) if complete is None else np.asarray(complete)
    labels, spread, known = _completed(classes, share, observed)
    size, lived = np.asarray(rows, dtype=np.float64), known.sum(axis=1)
    cut = max(len(size) - recent, 0)
    seen = noise = expected = borrowed = 0.0
    scales: list[float] = []
    freedom = math.inf
    for i in range(cut, len(size)):
        at = int(lived[i]) - 1
        peers = np.flatnonzero(lived[:cut] > at) if at >= 0 else np.zeros(0, np.int64)
        found, base = float(labels[peers, at].sum()), float(size[peers].sum())
        if len(peers) < 2 * recent or found <= 0:
            continue
        rate = found / base
        own, unit = rate * size[peers], float(spread[peers, at].sum()) / found
        seen, noise = seen + float(labels[i, at]), noise + float(spread[i, at])
        expected += rate * float(size[i])
        borrowed += (rate * float(size[i])) ** 2 * unit / found
        scales.append(_spells(labels[peers, at] - own, own * unit, recent))
        freedom = min(freedom, len(peers) // recent - 1)
    if expected <= 0 or seen <= 0:
        return Undefined("too few labels to compare the last cohorts with the earlier", seen)
    scale = max(float(np.mean(scales)), 1.0)
    error = math.sqrt(scale * (noise / seen**2 + borrowed / expected**2))
    ratio = seen / expected
    factor = math.exp(min(student_isf((1 - confidence) / 2, freedom) * error, 99.0))
    return estimate(
        ratio, ratio / factor, ratio * factor, seen, f"arrivals over expected {confidence:.0%}"
    )


_LEAST_COMPLETE: Final = 0.05


def _completed(
    classes: Floats, complete: Floats, observed: ArrayLike
) -> tuple[Floats, Floats, Bools]:
    """Labels by each age, every class counted 1 / F, and their Poisson variance; where F of a
    class is below 0.05 nothing is counted.
    """
    parts = [_counts(counts, observed) for counts in classes]
    usable = (complete >= _LEAST_COMPLETE).all(axis=0)
    weight = np.where(usable, 1 / np.maximum(complete, _LEAST_COMPLETE), 0.0)
    cumulative = [np.cumsum(counts, axis=1) for counts, _ in parts]
    labels = np.sum([x * w for x, w in zip(cumulative, weight, strict=True)], axis=0)
    spread = np.sum([x * w**2 for x, w in zip(cumulative, weight, strict=True)], axis=0)
    return labels, spread, parts[0][1]


_NEVER: Final = 1e-4
"""Share of labels still to come that counts as none."""


def slowness_fits(
    arrivals: ArrayLike,
    observed: ArrayLike,
    rows: ArrayLike,
    complete: ArrayLike,
    ratio: float,
    recent: int = 4,
) -> Significance | Undefined:
    """Could a shortfall of the last cohorts' labels be slowness? By the ages of those that came.

    Labels that take s times as long have F(t / s): the s that leaves `ratio` of the expected
    labels also says what share of the labels here by age k must have come at k itself. z is what
    came at late ages less that, in standard errors (times the earlier arrivals' dispersion): far
    below 0, the labels that came are too prompt for slowness to be why others have not.
    With `ratio` 1 the labels are held against those of usual speed. `complete`: F by age, ln(1 - F)
    linear in between; `p` of its side alone. Undefined where none of the cohorts
    has lived two ages with labels.
    Lagakos, Barraj, De Gruttola (1988), Biometrika 75: hazards in reversed time.

    >>> prompt = [[80, 20, 0]] * 8 + [[40, 10, 0]] * 4
    >>> round(slowness_fits(prompt, [3] * 12, [200] * 12, [0.8, 1, 1], 0.5).statistic, 1)
    -10.7
    """
    counts, known = _counts(arrivals, observed)
    at_risk, came = _thinning(counts, known)
    new, old = slice(len(counts) - recent, None), slice(0, max(len(counts) - recent, 0))
    lived, size = known.sum(axis=1)[new], np.asarray(rows, dtype=np.float64)[new]
    late = np.maximum(1 - np.asarray(complete, dtype=np.float64), _NEVER)
    survival = np.concatenate([[0.0], np.log(np.minimum(late, 1.0))])

    def by(times: Floats) -> Floats:
        found: Floats = 1 - np.exp(np.interp(times, np.arange(len(survival)), survival))
        return found

    usual = float(np.sum(size * by(lived)))
    factor, most = 1.0, 64.0 if ratio < 1 else 1.0
    while most - factor > 1e-3 * factor:
        middle = math.sqrt(factor * most)
        left = float(np.sum(size * by(lived / middle)))
        factor, most = (middle, most) if left > ratio * usual else (factor, middle)
    slowed = by(np.arange(len(survival)) / factor)
    hazard = 1 - slowed[1:-1] / np.maximum(slowed[2:], 1e-12)
    hazard = np.pad(hazard, (0, max(at_risk.shape[1] - len(hazard), 0)))[: at_risk.shape[1]]
    expected = at_risk[new] * hazard
    scale, _ = _dispersion(at_risk[old], came[old])
    variance = float(np.sum(expected * (1 - hazard))) * scale
    if variance <= 0:
        return Undefined("the last cohorts are too young for their labels' ages to tell", recent)
    z = float((came[new] - expected).sum()) / math.sqrt(variance)
    risk = float(at_risk[new].max(initial=0.0))
    return Significance(z, norm_sf(abs(z)), math.inf, risk, "reverse hazards of slowed labels")
