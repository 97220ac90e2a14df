"""The shadow gate: the challenger sees all traffic and serves none. May it take one percent?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.measure import (
    BLOCK_HOURS,
    Hourly,
    Rate,
    by_hour,
    feature_nulls,
    hourly,
    in_buckets,
    latency_quantile,
    logged,
    rate,
    rate_of,
)
from analyzer.phases.data import data_checks, watched_hours
from analyzer.phases.gate import (
    Material,
    check,
    number_with_interval,
    percent,
    share_with_interval,
)
from analyzer.phases.halves import DAY_HOURS, half_psi
from analyzer.profile import ERROR_UNKNOWN, over
from analyzer.stats.dependence import combined_design_effect, design_effect
from analyzer.stats.laws import norm_isf
from analyzer.stats.result import Estimate, Result, Undefined, estimate, point
from analyzer.verdict import Check, Outcome, judge, worst
from analyzer.window import HOUR, Window

WITHOUT_UNITS = "The interval knows the hours' dependence, not that of users."
"""Feature tables hold no unit buckets: they would multiply the profile by the features."""

MIN_BLOCK_PAIRS = 500
"""Blocks of fewer pairs are joined to the next: a normal interval means nothing on fewer."""


def shadow_checks(material: Material) -> list[Check]:
    """Every check of the shadow phase, data checks first."""
    return [
        _duration(material),
        *data_checks(material),
        _latency(material),
        _errors(material),
        *([] if material.rollout.score.type == "class" else [_score_ratio(material)]),
        _score_psi(material),
        *_critical_features(material),
        _divergence(material),
    ]


def _duration(material: Material) -> Check:
    limits = material.policy.shadow
    hours = float(watched_hours(material))
    result = point(hours, hours, "hours from the first to the last with traffic")
    word = (
        "" if material.started is not None else " The phase's start is not recorded in the diary."
    )
    return check(
        material,
        "process.duration",
        "process",
        "hours in shadow",
        result,
        ">=",
        float(limits.min_hours),
        f"{hours:g} h in shadow; never judged before {limits.min_hours} h.{word}",
        outcome="pass" if judge(result, ">=", limits.min_hours) == "pass" else "undecided",
    )


def _latency(material: Material) -> Check:
    limits = material.policy.shadow
    name = over(limits.latency_limit_ms)
    found = rate(material.profiles, "challenger", name, "latency_n", confidence=limits.confidence)
    result = _with_missing(material, found, name)
    missing = hourly(material.profiles, "challenger").total("n") - found.n
    silent = f" {missing:,} requests log none and may have been slow." if missing else ""
    tail = latency_quantile(
        material.profiles,
        "challenger",
        limits.latency_quantile,
        deff=found.deff,
        confidence=limits.confidence,
        always_valid=True,
    )
    limit = 1 - limits.latency_quantile
    return check(
        material,
        "infrastructure.latency",
        "infrastructure",
        f"share of requests of {limits.latency_limit_ms:g} ms or more",
        result,
        "<",
        round(limit, 12),
        f"{found.k:,} of {found.n:,} challenger requests took {limits.latency_limit_ms:g} ms or "
        f"more: {share_with_interval(result)}; below {percent(limit)} is needed for "
        f"P{limits.latency_quantile * 100:g} < {limits.latency_limit_ms:g} ms. "
        f"P{limits.latency_quantile * 100:g}: {number_with_interval(tail, ' ms')}. "
        f"Design effect {found.deff:.2g}.{silent}{_worst_hour(material, name, 'latency_n')}",
        counts={"over_limit": found.k, "with_latency": found.n},
    )


def _with_missing(material: Material, found: Rate, name: str) -> Result:
    """The share of slow requests when nothing is known of those that log no latency.

    A timeout often logs none. So the upper end takes them all as slow and the lower end as fast.
    """
    if not isinstance(found.result, Estimate):
        return Undefined("the challenger logs no latency")
    sums = hourly(material.profiles, "challenger")
    missing = sums.blocks("n") - sums.blocks("latency_n")
    if not missing.any():
        return found.result
    confidence = material.policy.shadow.confidence
    units = in_buckets(material.profiles, "challenger")
    silent = units["n"] - units["latency_n"]
    extremes = [
        rate_of(
            sums.blocks(name) + slow,
            sums.blocks("n"),
            units[name] + slow_units,
            units["n"],
            confidence=confidence,
        ).result
        for slow, slow_units in ((missing, silent), (0 * missing, 0 * silent))
    ]
    ends = [r for r in (*extremes, found.result) if isinstance(r, Estimate)]
    return estimate(
        found.result.value,
        min(r.low for r in ends),
        max(r.high for r in ends),
        found.result.n,
        f"{found.result.method}, missing latencies either way",
    )


def _errors(material: Material) -> Check:
    limits = material.policy.shadow
    found = rate(material.profiles, "challenger", "errors", confidence=limits.confidence)
    result, unknown = _with_unknown_errors(material, found)
    said = f" Of {unknown:,} it was not logged whether they failed." if unknown else ""
    return check(
        material,
        "infrastructure.errors",
        "infrastructure",
        "error rate",
        result,
        "<",
        limits.max_error_rate,
        f"{found.k:,} of {found.n:,} challenger requests failed: "
        f"{share_with_interval(result)}; below {percent(limits.max_error_rate)} is needed. "
        f"Design effect {found.deff:.2g}.{said}{_worst_hour(material, 'errors', 'n')}",
        counts={"errors": found.k, "requests": found.n},
    )


def _with_unknown_errors(material: Material, found: Rate) -> tuple[Result, int]:
    """The error rate with every request of which nothing is known taken as failed in the upper
    end, as fine in the lower; and how many those are. A log without errors cannot pass.
    """
    table = material.profiles.table("rejects")
    chosen = pc.and_(
        pc.equal(table["model"], "challenger"), pc.equal(table["reason"], ERROR_UNKNOWN)
    )
    missing = by_hour(material.profiles, table.filter(chosen), ["n"])
    unknown = missing.total("n")
    if not unknown or not isinstance(found.result, Estimate):
        return found.result, unknown
    if unknown >= found.n:
        return Undefined("the challenger logs no errors; map the column as `error`"), unknown
    sums = hourly(material.profiles, "challenger")
    worst_case = rate_of(
        sums.blocks("errors") + missing.blocks("n"),
        sums.blocks("n"),
        confidence=material.policy.shadow.confidence,
    ).result
    high = worst_case.high if isinstance(worst_case, Estimate) else 1.0
    seen = found.result
    method = f"{seen.method}, unknown errors either way"
    return estimate(seen.value, seen.low, max(high, seen.high), seen.n, method), unknown


def _worst_hour(material: Material, numerator: str, denominator: str) -> str:
    sums = hourly(material.profiles, "challenger")
    k, n = sums[numerator], sums[denominator]
    if not k.any():
        return ""
    shares = np.where(n > 0, k / np.maximum(n, 1), 0.0)
    at = int(np.argmax(shares))
    hour = datetime.fromtimestamp((sums.start + at * HOUR) // 1_000_000, UTC)
    return f" Worst hour {hour:%Y-%m-%d %H}h UTC: {k[at]:,} of {n[at]:,}."


def _score_ratio(material: Material) -> Check:
    """Challenger mean over champion mean per 2-hour block, against the phase's own ratio.

    Scores that can be negative: the mean difference of a block against the phase's, in
    reference standard deviations. An hour more of logs changes or adds one block, the last, so
    a Bonferroni bound over max_hours holds however often it is read.
    """
    limits = material.policy.shadow
    pairs = hourly(material.profiles, "pair")
    champion = hourly(material.profiles, "champion")
    challenger = hourly(material.profiles, "challenger")
    blocks = _joined_blocks(pairs["n"] - pairs["nulls"])
    alpha = (1 - limits.confidence) / max(limits.max_hours, len(pairs["n"]))
    changes = _changes(material, blocks, pairs, champion, challenger, alpha)
    outcomes: list[Outcome] = [
        judge(change, "<=", limits.max_score_ratio_change) for change in changes
    ]
    what = "mean difference in reference SD" if _signed(material) else "score ratio"
    if len(changes) < 2:  # one block is the whole phase: it would be compared with itself
        return check(
            material,
            "model.score_ratio",
            "model",
            f"change of {what} by block",
            Undefined(f"{len(changes)} blocks of {MIN_BLOCK_PAIRS} pairs, 2 needed"),
            "<=",
            limits.max_score_ratio_change,
            "Too few pairs of requests have two usable scores to follow their ratio.",
        )
    outcome = worst(outcomes)
    candidates = [i for i, found in enumerate(outcomes) if found == outcome]
    at = max(candidates, key=lambda i: _height(changes[i]))
    first, last = blocks[at]
    span = Window(pairs.start + first * HOUR, pairs.start + last * HOUR)
    return check(
        material,
        "model.score_ratio",
        "model",
        f"change of {what} by block",
        changes[at],
        "<=",
        limits.max_score_ratio_change,
        f"The {what} of challenger and champion, in {len(blocks)} blocks of {BLOCK_HOURS} h or "
        f"more, against that of the whole phase: the block that decides differs by "
        f"{share_with_interval(changes[at])}; at most "
        f"{percent(limits.max_score_ratio_change)}.",
        outcome=outcome,
        window=span,
    )


def _signed(material: Material) -> bool:
    return material.rollout.score.type != "probability"


def _height(change: Result) -> float:
    return change.high if isinstance(change, Estimate) else math.inf


def _joined_blocks(n: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Runs of hours [first, last), 2 hours or more each, with enough pairs; the rest joins."""
    blocks: list[tuple[int, int]] = []
    first = 0
    for last in range(BLOCK_HOURS, len(n) + BLOCK_HOURS, BLOCK_HOURS):
        last = min(last, len(n))
        if last - first >= BLOCK_HOURS and n[first:last].sum() >= MIN_BLOCK_PAIRS:
            blocks.append((first, last))
            first = last
    if first < len(n) and n[first:].sum():
        start = blocks.pop()[0] if blocks else first
        blocks.append((start, len(n)))
    return blocks


