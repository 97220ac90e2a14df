"""Infrastructure levels: what users were answered, how fast, how often not, on what features.

All counts are of requests answered to users: by the weight in force, a shadow's do not count.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analyzer.logs import SIDES, Side
from analyzer.measure import in_buckets, latency_quantile, realised
from analyzer.phases.gate import (
    Material,
    check,
    number_with_interval,
    percent,
    share_with_interval,
)
from analyzer.profile import UNDATED, fresh, over
from analyzer.slo.history import History, Ints, by_hour
from analyzer.slo.shares import Share, kept, share
from analyzer.stats.result import Estimate, Result, Undefined
from analyzer.verdict import Check
from analyzer.window import HOUR, MINUTE, show


def infrastructure_checks(material: Material, past: History) -> list[Check]:
    """Latency at the median and in the tail, errors, availability, freshness of features."""
    limits = material.policy.slo
    checks = [
        _latency(material, past, "latency_median", 0.5, limits.median_ms),
        _latency(material, past, "latency_tail", limits.latency_quantile, limits.latency_limit_ms),
        _errors(material, past),
        _availability(material, past),
        *_freshness(material, past),
    ]
    acting = [c for c in checks if c.layer == "infrastructure"]
    harmful = [msgspec.structs.replace(c, on_fail=limits.on_fail) for c in acting]
    return harmful + [c for c in checks if c.layer != "infrastructure"]


def served(past: History, measure: str) -> Ints | None:
    """A measure of the window's answered requests by hour; None where no profile holds it."""
    found = past.served(measure)
    return None if found is None else by_hour(found)[past.inside]


def _units(material: Material, past: History, measure: str) -> tuple[Ints, Ints] | None:
    """Bad and all requests by unit bucket, of the models that answered; None where one of them
    logs no units.
    """
    sides = [in_buckets(material.profiles, side) for side in past.serving()]
    if not sides or any(measure not in side for side in sides):
        return None
    bad, n = (np.sum([side[name] for side in sides], axis=0) for name in (measure, "n"))
    return bad, n


def _latency(material: Material, past: History, name: str, q: float, limit_ms: float) -> Check:
    limits = material.policy.slo
    n, timed, slow = (served(past, m) for m in ("n", "latency_n", over(limit_ms)))
    allowed = round(1 - q, 12)
    if n is None or timed is None or not timed.any():
        found = Share(0, 0, 0, Undefined("the models that answer log no latency"))
    elif slow is None:
        reason = f"this store did not count requests of {limit_ms:g} ms or more: scan again"
        found = Share(0, 0, 0, Undefined(reason))
    else:
        units = _units(material, past, over(limit_ms))
        found = share(slow, n, n - timed, units, confidence=limits.confidence)
    title = f"P{q * 100:g} < {limit_ms:g} ms"
    silent = f" {found.unknown:,} requests log no latency." if found.unknown else ""
    said = (
        f"{found.bad:,} of {found.n:,} took {limit_ms:g} ms or more: "
        if isinstance(found.result, Estimate)
        else ""
    )
    return check(
        material,
        f"infrastructure.{name}",
        "infrastructure",
        f"share of answers that took {limit_ms:g} ms or more",
        found.result,
        "<",
        allowed,
        f"{title}: {said}{share_with_interval(found.result)}; below {percent(allowed)} is "
        f"needed.{_percentile(material, past, q)}{silent}",
        counts={"over_limit": found.bad, "requests": found.n},
    )


def _percentile(material: Material, past: History, q: float) -> str:
    sides = past.serving()
    if len(sides) > 1:
        return ""
    found = latency_quantile(material.profiles, sides[0], q)
    if isinstance(found, Undefined):
        return ""
    return f" P{q * 100:g}: {number_with_interval(found, ' ms')}."


