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
from analyzer.diagnose.searches import Question, Seeker, answered
from analyzer.diagnose.windows import same_hours
from analyzer.drilldown.bins import quantile_bins
from analyzer.drilldown.margins import Ints, table_of_margins
from analyzer.drilldown.pairs import Part
from analyzer.drilldown.plan import Column, Files, logged_by, tasks
from analyzer.drilldown.sample import Cells, related, sample, spread_hours
from analyzer.drilldown.window import (
    Cluster,
    Pairs,
    Vocabulary,
    cluster_of,
    read_parts,
    recoded,
    vocabulary,
)
from analyzer.profiles import Profiles
from analyzer.scan.narrow import Shape
from analyzer.window import HOUR, Window, show

MOST_DIMENSIONS = 12
SEARCHED_PAIRS = 1_000_000
"""Pairs of a window above which segments are searched in a sample of about as many, drawn by a hash
of the request id: enough for a difference of a tenth of a standard deviation in half a per cent of
the requests. All pairs are read and counted in the margins."""

OTHER_HOURS = (
    "Not searched hour by hour for what changed: the baseline does not hold the same hours of the "
    "day."
)
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
    progress: Progress | None


def drill(job: Job, incident: Window, baseline: Window | None, null: Window | None) -> Drilled:
    """Read the pairs of the incident's window, its baseline, and the window with which the null
    run compares the baseline; search them; keep the sums.

    Raises LogError and StoreError as `read_pairs` does.
    """
    cells, relevant = _sampled(job, baseline or incident, incident)
    columns, left_out = _columns(job, relevant)
    read = _Reader(job, columns, [w for w in (incident, baseline, null) if w is not None])
    parts = {w: read.parts(w) for w in read.windows}
    known = [part for w in (incident, baseline) if w is not None for part in parts[w]]
    labels = vocabulary(columns, known)
    windows = {w: recoded(each, labels, job.shape.frozen.scale) for w, each in parts.items()}
    now = windows[incident]
    numeric = [column.name for column in columns if column.bins]
    units = job.shape.bucketed_by == "unit_id"
    cluster: Cluster = "units" if units else "rows"
    lines: list[str] = []
    nulls: list[Search] = []
    inside: dict[str, list[str]] = {}
    if baseline is None:
        asked = Seeker(labels, numeric, cluster).standing(now)
        searches = [found for each in answered(asked, job.executor) for found in each]
    else:
        before = windows[baseline]
        cluster = cluster_of(before, units)
        seek = Seeker(labels, numeric, cluster)
        asked = [
            *(Question(seek, each, (now, None), False, True) for each in ("scores", "flips")),
            *seek.changed(now, before, same_hours(incident, baseline)),
        ]
        about_now = len(asked)
        if null is not None:
            asked += seek.changed(before, windows[null], same_hours(baseline, null))
        answers = answered(asked, job.executor)
        searches = [found for each in answers[:about_now] for found in each]
        nulls = [found for each in answers[about_now:] for found in each]
        lines += seek.drift_lines(now, before)
        if not same_hours(incident, baseline):
            lines.append(OTHER_HOURS)
        inside = drift_inside(labels, numeric, now, before, worst(searches))
    sums = [(w, pairs.margins) for w, pairs in windows.items()]
    saved = table_of_margins(sums, labels)
    record = DrillDown(
        windows=[(show(w.start), show(w.end)) for w, _ in sums],
        pairs=sum(pairs.pairs for pairs in windows.values()),
        searched=sum(pairs.rows for pairs in windows.values()),
        dimensions=[c.name for c in columns],
        left_out=left_out,
        unit=CLUSTERS[cluster],
        digest=hashlib.sha256(saved).hexdigest()[:16],
        lines=[
            *_lines(cluster, windows),
            *_not_searched(job, left_out),
            *lines,
            *_bounds(searches),
        ],
    )
    then = sums[1][1] if baseline is not None else None
    return Drilled(searches, nulls, labels, sums[0][1], then, inside, cells, record, saved)


def _lines(cluster: Cluster, windows: Mapping[Window, Pairs]) -> list[str]:
    lines = []
    shares = [(w, p.rows / p.pairs) for w, p in windows.items() if p.rows < p.pairs]
    if shares:
        each = "; ".join(f"{share:.1%} of {show(w.start)} to {show(w.end)}" for w, share in shares)
        lines.append(
            f"Segments were searched in samples drawn by a hash of the request ids ({each}): "
            "their counts of requests are of those samples."
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
    return lines


def _bounds(searches: Sequence[Search]) -> list[str]:
    """In words which bounds the searches for what changed reached."""
    bounds: dict[str, list[str]] = {}
    for search in searches:
        for bound in search.found.bounds if search.found and search.mode == "change" else ():
            bounds.setdefault(bound, []).append(search.title)
    return [f"{', '.join(titles)}: {bound}." for bound, titles in bounds.items()]


def _not_searched(job: Job, left_out: Sequence[str]) -> list[str]:
    """In words the columns that are no dimensions, and why."""
    segments = job.rollout.segments.columns
    absent = [name for name in segments if logged_by(job.rollout, job.files, name) is None]
    beyond = [name for name in left_out if name in segments]
    others = [name for name in left_out if name not in segments]
    most = f"Searched at most {MOST_DIMENSIONS} dimensions; left out"
    return [
        f"{words}: {', '.join(names)}."
        for words, names in (
            ("Not searched, as neither log has such a column", absent),
            (f"{most}, as they come last in rollout.toml", beyond),
            (f"{most}, as less related to the divergence", others),
        )
        if names
    ]


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
        self.job, self.columns, self.windows = job, columns, windows
        self.read = 0
        table = job.profiles.table("coverage")
        hour, matched = table["hour"].cast("int64").to_numpy(), table["matched"].to_numpy()
        self.held = {w: int(matched[(hour >= w.start) & (hour < w.end)].sum()) for w in windows}

    def parts(self, window: Window) -> list[Part]:
        """The parts of one window."""
        every = max(1, round(self.held[window] / SEARCHED_PAIRS))
        todo = tasks(self.job.shape, self.job.files, window, self.columns, every)
        return read_parts(todo, self.job.executor, self._done)

    def _done(self, pairs: int) -> None:
        self.read += pairs
        if self.job.progress:
            total = sum(self.held.values())
            self.job.progress(min(self.read, total), total)
