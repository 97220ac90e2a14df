"""The gate tried on the log of the model that serves: A/A splits and injected harm.

A split puts each of the 256 unit buckets at random on one side; one side plays the challenger.
What the gate's statistics then say is known to be wrong (no harm) or right (harm was added).
Tried are the limits on errors, on slow requests and on the mean score; there the two sides stand
in for the gate's blocks of time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.ids import BUCKETS
from analyzer.measure import Hourly, hourly, in_buckets
from analyzer.phases.gate import Material, percent
from analyzer.profile import over
from analyzer.stats.dependence import (
    combined_design_effect,
    design_effect,
    jackknife_difference_of_ratios,
)
from analyzer.stats.proportion import bernoulli_sequence, effective
from analyzer.stats.result import Estimate, Result, Undefined, estimate
from analyzer.verdict import Outcome, Trial, judge, worst

SEED = 20_130_601
"""Splits are the same on every run, so that a verdict is the same bytes."""

HARMS = ("none", "errors", "latency", "score")
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Log:
    """A log as the rehearsal needs it: sums by bucket, and what hours cost."""

    buckets: Mapping[str, Ints]
    tried: tuple[str, ...]
    slow: str
    hour_effects: Mapping[str, Result]
    score_unit: float | None


def rehearse(material: Material) -> list[Trial]:
    """How often the gate would have stopped the rollout, without harm and with each kind of it.

    Injected: each request fails, or is slow, with twice the allowed chance on top; the mean
    score is moved by twice its limit. Harm to what the model does not log is not tried.
    Undecided outcomes are counted apart.
    """
    log = _log(material)
    splits = material.policy.record.splits
    if not log.buckets or not log.buckets["n"].sum() or not splits:
        return []
    random = np.random.default_rng(SEED)
    sides = [random.permutation(BUCKETS) < BUCKETS // 2 for _ in range(splits)]
    outcomes = [_outcomes(material, log, side, random) for side in sides]
    return [
        _trial(material, log, harm, [found[harm] for found in outcomes])
        for harm in HARMS
        if harm == "none" or harm in log.tried
    ]


def _log(material: Material) -> _Log:
    hours = hourly(material.profiles, material.serves)
    slow = over(material.limits.latency_limit_ms)
    effects = {}
    for numerator, denominator in (("errors", "n"), (slow, "latency_n")):
        k, n = hours.blocks(numerator), hours.blocks(denominator)
        whole = int(k.sum()) / max(int(n.sum()), 1)
        effects[numerator] = design_effect(k, n, whole * (1 - whole))
    unit, scored = _score_unit(material, hours)
    has = {"errors": True, "latency": hours.total("latency_n") > 0, "score": scored}
    buckets = in_buckets(material.profiles, material.serves)
    return _Log(buckets, tuple(name for name in has if has[name]), slow, effects, unit)


def _score_unit(material: Material, hours: Hourly) -> tuple[float | None, bool]:
    """What a change of the mean score is measured in, and whether there is any score to measure.

    None: the other side's mean (probabilities). Else one standard deviation of the log's
    scores, in quanta as `score_sum` is.
    """
    n = hours.total("n") - hours.total("nulls")
    if material.limits.score_change is None or material.rollout.score.type == "class" or n < 2:
        return None, False
    if material.rollout.score.type == "probability":
        return None, hours.total("score_sum") > 0
    frozen = material.profiles.frozen
    mean = hours.total("score_sum") * frozen.quantum / n
    variance = hours.total("score_squares") * frozen.quantum * frozen.scale / n - mean * mean
    return math.sqrt(max(variance, 0.0)) / frozen.quantum, variance > 0


def _trial(material: Material, log: _Log, harm: str, outcomes: Sequence[Outcome]) -> Trial:
    """One line of the record. `held` counts the splits on which the rollout is stopped."""
    held, undecided = outcomes.count("fail"), outcomes.count("undecided")
    names = {"errors": "errors", "latency": "slow requests", "score": "mean score"}
    passed = len(outcomes) - held - undecided
    counted = (
        f"would have stopped the rollout {held} times, let it pass {passed} times and been "
        f"undecided {undecided} times"
    )
    if harm == "none":
        what = f"A/A split of the {material.serves}'s log"
        sentence = (
            f"On {len(outcomes)} A/A splits of the {material.serves}'s own log, where nothing "
            f"differs, the limits on {_listed([names[name] for name in log.tried])} {counted}. "
            "All splits are of one log: they show what these limits make of it, not a "
            "false-alarm rate."
        )
    else:
        what = f"{harm} injected"
        sentence = (
            f"With {_injected(material, harm)} added to one side of each of {len(outcomes)} "
            f"splits, half of the traffic, they {counted}."
        )
    return Trial(what=what, splits=len(outcomes), held=held, undecided=undecided, sentence=sentence)


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _injected(material: Material, harm: str) -> str:
    limits = material.limits
    if harm == "errors":
        return f"an error rate of {percent(2 * limits.max_error_rate)}"
    if harm == "latency":
        share = percent(2 * (1 - limits.latency_quantile))
        return f"{share} of requests slower than {limits.latency_limit_ms:g} ms"
    change = 2 * _score_limit(material)
    if material.rollout.score.type == "probability":
        return f"a change of the mean score by {percent(change)}"
    return f"a change of the mean score by {change:g} standard deviations"


def _score_limit(material: Material) -> float:
    return math.inf if material.limits.score_change is None else material.limits.score_change


def _outcomes(
    material: Material, log: _Log, side: NDArray[np.bool_], random: np.random.Generator
) -> dict[str, Outcome]:
    """What the limits say of one split, for each harm: only the harmed check is judged anew."""
    limits = material.limits
    confidence, slow = limits.confidence, 1 - limits.latency_quantile
    plain: dict[str, Outcome] = {}
    harmed: dict[str, Outcome] = {}
    for judged, extra in ((plain, 0.0), (harmed, 2 * limits.max_error_rate)):
        found = _share(log, side, "errors", "n", extra, confidence, random)
        judged["errors"] = judge(found, "<", limits.max_error_rate)
    if "latency" in log.tried:
        for judged, extra in ((plain, 0.0), (harmed, 2 * slow)):
            found = _share(log, side, log.slow, "latency_n", extra, confidence, random)
            judged["latency"] = judge(found, "<", round(slow, 12))
    if "score" in log.tried:
        for judged, moved in ((plain, 0.0), (harmed, 2 * _score_limit(material))):
            found = _score_change(log, side, moved, confidence)
            judged["score"] = judge(found, "<=", _score_limit(material))
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
    random: np.random.Generator,
) -> Result:
    """A share on one side, each request that was good turned bad with chance `extra`."""
    k, n = log.buckets[numerator][side], log.buckets[denominator][side]
    bad = k + random.binomial(n - k, min(extra, 1.0)) if extra else k
    total, rows = float(bad.sum()), float(n.sum())
    variance = total / rows * (1 - total / rows) if rows else 0.0
    deff = combined_design_effect(
        design_effect(bad, n, variance), log.hour_effects[numerator], minimum_blocks=2
    )
    return bernoulli_sequence(*effective(total, rows, deff), 1 - confidence)


def _score_change(log: _Log, side: NDArray[np.bool_], moved: float, confidence: float) -> Result:
    """|mean of one side - mean of the other| / unit with a bucket jackknife interval, read once.

    unit: the other side's mean, or a standard deviation; `moved` is added to one side in units.
    """
    total = log.buckets["score_sum"].astype(np.float64)
    n = (log.buckets["n"] - log.buckets["nulls"]).astype(np.float64)
    other = ~side
    if not n[side].sum() or not n[other].sum():
        return Undefined("one side has no score")
    unit = log.score_unit or float(total[other].sum() / n[other].sum())
    ours = total * (1 + moved) if log.score_unit is None else total + moved * unit * n
    difference = jackknife_difference_of_ratios(
        np.where(side, ours, 0.0),
        np.where(side, n, 0.0),
        np.where(other, total, 0.0),
        np.where(other, n, 0.0),
        confidence,
    )
    if not isinstance(difference, Estimate):
        return difference
    if not unit > 0:
        return Undefined("the other side's mean score is 0")
    low, high = difference.low / unit, difference.high / unit
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    return estimate(
        abs(difference.value / unit),
        nearest,
        max(abs(low), abs(high)),
        difference.n,
        "bucket jackknife",
    )