def _errors(material: Material, past: History) -> Check:
    limits = material.policy.slo
    n, failed = served(past, "n"), served(past, "errors")
    assert n is not None and failed is not None
    # known by hour only: of an hour in which a model served for a while, no more than was answered
    unknown = np.minimum(past.unknown_errors[past.inside], n - failed)
    units = _units(material, past, "errors")
    found = share(failed, n, unknown, units, confidence=limits.confidence)
    told = isinstance(found.result, Estimate)
    said = f"{found.bad:,} of {found.n:,} requests failed: " if told else ""
    dark = f" Of {found.unknown:,} it was not logged whether they failed." if found.unknown else ""
    return check(
        material,
        "infrastructure.errors",
        "infrastructure",
        "error rate of what users were answered",
        found.result,
        "<",
        limits.max_error_rate,
        f"Errors: {said}{share_with_interval(found.result)}; below "
        f"{percent(limits.max_error_rate)} is needed.{dark}{_worst_hour(past, failed, n)}",
        counts={"errors": found.bad, "requests": found.n},
    )


def _worst_hour(past: History, bad: Ints, n: Ints) -> str:
    if not bad.any():
        return ""
    shares = np.where(n > 0, bad / np.maximum(n, 1), 0.0)
    at = int(np.argmax(shares))
    when = show(past.window.start + at * HOUR)
    return f" Worst hour {when}: {bad[at]:,} of {n[at]:,}."


def _availability(material: Material, past: History) -> Check:
    limits = material.policy.slo
    usual = past.usual(past.requests, limits.baseline_weeks, limits.min_baseline_weeks)
    judged = ~np.isnan(usual.values) & ~past.holiday[past.inside] & past.known[past.inside]
    due = np.repeat(np.where(judged, usual.values, 0.0) / 60 >= limits.min_due, 60)
    n, failed = past.requests, past.served("errors")
    good = n if failed is None else n - failed
    answered = good[past.inside.start * 60 :] > 0
    result = _available(due, answered, judged, limits.min_judged_share)
    dark = np.flatnonzero(due & ~answered)
    said = f"{int(due.sum()) - len(dark):,} of {int(due.sum()):,} minutes with traffic due were "
    said += "answered: "
    first = show(past.window.start + int(dark[0]) * MINUTE) if len(dark) else ""
    said += f"the first without is {first}; " if first else ""
    return check(
        material,
        "infrastructure.availability",
        "infrastructure",
        "minutes in which traffic was due and answered",
        result,
        ">=",
        limits.min_availability,
        f"Availability: {said if due.any() else ''}{share_with_interval(result)}; "
        f"{percent(limits.min_availability)} is needed. Due is where {limits.min_due:g} requests a "
        f"minute are usual. Baseline: {usual.words}.",
        severity="block" if due.any() or not judged.any() else "warn",
        counts={"answered_minutes": int(due.sum()) - len(dark), "due_minutes": int(due.sum())},
    )


def _available(due: np.ndarray, answered: np.ndarray, judged: np.ndarray, least: float) -> Result:
    if not judged.any():
        return Undefined("nothing tells how much traffic was due")
    if not due.any():
        return Undefined("in no minute is enough traffic usual for silence to mean anything")
    if judged.mean() < least and bool(answered[due].all()):
        return Undefined(f"{judged.mean():.0%} of the hours have a baseline, {least:.0%} needed")
    return realised(int((due & answered).sum()), int(due.sum()), "minutes counted")


