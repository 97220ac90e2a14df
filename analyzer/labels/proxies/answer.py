"""Proxies: how good each has been so far, and only then what it says now."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from analyzer.config import Rollout
from analyzer.labels.cells import Known
from analyzer.labels.evidence import Arrival, evidence
from analyzer.labels.maturity import one_class
from analyzer.labels.proxies.estimate import Powered, Trial, Warned, newest, powered, trial, warned
from analyzer.labels.proxies.ground import Days, Ground, ground, ready_days
from analyzer.labels.proxies.known import Proxy, proxy
from analyzer.labels.weighting import Whose
from analyzer.policy import ProxyTrust
from analyzer.stats.result import Estimate, Result, Undefined, point
from analyzer.verdict import judge

WHOSE: tuple[Whose, ...] = ("champion", "challenger", "difference")


@dataclass(frozen=True)
class Said:
    """What a proxy says of one model's loss, or of challenger minus champion.

    trial: how it fared on past weeks. distrust: why it is not trusted, empty where it is.
    """

    whose: Whose
    trial: Trial
    distrust: tuple[str, ...]
    now: Powered
    warning: Warned

    @property
    def trusted(self) -> bool:
        """Whether it may be heard."""
        return not self.distrust


@dataclass(frozen=True)
class ProxyAnswer:
    """One proxy by the as-of. Days are dates, UTC.

    metric: the loss that is spoken of. matured: days that say what the signal is worth;
    signals: share of pairs with a signal then, and on the newest days; worth: mean loss of the
    champion with and without a signal. silent: days on which the log of
    signals was silent. refused: why nothing is said.
    """

    name: str
    metric: str
    settled: int
    matured: int
    signals: float | None
    signals_now: float | None
    worth_with: float | None
    worth_without: float | None
    silent: tuple[int, ...]
    faults: dict[str, int]
    said: tuple[Said, ...]
    refused: str = ""


def proxies(
    rollout: Rollout, known: Known, arrival: Arrival, limits: ProxyTrust
) -> tuple[ProxyAnswer, ...]:
    """What each proxy of the rollout says by the labels' as-of. Raises as `proxy` does."""
    return tuple(
        answer(proxy(rollout, name, known.as_of), known, arrival, limits)
        for name in sorted(rollout.proxies)
    )


def answer(found: Proxy, known: Known, arrival: Arrival, limits: ProxyTrust) -> ProxyAnswer:
    """What one proxy says: on trial first, then now."""
    told = evidence(known)

    @cache
    def at(day: int) -> Ground:
        return ground(found.at(day), told.at(day), arrival, known.kind, len(known.classes))

    now = at(known.as_of)
    past = ready_days(now, known.as_of, limits.calibration_days)
    recent, young = newest(now)
    refused = _refusal(now, past, arrival)
    said: tuple[Said, ...] = ()
    if not refused:
        said = tuple(
            _said(now, trial(now, at, whose, limits), whose, recent, young, limits)
            for whose in WHOSE
        )
    with_signal, without = _worth(now, past) if past else (None, None)
    return ProxyAnswer(
        found.name,
        {"binary": "brier", "values": "mae", "classes": "share wrong"}[known.kind],
        len(now.days),
        len(past),
        now.signals(past),
        now.signals(young or recent),
        with_signal,
        without,
        tuple(now.silent),
        found.faults,
        said,
        refused,
    )


def _refusal(now: Ground, past: Days, arrival: Arrival) -> str:
    if not now.days:
        return "no day's signals are settled yet"
    if not now.ladders:
        return "no label has arrived"
    lone = None if arrival == "positives" else one_class(now.ladders)
    if lone:
        return lone.reason
    if not past:
        return "no day with settled signals has 0.9 of its labels yet"
    return ""


def _worth(now: Ground, past: Days) -> tuple[float, float]:
    """Mean loss of the champion's matured rows with and without a signal."""
    matured = now.matured(past, "champion")
    n, told = (x.sum(axis=0).reshape(2, -1).sum(axis=1) for x in (matured.cell_n, matured.told))
    without, with_signal = (told / np.maximum(n, 1e-9)).tolist()
    return with_signal, without


def _said(
    now: Ground, tried: Trial, whose: Whose, recent: Days, young: Days, limits: ProxyTrust
) -> Said:
    current = powered(now, recent, whose, limits)
    warning = warned(now, young, whose, limits)
    return Said(whose, tried, tuple(distrust(tried, current, limits)), current, warning)


def distrust(tried: Trial, now: Powered, limits: ProxyTrust) -> list[str]:
    """Why a proxy is not trusted. Its past is short: these are point rules, no intervals."""
    weeks = len(tried.cohorts)
    if judge(point(weeks, weeks, "weeks"), ">=", limits.min_cohorts) != "pass":
        return [f"{weeks} past weeks with all labels, {limits.min_cohorts} needed"]
    reasons = []
    if not isinstance(tried.result, Undefined) and isinstance(tried.result.held, Estimate):
        share = tried.result.held.value
        if judge(point(share, weeks, "share"), ">=", limits.min_held) != "pass":
            claimed = f"{limits.confidence:.0%}"
            reasons.append(f"its {claimed} interval held the truth in {share:.0%} of {weeks} weeks")
        error, before = tried.result.error, tried.result.naive_error
        if (
            before
            and judge(point(error / before, weeks, "ratio"), "<=", limits.max_error) != "pass"
        ):
            reasons.append(f"it was off by {error:.3g}, the weeks before by {before:.3g}")
    if tried.added is not None:
        gained = judge(point(tried.added, weeks, "gain"), ">=", limits.min_gain)
        if gained != "pass":
            reasons.append(f"it adds nothing to the scores: variance / {tried.added:.3g}")
    if _away_from(now.moved, 0.0):
        reasons.append("labels that have come since are not what it led to expect: it has changed")
    return reasons


def _away_from(found: Result, value: float) -> bool:
    """Whether a whole interval lies on one side of a value."""
    return "fail" in (judge(found, "<=", value), judge(found, ">=", value))
