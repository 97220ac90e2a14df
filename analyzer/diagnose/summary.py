"""The first screen, in plain words. It says over-represented and moved before, never why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from analyzer.diagnose.findings import Coverage, DrillDown, Incident, NullRun, Search, Sentence
from analyzer.diagnose.phrases import change, shifted, spoken, title
from analyzer.diagnose.ranges import in_words, told_together
from analyzer.mix import Mix
from analyzer.onset.precursors import Precursors
from analyzer.onset.search import Onsets
from analyzer.segments.finding import Segment

MOST = 3
NOT_SEARCHED = "Not searched for what changed"
CARRYING = 0.2
"""Share of the score's shift from which a feature is named although its drift has no p."""

LOST = ("The challenger never answered", "No row of")
"""How lines begin that come before all else: rows that are not there."""

MEASURES = {
    "difference": "the score difference",
    "flips": "the decisions that differ",
    "errors": "failed requests",
    "unscored": "requests without a usable score",
    "latency": "latency",
    "spread": "the spread of the score difference",
}
"""What is searched, in the order in which it is told."""


def summary(
    incident: Incident,
    coverage: Coverage,
    onsets: Onsets | None,
    searches: Sequence[Search],
    precursors: Precursors | None,
    null_run: NullRun,
    drilldown: DrillDown | None,
    mix: Mapping[str, Sequence[Mix]],
    numeric: Collection[str] = (),
) -> list[Sentence]:
    """What happened, since when, who was hit, what moved first, how sure, what was done.

    numeric: dimensions that are bins of a feature.
    """
    who = _who(searches, null_run, drilldown, numeric)
    lines = [
        Sentence(topic="what", text=_what(coverage, onsets, searches, null_run)),
        Sentence(topic="when", text=_when(incident, onsets)),
        Sentence(topic="who", text=" ".join([who, *_others(onsets, mix)])),
        Sentence(topic="first", text=_first(onsets, precursors)),
        Sentence(topic="sure", text=_sure(searches, null_run, precursors, drilldown)),
        Sentence(topic="done", text=_done(incident)),
        Sentence(topic="time", text=_time(incident)),
    ]
    return lines


def moved(onsets: Onsets | None) -> list[str]:
    """Names of the series that moved, the earliest first."""
    return list(onsets.order) if onsets is not None else []


def picked(searches: Sequence[Search], mode: str) -> list[tuple[Search, Segment]]:
    """Segments found in one mode, by measure, then the clearest first, each predicate once."""
    every = [
        (search, segment)
        for search in searches
        if search.mode == mode and search.found is not None
        for segment in search.found.segments
    ]
    order = list(MEASURES)
    every.sort(key=lambda pair: (order.index(pair[0].measure), -abs(pair[1].z)))
    seen = set()
    found = []
    for search, segment in every:
        if segment.where not in seen:
            seen.add(segment.where)
            found.append((search, segment))
    return found


def unusual(
    searches: Sequence[Search], null_run: NullRun
) -> tuple[list[tuple[Search, Segment]], int]:
    """Segments that changed more, by their z, than any of the clean window did; and how many less.

    Rows of real logs depend on each other in more ways than through their units (weather, a
    campaign), so the clean window says what these logs do by themselves.
    """
    found = picked(searches, "change")
    beyond = [(s, x) for s, x in found if abs(x.z) > null_run.largest.get(s.measure, 0.0)]
    return beyond, len(found) - len(beyond)


def _what(
    coverage: Coverage, onsets: Onsets | None, searches: Sequence[Search], null_run: NullRun
) -> str:
    lost = [line for line in coverage.lines if line.startswith(LOST)]
    names = moved(onsets)
    if names:
        assert onsets is not None
        first = next(o for o in onsets.series if o.series == names[0])
        text = shifted(first)
        if len(names) > 1:
            text += f" Moved as well: {', '.join(title(name) for name in names[1:])}."
    elif unusual(searches, null_run)[0]:
        text = "No series as a whole moved, but some segments differ from their baseline."
    elif picked(searches, "change"):
        text = (
            "No series moved. Segments differ from their baseline, though no more than in a clean "
            "window."
        )
    elif alike := _alike(searches, sizes=False):
        text = f"No onset was located in any series, though {alike} changed against the baseline."
    elif _tested(searches):
        text = "No series moved, and no segment differs from its baseline beyond chance."
    else:
        text = "No series moved; whether a segment did cannot be said."
    return " ".join([*lost, text])


