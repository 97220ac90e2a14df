"""Signals for a human: worth a look, never a reason to act by themselves.

They fire far more often than a rollback may, and each says how often by chance alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.baseline import UNUSUAL
from analyzer.config import Rollout
from analyzer.diary import Event, weight_at
from analyzer.errors import AnalyzerError
from analyzer.labels.business import business_checks
from analyzer.labels.known import known
from analyzer.labels.proxies.known import rates
from analyzer.logs import SIDES, Side
from analyzer.measure import class_cells, hourly, score_cells
from analyzer.policy import Policy
from analyzer.profiles import Profiles
from analyzer.stats.psi import psi
from analyzer.stats.result import Result, Undefined
from analyzer.stats.rolling import false_alarms, point_alarms, sigmas
from analyzer.verdict import holds
from analyzer.window import DAY, HOUR, WEEK, Window, show

DAYS = 7
"""Of the rolling average, the day itself left out."""


@dataclass(frozen=True)
class Signal:
    """raised: whether a human should look; None where nothing can be said. certain: whether the
    whole interval says so, where there is one. by_chance: how often it is raised where nothing
    changed, as its own arithmetic implies.
    """

    name: str
    raised: bool | None
    certain: bool | None
    value: float | None
    by_chance: float | None
    sentence: str


def signals(
    rollout: Rollout, profiles: Profiles, policy: Policy, events: Sequence[Event], as_of: int
) -> list[Signal]:
    """Every signal about the profiles' window. as_of: instant by which labels must be known."""
    limit = policy.trigger.signal_sigmas
    found = [one for side in SIDES for one in _distribution(rollout, profiles, side, limit)]
    found += _business(rollout, policy, events, as_of)
    return found + _guard_rails(rollout, limit, events, as_of)


def _distribution(
    rollout: Rollout, profiles: Profiles, side: Side, limit: float
) -> Iterator[Signal]:
    """The predictions of the window against the same hours of the seven days before: their mean
    (of classes there is none), and their PSI.
    """
    window = profiles.window
    hours = (window.end - window.start) // HOUR
    long = Undefined("the window is longer than a day") if hours > 24 else None
    back = profiles.within(Window(window.start - DAYS * DAY, window.end))
    then = f"the same hours of the {DAYS} days before"
    if rollout.score.type != "class":
        means = [] if long else _means(back, side, hours)
        result: Result = long or sigmas(means[-1], means[:-1])
        what = f"mean prediction of the {side}, {then}"
        yield _beyond(f"distribution of the {side}", what, result, limit, 2)
    psis = [] if long else _psis(_cells(rollout, back, side, hours))
    result = long or sigmas(psis[-1], psis[:-1])
    what = f"PSI of the {side}'s predictions against other days, {then}"
    yield _beyond(f"PSI of the {side}", what, result, limit, 2)


def _means(profiles: Profiles, side: Side, hours: int) -> list[float]:
    """Mean score of the first `hours` hours of each day of the profiles' window, NaN of none."""
    sums = hourly(profiles, side)
    found = []
    for day in range(DAYS + 1):
        span = slice(day * 24, day * 24 + hours)
        n = sums.total("n", span) - sums.total("nulls", span)
        total = sums.total("score_sum", span) * profiles.frozen.quantum
        found.append(total / n if n else float("nan"))
    return found


def _psis(days: NDArray[np.float64]) -> list[float]:
    """PSI of each day against the other days before the last one, less what chance alone gives;
    NaN where it is undefined. days: (days, cells), counts.
    """
    before = days[:-1].sum(axis=0)
    found = [psi(before - day, day) for day in days[:-1]] + [psi(before, days[-1])]
    return [float("nan") if isinstance(one, Undefined) else one.debiased for one in found]


def _cells(rollout: Rollout, profiles: Profiles, side: Side, hours: int) -> NDArray[np.float64]:
    """Predictions in the first `hours` hours of each day, in ten cells of scores or by class."""
    of_hour = (class_cells if rollout.score.type == "class" else score_cells)(profiles, side)
    return np.array([of_hour[day * 24 : day * 24 + hours].sum(axis=0) for day in range(DAYS + 1)])


