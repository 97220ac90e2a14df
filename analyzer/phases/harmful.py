"""Is any segment harmed? Challenger against champion in every segment, each arm on its requests.

Every value of the segment columns, and of their pairs, is tested for more errors and for more slow
requests than the champion's by more than a margin. The evidence may be read at any time, and every
hourly reading of the window is made again: what was certain once stays said, unless later requests
tell that it was a few users. It is corrected (e-values) for all that was tested, of both kinds.
Only what is certain then counts: fifty healthy segments would otherwise never all pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.ids import BUCKETS
from analyzer.measure import BLOCK_HOURS
from analyzer.phase_limits import SegmentHarm
from analyzer.phases.arm_segments import SMALL, Segments, segment_name, segments_of
from analyzer.phases.gate import Material, check, percent
from analyzer.profile import over
from analyzer.profiles import Profiles
from analyzer.stats.dependence import combined_design_effect, design_effect, running_effects
from analyzer.stats.excess import Excess, excess, excess_evidence, excess_rate
from analyzer.stats.multiplicity import Certain, e_benjamini_hochberg
from analyzer.stats.result import Estimate, Result, Undefined
from analyzer.verdict import Check, Outcome, judge
from analyzer.window import HOUR, show

NAMED = 3
"""Harmed segments that a sentence names."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Kind:
    """A kind of harm: events out of rows, and by how much their share may be larger."""

    id: str
    words: str
    events: str
    rows: str
    margin: float


@dataclass(frozen=True, eq=False)
class _Readings:
    """What every hourly reading saw of a kind of harm: shape (segments, hours)."""

    sums: Excess
    deff: Floats
    log_e: Floats


def segment_checks(material: Material, limits: SegmentHarm) -> list[Check]:
    """One check for errors and one for slow requests, over all segments."""
    slow = over(material.limits.latency_limit_ms)
    kinds = [
        _Kind("errors", "error rate", "errors", "n", limits.max_error_excess),
        _Kind("latency", "share of slow requests", slow, "latency_n", limits.max_slow_excess),
    ]
    found = segments_of(material.profiles, [slow], limits.min_requests)
    if not found.keys:
        why = (
            "no segment has enough requests of both models"
            if material.rollout.segments.columns
            else "no segment columns are described"
        )
        return [_untested(material, kind, why) for kind in kinds]
    readings = [_readings(material.profiles, found, kind, limits.q) for kind in kinds]
    certain = e_benjamini_hochberg(np.concatenate([r.log_e for r in readings]), limits.q)
    parts = np.split(certain.rejected, len(kinds))
    return [
        _check(material, found, kind, seen, part, certain)
        for kind, seen, part in zip(kinds, readings, parts, strict=True)
    ]


def _readings(profiles: Profiles, found: Segments, kind: _Kind, q: float) -> _Readings:
    """Evidence by segment and hour; design effects of those that would be certain without."""
    k, n = found.sums[kind.events], found.sums[kind.rows]
    sums = excess(k[:, 1], n[:, 1], k[:, 0], n[:, 0], running=True)
    plain = excess_evidence(sums, kind.margin)
    deff = np.ones(plain.shape)
    for place in np.flatnonzero(plain.max(axis=1) >= -np.log(q)).tolist():
        deff[place] = _effects(profiles, found, kind, place)
    return _Readings(sums, deff, excess_evidence(sums, kind.margin, deff))


def _effects(profiles: Profiles, found: Segments, kind: _Kind, place: int) -> Floats:
    """Design effects of the challenger's events in a segment, by hour: of 2-hour blocks up to
    then, as a share of both arms' events (what an hour does to both is no noise; the champion's
    rows count the margin more, as in the test), and of unit buckets of its one-way segments, whose
    excess over 1 grows with the events.
    """
    events, rows = found.sums[kind.events][place], found.sums[kind.rows][place]
    size = len(events[1]) // BLOCK_HOURS * BLOCK_HOURS
    ours, both = (
        x[:size].reshape(-1, BLOCK_HOURS).sum(axis=1)
        for x in (events[1], events.sum(axis=0) + kind.margin * rows[0])
    )
    theta = np.cumsum(ours) / np.maximum(np.cumsum(both), 1e-9)
    blocks = running_effects(ours, both, theta * (1 - theta))
    by_hour = np.ones(len(events[1]))
    by_hour[BLOCK_HOURS - 1 :] = np.repeat(blocks, BLOCK_HOURS)[: len(by_hour) - BLOCK_HOURS + 1]
    if len(blocks):
        by_hour[size:] = blocks[-1]
    a, a_value, b, b_value = found.keys[place]
    units = combined_design_effect(
        *(
            _unit_effect(profiles, kind, column, value)
            for column, value in ((a, a_value), (b, b_value))
            if column is not None and value != SMALL
        ),
        minimum_blocks=2,
    )
    so_far = np.cumsum(events[1]) / max(int(events[1].sum()), 1)
    return np.maximum(np.maximum(by_hour, 1 + (units - 1) * so_far), 1.0)