def _when(incident: Incident, onsets: Onsets | None) -> str:
    window = f"Looked at {incident.window[0]} to {incident.window[1]} ({incident.why})."
    if incident.onset is None or incident.onset_interval is None:
        reasons = sorted({o.refusal for o in onsets.series if o.refusal}) if onsets else []
        why = f" ({reasons[0]})" if len(reasons) == 1 else ""
        return f"Onset not located{why}. {window}"
    low, high = incident.onset_interval
    return f"Since {incident.onset}, somewhere in {low} to {high}. {window}"


def _who(
    searches: Sequence[Search],
    null_run: NullRun,
    drilldown: DrillDown | None,
    numeric: Collection[str],
) -> str:
    found, usual = unusual(searches, null_run)
    if found:
        told = told_together(found, numeric)[:MOST]
        listed = "; ".join(in_words(x, MEASURES[x.search.measure]) for x in told)
        more = len(found) - sum(len(x.segments) for x in told) + usual
        rest = f" {more} more {'is' if more == 1 else 'are'} listed below" if more else ""
        rest += f", {usual} of them no clearer than what a clean window shows" if usual else ""
        return f"Over-represented against the baseline: {listed}.{rest}{'.' if rest else ''}"
    if usual:
        return (
            f"Nobody beyond what is usual here: {usual} segments differ from the baseline, none "
            "more clearly than segments of a clean window do."
        )
    return _nobody(searches, drilldown)


def _nobody(searches: Sequence[Search], drilldown: DrillDown | None) -> str:
    """What to say where no search for what changed named a segment."""
    changes = [s for s in searches if s.mode == "change"]
    if not changes:
        return "Without a baseline it cannot be said whose divergence changed."
    refused = [r for s in changes if s.found is not None for r in s.found.refusals]
    few = sorted({r.sentence for r in refused if r.reason in ("too few rows", "too few units")})
    if not _tested(changes):
        reasons = few or sorted({s.refusal for s in changes if s.refusal})
        return f"No segment can be named: {'; '.join(reasons) or 'nothing was measured'}."
    alike = _alike(changes)
    parts = ["No segment stands out against its baseline."]
    if alike:
        parts = [f"No segment stands out: {alike} changed everywhere alike."]
    if few:
        parts.append(f"Some could not be searched: {'; '.join(few)}.")
    return " ".join(parts) + _drifted(drilldown)


def _drifted(drilldown: DrillDown | None) -> str:
    """Features that were not searched for what changed, because they drifted themselves."""
    for line in drilldown.lines if drilldown is not None else ():
        if line.startswith(NOT_SEARCHED):
            return f" Not searched, as their own values moved: {line.partition(': ')[2]}"
    return ""


def _alike(searches: Sequence[Search], sizes: bool = True) -> str:
    """What changed, by how much, without any segment that did so more than others."""
    said = []
    for search in sorted(searches, key=lambda s: list(MEASURES).index(s.measure)):
        found = search.found
        alike = found and any(r.reason == "uniform change" for r in found.refusals)
        if search.mode == "change" and found and alike:
            size = f" ({change(found.mean, search.unit)})" if sizes else ""
            said.append(f"{MEASURES[search.measure]}{size}")
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


def _tested(searches: Sequence[Search]) -> int:
    """Segments compared in all searches."""
    return sum(s.found.cells_tested for s in searches if s.found is not None)


