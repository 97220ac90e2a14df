"""`analyzer experiment analyze`: what an experiment says by a date, against its registration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from analyzer.design import Experiment, offline
from analyzer.diary import Event
from analyzer.experiment.known import Known
from analyzer.experiment.readings import Errors, Reading, reading
from analyzer.experiment.registration import Registration, design_digest
from analyzer.experiment.split import Days, days_of, mixed_share, sample_ratio, segment_ratio
from analyzer.experiment.totals import EVERYONE, Segment
from analyzer.experiment.wear import worn
from analyzer.policy import Experiments
from analyzer.stats.multiplicity import benjamini_yekutieli, holm
from analyzer.stats.novelty import Novelty
from analyzer.stats.result import Estimate, Result
from analyzer.verdict import Outcome, judge, worst


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


@dataclass(frozen=True)
class Look:
    """What could be read of the primary metric on one past day (ISO date, exclusive)."""

    day: str
    units: float
    lift: Result
    naive: Result


@dataclass(frozen=True)
class Analysis:
    """The whole answer. first, last: days whose newly exposed units count [first, last), ISO.

    ended: whether the planned end has come, with outcomes up to it. ratio: p of the planned split;
    mixed: share of units seen in both arms. adjusted: Holm's p of each goal. looks: the primary
    metric day by day. mistakes: what was done wrong, in words; outcome of `valid` says whether
    its numbers can be trusted at all.
    """

    as_of: str
    first: str
    last: str
    ended: bool
    registration: str
    n_star: int
    units: dict[str, float]
    ratio: Result
    mixed: Result
    valid: Outcome
    readings: tuple[Reading, ...]
    adjusted: dict[str, float]
    novelty: Novelty
    segments: tuple[Named, ...]
    comparisons: int
    looks: tuple[Look, ...]
    faults: dict[str, int]
    mistakes: tuple[str, ...]
    notes: tuple[str, ...]


def analyze(
    known: Known,
    registration: Registration,
    limits: Experiments,
    events: Sequence[Event] = (),
) -> Analysis:
    """Read an experiment from what was known of it.

    Only units first exposed while the planned split was in force count for effects: pooling days
    of a ramp mixes what differs between days into the effect. The ratio of units is judged over
    all epochs. `known` should hold all units; `events` is the diary, for the weights in force.
    After the planned end the final test stays what it was then.
    """
    first, last = registration.days
    span = [day for day in known.units_by_day() if first <= day < last]
    days = days_of(events, span, known.design.weight)
    run = days.planned(known.design.weight) or (first, first)
    counted = known.exposed_in(*run)
    errors = Errors(
        float(registration.n_star),
        registration.sequence_alpha,
        registration.final_alpha,
        known.as_of >= last and known.newest >= last - 1,
    )
    ratio, mixed = sample_ratio(known, days), mixed_share(known, run[0])
    readings = tuple(_read(counted, name, errors, last) for name in counted.design.metrics)
    segments = _segments(counted, errors, limits.segment_q)
    return Analysis(
        _date(known.as_of),
        _date(run[0]),
        _date(run[1]),
        errors.ended,
        registration.digest,
        registration.n_star,
        counted.units(),
        ratio,
        mixed,
        _valid(ratio, mixed, limits),
        readings,
        _adjusted(readings, limits.alpha),
        worn(counted),
        segments,
        len(segments),
        _looks(counted, errors),
        dict(known.faults),
        tuple(_mistakes(known.design, registration, limits)),
        tuple(_notes(known, days, run, registration, limits)),
    )


def _read(known: Known, name: str, errors: Errors, last: int) -> Reading:
    """One metric. The final test and a guard rail's are those of the planned end: read again with
    every day that is added, a test for a single look would get many.
    """
    now = reading(known, name, errors)
    if not errors.ended or known.as_of == last:
        return now
    then = reading(known.at(last), name, errors)
    return replace(now, final=then.final, harm=then.harm)


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d")


def _valid(ratio: Result, mixed: Result, limits: Experiments) -> Outcome:
    outcomes = [
        judge(ratio, ">", limits.sample_ratio_level),
        judge(mixed, "<=", limits.max_mixed_share),
    ]
    return "invalid" if "fail" in outcomes else worst(outcomes)


def _adjusted(readings: Sequence[Reading], alpha: float) -> dict[str, float]:
    """Holm's p of the goals: the primary and the secondary metrics."""
    goals = [r for r in readings if r.role != "guard rail" and isinstance(r.p, Estimate)]
    found = holm([r.p.value for r in goals if isinstance(r.p, Estimate)], alpha)
    return {r.metric: float(p) for r, p in zip(goals, found.p, strict=True)}


def _segments(known: Known, errors: Errors, q: float) -> tuple[Named, ...]:
    """Every segment value, most certain first; false discoveries controlled over all of them."""
    primary = known.design.primary
    found: list[tuple[Segment, Reading]] = [
        (segment, reading(known, primary, errors, segment))
        for segment in known.segments()
        if segment != EVERYONE
    ]
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


def _looks(known: Known, errors: Errors) -> tuple[Look, ...]:
    found = []
    for day in range(known.first + 1, known.as_of + 1):
        then = known.at(day)
        if not sum(then.units().values()):
            continue
        one = reading(then, known.design.primary, replace(errors, ended=False))
        found.append(Look(_date(day), one.units, one.lift, one.naive))
    return tuple(found)


def _mistakes(design: Experiment, registration: Registration, limits: Experiments) -> list[str]:
    found = []
    if registration.design != design_digest(design):
        found.append(
            "Arms, metrics or split are not those that were registered: what is read now was not "
            "promised before."
        )
    if offline(design.primary, design.metrics[design.primary]):
        found.append(
            f"The primary metric {design.primary!r} tells how well a model predicts, not what it "
            "does for the business."
        )
    if not any(metric.role == "guard rail" for metric in design.metrics.values()):
        found.append("No guard rail is declared: harm beside the primary metric goes unseen.")
    if design.weight != 0.5 and not design.weight_reason:
        found.append(
            f"The split is {1 - design.weight:g} to {design.weight:g}, and no weight_reason says "
            "why."
        )
    first, last = registration.days
    if last - first < limits.min_days:
        found.append(
            f"Planned for {last - first} days: fewer than {limits.min_days} do not hold a week."
        )
    return found


def _notes(
    known: Known,
    days: Days,
    run: tuple[int, int],
    registration: Registration,
    limits: Experiments,
) -> list[str]:
    found = []
    newest = known.newest
    if known.as_of > newest + 1 and newest + 1 < registration.days[1]:
        found.append(
            f"No outcome is known from {_date(newest + 1)} on: without those of the last planned "
            "day the final test is not read."
        )
    if not days.recorded:
        found.append(
            "The diary records no weights (`analyzer event add weight`): the planned split is "
            "taken for all days."
        )
    elif run == (registration.days[0],) * 2:
        found.append("On no day was the planned split in force: there is no effect to read.")
    elif len(days.weights) > run[1] - run[0]:
        found.append(
            f"Effects are those of units first exposed from {_date(run[0])} to {_date(run[1])} "
            "(exclusive), while the planned split was in force."
        )
    first, last = registration.days
    if last - first < limits.novelty_days:
        found.append(
            f"Fewer than {limits.novelty_days} days say little about an effect that wears off."
        )
    return found
