"""Checks from proxies: they warn early, and never pass anything: only labels can."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analyzer.config import Rollout
from analyzer.labels.cells import Known
from analyzer.labels.maturity import of_labels
from analyzer.labels.proxies.answer import ProxyAnswer, Said
from analyzer.labels.tables import DAY
from analyzer.policy import Policy
from analyzer.stats.result import Estimate, Result, Undefined, estimate, point
from analyzer.verdict import Check, judge, observed
from analyzer.window import show


def proxy_checks(
    rollout: Rollout, policy: Policy, known: Known, answers: Sequence[ProxyAnswer]
) -> list[Check]:
    """One check per proxy and model, of layer business, and whether late labels have a proxy at
    all, of layer process. All of them warn.
    """
    checks = [_check(policy, known, found, said) for found in answers for said in found.said]
    return [*checks, *_lacking(rollout, policy, known)]


def _check(policy: Policy, known: Known, found: ProxyAnswer, said: Said) -> Check:
    """The loss expected of the newest days: has it grown, is the challenger's larger?"""
    limits, warning = policy.business, said.warning
    compared = said.whose == "difference"
    limit = limits.max_loss_excess if compared else limits.max_loss_growth
    expected = warning.expected
    value: Result
    if said.distrust:
        value = Undefined(f"proxy {found.name} is not trusted: {said.distrust[0]}")
    elif isinstance(expected, Undefined):
        value = expected
    else:
        value = expected.value if compared else growth(expected.value, warning.before)
    whose = "challenger minus champion" if compared else f"of the {said.whose}, on matured days"
    metric = f"{found.metric} {whose}, expected from proxy {found.name} alone"
    outcome = judge(value, "<=", limit)
    outcome = "undecided" if outcome == "pass" else outcome  # only labels can say that all is well
    days = warning.days or (known.as_of,)
    return Check(
        id=f"business.proxy.{found.name}.{'excess' if compared else said.whose}_loss",
        layer="business",
        metric=metric,
        segment=None,
        window=(show(days[0] * DAY), show((days[-1] + 1) * DAY)),
        observed=observed(value),
        counts={},
        operator="<=",
        limit=limit,
        outcome=outcome,
        severity="warn",
        on_fail="hold",
        sentence=_sentence(metric, value, outcome),
    )


def _sentence(metric: str, value: Result, outcome: str) -> str:
    said = metric[0].upper() + metric[1:]
    if isinstance(value, Undefined):
        return f"{said}: cannot be said ({value.reason})."
    told = f"{said}: {value.value:+.3g} ({value.low:+.3g} to {value.high:+.3g})"
    if outcome == "fail":
        return f"{told}; labels will tell."
    return f"{told}: no warning, and no pass before labels are here."


def growth(now: Estimate, before: Result) -> Result:
    """now / before - 1; both intervals' errors added in squares on the log scale."""
    if isinstance(before, Undefined):
        return before
    if min(now.low, before.low) <= 0:
        return Undefined("a loss of 0 has no growth", now.n)
    ratio = now.value / before.value
    up = math.hypot(math.log(now.high / now.value), math.log(before.value / before.low))
    down = math.hypot(math.log(now.value / now.low), math.log(before.high / before.value))
    low, high = ratio * math.exp(-down) - 1, ratio * math.exp(up) - 1
    return estimate(ratio - 1, low, high, now.n, now.method)


def _lacking(rollout: Rollout, policy: Policy, known: Known) -> list[Check]:
    """A process mistake: labels that come late, and nothing that stands in for them."""
    if rollout.proxies:
        return []
    age = label_age(rollout, known)
    outcome = judge(age, "<", policy.proxy.delayed_days)
    if outcome == "pass":
        return []
    return [
        Check(
            id="process.proxy",
            layer="process",
            metric="days until labels are here, without a proxy",
            segment=None,
            window=(show((known.as_of - 1) * DAY), show(known.as_of * DAY)),
            observed=observed(age),
            counts={},
            operator="<",
            limit=policy.proxy.delayed_days,
            outcome=outcome,
            severity="warn",
            on_fail="hold",
            sentence=f"Labels take {age.value:.0f} days and no proxy stands in for them: describe "
            "a fast signal under [proxies.NAME], or harm shows only when labels come.",
        )
    ]


def label_age(rollout: Rollout, known: Known | None = None) -> Estimate:
    """Days until 0.9 of every class of labels are here, so far as is known; else `open_days`."""
    ages = [found.ready_age for found in of_labels(known).values()] if known else []
    seen = [age.value for age in ages if isinstance(age, Estimate)]
    if ages and len(seen) == len(ages):
        return point(max(seen), len(seen), "age at which 0.9 of the labels are here")
    return point(rollout.labels.open_days, 0, "open_days")