def _unit_effect(profiles: Profiles, kind: _Kind, column: str, value: str | None) -> Result:
    table = profiles.whole_slots("cell_buckets")
    chosen = pc.and_(pc.equal(table["model"], "challenger"), pc.equal(table["a"], column))
    same = pc.is_null(table["a_value"]) if value is None else pc.equal(table["a_value"], value)
    rows = table.filter(pc.fill_null(pc.and_(chosen, same), False))
    bucket = rows["bucket"].to_numpy()
    k, n = (
        np.bincount(bucket, weights=rows[name].to_numpy(), minlength=BUCKETS)
        for name in (kind.events, kind.rows)
    )
    share = float(k.sum() / max(n.sum(), 1.0))
    return design_effect(k, n, share * (1 - share))


def _check(
    material: Material,
    found: Segments,
    kind: _Kind,
    seen: _Readings,
    rejected: NDArray[np.bool_],
    certain: Certain,
) -> Check:
    """Judged at the strongest reading of a harmed segment, else of the most suspect one now."""
    ever = np.flatnonzero(rejected.any(axis=1)).tolist()
    worst, hour = _strongest(seen, rejected)
    result = excess_rate(
        seen.sums.at((worst, hour)), float(certain.level[hour]), float(seen.deff[worst, hour])
    )
    outcome: Outcome = "undecided" if isinstance(result, Undefined) else "pass"
    if judge(result, "<=", kind.margin) == "fail":
        outcome = "fail"
    beyond = f"the champion's by more than {percent(kind.margin)}"
    if outcome == "fail":
        order = np.argsort(-seen.log_e.max(axis=1), kind="stable")
        harmed = [segment_name(found.keys[at]) for at in order.tolist() if at in ever]
        more = f" and {len(harmed) - NAMED} more" if len(harmed) > NAMED else ""
        first = (
            f"In {', '.join(harmed[:NAMED])}{more} the challenger's {kind.words} certainly exceeds "
            f"{beyond}{_since(material, rejected)}"
        )
    else:
        first = f"In no segment does the challenger's {kind.words} certainly exceed {beyond}"
    k, n = (found.sums[name][worst, :, : hour + 1].sum(axis=1) for name in (kind.events, kind.rows))
    by = f" by {_instant(material, hour)}" if hour + 1 < rejected.shape[1] else ""
    name = segment_name(found.keys[worst])
    return check(
        material,
        f"infrastructure.segments.{kind.id}",
        "infrastructure",
        f"{kind.words} in a segment above the champion's",
        result,
        "<=",
        kind.margin,
        f"{first}; most suspect is {name}{by}: challenger {k[1]:,} of {n[1]:,}, champion {k[0]:,} "
        f"of {n[0]:,}, excess {_signed(result)}. {len(found.keys):,} segments tested, corrected "
        f"for {certain.comparisons:,} tests.",
        outcome=outcome,
        harm=True,
        segment=name if outcome == "fail" else None,
    )


def _strongest(seen: _Readings, rejected: NDArray[np.bool_]) -> tuple[int, int]:
    """Place and hour of the strongest evidence: of what was certain, else of what is known now."""
    if rejected.any():
        at = int(np.argmax(np.where(rejected, seen.log_e, -1.0)))
        return at // rejected.shape[1], at % rejected.shape[1]
    value = np.nan_to_num(seen.sums.value[:, -1], nan=-np.inf)
    return int(np.lexsort((-value, -seen.log_e[:, -1]))[0]), rejected.shape[1] - 1


def _since(material: Material, rejected: NDArray[np.bool_]) -> str:
    """Since which reading; and that later ones do not unsay it."""
    hours = np.flatnonzero(rejected.any(axis=0))
    first = f" since {_instant(material, int(hours[0]))}"
    later = rejected.shape[1] - 1 - int(hours[-1])
    return f"{first} (no longer at the last {later} hourly readings)" if later else first


def _instant(material: Material, hour: int) -> str:
    return show(material.window.start + (hour + 1) * HOUR)


def _signed(result: Result) -> str:
    if not isinstance(result, Estimate):
        return f"cannot be said ({result.reason})"
    low = f", at least {percent(result.low)}" if result.low > 0 else ""
    return f"{percent(result.value)}{low}"


def _untested(material: Material, kind: _Kind, why: str) -> Check:
    return check(
        material,
        f"infrastructure.segments.{kind.id}",
        "infrastructure",
        f"{kind.words} in a segment above the champion's",
        Undefined(why),
        "<=",
        kind.margin,
        f"No segment was tested for its {kind.words}: {why}.",
        severity="warn",
    )
