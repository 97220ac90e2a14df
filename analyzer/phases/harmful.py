"""Is any segment harmed? Challenger against champion in every segment, each arm on its requests.

Every value of the segment columns, and of their pairs, is tested for more errors and for more slow
requests than the champion's by more than a margin. The p-values may be read at any time and are
corrected (Benjamini-Yekutieli) for all that was tested, of both kinds. Only what is certain then
counts: fifty healthy segments would otherwise never all pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.ids import BUCKETS
from analyzer.measure import BLOCK_HOURS
from analyzer.phases.gate import Material, check, percent
from analyzer.policy import SegmentHarm
from analyzer.profile import over
from analyzer.profiles import Profiles
from analyzer.stats.dependence import combined_design_effect, design_effect
from analyzer.stats.excess import Excess, excess, excess_p, excess_rate
from analyzer.stats.multiplicity import benjamini_yekutieli
from analyzer.stats.result import Estimate, Result, Undefined
from analyzer.verdict import Check, Outcome, judge
from analyzer.window import HOUR

SMALL = "(small ones together)"
NAMED = 3
"""Harmed segments that a sentence names."""

KEYS = ("a", "a_value", "b", "b_value")
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Key = tuple[str | None, ...]


@dataclass(frozen=True, eq=False)
class Segments:
    """Counts by segment, arm (champion, challenger) and hour: shape (segments, 2, hours)."""

    keys: list[Key]
    sums: dict[str, Ints]


@dataclass(frozen=True)
class _Kind:
    """A kind of harm: events out of rows, and by how much their share may be larger."""

    id: str
    words: str
    events: str
    rows: str
    margin: float


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
    sums = [_excess(found, kind) for kind in kinds]
    deffs = [
        _effects(material.profiles, found, kind, excess_p(part, kind.margin) <= limits.q)
        for kind, part in zip(kinds, sums, strict=True)
    ]
    p = [
        excess_p(part, kind.margin, deff)
        for kind, part, deff in zip(kinds, sums, deffs, strict=True)
    ]
    corrected = benjamini_yekutieli(np.concatenate(p), limits.q).p.reshape(len(kinds), -1)
    return [
        _check(material, limits, found, kind, part, deff, raw, adjusted)
        for kind, part, deff, raw, adjusted in zip(kinds, sums, deffs, p, corrected, strict=True)
    ]


def segments_of(profiles: Profiles, extra: Sequence[str], least: int) -> Segments:
    """The segments of a window; of each column or pair of them, those with fewer than `least`
    requests of either model are one.
    """
    columns = ["n", "errors", "latency_n", *extra]
    rows = profiles.table("cells")
    arms = pc.is_in(rows["model"], value_set=pa.array(["champion", "challenger"]))
    rows = rows.filter(pc.and_(arms, pc.is_valid(rows["a"])))
    keys, place = _coded(rows)
    hours = int(profiles.window.hours)
    arm = np.asarray(pc.equal(rows["model"], "challenger").to_numpy()).astype(np.int64)
    hour = (rows["hour"].cast(pa.int64()).to_numpy() - profiles.window.start) // HOUR
    flat = (place * 2 + arm) * hours + hour
    sums = {}
    for name in columns:
        total = np.zeros(len(keys) * 2 * hours, dtype=np.int64)
        np.add.at(total, flat, rows[name].fill_null(0).to_numpy())
        sums[name] = total.reshape(len(keys), 2, hours)
    return _pooled(Segments(keys, sums), least)


def _coded(rows: pa.Table) -> tuple[list[Key], Ints]:
    """Distinct keys, and which one each row has."""
    code = np.zeros(rows.num_rows, dtype=np.int64)
    words: list[list[str | None]] = []
    for name in KEYS:
        column = rows[name].combine_chunks().dictionary_encode()
        listed = [*column.dictionary.to_pylist(), None]
        code = code * len(listed) + column.indices.fill_null(len(listed) - 1).to_numpy()
        words.append(listed)
    distinct, place = np.unique(code, return_inverse=True)
    keys = []
    for number in distinct.tolist():
        key: list[str | None] = []
        for listed in reversed(words):
            number, at = divmod(number, len(listed))
            key.append(listed[at])
        keys.append(tuple(reversed(key)))
    return keys, place.astype(np.int64)


def _pooled(found: Segments, least: int) -> Segments:
    rows = found.sums["n"].sum(axis=2)
    large = (rows >= least).all(axis=1)
    keys: list[Key] = [key for key, kept in zip(found.keys, large, strict=True) if kept]
    target = np.cumsum(large) - 1
    pools: dict[tuple[str | None, str | None], int] = {}
    for at in np.flatnonzero(~large).tolist():
        a, _, b, _ = found.keys[at]
        target[at] = pools.setdefault((a, b), len(keys) + len(pools))
    keys += [(a, SMALL, b, SMALL if b is not None else None) for a, b in pools]
    sums = {}
    for name, values in found.sums.items():
        total = np.zeros((len(keys), *values.shape[1:]), dtype=np.int64)
        np.add.at(total, target, values)
        sums[name] = total
    enough = (sums["n"].sum(axis=2) >= least).all(axis=1)
    return Segments(
        [key for key, kept in zip(keys, enough, strict=True) if kept],
        {name: values[enough] for name, values in sums.items()},
    )


def _excess(found: Segments, kind: _Kind) -> Excess:
    k, n = found.sums[kind.events], found.sums[kind.rows]
    return excess(k[:, 1], n[:, 1], k[:, 0], n[:, 0])


def _effects(
    profiles: Profiles, found: Segments, kind: _Kind, suspected: NDArray[np.bool_]
) -> Floats:
    """Design effect of the challenger's share in each suspected segment: 2-hour blocks, and unit
    buckets of its one-way segments; 1 for all others, which are not suspected even so.
    """
    effects = np.ones(len(found.keys))
    at = np.arange(0, found.sums["n"].shape[2], BLOCK_HOURS)
    for place in np.flatnonzero(suspected).tolist():
        k, n = (
            np.add.reduceat(found.sums[name][place, 1], at) for name in (kind.events, kind.rows)
        )
        share = k.sum() / max(n.sum(), 1)
        a, a_value, b, b_value = found.keys[place]
        known = [design_effect(k, n, share * (1 - share))]
        for column, value in ((a, a_value), (b, b_value)):
            if column is not None and value != SMALL:
                known.append(_unit_effect(profiles, kind, column, value))
        effects[place] = combined_design_effect(*known, minimum_blocks=2)
    return effects


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
    limits: SegmentHarm,
    found: Segments,
    kind: _Kind,
    sums: Excess,
    deff: Floats,
    p: Floats,
    adjusted: Floats,
) -> Check:
    worst = int(np.lexsort((-np.nan_to_num(sums.value, nan=-np.inf), p))[0])
    # the level at which the worst one is judged alone so that it agrees with the correction
    level = float(limits.q * p[worst] / adjusted[worst]) if adjusted[worst] > 0 else limits.q
    result = excess_rate(sums.at(worst), max(level, 1e-300), float(deff[worst]))
    outcome: Outcome = "undecided" if isinstance(result, Undefined) else "pass"
    if judge(result, "<=", kind.margin) == "fail":
        outcome = "fail"
    harmed = np.flatnonzero(adjusted <= limits.q)
    harmed = harmed[np.argsort(p[harmed], kind="stable")]
    k, n = (found.sums[name][worst].sum(axis=1) for name in (kind.events, kind.rows))
    tested = f"{len(found.keys):,} segments tested, corrected for {2 * len(found.keys):,} tests"
    beyond = f"the champion's by more than {percent(kind.margin)}"
    if outcome == "fail":
        named = ", ".join(segment_name(found.keys[at]) for at in harmed[:NAMED].tolist())
        more = f" and {len(harmed) - NAMED} more" if len(harmed) > NAMED else ""
        first = f"In {named}{more} the challenger's {kind.words} certainly exceeds {beyond}"
    else:
        first = f"In no segment does the challenger's {kind.words} certainly exceed {beyond}"
    sentence = (
        f"{first}; most suspect is {segment_name(found.keys[worst])}: challenger {k[1]:,} of "
        f"{n[1]:,}, champion {k[0]:,} of {n[0]:,}, excess {_signed(result)}. {tested}."
    )
    return check(
        material,
        f"infrastructure.segments.{kind.id}",
        "infrastructure",
        f"{kind.words} in a segment above the champion's",
        result,
        "<=",
        kind.margin,
        sentence,
        outcome=outcome,
        harm=True,
        segment=segment_name(found.keys[worst]) if outcome == "fail" else None,
    )


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


def segment_name(key: Key) -> str:
    """A segment as people read it.

    >>> segment_name(("country", "de", "plan", None))
    'country = de and plan = (none)'
    """
    a, a_value, b, b_value = key
    parts = [f"{a} = {'(none)' if a_value is None else a_value}"]
    if b is not None:
        parts.append(f"{b} = {'(none)' if b_value is None else b_value}")
    return " and ".join(parts)
