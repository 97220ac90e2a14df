"""Guard rails: what must not get worse by more than its margin."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.experiment.readings import Reading
from analyzer.stats.result import Estimate, Result
from analyzer.verdict import Outcome, judge


@dataclass(frozen=True)
class Guard:
    """One guard rail. harm: the lift in the bad direction, the interval that is judged; worse:
    certainly worse, be it within the margin.
    """

    metric: str
    better: str
    margin: float
    harm: Result
    outcome: Outcome
    worse: bool


def guard_rails(readings: tuple[Reading, ...], *, ended: bool, valid: Outcome) -> tuple[Guard, ...]:
    """Every guard rail against its margin. Data that cannot be trusted make them invalid."""
    found = []
    for one in readings:
        if one.margin is None:
            continue
        seen = _harm(one, one.margin, ended)
        worse = isinstance(seen, Estimate) and judge(seen, "<=", 0.0) == "fail"
        outcome = "invalid" if valid == "invalid" else judge(seen, "<", one.margin)
        found.append(Guard(one.metric, one.better, one.margin, seen, outcome, worse))
    return tuple(found)


def _harm(one: Reading, margin: float, ended: bool) -> Result:
    """What is judged: after the planned end its test, unless the lift is certain harm by now."""
    if not ended or not isinstance(one.lift, Estimate):
        return one.harm
    sign = 1.0 if one.better == "lower" else -1.0
    low, high = sorted((sign * one.lift.low, sign * one.lift.high))
    now = Estimate(sign * one.lift.value, low, high, one.lift.n, one.lift.method)
    return now if judge(now, "<", margin) == "fail" else one.harm