def _changes(
    material: Material,
    blocks: Sequence[tuple[int, int]],
    pairs: Hourly,
    champion: Hourly,
    challenger: Hourly,
    alpha: float,
) -> list[Result]:
    """|change| of each block with its interval.

    Both means are those of the pairs: of the side with fewer rows outside them its own mean, the
    other's from it and the mean difference. A mirrored tenth is not compared with all traffic.
    """
    scale = material.profiles.frozen.scale
    quantum = material.profiles.frozen.quantum
    deff = _difference_deff(material, pairs)

    def moments(sums: Hourly, kind: str, span: slice) -> tuple[float, float, float]:
        n = sums.total("n", span) - sums.total("nulls", span)
        total = sums.total(f"{kind}_sum", span) * quantum
        squares = sums.total(f"{kind}_squares", span) * quantum * scale
        mean = total / n if n else 0.0
        return n, mean, max(squares / n - mean * mean, 0.0) if n else 0.0

    def paired(span: slice) -> tuple[float, float, float, float]:
        our_n, ours, our_variance = moments(champion, "score", span)
        their_n, theirs, their_variance = moments(challenger, "score", span)
        _, difference, _ = moments(pairs, "difference", span)
        if their_n <= our_n:
            return theirs - difference, theirs, our_variance, their_variance
        return ours, ours + difference, our_variance, their_variance

    _, d_all, _ = moments(pairs, "difference", slice(None))
    ours_all, theirs_all, variance_all, _ = paired(slice(None))
    z = norm_isf(alpha / 2)
    results: list[Result] = []
    for first, last in blocks:
        span = slice(first, last)
        n, d_mean, d_variance = moments(pairs, "difference", span)
        ours, theirs, our_variance, their_variance = paired(span)
        if n < 2:
            results.append(Undefined("fewer than two pairs in a block", n))
        elif _signed(material):
            if variance_all <= 0:
                results.append(Undefined("the champion's scores do not vary", n))
                continue
            unit = math.sqrt(variance_all)
            change = (d_mean - d_all) / unit
            error = math.sqrt(d_variance * deff / n) / unit
            results.append(_absolute(change, z * error, n))
        elif ours <= 0 or theirs_all <= 0 or ours_all <= 0:
            results.append(Undefined("a mean score is zero", n))
        else:
            ratio = theirs / ours
            covariance = (our_variance + their_variance - d_variance) / 2
            spread = their_variance + ratio**2 * our_variance - 2 * ratio * covariance
            error = math.sqrt(max(spread, 0.0) * deff / n) / ours
            phase = theirs_all / ours_all
            results.append(_absolute(ratio / phase - 1, z * error / phase, n))
    return results


