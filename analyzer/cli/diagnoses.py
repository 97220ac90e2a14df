"""How a diagnosis is shown to people."""

from __future__ import annotations

import textwrap

from analyzer.cli import common
from analyzer.diagnose.diagnosis import Diagnosis
from analyzer.diagnose.findings import Search
from analyzer.segments.finding import shown
from analyzer.verdict import Observed

TOPICS = {
    "what": "What happened",
    "when": "Since when",
    "who": "Who was hit",
    "first": "What moved first",
    "labels": "What labels say",
    "sure": "How sure",
    "done": "What was done",
    "time": "How long",
}
WIDTH = 78
MOST_SEGMENTS, MOST_FEATURES, MOST_VALUES, MOST_MIXES = 8, 10, 8, 5


def show(diagnosis: Diagnosis) -> None:
    """Print a diagnosis: the summary, then the evidence behind each line."""
    incident = diagnosis.incident
    common.say(f"{diagnosis.rollout}: {incident.window[0]} to {incident.window[1]}")
    common.say(f"{diagnosis.models['challenger']} against {diagnosis.models['champion']}")
    baseline = "none" if incident.baseline is None else " to ".join(incident.baseline)
    common.say(_wrapped(f"baseline: {baseline} ({incident.baseline_rule})", "  "))
    for line in diagnosis.summary:
        common.say()
        common.say(TOPICS[line.topic])
        common.say(textwrap.fill(line.text, WIDTH, initial_indent="  ", subsequent_indent="  "))
    common.say()
    _coverage(diagnosis)
    _onsets(diagnosis)
    for search in diagnosis.searches:
        if search.mode == "change" and search.found is not None and search.found.segments:
            _segments(search)
    _one_way(diagnosis)
    _features(diagnosis)
    _mix(diagnosis)
    _matured(diagnosis)
    if diagnosis.refusals:
        common.say("What could not be said:")
        for refusal in diagnosis.refusals:
            text = f"{refusal.part}: {refusal.reason}"
            common.say(textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="    "))


def _coverage(diagnosis: Diagnosis) -> None:
    cover = diagnosis.coverage
    rows = [("incident", cover.incident)]
    if cover.baseline is not None:
        rows.append(("baseline", cover.baseline))
    common.show_table(
        ("window", "champion", "challenger", "pairs", "unmatched", "duplicates"),
        [
            (name, r.champion, r.challenger, r.pairs, _value(r.unmatched, "{:.2%}"), r.duplicates)
            for name, r in rows
        ],
        title="Coverage",
        right="champion challenger pairs unmatched duplicates",
    )
    for line in cover.lines:
        common.say(textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="  "))
    common.say()


def _onsets(diagnosis: Diagnosis) -> None:
    if diagnosis.onsets is None:
        return
    rank = {name: place for place, name in enumerate(diagnosis.onsets.order)}
    series = sorted(diagnosis.onsets.series, key=lambda o: rank.get(o.series, len(rank)))
    located = [o for o in series if o.located]
    if located:
        common.show_table(
            ("series", "moved", "not before", "not after", "by"),
            [
                (o.series, _hour(o.at), _hour(o.low), _hour(o.high), f"{o.shift:+.3g} {o.unit}")
                for o in located
            ],
            title="Series, in the order in which they moved",
        )
    still = [o for o in series if not o.located]
    for reason in dict.fromkeys(o.refusal for o in still):
        names = ", ".join(o.series for o in still if o.refusal == reason)
        common.say(_wrapped(f"{names}: {reason}"))
    common.say()


def _matured(diagnosis: Diagnosis) -> None:
    found = diagnosis.matured
    rows = [
        (
            which,
            f"{x.days} of {x.asked}",
            f"{x.labels:,.0f} of {x.rows:,.0f}",
            *map(_number, losses),
        )
        for which, x in (("incident", found.incident), ("baseline", found.baseline))
        if x is not None
        for losses in ((x.champion, x.challenger, x.difference),)
    ]
    if not rows:
        return
    common.show_table(
        ("window", "days", "labelled", "champion", "challenger", "difference"),
        rows,
        title=f"{found.metric} by labels known by {found.as_of}",
        right="days labelled champion challenger difference",
    )
    common.say()


