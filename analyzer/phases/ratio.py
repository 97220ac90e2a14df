"""Do the two models' scores keep their ratio? Block by block, on the requests both answered."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analyzer.measure import BLOCK_HOURS, Hourly, hourly, in_buckets
from analyzer.phases.gate import Material, check, percent, share_with_interval
from analyzer.stats.dependence import combined_design_effect, design_effect
from analyzer.stats.laws import norm_isf
from analyzer.stats.result import Estimate, Result, Undefined, estimate
from analyzer.verdict import Check, Outcome, judge, worst
from analyzer.window import HOUR, Window

MIN_BLOCK_PAIRS = 500
"""Blocks of fewer pairs are joined to the next: a normal interval means nothing on fewer."""


def score_ratio(material: Material, limit: float) -> list[Check]:
    """The ratio of mean scores by block; classes have no mean."""
    return [] if material.rollout.score.type == "class" else [_score_ratio(material, limit)]


def _score_ratio(material: Material, limit: float) -> Check:
    """Challenger mean over champion mean per 2-hour block, against the phase's own ratio.

    Scores that can be negative: the mean difference of a block against the phase's, in
    reference standard deviations. An hour more of logs changes or adds one block, the last, so
    a Bonferroni bound over max_hours holds however often it is read.
    """
    pairs = hourly(material.profiles, "pair")
    champion = hourly(material.profiles, "champion")
    challenger = hourly(material.profiles, "challenger")
    blocks = _joined_blocks(pairs["n"] - pairs["nulls"])
    alpha = (1 - material.limits.confidence) / max(material.limits.max_hours, len(pairs["n"]))
    changes = _changes(material, blocks, pairs, champion, challenger, alpha)
    outcomes: list[Outcome] = [judge(change, "<=", limit) for change in changes]
    what = "mean difference in reference SD" if _signed(material) else "score ratio"
    if len(changes) < 2:  # one block is the whole phase: it would be compared with itself
        return check(
            material,
            "model.score_ratio",
            "model",
            f"change of {what} by block",
            Undefined(f"{len(changes)} blocks of {MIN_BLOCK_PAIRS} pairs, 2 needed"),
            "<=",
            limit,
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
        limit,
        f"The {what} of challenger and champion, in {len(blocks)} blocks of {BLOCK_HOURS} h or "
        f"more, against that of the whole phase: the block that decides differs by "
        f"{share_with_interval(changes[at])}; at most "
        f"{percent(limit)}.",
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