def _difference_deff(material: Material, pairs: Hourly) -> float:
    """Users return: how much wider a mean difference is than its rows suggest."""
    buckets = in_buckets(material.profiles, "pair")
    if not buckets or not buckets["n"].sum():
        return 1.0
    frozen = material.profiles.frozen
    n = pairs.total("n") - pairs.total("nulls")
    if n < 2:
        return 1.0
    mean = pairs.total("difference_sum") * frozen.quantum / n
    squares = pairs.total("difference_squares") * frozen.quantum * frozen.scale / n
    found = design_effect(
        buckets["difference_sum"] * frozen.quantum,
        buckets["n"] - buckets["nulls"],
        max(squares - mean * mean, 0.0),
    )
    return combined_design_effect(found, minimum_blocks=2)


def _absolute(change: float, half: float, n: float) -> Result:
    low, high = change - half, change + half
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    return estimate(
        abs(change), nearest, max(abs(low), abs(high)), n, "delta method, Bonferroni over blocks"
    )


def _score_psi(material: Material) -> Check:
    limits = material.policy.shadow
    result = half_psi(material)
    how = (
        "at the same hours"
        if material.window.hours >= 2 * DAY_HOURS
        else "with the champion's own change between them taken out"
    )
    return check(
        material,
        "model.score_psi",
        "model",
        "PSI of the challenger's scores between halves",
        result,
        "<=",
        limits.max_score_psi,
        "The challenger's score distribution, second half of the phase against the first "
        f"{how}: debiased PSI {number_with_interval(result)}; at most {limits.max_score_psi:g}.",
    )


