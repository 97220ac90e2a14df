"""Was the mirror whole? What the mirrored model saw of the requests that the other one served."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from analyzer.measure import hourly, in_buckets, rate_of, realised
from analyzer.phases.data import coverage_sums, dark_hours
from analyzer.phases.gate import Material, check, percent, share_with_interval
from analyzer.stats.result import Result, Undefined, point
from analyzer.verdict import Check, judge


def mirror_checks(material: Material, min_coverage: float, share: float) -> list[Check]:
    """Pair coverage, strangers, clocks, unwatched minutes.

    min_coverage: of the requests that should be mirrored; share: of all requests that should be.
    """
    return [
        _coverage(material, min_coverage * share, share),
        _strangers(material, 1 - min_coverage),
        _clocks(material),
        _unwatched(material, share),
    ]


def _coverage(material: Material, limit: float, share: float) -> Check:
    serves, sums = material.serves, coverage_sums(material)
    rows = sums[f"{serves}_rows"] - sums[f"{serves}_duplicates"]
    result = realised(sums["matched"], rows, f"{serves} requests with a shadow row, counted")
    chance = ""
    outcome = judge(result, ">=", limit)
    if outcome == "fail" and share < 1 and _by_chance(material, limit):
        outcome, chance = "undecided", " So few could be chance: more requests will tell."
    return check(
        material,
        "data.coverage",
        "data",
        "pair coverage",
        result,
        ">=",
        limit,
        f"{sums['matched']:,} of {rows:,} {serves} requests have a shadow row: "
        f"{share_with_interval(result)}; needed {percent(limit)}.{chance}",
        outcome=outcome,
        counts={"matched": sums["matched"], f"{serves}_requests": rows},
    )


def _by_chance(material: Material, limit: float) -> bool:
    """Whether which requests, or whose, are mirrored may be chance alone."""
    profiles, serves = material.profiles, material.serves
    pairs, rows = hourly(profiles, "pair"), hourly(profiles, serves)
    k, n = in_buckets(profiles, "pair"), in_buckets(profiles, serves)
    possible = rate_of(
        np.minimum(pairs.blocks("n"), rows.blocks("n")),
        rows.blocks("n"),
        np.minimum(k["n"], n["n"]) if k and n else None,
        n.get("n"),
        confidence=material.limits.confidence,
    )
    return judge(possible.result, ">=", limit) != "fail"


def _strangers(material: Material, limit: float) -> Check:
    """Mirrored rows that the serving model never saw: logs are missing, or roles are swapped."""
    serves, mirrored, sums = material.serves, material.mirrored, coverage_sums(material)
    rows = sums[f"{mirrored}_rows"] - sums[f"{mirrored}_duplicates"]
    strange = sums[f"only_{mirrored}"]
    result = realised(strange, rows, f"{mirrored} requests unknown to the {serves}")
    return check(
        material,
        "data.strangers",
        "data",
        f"shadow requests the {serves} never saw",
        result,
        "<=",
        limit,
        f"{strange:,} of {rows:,} {mirrored} requests were not seen by the "
        f"{serves}: {share_with_interval(result)}, at most {percent(limit)} expected. More means "
        "that logs are missing, or that champion and challenger are swapped.",
        counts={f"only_{mirrored}": strange, f"{mirrored}_requests": rows},
    )


def _clocks(material: Material) -> Check:
    sums = coverage_sums(material)
    limit = material.policy.data.max_clock_skew_seconds
    skew: Result
    if not sums["matched"]:
        skew = Undefined("no request was matched")
        text = "cannot be said, no request was matched"
    else:
        seconds = sums["lag_us"] / sums["matched"] / 1e6
        skew = point(abs(seconds), sums["matched"], "mean time from champion row to its pair")
        text = f"{seconds:.3g} s on average"
    return check(
        material,
        "data.clocks",
        "data",
        "clock skew between the logs",
        skew,
        "<=",
        limit,
        f"Time from a champion row to the challenger's: {text}; at most {limit:g} s.",
    )


def unwatched_minutes(material: Material) -> tuple[int, int]:
    """Minutes in which the serving model has traffic, and those without any shadow row."""
    table = material.profiles.table("minutes")
    busy = pc.unique(table.filter(pc.equal(table["model"], material.serves))["minute"])
    pairs = pc.unique(table.filter(pc.equal(table["model"], "pair"))["minute"])
    seen = pc.sum(pc.is_in(busy, value_set=pairs)).as_py() or 0
    return len(busy), len(busy) - seen


def _unwatched(material: Material, share: float) -> Check:
    serves = material.serves
    busy, unwatched = unwatched_minutes(material)
    by_chance = _unmirrored_minutes(material, share) / busy if busy else 0.0
    limit = material.policy.data.max_unwatched_minutes_share + by_chance
    result = realised(unwatched, busy, f"minutes with {serves} traffic and no shadow row")
    mirrored = f", {percent(by_chance)} of it by the choice of requests" if by_chance else ""
    hours = dark_hours(material)
    empty = f" In {hours:,} whole hours the {serves} logged nothing." if hours else ""
    return check(
        material,
        "data.unwatched",
        "data",
        "minutes without shadow",
        result,
        "<=",
        limit,
        f"{unwatched:,} of {busy:,} minutes with {serves} traffic have no shadow row: "
        f"{share_with_interval(result)}; at most {percent(limit)}{mirrored}.{empty}",
        counts={"unwatched_minutes": unwatched, "busy_minutes": busy}
        if serves == "champion"
        else {},
    )


def _unmirrored_minutes(material: Material, share: float) -> float:
    """Minutes expected without a mirrored request: sum (1 - share)^n over busy minutes."""
    if share >= 1:
        return 0.0
    table = material.profiles.table("minutes")
    n = table.filter(pc.equal(table["model"], material.serves))["n"].to_numpy()
    return float(np.sum((1 - share) ** n))