def _freshness(material: Material, past: History) -> list[Check]:
    limits = material.policy.slo
    found, ahead, ages = _ages(material, past)
    minutes = limits.max_feature_age_minutes
    declared = found.n > 0
    fine = found.n - found.bad - found.unknown
    result = kept(found.result)
    known = found.n - found.unknown
    said = f"{fine:,} of {known:,} answers used features at most {minutes:g} min old: "
    said = said if isinstance(result, Estimate) else ""
    dark = f" Of {found.unknown:,} more the age is not known." if found.unknown else ""
    checks = [
        check(
            material,
            "infrastructure.freshness",
            "infrastructure",
            f"answers on features at most {minutes:g} min old",
            result,
            ">=",
            limits.min_fresh_share,
            f"Freshness: {said}{share_with_interval(result)}; "
            f"{percent(limits.min_fresh_share)} is needed.{ages}{dark}",
            severity="block" if declared else "warn",
            counts={"fresh": fine, "requests": found.n},
        )
    ]
    if declared:
        most = material.policy.data.max_rejected_share
        result = realised(ahead, found.n, "answers with feature_ts after ts")
        sentence = (
            f"{ahead:,} of {found.n:,} answers carry a feature_ts after their own ts, by a clock "
            f"or from the future: {share_with_interval(result)}; at most {percent(most)}."
        )
        what = "feature_ts after ts"
        checks.append(
            check(material, "data.feature_ts", "data", what, result, "<=", most, sentence)
        )
    return checks


def _ages(material: Material, past: History) -> tuple[Share, int, str]:
    """Answers on stale features, those whose features lie ahead, and the ages in words."""
    limits = material.policy.slo
    n = np.zeros(past.hours, dtype=np.int64)  # ages are known by hour: so are the answers
    for side in SIDES:
        n += np.where(past.serving_hours(side), by_hour(past.sums[side]["n"]), 0)
    n = n[past.inside]
    table = material.profiles.table("freshness")
    column = fresh(material.policy.max_feature_age)
    parts = [_of_side(past, table, side) for side in past.serving()]
    rows = pa.concat_tables(parts)
    if not rows.num_rows:
        side = past.serving()[0]
        reason = f"the {side} logs no feature_ts; map it under [{side}.columns]"
        return Share(0, 0, 0, Undefined(reason)), 0, ""
    if column not in rows.schema.names or rows[column].null_count:
        reason = f"this store did not count features of {limits.max_feature_age_minutes:g} min"
        return Share(0, 0, 0, Undefined(f"{reason}: scan again")), 0, ""
    at = (rows["hour"].cast(pa.int64()).to_numpy() - past.window.start) // HOUR
    code, every, fine = (rows[c].to_numpy() for c in ("code", "n", column))
    dated = code >= 0
    known, good = (
        np.bincount(at[dated], weights=x[dated], minlength=len(n)).astype(np.int64)
        for x in (every, fine)
    )
    unknown = np.maximum(n - known, 0)
    found = share(known - good, n, unknown, confidence=limits.confidence)
    ahead = int(every[(code < 0) & (code > UNDATED)].sum())
    return found, ahead, _ages_in_words(code[dated], every[dated])


def _of_side(past: History, table: pa.Table, side: Side) -> pa.Table:
    """A model's rows of the hours in which it answers users."""
    rows = table.filter(pc.equal(table["model"], side))
    at = (rows["hour"].cast(pa.int64()).to_numpy() - past.start) // HOUR
    return rows.filter(pa.array(past.serving_hours(side)[at]))


def _ages_in_words(code: Ints, n: Ints) -> str:
    """The median age and the 99th percentile, as the upper ends of their bins."""
    if not len(code):
        return ""
    order = np.argsort(code, kind="stable")
    cumulated = np.cumsum(n[order])
    words = []
    for q, who in ((0.5, "half"), (0.99, "99 %")):
        at = int(np.searchsorted(cumulated, q * cumulated[-1]))
        words.append(f"{who} within {_seconds(upper_age(int(code[order][at])))}")
    return f" Features were that old: {', '.join(words)}."


def upper_age(code: int) -> float:
    """Upper end, in seconds, of a bin of ages."""
    raw = np.array([(code + 8) << 16], dtype=np.uint32)
    return float(raw.view(np.float32)[0])


def _seconds(seconds: float) -> str:
    if seconds < 0.001:
        return "a millisecond"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
