"""The null run: the same analysis on an earlier clean window, which should find nothing."""

from __future__ import annotations

from analyzer.diagnose.drill import Drilled
from analyzer.diagnose.findings import NullRun
from analyzer.diagnose.history import History
from analyzer.diagnose.summary import picked
from analyzer.segments.finding import shown
from analyzer.window import Window, show


def null_run(
    history: History, window: Window | None, baseline: Window | None, drilled: Drilled
) -> NullRun:
    """Onset, features and segments of a clean window against its own baseline."""
    if window is None:
        return _refused("there is no clean window of that length to try it on")
    onsets = history.onsets(window, None, None)
    at = (window.start, window.start)
    precursors = history.precursors(at, window.end, set(), drilled.cells, None)
    features: list[str] = []
    if precursors is not None and not precursors.refusal and not precursors.ranking_only:
        features = [f.feature for f in precursors.features if f.label in _DRIFTED]
    changed = picked(drilled.null_searches, "change")
    segments = [shown(segment.where, segment.hours) for _, segment in changed]
    largest: dict[str, float] = {}
    for search, segment in changed:
        largest[search.measure] = max(largest.get(search.measure, 0.0), abs(segment.z))
    tested = sum(s.found.cells_tested for s in drilled.null_searches if s.found)
    found = [
        f"{len(names)} {word}{'' if len(names) == 1 else 's'}"
        for names, word in ((onsets.order, "onset"), (segments, "segment"), (features, "feature"))
        if names
    ]
    span = f"{show(window.start)} to {show(window.end)}"
    said = " and ".join(found) if found else "nothing, as it should"
    words = f"The same analysis of the clean window {span} found {said}."
    refusal = ""
    if baseline is None:
        refusal = "no earlier clean window to compare with: its segments were not searched"
        words += " Its segments could not be searched: no clean window lies before it."
    elif not tested:
        refusal = "; ".join(sorted({s.refusal for s in drilled.null_searches if s.refusal}))
        words += " Its segments could not be tested either."
    return NullRun(
        window=(show(window.start), show(window.end)),
        baseline=(show(baseline.start), show(baseline.end)) if baseline else None,
        series=onsets.order,
        segments=segments,
        features=features,
        tested=tested,
        largest=largest,
        words=words,
        refusal=refusal,
    )


_DRIFTED = ("leads", "coincides", "follows", "drifts, score unmoved")


def _refused(reason: str) -> NullRun:
    return NullRun(
        window=None,
        baseline=None,
        series=[],
        segments=[],
        features=[],
        tested=0,
        words=f"The analysis could not be tried on a clean window: {reason}.",
        refusal=reason,
    )
