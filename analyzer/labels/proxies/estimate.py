"""What a proxy says of the losses of both models, and what it has said before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.proxies.ground import Days, Ground, ready_days
from analyzer.labels.weighting import Whose
from analyzer.policy import ProxyTrust
from analyzer.stats.backtest import Backtest, backtest
from analyzer.stats.influence import over_buckets, ratio
from analyzer.stats.maturity import READY, REFUSED
from analyzer.stats.prediction_powered import PredictionPowered, prediction_powered_mean
from analyzer.stats.proxied import (
    Expected,
    Matured,
    expectations,
    expected_loss,
    rates,
    worth,
    worth_moved,
)
from analyzer.stats.result import Estimate, Result, Undefined

Floats = NDArray[np.float64]
WEEK = 7
SETTLED = 0.98
"""Completeness from which a week's labels count as the truth."""

MOST_COHORTS = 12
FEWEST_DAYS = 7
"""Matured days below which nothing is known of what a signal is worth."""


@dataclass(frozen=True)
class Powered:
    """The loss of days whose labels are arriving, from these and from the signals of all rows.

    alone: the same labels without the proxy. added: variance with the scores alone over variance
    with the signal too (1: the signal adds nothing). moved: by how much these labels lie above
    what the signals led to expect.
    """

    days: tuple[int, ...]
    with_proxy: PredictionPowered | Undefined
    alone: Result
    added: float | None
    moved: Result


@dataclass(frozen=True)
class Warned:
    """The loss expected of the newest days, too young for labels: from the proxy only.

    before: mean loss of the matured days that say what the signal is worth.
    """

    days: tuple[int, ...]
    expected: Expected | Undefined
    before: Result


@dataclass(frozen=True)
class Cohort:
    """One past week: what the proxy alone said as soon as its signals were settled (`as_of`, days
    since 1970 UTC), and the truth once the labels had come, on day `ready`. before: what was known
    of earlier days then, which is all that one has without a proxy.
    """

    first: int
    as_of: int
    ready: int | None
    said: Result
    before: Result
    truth: float
    gain: float | None
    added: float | None

    @property
    def held(self) -> bool | None:
        """Whether the interval held the truth; None where nothing was said."""
        if isinstance(self.said, Undefined):
            return None
        return self.said.low <= self.truth <= self.said.high


@dataclass(frozen=True)
class Trial:
    """How a proxy fared on past weeks. gain and added: medians, at the completeness from which
    labels are used; days_earlier: median days between the proxy's word and 0.9 of the labels.
    """

    cohorts: tuple[Cohort, ...]
    result: Backtest | Undefined
    gain: float | None
    added: float | None
    days_earlier: float | None


def newest(found: Ground, floor: float = REFUSED) -> tuple[Days, Days]:
    """The newest week of days whose labels can be used, and of the days too young for that."""
    usable = [day for day in found.days if found.complete(day) >= floor]
    last = max(usable, default=-1)
    young = [day for day in found.days if day > last]
    return _last_week(usable), _last_week(young)


def _last_week(days: Days) -> Days:
    return [day for day in days if day >= max(days) + 1 - WEEK] if days else []


def powered(found: Ground, days: Days, whose: Whose, limits: ProxyTrust) -> Powered:
    """The loss of some days by prediction-powered inference, rates from matured days before."""
    told = tuple(days)
    before = ready_days(found, min(days, default=0), limits.calibration_days)
    if not days or len(before) < FEWEST_DAYS:
        reason = Undefined(
            f"{len(before)} matured days before those whose labels are arriving, {FEWEST_DAYS} "
            "needed",
            len(before),
        )
        return Powered(told, reason, reason, None, reason)
    past, every = found.matured(before, whose), found.rows(days)
    moved = worth_moved(past, found.matured(days, whose))
    if found.arrival == "positives":
        reason = Undefined("where only positives are reported, labels cannot correct the signals")
        return Powered(told, reason, reason, None, moved)

    def mean(rate: Floats, weight: float | None = None) -> PredictionPowered | Undefined:
        groups = found.groups(days, whose, rate)
        expected = expectations(every, rate)
        return prediction_powered_mean(every.n, expected, groups, limits.confidence, weight)

    rate = worth(past)
    both, alone, scores = mean(rate), mean(rate, 0.0), mean(_of_scores(past))
    if not (isinstance(both, PredictionPowered) and isinstance(alone, PredictionPowered)):
        reason = both if isinstance(both, Undefined) else Undefined("no label has arrived")
        return Powered(told, reason, reason, None, moved)
    added = both.gain / scores.gain if isinstance(scores, PredictionPowered) else None
    return Powered(told, both, alone.mean, added, moved)