def _critical_features(material: Material) -> list[Check]:
    checks = []
    for feature in material.rollout.features.critical:
        model = "challenger" if logged(material.profiles, "challenger", feature) else "champion"
        checks.append(_nulls(material, feature, model))
    return [*checks, *_parity(material)]


def _nulls(material: Material, feature: str, model: str) -> Check:
    limits = material.policy.shadow
    sums = feature_nulls(material.profiles, model, feature)
    found = rate_of(sums.blocks("nulls"), sums.blocks("n"), confidence=limits.confidence)
    result = found.result if found.n else Undefined("neither model logs it in this window")
    return check(
        material,
        f"model.nulls.{feature}",
        "model",
        "null share of a critical feature",
        result,
        "<",
        limits.max_critical_null_share,
        f"Critical feature {feature}, as the {model} logged it: {found.k:,} of {found.n:,} are "
        f"NULL or NaN: {share_with_interval(result)}; below "
        f"{percent(limits.max_critical_null_share)} is needed. {WITHOUT_UNITS}",
        counts={"nulls": found.k, "rows": found.n},
    )


def _parity(material: Material) -> list[Check]:
    """Critical features block; the others that both models log are shown."""
    limits = material.policy.shadow
    table = material.profiles.table("parity")
    checks = []
    for feature in sorted(set(table["feature"].to_pylist())):
        rows = table.filter(np.asarray(table["feature"].to_numpy(zero_copy_only=False)) == feature)
        sums = by_hour(material.profiles, rows, ["compared", "differing"])
        found = rate_of(
            sums.blocks("differing"), sums.blocks("compared"), confidence=limits.confidence
        )
        critical = feature in material.rollout.features.critical
        checks.append(
            check(
                material,
                f"model.parity.{feature}",
                "model",
                "feature parity",
                found.result,
                "<=",
                limits.max_parity_mismatch,
                f"Feature {feature} as both models logged it for the same request: {found.k:,} of "
                f"{found.n:,} differ: {share_with_interval(found.result)}; at most "
                f"{percent(limits.max_parity_mismatch)}. {WITHOUT_UNITS}",
                severity="block" if critical else "warn",
                counts={"differing": found.k, "compared": found.n},
            )
        )
    return checks


def _divergence(material: Material) -> Check:
    """Always shown; a limit on it is optional."""
    pairs = hourly(material.profiles, "pair")
    n = pairs.total("n") - pairs.total("nulls")
    limit = material.policy.shadow.max_divergence
    result: Result = Undefined("no pair has two scores")
    if n:
        mean = pairs.total("difference_absolute") * material.profiles.frozen.quantum / n
        result = point(mean, n, "mean absolute difference of paired scores, counted")
    decided, flips = pairs.total("decided"), pairs.total("flips")
    flipped = f"; {flips:,} of {decided:,} decisions differ" if decided else ""
    shown = f"{result.value:.4g}" if isinstance(result, Estimate) else "cannot be said"
    return check(
        material,
        "model.divergence",
        "model",
        "mean absolute difference of scores",
        result,
        "<=",
        limit,
        f"Mean absolute difference between the two models' scores over {n:,} pairs: "
        f"{shown}{flipped}.",
        outcome="pass" if limit is None else None,
        severity="warn" if limit is None else "block",
        counts={"pairs": n, "flips": flips, "decided": decided},
    )
