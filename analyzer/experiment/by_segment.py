"""The primary metric in every segment: who gains, who loses, whose units are missing."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.experiment.known import Known
from analyzer.experiment.readings import Errors, readings
from analyzer.experiment.split import segment_ratio
from analyzer.experiment.totals import EVERYONE
from analyzer.stats.multiplicity import benjamini_yekutieli
from analyzer.stats.result import Estimate, Result, Undefined, point


@dataclass(frozen=True)
class Named:
    """One segment: the lift of the primary metric, its p adjusted for all segments, the ratio of
    its units. `differs`: the adjusted p is at most the policy's segment_q.
    """

    column: str
    value: str | None
    units: float
    lift: Result
    p: float | None
    ratio: Result
    differs: bool


def by_segment(known: Known, errors: Errors, q: float) -> tuple[Named, ...]:
    """Every segment value, most certain first; false discoveries controlled over all of them."""
    primary = known.design.primary
    segments = [segment for segment in known.segments() if segment != EVERYONE]
    read = readings(known, primary, errors, segments)
    found = list(zip(segments, read, strict=True))
    sure = [(s, r) for s, r in found if isinstance(r.p, Estimate)]
    p = benjamini_yekutieli([r.p.value for _, r in sure if isinstance(r.p, Estimate)], q)
    adjusted = {s: float(x) for (s, _), x in zip(sure, p.p, strict=True)}
    rejected = {s for (s, _), x in zip(sure, p.rejected, strict=True) if x}
    named = [
        Named(
            *segment,
            one.units,
            one.lift,
            adjusted.get(segment),
            segment_ratio(known, segment, known.design.weight),
            segment in rejected,
        )
        for segment, one in found
    ]
    return tuple(
        sorted(
            named,
            key=lambda n: (2.0 if n.p is None else n.p, n.column, n.value is None, n.value or ""),
        )
    )


def worst_split(segments: tuple[Named, ...]) -> Result:
    """p of "units of every segment came in the planned ratio": the smallest times how many there
    are (Bonferroni), readable at any time as each is. Undefined without a segment that tells.
    """
    told = [one.ratio for one in segments if isinstance(one.ratio, Estimate)]
    if not told:
        return Undefined("no segment whose units can be counted")
    least = min(told, key=lambda p: p.value)
    return point(min(1.0, least.value * len(told)), least.n, f"worst of {len(told)} segments")