def _others(onsets: Onsets | None, mix: Mapping[str, Sequence[Mix]]) -> list[str]:
    """Where a shift goes with other requests rather than other answers to the same ones."""
    for measure, words in (("difference", "mean difference"), ("score", "mean score")):
        told = [
            (m.mix, m.shift, m.column)
            for m in mix.get(measure, ())
            if m.mix is not None and m.shift and m.mix / m.shift >= 0.5
        ]
        if told and measure in moved(onsets):
            part, shift, column = max(told, key=lambda t: (abs(t[0]), t[2]))
            return [
                f"Other requests came: their spread over {column} alone goes with {part:+.3g} of "
                f"the {shift:+.3g} by which the {words} moved; the rest are other answers."
            ]
    return []


def _first(onsets: Onsets | None, precursors: Precursors | None) -> str:
    parts = []
    names = moved(onsets)
    if names:
        order = ", then ".join(title(name) for name in names)
        parts.append(f"Moved first: {order}." if len(names) > 1 else f"Only the {order} moved.")
    if precursors is not None and not precursors.refusal:
        leading, along = (_features(precursors, label) for label in ("leads", "coincides"))
        if leading:
            parts.append("Features that moved before it: " + ", ".join(leading[:5]) + ".")
        if along:
            parts.append("Features that moved with it: " + ", ".join(along[:5]) + ".")
        if not leading:
            parts.append("No feature is known to have moved before it.")
        carrying = sorted(
            (-f.carried, f.feature)
            for f in precursors.features
            if f.label in ("undecided", "unmoved") and f.carried and f.carried >= CARRYING
        )
        if carrying and "score" in names:
            listed = ", ".join(f"{feature} ({-part:.0%})" for part, feature in carrying[:5])
            parts.append(
                "Features by the share of the score's shift that goes with them, though they are "
                f"not known to have moved more than they usually do: {listed}."
            )
    elif precursors is not None:
        parts.append(f"What features did before it cannot be said: {precursors.refusal}.")
    return " ".join(parts) or "Nothing can be put in order."


def _features(precursors: Precursors, label: str) -> list[str]:
    """Features that drifted, or whose NULLs, new or stale values did, at one time."""
    names = [f.feature for f in precursors.features if f.label == label]
    names += [f"{f.feature} ({f.what})" for f in precursors.findings if f.when == label]
    return list(dict.fromkeys(names))


def _sure(
    searches: Sequence[Search],
    null_run: NullRun,
    precursors: Precursors | None,
    drilldown: DrillDown | None,
) -> str:
    tested = _tested(searches)
    parts = [f"{tested:,} segments were tested, the false discovery rate is held at 1 %."]
    if not tested:
        parts = ["No segment could be tested."]
    if drilldown is not None and not drilldown.unit:
        parts.append("No unit ids: rows count as independent.")
    if precursors is not None and precursors.ranking_only:
        parts.append("Too few clean windows for a p of drift: features are ranked only.")
    parts.append(null_run.words)
    if null_run.segments and picked(searches, "change"):
        parts.append("So segments like those named above turn up without an incident, too.")
    return " ".join(parts)


def _done(incident: Incident) -> str:
    acts = [m for m in incident.diary if m.kind in ("trigger", "rollback", "weight", "phase")]
    if not acts:
        return "Not recorded in the diary."
    words = "; ".join(f"{m.at} {m.kind}{f' {m.text}' if m.text else ''}" for m in acts[-MOST:])
    return f"The diary says: {words}."


def _time(incident: Incident) -> str:
    parts = []
    for words, minutes in (
        ("from onset to trigger", incident.minutes_onset_to_trigger),
        ("from trigger to rollback", incident.minutes_trigger_to_rollback),
        ("from onset to rollback", incident.minutes_onset_to_rollback),
    ):
        if minutes is not None:
            parts.append(f"{words} {spoken(minutes)}")
    if not parts:
        return "Not recorded: no trigger and no rollback is in the diary for this time."
    text = "; ".join(parts)
    took = incident.minutes_trigger_to_rollback
    if took is not None:
        kept = "kept" if took <= incident.objective_minutes else "missed"
        text += f": the objective of {incident.objective_minutes:g} minutes was {kept}"
    return text[:1].upper() + text[1:] + "."
