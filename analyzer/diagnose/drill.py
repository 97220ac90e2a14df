"""The drill-down of a diagnosis: what is read of which windows, and what is searched in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from analyzer.config import Rollout
from analyzer.diagnose.findings import DrillDown, Search
from analyzer.diagnose.inside import drift_inside, worst
from analyzer.diagnose.searches import Seeker
from analyzer.drilldown.bins import quantile_bins
from analyzer.drilldown.margins import Ints, table_of_margins
from analyzer.drilldown.pairs import Part
from analyzer.drilldown.plan import Column, Files, logged_by, tasks
from analyzer.drilldown.sample import Cells, related, sample, spread_hours
from analyzer.drilldown.window import (
    Cluster,
    Vocabulary,
    cluster_of,
    read_parts,
    recoded,
    vocabulary,
)
from analyzer.ids import BUCKETS
from analyzer.profiles import Profiles
from analyzer.scan.narrow import Shape
from analyzer.window import HOUR, Window, show

MOST_DIMENSIONS = 12
MOST_PAIRS = 20_000_000
"""Pairs of a window above which only some are read, chosen by a hash of the request id: two
windows are held at a time, about 40 bytes a pair."""

CLUSTERS: dict[Cluster, str] = {"rows": "", "units": "unit_id", "hours": "2-hour blocks"}
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
    """Read the pairs of the incident's window and its baseline, then of the window with which
    the null run compares the baseline; search each; keep the sums.

    Raises LogError and StoreError as `read_pairs` does.
    """
    cells, relevant = _sampled(job, baseline or incident, incident)
    columns, left_out = _columns(job, relevant)
    read = _Reader(job, columns, [w for w in (incident, baseline, null) if w is not None])
    parts = {w: read.parts(w) for w in (incident, baseline) if w is not None}
    labels = vocabulary(columns, [part for each in parts.values() for part in each])
    scale = job.shape.frozen.scale
    numeric = [column.name for column in columns if column.bins]
    units = job.shape.bucketed_by == "unit_id"
    cluster: Cluster = "units" if units else "rows"
    now = recoded(parts[incident], labels, scale)
    sums = [(incident, now.margins)]
    lines: list[str] = []
    nulls: list[Search] = []
    inside: dict[str, list[str]] = {}
    if baseline is None:
        searches = Seeker(labels, numeric, cluster, job.threads).standing(now)
    else:
        before = recoded(parts[baseline], labels, scale)
        sums.append((baseline, before.margins))
        cluster = cluster_of(before, units)
        seek = Seeker(labels, numeric, cluster, job.threads)
        searches = [*seek.standing(now, briefly=True), *seek.changed(now, before)]
        lines += seek.drift_lines(now, before)
        inside = drift_inside(labels, numeric, now, before, worst(searches))
        del now  # two windows at a time are held
        if null is not None:
            earlier = recoded(read.parts(null), labels, scale)
            sums.append((null, earlier.margins))
            nulls = seek.changed(before, earlier)
    saved = table_of_margins(sums, labels)
    record = DrillDown(
        windows=[(show(w.start), show(w.end)) for w, _ in sums],
        pairs=read.pairs,
        read_share=read.share,
        dimensions=[c.name for c in columns],
        left_out=left_out,
        unit=CLUSTERS[cluster],
        digest=hashlib.sha256(saved).hexdigest()[:16],
        lines=[*_lines(cluster, left_out, read), *lines],
    )
    then = sums[1][1] if baseline is not None else None
    return Drilled(searches, nulls, labels, sums[0][1], then, inside, cells, record, saved)


def _lines(cluster: Cluster, left_out: Sequence[str], read: _Reader) -> list[str]:
    lines = []
    if read.share < 1:
        lines.append(
            f"The windows hold more than {MOST_PAIRS:,} pairs, so {read.share:.1%} of the "
            "requests were read, chosen by a hash of their ids."
        )
    if cluster == "hours":
        lines.append(
            "Requests of the same hours are more alike than those of a unit, so intervals are of "
            "blocks of two hours."
        )
    if cluster == "rows":
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
    """Reads windows and tells how far it is. share: of the requests that are read."""

    def __init__(self, job: Job, columns: Sequence[Column], windows: Sequence[Window]) -> None:
        self.job, self.columns = job, columns
        self.pairs = 0
        table = job.profiles.table("coverage")
        hour, matched = table["hour"].cast("int64").to_numpy(), table["matched"].to_numpy()
        held = [int(matched[(hour >= w.start) & (hour < w.end)].sum()) for w in windows]
        self.buckets = max(1, min(BUCKETS, BUCKETS * MOST_PAIRS // max(*held, 1)))
        self.share = self.buckets / BUCKETS
        self.total = int(sum(held) * self.share)

    def parts(self, window: Window) -> list[Part]:
        """The parts of one window."""
        todo = tasks(self.job.shape, self.job.files, window, self.columns, self.buckets)
        return read_parts(todo, self.job.executor, self._done)

    def _done(self, pairs: int) -> None:
        self.pairs += pairs
        if self.job.progress:
            self.job.progress(min(self.pairs, self.total), self.total)
