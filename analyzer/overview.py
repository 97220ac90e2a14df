"""Everything that the page about a verdict shows, gathered once from the profiles.

The page itself computes nothing: it lays out what is here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analyzer import courses, shapes
from analyzer.column_counts import Counts, Key, counts_of
from analyzer.config import Rollout
from analyzer.diagnose.facts import moment_of
from analyzer.diagnose.findings import Cell, Density, Hours, Latency, Moment, Refusal, Rejected
from analyzer.diary import Event
from analyzer.divergence import Divergence
from analyzer.drift import ColumnDrift, Drift
from analyzer.experiment.analysis import Analysis
from analyzer.labels.answer import Labels
from analyzer.latency import Latency as Percentiles
from analyzer.logs import SIDES, LogFile
from analyzer.profiles import Profiles
from analyzer.slo.answer import Slo
from analyzer.triggers.watched import NOT_ASKED, Watched
from analyzer.verdict import Check, Verdict
from analyzer.window import parse_window

DRAWN = 20
"""Columns whose distribution is drawn; of the others there is the course of their PSI."""


@dataclass(frozen=True)
class Answers:
    """What the commands of these names answer; missing: what could not be had, and why."""

    divergence: Divergence | None = None
    latency: Percentiles | None = None
    drift: Drift | None = None
    missing: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Late:
    """What labels say by the verdict's as-of, with the business checks; missing: why nothing."""

    labels: Labels | None = None
    checks: tuple[Check, ...] = ()
    missing: str = ""


@dataclass(frozen=True)
class Column:
    """One column's drift: its measures, PSI by day (column `psi`), and, of those that moved
    most, its distribution as shares of all rows in the reference and in the window.

    models: champion, challenger, or both where they saw the same.
    """

    drift: ColumnDrift
    models: str
    spark: Hours | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Overview:
    """A verdict and what stands beside it on its page.

    changed: slots whose profile is not the one that the verdict rests on. levels: of the window's
    last day, None where they could not be had. trial: what the A/B test says, or why it says
    nothing; None in other phases.
    """

    verdict: Verdict
    answers: Answers
    columns: tuple[Column, ...]
    densities: tuple[Density, ...]
    traffic: Hours | None
    latency: tuple[Latency, ...]
    labels: bool
    rejected: tuple[Rejected, ...]
    unusable: tuple[tuple[str, str], ...]
    diary: tuple[Moment, ...]
    changed: tuple[str, ...]
    late: Late = Late()
    levels: Slo | None = None
    watched: Watched = NOT_ASKED
    trial: Analysis | str | None = None


def overview(
    rollout: Rollout,
    verdict: Verdict,
    profiles: Profiles,
    answers: Answers,
    *,
    events: Sequence[Event] = (),
    problems: Sequence[LogFile] = (),
    late: Late = Late(),
    levels: Slo | None = None,
    watched: Watched = NOT_ASKED,
    trial: Analysis | str | None = None,
) -> Overview:
    """Gather the page of `verdict` from the profiles of its window and the answers given beside."""
    moved = answers.drift
    return Overview(
        verdict=verdict,
        answers=answers,
        columns=tuple(_columns(profiles, moved) if moved else ()),
        densities=tuple(shapes.score_densities(profiles)),
        traffic=courses.traffic(profiles),
        latency=tuple(courses.percentiles(profiles)),
        labels=bool(rollout.labels.paths),
        rejected=tuple(Rejected(model=m, reason=r, n=n) for m, r, n in courses.rejected(profiles)),
        unusable=tuple(sorted((file.name, file.problem) for file in problems)),
        diary=tuple(moment_of(event) for event in events if _within(event, profiles)),
        changed=tuple(_changed(verdict, profiles)),
        late=late,
        levels=levels,
        watched=watched,
        trial=trial,
    )


def _columns(profiles: Profiles, moved: Drift) -> list[Column]:
    reference = profiles.within(parse_window(*moved.reference.split("/")))
    whole = all(
        part.window.holds(m.start, m.end) for part in (profiles, reference) for m in part.manifests
    )
    old, new = counts_of(reference, whole), counts_of(profiles, whole)
    sparks = courses.daily_psi(profiles, old if whole else counts_of(reference, True))
    return [
        Column(
            found,
            models,
            sparks.get((found.model, found.column)),
            tuple(_cells(profiles, (found.model, found.column), old, new) if i < DRAWN else ()),
        )
        for i, (found, models) in enumerate(_together(moved.columns))
    ]


def _together(columns: Sequence[ColumnDrift]) -> list[tuple[ColumnDrift, str]]:
    """Each column once where both models saw the very same, else once for each model."""
    by_key = {(c.model, c.column): c for c in columns}
    found = []
    for drift in columns:
        others = [by_key.get((side, drift.column)) for side in SIDES]
        twins = [c for c in others if c and replace(c, model=drift.model) == drift]
        if len(twins) < len(SIDES):
            found.append((drift, drift.model))
        elif drift.model == SIDES[0]:
            found.append((drift, "both"))
    return found


def _cells(
    profiles: Profiles, key: Key, old: dict[Key, Counts], new: dict[Key, Counts]
) -> list[Cell]:
    if key not in old or key not in new:
        return []
    return shapes.distribution(profiles.frozen, key[1], old[key], new[key])


def _within(event: Event, profiles: Profiles) -> bool:
    return event.at < profiles.window.end and (event.until or event.at) >= profiles.window.start


def _changed(verdict: Verdict, profiles: Profiles) -> list[str]:
    now = profiles.digests
    return sorted(slot for slot, digest in verdict.profiles.items() if now.get(slot) != digest)
