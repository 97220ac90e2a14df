"""`analyzer experiment analyze`: what an experiment says by a date, against its registration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from analyzer.config import Rollout
from analyzer.design import Experiment
from analyzer.diary import Event
from analyzer.experiment.by_segment import Named, by_segment, worst_split
from analyzer.experiment.clusters import FEW, counts
from analyzer.experiment.gaps import Gap, gaps
from analyzer.experiment.guard_rails import Guard, guard_rails
from analyzer.experiment.known import Known, known
from analyzer.experiment.looks import Look, Stop, looks, stops
from analyzer.experiment.mistakes import Mistake, mistakes
from analyzer.experiment.readings import Errors, Reading, reading
from analyzer.experiment.registration import FILE, Registration, load
from analyzer.experiment.split import (
    Days,
    Held,
    days_of,
    held_weights,
    mixed_share,
    sample_ratio,
)
from analyzer.experiment.wear import worn
from analyzer.policy import Experiments
from analyzer.stats.multiplicity import holm
from analyzer.stats.novelty import Novelty
from analyzer.stats.result import Estimate, Result
from analyzer.verdict import Outcome, judge, worst
from analyzer.window import date


@dataclass(frozen=True)
class Analysis:
    """The whole answer. first, last: days whose newly exposed units count [first, last), ISO;
    `days` of them have begun. clusters: of both arms, None where units are not clustered.

    ended: whether the planned end has come, with outcomes up to it. registration: digest of what
    was `promised`. ratio: p of the planned split over all weights `held`; mixed: share of units
    seen in both arms; worst_split: p of the split in the worst segment, adjusted for all of them;
    `valid` says whether the numbers can be trusted at all. adjusted: Holm's p
    of each goal. wear: the effect by day since exposure. looks: the primary metric day by day;
    stops: the first of them at which one might have stopped. unread, gaps: outcomes that are not
    there; `deciding` are the columns of the metrics that promote or hold.
    """

    rollout: str
    as_of: str
    first: str
    last: str
    days: int
    ended: bool
    registration: str
    promised: Registration
    n_star: int
    units: dict[str, float]
    clusters: dict[str, float] | None
    ratio: Result
    held: tuple[Held, ...]
    mixed: Result
    valid: Outcome
    readings: tuple[Reading, ...]
    adjusted: dict[str, float]
    guard_rails: tuple[Guard, ...]
    novelty: Novelty
    wear: tuple[Result, ...]
    segments: tuple[Named, ...]
    worst_split: Result
    comparisons: int
    looks: tuple[Look, ...]
    stops: tuple[Stop, ...]
    faults: dict[str, int]
    unread: tuple[str, ...]
    gaps: tuple[Gap, ...]
    mistakes: tuple[Mistake, ...]
    notes: tuple[str, ...]
    deciding: tuple[str, ...]


def current(
    rollout: Rollout, limits: Experiments, events: Sequence[Event], as_of: int | None = None
) -> Analysis:
    """The analysis of what was read so far and known at `as_of` (microseconds UTC; default: all).

    Raises ConfigError (no experiment, not registered), StoreError (nothing was read by then).
    """
    registration = load(Path(rollout.root) / FILE)
    return analyze(known(rollout, as_of), registration, limits, events)


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
    every = list(known.units_by_day())
    whole = days_of(events, every, known.design.weight)
    days = whole.within(first, last)
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
    segments = by_segment(counted, errors, limits.segment_q)
    apart = worst_split(segments)
    valid, wear = _valid((ratio, apart), mixed, limits), worn(counted)
    clusters, seen = counts(counted), looks(counted, registration, errors)
    return Analysis(
        registration.rollout,
        date(known.as_of),
        date(run[0]),
        date(run[1]),
        min(run[1], known.as_of) - run[0],
        errors.ended,
        registration.digest,
        registration,
        registration.n_star,
        counted.units(),
        clusters,
        ratio,
        held_weights(known, days),
        mixed,
        valid,
        readings,
        _adjusted(readings, limits.alpha),
        guard_rails(readings, ended=errors.ended, valid=valid),
        wear.novelty,
        wear.days,
        segments,
        apart,
        len(segments),
        seen,
        stops(seen),
        dict(known.faults),
        known.unread,
        gaps(known),
        tuple(mistakes(known, registration, whole, limits)),
        tuple(_notes(known, days, run, registration, limits, clusters)),
        _deciding(known.design),
    )


def _deciding(design: Experiment) -> tuple[str, ...]:
    """Columns of the primary metric and of guard rails."""
    metrics = [m for m in design.metrics.values() if m.role != "secondary"]
    names = [name for m in metrics for name in (m.value, m.denominator) if name]
    return tuple(dict.fromkeys(names))


def _read(known: Known, name: str, errors: Errors, last: int) -> Reading:
    """One metric. The final test and a guard rail's are those of the planned end: read again with
    every day that is added, a test for a single look would get many.
    """
    now = reading(known, name, errors)
    if not errors.ended or known.as_of == last:
        return now
    then = reading(known.at(last), name, errors)
    return replace(now, final=then.final, harm=then.harm)


def _valid(ratios: tuple[Result, ...], mixed: Result, limits: Experiments) -> Outcome:
    """What the split says, of all units and of each segment as far as that can be told."""
    told = [p for p in ratios[1:] if isinstance(p, Estimate)]
    outcomes = [
        *(judge(p, ">", limits.sample_ratio_level) for p in (ratios[0], *told)),
        judge(mixed, "<=", limits.max_mixed_share),
    ]
    return "invalid" if "fail" in outcomes else worst(outcomes)


def _adjusted(readings: Sequence[Reading], alpha: float) -> dict[str, float]:
    """Holm's p of the goals: the primary and the secondary metrics."""
    goals = [r for r in readings if r.role != "guard rail" and isinstance(r.p, Estimate)]
    found = holm([r.p.value for r in goals if isinstance(r.p, Estimate)], alpha)
    return {r.metric: float(p) for r, p in zip(goals, found.p, strict=True)}


def _notes(
    known: Known,
    days: Days,
    run: tuple[int, int],
    registration: Registration,
    limits: Experiments,
    clusters: dict[str, float] | None,
) -> list[str]:
    found = []
    newest = known.newest
    if known.as_of > newest + 1 and newest + 1 < registration.days[1]:
        found.append(
            f"No outcome is known from {date(newest + 1)} on: without those of the last planned "
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
            f"Effects are those of units first exposed from {date(run[0])} to {date(run[1])} "
            "(exclusive), while the planned split was in force."
        )
    if clusters is not None and min(clusters.values()) < FEW:
        found.append(
            f"{min(clusters.values()):,.0f} clusters in the smaller arm: with fewer than {FEW} "
            "intervals are often too narrow."
        )
    first, last = registration.days
    if last - first < limits.novelty_days:
        found.append(
            f"Fewer than {limits.novelty_days} days say little about an effect that wears off."
        )
    return found
