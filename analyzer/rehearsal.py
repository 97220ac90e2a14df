"""The gate tried on the team's own champion log: A/A splits and injected harm.

A split puts each of the 256 unit buckets at random on one side; one side plays the challenger.
What the gate's statistics then say is known to be wrong (no harm) or right (harm was added).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.ids import BUCKETS
from analyzer.measure import hourly, in_buckets
from analyzer.phases.gate import Material, percent
from analyzer.stats.dependence import (
    combined_design_effect,
    design_effect,
    jackknife_difference_of_ratios,
)
from analyzer.stats.proportion import bernoulli_sequence, effective
from analyzer.stats.result import Estimate, Result, estimate
from analyzer.tallies import over
from analyzer.verdict import Outcome, Trial, judge, worst

SEED = 20_130_601
"""Splits are the same on every run, so that a verdict is the same bytes."""

HARMS = ("none", "errors", "latency", "score")
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Log:
    """The champion's log as the rehearsal needs it: sums by bucket, and what hours cost."""

    buckets: Mapping[str, Ints]
    has_latency: bool
    has_score: bool
    slow: str
    hour_effects: Mapping[str, Result]


def rehearse(material: Material) -> list[Trial]:
    """How often the gate would have held, without harm and with each kind of harm injected.

    Injected: an error rate of twice the limit on top; twice the allowed share of slow requests
    on top; a mean score moved by twice its limit. Undecided outcomes are counted apart.
    """
    log = _log(material)
    splits = material.policy.record.splits
    if not log.buckets or not log.buckets["n"].sum() or not splits:
        return []
    random = np.random.default_rng(SEED)
    sides = [random.permutation(BUCKETS) < BUCKETS // 2 for _ in range(splits)]
    outcomes = [_outcomes(material, log, side) for side in sides]
    return [_trial(material, harm, [found[harm] for found in outcomes]) for harm in HARMS]


def _log(material: Material) -> _Log:
    hours = hourly(material.profiles, "champion")
    slow = over(material.policy.shadow.latency_limit_ms)
    effects = {}
    for numerator, denominator in (("errors", "n"), (slow, "latency_n")):
        k, n = hours.blocks(numerator), hours.blocks(denominator)
        whole = k.sum() / max(n.sum(), 1)
        effects[numerator] = design_effect(k, n, whole * (1 - whole))
    return _Log(
        in_buckets(material.profiles, "champion"),
        hours.total("latency_n") > 0,
        hours.total("score_sum") > 0,
        slow,
        effects,
    )


def _trial(material: Material, harm: str, outcomes: Sequence[Outcome]) -> Trial:
    held, undecided = outcomes.count("fail"), outcomes.count("undecided")
    if harm == "none":
        what = "A/A split of the champion's log"
        sentence = (
            f"On {len(outcomes)} A/A splits of the champion's own log the same limits held "
            f"{held} times and were undecided {undecided} times."
        )
    else:
        what = f"{harm} injected"
        sentence = (
            f"With {_injected(material, harm)} added to one side, the limits held "
            f"{held} of {len(outcomes)} times and were undecided {undecided} times."
        )
    return Trial(what=what, splits=len(outcomes), held=held, undecided=undecided, sentence=sentence)


def _injected(material: Material, harm: str) -> str:
    limits = material.policy.shadow
    if harm == "errors":
        return f"an error rate of {percent(2 * limits.max_error_rate)}"
    if harm == "latency":
        share = percent(2 * (1 - limits.latency_quantile))
        return f"{share} of requests slower than {limits.latency_limit_ms:g} ms"
    return f"a change of the mean score by {percent(2 * limits.max_score_ratio_change)}"


def _outcomes(material: Material, log: _Log, side: NDArray[np.bool_]) -> dict[str, Outcome]:
    """What the limits say of one split, for each harm: only the harmed check is judged anew."""
    limits = material.policy.shadow
    confidence, slow = limits.confidence, 1 - limits.latency_quantile
    plain: dict[str, Outcome] = {}
    harmed: dict[str, Outcome] = {}
    for judged, extra in ((plain, 0.0), (harmed, 2 * limits.max_error_rate)):
        found = _share(log, side, "errors", "n", extra, confidence)
        judged["errors"] = judge(found, "<", limits.max_error_rate)
    if log.has_latency:
        for judged, extra in ((plain, 0.0), (harmed, 2 * slow)):
            found = _share(log, side, log.slow, "latency_n", extra, confidence)
            judged["latency"] = judge(found, "<", round(slow, 12))
    if log.has_score:
        for judged, factor in ((plain, 1.0), (harmed, 1 + 2 * limits.max_score_ratio_change)):
            found = _ratio_change(log, side, factor, confidence)
            judged["score"] = judge(found, "<=", limits.max_score_ratio_change)
    return {
        harm: worst([harmed[name] if name == harm else plain[name] for name in plain])
        for harm in HARMS
    }


def _share(
    log: _Log,
    side: NDArray[np.bool_],
    numerator: str,
    denominator: str,
    extra: float,
    confidence: float,
) -> Result:
    """A share on one side with `extra` of the remaining requests turned bad."""
    k, n = log.buckets[numerator][side], log.buckets[denominator][side]
    bad = k + extra * (n - k)
    total, rows = float(bad.sum()), float(n.sum())
    variance = total / rows * (1 - total / rows) if rows else 0.0
    deff = combined_design_effect(design_effect(bad, n, variance), log.hour_effects[numerator])
    return bernoulli_sequence(*effective(total, rows, deff), 1 - confidence)


def _ratio_change(log: _Log, side: NDArray[np.bool_], factor: float, confidence: float) -> Result:
    """|mean of one side / mean of the other - 1| with a bucket jackknife interval."""
    total = log.buckets["score_sum"].astype(np.float64)
    n = (log.buckets["n"] - log.buckets["nulls"]).astype(np.float64)
    other = ~side
    difference = jackknife_difference_of_ratios(
        np.where(side, total * factor, 0.0),
        np.where(side, n, 0.0),
        np.where(other, total, 0.0),
        np.where(other, n, 0.0),
        confidence,
    )
    if not isinstance(difference, Estimate):
        return difference
    mean = total[other].sum() / n[other].sum()
    low, high = difference.low / mean, difference.high / mean
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    return estimate(
        abs(difference.value / mean),
        nearest,
        max(abs(low), abs(high)),
        difference.n,
        "bucket jackknife",
    )