def _beyond(name: str, what: str, result: Result, limit: float, sides: int) -> Signal:
    if isinstance(result, Undefined):
        return Signal(name, None, None, None, None, f"{what}: cannot be said ({result.reason})")
    value = abs(result.value) if sides == 2 else result.value
    raised = not bool(holds(value, "<=", limit))
    chance = false_alarms(int(result.n), limit, sides)
    return Signal(
        name,
        raised,
        None,
        result.value,
        chance,
        f"{what}: {result.value:+.2f} sigma, looked at beyond {limit:g}; by chance alone it is, "
        f"of {int(result.n)} days, on {chance:.1%} of days",
    )


def _business(
    rollout: Rollout, policy: Policy, events: Sequence[Event], as_of: int
) -> list[Signal]:
    """A model's loss, week over week: is it up by point, is it certainly, and is there a reason?"""
    name = "business"
    if not rollout.labels.paths:
        return [Signal(name, None, None, None, None, "not declared: no labels are described")]
    try:
        checks = business_checks(known(rollout, as_of), rollout.labels.arrival, policy.business)
    except AnalyzerError as error:
        return [Signal(name, None, None, None, None, f"cannot be said ({error})")]
    limit = policy.business.max_loss_growth
    mine = {check.id: check for check in checks}
    champion = mine["business.champion_loss"]
    moved = champion.observed.value is not None and not bool(
        holds(champion.observed.value, "<=", limit)
    )
    found = []
    for side in SIDES:
        check = mine[f"business.{side}_loss"]
        seen, value = check.observed, check.observed.value
        if value is None or seen.low is None or seen.high is None:
            found.append(Signal(f"{name}, {side}", None, None, None, None, check.sentence))
            continue
        raised = not bool(holds(value, "<=", limit))
        chance = point_alarms(seen.low, seen.high, limit, policy.business.confidence)
        reasons = _reasons(events, as_of) + (
            ["the champion's loss is up as well: the world moved"]
            if side == "challenger" and moved
            else []
        )
        why = ("; explained perhaps by " + "; ".join(reasons)) if raised and reasons else ""
        found.append(
            Signal(
                f"{name}, {side}",
                raised,
                check.outcome == "fail",
                value,
                chance,
                f"{check.sentence.rstrip('.')}, looked at beyond {limit:+.0%}; with so few labels "
                f"the point is beyond by chance in {chance:.1%} of weeks{why}",
            )
        )
    return found


def _reasons(events: Sequence[Event], as_of: int) -> list[str]:
    """What the diary knows of the two weeks that are compared."""
    return [
        f"{event.kind} {show(event.at)}"
        for event in events
        if event.kind in UNUSUAL
        and event.at < as_of
        and (event.until or event.at) >= as_of - 2 * WEEK
    ]


def _guard_rails(
    rollout: Rollout, limit: float, events: Sequence[Event], as_of: int
) -> list[Signal]:
    """The daily rate of each fast signal (complaints, refunds) against the days before, of each
    model that answers users: its own requests, which the other need not have seen.
    """
    if not rollout.proxies:
        return [Signal("guard rail", None, None, None, None, "not declared: no [proxies]")]
    weight, found = weight_at(events, as_of) or 0.0, []
    serve: dict[Side, bool] = {"champion": weight < 1, "challenger": weight > 0}
    for name in rollout.proxies:
        for side in (side for side in SIDES if serve[side]):
            what = f"daily rate of {name!r}, {side}, the {DAYS} settled days before"
            told = rates(rollout, name, side, as_of // DAY)
            seen = np.full(len(told.n), np.nan)
            np.divide(told.yes, told.n, out=seen, where=told.n > 0)
            result = (
                sigmas(seen[-1], seen[-DAYS - 1 : -1])
                if len(seen)
                else Undefined("no settled signal; `analyzer labels update` joins them")
            )
            found.append(_beyond(f"guard rail {name}, {side}", what, result, limit, 1))
    return found