def _number(found: Observed) -> str:
    return "-" if found.value is None else f"{found.value:.4g}"


def _hour(instant: str | None) -> str | None:
    """An instant of a table, in fewer letters: 03-28 12:00."""
    return None if instant is None else instant[5:16].replace("T", " ")


def _segments(search: Search) -> None:
    assert search.found is not None
    common.show_table(
        ("segment", "n", "effect", "z", "p", "share"),
        [
            (
                shown(s.where, s.hours),
                s.n,
                _interval(s.effect),
                f"{s.z:.1f}",
                f"{s.p:.1g}",
                f"{s.share:.1%}",
            )
            for s in search.found.segments[:MOST_SEGMENTS]
        ],
        title=f"{search.title} ({search.unit}): segments that changed against the baseline "
        f"({search.found.cells_tested:,} tested)",
        right="n z p share",
    )
    common.say()


def _one_way(diagnosis: Diagnosis) -> None:
    search = next((s for s in diagnosis.searches if s.found is not None), None)
    if search is None or search.found is None or not search.found.one_way:
        return
    common.show_table(
        ("column", "value", "n", "mean", "effect", "share"),
        [
            (
                v.column,
                "NULL" if v.value is None else v.value,
                v.n,
                f"{v.mean:.4g}",
                _interval(v.effect),
                f"{v.share:.1%}",
            )
            for v in search.found.one_way[:MOST_VALUES]
        ],
        title=f"{search.title}: values by share of all divergence (not corrected)",
        right="n mean share",
    )
    common.say()


def _features(diagnosis: Diagnosis) -> None:
    found = diagnosis.precursors
    if found is None or found.refusal:
        return
    common.show_table(
        ("feature", "timing", "PSI", "q", "PSI after", "first", "carried"),
        [
            (
                f.feature,
                f.label,
                f.psi,
                f.q,
                f.psi_after,
                f.first,
                None if f.carried is None else f"{f.carried:.0%}",
            )
            for f in found.features[:MOST_FEATURES]
        ],
        title=f"Features right before the {'onset' if diagnosis.incident.onset else 'window'} "
        f"({_hour(found.before[0])} to {_hour(found.before[1])})",
        right="PSI q carried",
    )
    for finding in found.findings[:MOST_FEATURES]:
        common.say(_wrapped(finding.sentence))
    common.say()


def _mix(diagnosis: Diagnosis) -> None:
    for measure, found in diagnosis.mix.items():
        told = [m for m in found if m.mix is not None and m.within is not None]
        told.sort(key=lambda m: (-abs(m.mix or 0.0), m.column))
        if told:
            common.show_table(
                ("dimension", "shift", "other requests", "other answers"),
                [
                    (m.column, f"{m.shift:+.4g}", f"{m.mix:+.4g}", f"{m.within:+.4g}")
                    for m in told[:MOST_MIXES]
                ],
                title=f"Mean {measure}, baseline to incident: other requests came, or the same "
                "were answered otherwise",
                right="shift",
            )
            common.say()


def _wrapped(text: str, behind: str = "  ") -> str:
    """Text of at most 78 columns, its further lines set in."""
    return textwrap.fill(text, WIDTH, subsequent_indent=behind)


def _value(observed: Observed, form: str) -> str:
    return "-" if observed.value is None else form.format(observed.value)


def _interval(observed: Observed) -> str:
    if observed.value is None:
        return observed.undefined or "-"
    low, high = ("?" if end is None else f"{end:.3g}" for end in (observed.low, observed.high))
    return f"{observed.value:+.3g} [{low}, {high}]"