def _of_scores(past: Matured) -> Floats:
    """Rates by score alone: cells without and with a signal taken together."""
    n, told = (x.sum(axis=0).reshape(2, -1).sum(axis=0) for x in (past.cell_n, past.told))
    return np.tile(rates(n, told), 2)


def warned(found: Ground, days: Days, whose: Whose, limits: ProxyTrust) -> Warned:
    """The loss expected of days too young for labels."""
    told = tuple(days)
    before = ready_days(found, min(days, default=0), limits.calibration_days)
    if not days:
        reason = Undefined("no day has settled signals and labels too few to use")
        return Warned(told, reason, reason)
    if len(before) < FEWEST_DAYS:
        reason = Undefined(f"{len(before)} matured days, {FEWEST_DAYS} needed", len(before))
        return Warned(told, reason, reason)
    past = found.matured(before, whose)
    expected = expected_loss(past, found.rows(days), limits.confidence)
    sums = np.stack([past.loss, past.rows.n], axis=1)
    return Warned(told, expected, over_buckets(sums, ratio, limits.confidence))


def trial(found: Ground, then: Callable[[int], Ground], whose: Whose, limits: ProxyTrust) -> Trial:
    """Tell the last weeks whose labels have all come again, from what was known at the time.

    then: the same ground as of an earlier day.
    """
    cohorts = [_cohort(found, then, days, whose, limits) for days in _weeks(found)]
    told = [cohort for cohort in cohorts if cohort is not None]
    result = backtest(
        [c.said for c in told],
        [c.truth for c in told],
        [c.before for c in told],
        limits.confidence,
    )
    earlier = [float(c.ready - c.as_of) for c in told if c.ready is not None]
    return Trial(
        tuple(told),
        result,
        _median([c.gain for c in told if c.gain is not None]),
        _median([c.added for c in told if c.added is not None]),
        _median(earlier),
    )


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _weeks(found: Ground) -> list[Days]:
    """Past weeks of settled days all of whose labels have come, oldest first."""
    weeks: list[Days] = []
    whole = [day for day in found.days if found.complete(day) >= SETTLED]
    end = max(whole, default=0) + 1
    while whole and end - WEEK >= whole[0] and len(weeks) < MOST_COHORTS:
        days = [day for day in whole if end - WEEK <= day < end]
        if len(days) == WEEK:
            weeks.append(days)
        end -= WEEK
    return weeks[::-1]


def _cohort(
    found: Ground, then: Callable[[int], Ground], days: Days, whose: Whose, limits: ProxyTrust
) -> Cohort | None:
    last = days[-1]
    early = last + found.proxy.wait + 1
    said = warned(then(early), days, whose, limits)
    if isinstance(said.expected, Undefined):
        return None
    past = found.matured(days, whose)
    usable = _reaching(found, last, REFUSED)
    later = powered(then(usable), days, whose, limits) if usable else None
    better = later.with_proxy if later else None
    return Cohort(
        days[0],
        early,
        _reaching(found, last, READY),
        said.expected.final,
        said.before,
        float(past.loss.sum()) / float(past.rows.n.sum()),
        better.gain if isinstance(better, PredictionPowered) else None,
        later.added if later else None,
    )


def _reaching(found: Ground, day: int, level: float) -> int | None:
    """First as-of by which every class of a prediction day's labels is that complete."""
    dates = [ladder.ready(day, level) for ladder in found.ladders.values()]
    known = [round(date.value) for date in dates if isinstance(date, Estimate)]
    now = found.proxy.as_of
    return min(max(known), now) if known and len(known) == len(dates) else None
