"""The drill-down of a diagnosis: what is read of which windows, and what is searched in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np

from analyzer.config import Rollout
from analyzer.diagnose.findings import DrillDown, Search
from analyzer.diagnose.inside import drift_inside, worst
from analyzer.drilldown.bins import quantile_bins
from analyzer.drilldown.margins import Ints, table_of_margins
from analyzer.drilldown.pairs import Part
from analyzer.drilldown.plan import Column, Files, logged_by, shape_of, tasks
from analyzer.drilldown.sample import Cells, related, sample, spread_hours
from analyzer.drilldown.window import (
    Pairs,
    Vocabulary,
    outcome_of,
    read_parts,
    recoded,
    table_of,
    vocabulary,
)
from analyzer.narrow import Shape
from analyzer.profiles import Profiles
from analyzer.segments.finding import Found
from analyzer.segments.search import search, search_pairs
from analyzer.segments.settings import Settings
from analyzer.segments.table import Outcome, Table
from analyzer.window import HOUR, Window, show

MOST_DIMENSIONS = 12
MOST_STANDING = 5
"""Segments that are named for standing apart in the incident's window where there is a baseline:
two models differ by many things all the time, and the question is what changed."""

TITLES = {
    "difference": ("Difference of scores", "score"),
    "spread": ("Spread of the difference of scores", "score"),
    "flips": ("Decisions that differ", "share"),
    "latency": ("Latency, challenger against champion", "log ratio"),
    "errors": ("Failed requests, challenger less champion", "share"),
}
Progress = Callable[[int, int], None]
Margins = Mapping[str, Ints]


@dataclass(frozen=True, eq=False)
class Drilled:
    """What the raw logs said. labels: of the dimensions; incident, baseline: `margins.SUMS` by
    label of each; inside: how the numeric dimensions drifted within the worst segments; cells: of
    every feature in a sample of the baseline's hours; saved: drilldown.parquet.
    """

    searches: list[Search]
    null_searches: list[Search]
    labels: Vocabulary
    incident: Margins
    baseline: Margins | None
    inside: dict[str, list[str]]
    cells: dict[str, Cells]
    record: DrillDown
    saved: bytes


@dataclass(frozen=True, eq=False)
class Job:
    """What to drill into."""

    rollout: Rollout
    shape: Shape
    files: Files
    profiles: Profiles
    reference: Profiles
    executor: Executor | None
    threads: int
    progress: Progress | None


def drill(job: Job, incident: Window, baseline: Window | None, null: Window | None) -> Drilled:
    """Read the pairs of the incident's window and its baseline, then of the window before which
    the null run compares the baseline with; search each; keep the sums.

    Raises LogError and StoreError as `read_pairs` does.
    """
    cells, relevant = _sampled(job, baseline or incident, incident)
    columns, left_out = _columns(job, relevant)
    read = _Reader(job, columns, [w for w in (incident, baseline, null) if w is not None])
    parts = {w: read.parts(w) for w in (incident, baseline) if w is not None}
    labels = vocabulary(columns, [part for each in parts.values() for part in each])
    scale = job.shape.frozen.scale
    now = recoded(parts[incident], labels, scale)
    before = recoded(parts[baseline], labels, scale) if baseline is not None else None
    clustered = job.shape.bucketed_by == "unit_id"
    full = Settings(threads=job.threads)
    brief = replace(full, most=MOST_STANDING)
    searches = _searched(labels, now, None, clustered, full if before is None else brief)
    sums = [(incident, now.margins)]
    nulls: list[Search] = []
    inside: dict[str, list[str]] = {}
    if baseline is not None and before is not None:
        searches += _searched(labels, now, before, clustered, full)
        numeric = [column.name for column in columns if column.bins]
        inside = drift_inside(labels, numeric, now, before, worst(searches))
        sums.append((baseline, before.margins))
        del now  # two windows at a time are held
        if null is not None:
            earlier = recoded(read.parts(null), labels, scale)
            nulls = _searched(labels, before, earlier, clustered, full)
            sums.append((null, earlier.margins))
    saved = table_of_margins(sums, labels)
    record = DrillDown(
        windows=[(show(w.start), show(w.end)) for w, _ in sums],
        pairs=read.pairs,
        read_share=1.0,
        dimensions=[c.name for c in columns],
        left_out=left_out,
        unit="unit_id" if clustered else "",
        digest=hashlib.sha256(saved).hexdigest()[:16],
        lines=_lines(clustered, left_out),
    )
    return Drilled(
        searches,
        nulls,
        labels,
        sums[0][1],
        sums[1][1] if len(sums) > 1 else None,
        inside,
        cells,
        record,
        saved,
    )


def _lines(clustered: bool, left_out: Sequence[str]) -> list[str]:
    lines = []
    if not clustered:
        lines.append(
            "No unit ids are logged, so rows count as independent: where users return, intervals "
            "are too narrow and some segments may be named by chance."
        )
    if left_out:
        lines.append(
            f"Searched at most {MOST_DIMENSIONS} dimensions; left out, as less related to the "
            f"divergence: {', '.join(left_out)}."
        )
    return lines


def _sampled(
    job: Job, quiet: Window, incident: Window
) -> tuple[dict[str, Cells], dict[str, Cells]]:
    """Every feature in a sample of the baseline's hours, and in one of the incident's where
    that decides which become dimensions.
    """
    rollout = job.rollout
    numeric = [f for f in rollout.features.numeric if logged_by(rollout, job.files, f)]
    every = [*numeric, *rollout.features.categorical]
    cells = sample(job.shape, job.files, every, _hours(job, quiet), job.executor)
    room = MOST_DIMENSIONS - len(rollout.segments.columns)
    if len(numeric) <= room or room <= 0:
        return cells, {name: cells[name] for name in numeric if name in cells}
    return cells, sample(job.shape, job.files, numeric, _hours(job, incident), job.executor)


def _hours(job: Job, window: Window) -> list[Window]:
    coverage = job.profiles.within(window).table("coverage")
    hour = (coverage["hour"].cast("int64").to_numpy() - window.start) // HOUR
    count = (window.end - window.start) // HOUR
    matched = coverage["matched"].to_numpy()
    pairs = np.bincount(hour, weights=matched, minlength=count).astype(np.int64)
    return spread_hours(pairs, window.start)


def _columns(job: Job, cells: Mapping[str, Cells]) -> tuple[list[Column], list[str]]:
    """The segment columns, then the numeric features most related to the divergence."""
    rollout, files = job.rollout, job.files
    named = [(c, logged_by(rollout, files, c)) for c in rollout.segments.columns]
    found = [Column(name, side) for name, side in named if side is not None]
    beyond = [column.name for column in found[MOST_DIMENSIONS:]]
    found = found[:MOST_DIMENSIONS]
    taken = {column.name for column in found}
    free = {name: one for name, one in cells.items() if name not in taken}
    kept, left_out = related(free, MOST_DIMENSIONS - len(found))
    for name in kept:
        side = logged_by(rollout, files, name)
        assert side is not None
        found.append(Column(name, side, quantile_bins(job.reference, side, name)))
    return found, [*beyond, *left_out]


class _Reader:
    """Reads windows and tells how far it is."""

    def __init__(self, job: Job, columns: Sequence[Column], windows: Sequence[Window]) -> None:
        self.job, self.columns = job, columns
        self.pairs = 0
        table = job.profiles.table("coverage")
        hour, matched = table["hour"].cast("int64").to_numpy(), table["matched"].to_numpy()
        self.total = sum(int(matched[(hour >= w.start) & (hour < w.end)].sum()) for w in windows)

    def parts(self, window: Window) -> list[Part]:
        return read_parts(
            tasks(self.job.shape, self.job.files, window, self.columns),
            self.job.executor,
            self._done,
        )

    def _done(self, pairs: int) -> None:
        self.pairs += pairs
        if self.job.progress:
            self.job.progress(min(self.pairs, self.total), self.total)


def _searched(
    labels: Vocabulary, now: Pairs, before: Pairs | None, clustered: bool, settings: Settings
) -> list[Search]:
    """Every measure in one mode: a level without `before`, else the change."""
    table = table_of(labels, now, before, clustered)
    difference = outcome_of("difference", "difference", now, before)
    if settings.most <= MOST_STANDING:
        table = replace(table, hour=None)
    found: list[Found] = []
    if np.isfinite(difference.values).any():
        found += search_pairs(table, difference, settings)
    else:  # models that log classes have no difference, only decisions
        found.append(search(table, outcome_of("flip", "flips", now, before), settings))
    if settings.most > MOST_STANDING:
        found += _others(table, now, before, settings)
    mode = "level" if before is None else "change"
    return [
        Search(
            measure=one.outcome,  # type: ignore[arg-type]
            mode=mode,  # type: ignore[arg-type]
            title=TITLES[one.outcome][0],
            unit=TITLES[one.outcome][1],
            found=one,
            refusal="; ".join(r.sentence for r in one.refusals),
        )
        for one in found
    ]


def _others(table: Table, now: Pairs, before: Pairs | None, settings: Settings) -> list[Found]:
    """Latency and errors, where both logs say anything about them."""
    found = []
    for measure, name in (("ratio", "latency"), ("error", "errors")):
        outcome: Outcome = outcome_of(measure, name, now, before)
        if np.isfinite(outcome.values).any():
            found.append(search(table, outcome, settings))
    return found


__all__ = ["Drilled", "Job", "drill", "shape_of"]
