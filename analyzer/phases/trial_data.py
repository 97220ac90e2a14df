"""Can the outcomes of an experiment be trusted? Files, and values of the metrics that decide."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.experiment.analysis import Analysis
from analyzer.phases.gate import Material, check, percent
from analyzer.stats.result import Estimate, point
from analyzer.verdict import Check, judge

MOST_NAMED = 3


def outcome_checks(material: Material, found: Analysis) -> Iterator[Check]:
    """Files of outcomes that could not be read, values that cannot be used."""
    yield _files(material, found)
    yield _values(material, found)
    if isinstance(found.worst_split, Estimate):
        yield _segments(material, found)


def _files(material: Material, found: Analysis) -> Check:
    bad = found.unread
    named = "; ".join(bad[:MOST_NAMED])
    more = f" and {len(bad) - MOST_NAMED} more" if len(bad) > MOST_NAMED else ""
    return check(
        material,
        "experiment.files",
        "experiment",
        "unusable files of outcomes",
        point(float(len(bad)), len(bad), "counted"),
        "<=",
        0.0,
        f"{len(bad)} file(s) of outcomes could not be used: {named}{more}. What units did there is "
        "not known."
        if bad
        else "Every file of outcomes could be read.",
        outcome="invalid" if bad else "pass",
    )


def _segments(material: Material, found: Analysis) -> Check:
    """The planned split in every segment: units of one may be lost where the whole looks right."""
    limit = material.policy.experiment.sample_ratio_level
    told = [one for one in found.segments if isinstance(one.ratio, Estimate)]
    worst = min(told, key=lambda one: one.ratio.value if isinstance(one.ratio, Estimate) else 1.0)
    outcome = judge(found.worst_split, ">", limit)
    p = found.worst_split.value if isinstance(found.worst_split, Estimate) else 1.0
    return check(
        material,
        "experiment.segment_ratio",
        "experiment",
        "p of the planned split by segment",
        found.worst_split,
        ">",
        limit,
        f"Least as planned is the split in {worst.column} = {worst.value or 'NULL'}: p {p:.3g} "
        f"after correction for {len(told)} segments, above {limit:g} is needed.",
        outcome="invalid" if outcome == "fail" else outcome,
    )


def _values(material: Material, found: Analysis) -> Check:
    """Days on which a metric was not logged, and values taken as 0 because they are none."""
    limit = material.policy.experiment.max_unusable_share
    gaps = [gap for gap in found.gaps if gap.column in found.deciding]
    worst = max((gap.unusable for gap in gaps), default=0.0)
    share = point(worst, sum(found.units.values()), "counted")
    told = [
        f"{gap.column} is NULL in every row of {', '.join(gap.days[:MOST_NAMED])}"
        f"{f' and {len(gap.days) - MOST_NAMED} more days' if len(gap.days) > MOST_NAMED else ''}: "
        "a metric that was not logged is not 0."
        for gap in gaps
        if gap.days
    ]
    told += [
        f"{gap.column} is infinite, NaN or out of range in {percent(gap.unusable)} of the outcomes."
        for gap in gaps
        if gap.unusable
    ]
    kept = judge(share, "<=", limit) == "pass" and not any(gap.days for gap in gaps)
    return check(
        material,
        "experiment.values",
        "experiment",
        "unusable values of metrics that decide",
        share,
        "<=",
        limit,
        " ".join(told) or "Every metric that decides was logged on every day, with usable values.",
        outcome="pass" if kept else "invalid",
    )
