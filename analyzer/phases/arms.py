"""Two arms, each with requests of its own: is the traffic split as the diary says?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analyzer.diary import weight_at
from analyzer.logs import SIDES
from analyzer.measure import BLOCK_HOURS, hourly, in_buckets, realised
from analyzer.phase_limits import ServedPhase
from analyzer.phases.data import coverage_sums
from analyzer.phases.gate import Material, check, percent, share_with_interval
from analyzer.stats.dependence import combined_design_effect, design_effect
from analyzer.stats.proportion import bernoulli_sequence, effective
from analyzer.stats.result import Estimate, Result, Undefined, estimate, point
from analyzer.verdict import Check, judge
from analyzer.window import HOUR

REMEDY = "record it: `analyzer event add weight --weight SHARE --at TIME`"
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def weights_by_hour(material: Material) -> Floats:
    """The challenger's share of the traffic by hour of the window; NaN where the diary does not
    say, or where it changes within the hour.
    """
    changes = [e.at for e in material.events if e.challenger_weight is not None]
    found = []
    for hour in range(material.window.start, material.window.end, HOUR):
        weight = weight_at(material.events, hour)
        moved = any(hour < at < hour + HOUR for at in changes)
        found.append(np.nan if weight is None or moved else weight)
    return np.array(found)


def weight_in_force(material: Material, limits: ServedPhase) -> Check:
    """Every weight of the phase lies where the phase's may."""
    known = weights_by_hour(material)
    known = known[~np.isnan(known)]
    result: Result = Undefined("no weight is recorded in the diary")
    outside = 0.0
    sentence = f"The diary records no weight for this time: {REMEDY}."
    if len(known):
        outside = float(np.mean((known < limits.min_weight) | (known > limits.max_weight)))
        result = point(outside, len(known), "hours of the window, by the diary")
        sentence = (
            f"The challenger served {_range(known)} of the traffic by the diary; "
            f"{material.phase} is {_range(np.array([limits.min_weight, limits.max_weight]))}."
        )
    return check(
        material,
        "process.weight",
        "process",
        "share of hours with a weight outside the phase's",
        result,
        "<=",
        0.0,
        sentence,
    )


def _range(shares: Floats) -> str:
    ends = [percent(float(end)) for end in (shares.min(), shares.max())]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def answered_twice(material: Material) -> Check:
    """Requests that both models answered: a split sends each to one."""
    sums = coverage_sums(material)
    rows = min(sums[f"{side}_rows"] - sums[f"{side}_duplicates"] for side in SIDES)
    result = realised(sums["matched"], rows, "requests in both logs, counted")
    limit = material.limits.max_duplicates
    return check(
        material,
        "data.answered_twice",
        "data",
        "requests answered by both models",
        result,
        "<=",
        limit,
        f"{sums['matched']:,} requests are in both logs, {share_with_interval(result)} of the "
        f"smaller one; at most {percent(limit)}. A split answers each request once: is the "
        "challenger still mirrored?",
        counts={"matched": sums["matched"]},
    )


def sample_ratio(material: Material, level: float) -> Check:
    """The challenger's share of the requests against the weight in force, hour by hour.

    Hours in which the weight changes are left out. The interval may be read at any time (Bernoulli
    confidence sequence) and knows that hours and users come in lumps. What it refutes at `level`
    is no chance: requests are lost, or sent elsewhere.
    """
    weight = weights_by_hour(material)
    known = np.flatnonzero(~np.isnan(weight))
    ours, theirs = (hourly(material.profiles, side)["n"][known] for side in SIDES)
    rows = int((ours + theirs).sum())
    due = float((ours + theirs) @ weight[known])
    result = _off(material, theirs, ours + theirs, weight[known], level)
    if isinstance(result, Undefined):
        sentence = f"{result.reason.capitalize()}: {REMEDY}."
    else:
        sentence = (
            f"The challenger answered {int(theirs.sum()):,} of {rows:,} requests, "
            f"{percent(int(theirs.sum()) / rows)}; by the weights in force "
            f"{due:,.0f}, {percent(due / rows)}. Relative difference "
            f"{share_with_interval(result)}; one that is certain at the {percent(level)} level "
            "means that requests are lost or not logged."
        )
    judged = judge(result, "<=", 0.0)
    undefined = isinstance(result, Undefined)
    return check(
        material,
        "data.sample_ratio",
        "data",
        "difference from the share that the weight sends",
        result,
        "<=",
        0.0,
        sentence,
        outcome="invalid" if judged == "fail" else "undecided" if undefined else "pass",
    )


def _off(material: Material, k: Ints, n: Ints, weight: Floats, level: float) -> Result:
    """|share / weight - 1| with its interval."""
    rows = int(n.sum())
    if not rows:
        return Undefined("no hour has requests and a weight that the diary knows")
    due = float(n @ weight) / rows
    if not 0 < due < 1:
        return Undefined("by the diary one model serves all requests", rows)
    moved = k - (weight - due) * n  # as if the weight had been the same all the time
    at = np.arange(0, len(n), BLOCK_HOURS)
    effects = [
        design_effect(np.add.reduceat(moved, at), np.add.reduceat(n, at), due * (1 - due)),
        _unit_effect(material, due),
    ]
    deff = combined_design_effect(*effects, minimum_blocks=2)
    found = bernoulli_sequence(*effective(float(k.sum()), float(rows), deff), level)
    if not isinstance(found, Estimate):
        return found
    low, high = found.low / due - 1, found.high / due - 1
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    size = abs(found.value / due - 1)
    return estimate(size, min(nearest, size), max(abs(low), abs(high)), found.n, found.method)


def _unit_effect(material: Material, due: float) -> Result:
    """Users, not requests, are split: all of a user's requests go one way."""
    theirs, ours = (in_buckets(material.profiles, side) for side in ("challenger", "champion"))
    if not theirs or not ours:
        return Undefined("no units are logged")
    return design_effect(theirs["n"], theirs["n"] + ours["n"], due * (1 - due))


def silent_minutes(material: Material) -> tuple[int, int]:
    """Minutes with traffic, and those of them in which the challenger logged nothing."""
    table = material.profiles.table("minutes")
    minute = table["minute"].cast("int64").to_numpy()
    model = table["model"].to_numpy(zero_copy_only=False)
    busy = np.unique(minute[model != "pair"])
    return len(busy), len(busy) - len(np.unique(minute[model == "challenger"]))
