"""What the report draws of a diagnosis: series, features, scores and latency, ready to be drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from analyzer.binned import fine_bins
from analyzer.column_counts import Counts
from analyzer.courses import percentiles
from analyzer.diagnose.features import Counted, chosen, name_of
from analyzer.diagnose.findings import Cell, Density, Feature, Hours, Latency, Series
from analyzer.diagnose.history import History
from analyzer.diagnose.series import TITLES, usual
from analyzer.onset.precursors import Precursors
from analyzer.profiles import Profiles
from analyzer.shapes import density, distribution, reference_distribution
from analyzer.window import DAY, WEEK, Window, parse, show

DRAWN = 20
"""Features whose distribution is drawn; of the others there is a sparkline."""

Ints = NDArray[np.int64]


def span(history: History, window: Window) -> Window:
    """The time that charts show: a week before the incident to a day after it."""
    held = history.calendar.held
    return Window(max(held.start, window.start - WEEK), min(held.end, window.end + DAY))


def series(history: History, window: Window) -> list[Series]:
    """Every series over the charts' time, with what is usual at that hour of the week."""
    calendar, shown_span = history.calendar, span(history, window)
    quiet = calendar.usual.copy()
    quiet[calendar.place(window.start) :] = False
    part = slice(calendar.place(shown_span.start), calendar.place(shown_span.end))
    found = []
    for one in history.measured:
        columns = {
            "value": _plain(one.values[part].tolist()),
            "usual": usual(one.values, calendar.hour_of_week, quiet)[part],
            "n": _plain(one.n[part].tolist()),
        }
        title, unit = TITLES[one.name]
        hours = Hours(start=show(shown_span.start), step_minutes=60, columns=columns)
        found.append(Series(name=one.name, title=title, unit=unit, hours=hours))
    return found


def _plain(values: list[float]) -> list[float | None]:
    return [x if math.isfinite(x) else None for x in values]


def features(
    history: History,
    precursors: Precursors | None,
    window: Window,
    baseline: Window | None,
    differing: set[str],
    inside: Mapping[str, list[str]],
) -> list[Feature]:
    """A sparkline of every feature in order of rank; distributions of the first 20."""
    if precursors is None:
        return []
    every = {name_of(one, history.counted): one for one in chosen(history.counted, differing)}
    sparks = {one.feature: one.sparkline for one in precursors.features}
    found = []
    old = baseline or Window(history.calendar.held.start, window.start)
    for position, name in enumerate(sparks or every):  # without a ranking, by name
        counted = every[name]
        cells = _distribution(history, counted, old, window) if position < DRAWN else []
        found.append(
            Feature(
                feature=name,
                model=counted.key[0],
                before=(show(old.start), show(old.end)),
                after=(show(window.start), show(window.end)),
                distribution=cells,
                spark=_spark(history, precursors, sparks.get(name, [])),
                inside=inside.get(counted.key[1], []),
            )
        )
    return found


def without_sparklines(precursors: Precursors | None) -> Precursors | None:
    """The same ranking; what is drawn stands with the features and need not be kept twice."""
    if precursors is None:
        return None
    ranked = [msgspec.structs.replace(one, sparkline=[]) for one in precursors.features]
    return msgspec.structs.replace(precursors, features=ranked)


def _spark(history: History, precursors: Precursors, hourly: list[float | None]) -> Hours:
    """PSI by hour from two days before the onset on, as far as it was counted."""
    onset = parse(precursors.before[1])
    first = max(history.calendar.held.start, onset - 2 * DAY)
    return Hours(start=show(first), step_minutes=60, columns={"psi": hourly})


def _distribution(history: History, one: Counted, before: Window, after: Window) -> list[Cell]:
    windows = [
        one.counts[history.calendar.place(w.start) : history.calendar.place(w.end)].sum(axis=0)
        for w in (before, after)
    ]
    frozen = history.profiles.frozen
    if one.kind == "numeric":
        return reference_distribution(frozen, one.key[1], *windows)
    old, new = (Counts(one.cells[:-1], n[:-1], int(n[-1]), int(n.sum()), 0, 0) for n in windows)
    return distribution(frozen, one.key[1], old, new)


def densities(profiles: Profiles, window: Window, baseline: Window | None) -> list[Density]:
    """Scores of both models and their paired difference, in the incident and its baseline."""
    spans = {"": window, **({" before": baseline} if baseline else {})}
    parts = {suffix: profiles.within(span) for suffix, span in spans.items()}
    scores: dict[str, tuple[Ints, Ints]] = {}
    pairs: dict[str, tuple[Ints, Ints]] = {}
    for suffix, part in parts.items():
        for side in ("champion", "challenger"):
            _, code, n = fine_bins(part, side, "score")
            scores[f"{side}{suffix}"] = (code, n)
        table = part.table("differences")
        pairs[f"pairs{suffix}"] = (
            table["code"].to_numpy().astype(np.int64),
            table["n"].to_numpy(),
        )
    found = [
        density(profiles.frozen, "score", "scores", scores),
        density(profiles.frozen, "difference", "difference", pairs),
    ]
    return [one for one in found if one is not None]


def latency(profiles: Profiles, window: Window) -> list[Latency]:
    """P50 and P99 of both models over the charts' time."""
    return percentiles(profiles.within(window))
