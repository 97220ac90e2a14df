"""Who was hit: the segments that a search found, by measure and mode."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from analyzer.diagnose.diagnosis import Diagnosis
from analyzer.diagnose.findings import Search
from analyzer.report import charts
from analyzer.report.blocks import Block, Figure, Head, Lines, Section, Table, Text
from analyzer.report.plots import NARROW, WIDE, Interval
from analyzer.report.segments import label, pair
from analyzer.report.words import below, count, number, percent, prose, quiet, result, shown
from analyzer.segments.finding import Offset, Predicate, Segment, Value
from analyzer.verdict import Observed

MODES = {
    "change": "Changed against the baseline",
    "level": "In the incident, as it stood",
    "arms": "Challenger’s requests against the champion’s",
    "change of arms": "Challenger against champion, changed against the baseline",
}
OPEN = 10
LEAST_P = 1e-6


def segments_section(diagnosis: Diagnosis) -> Section:
    """Each search: those for what changed, then those for what stands apart."""
    blocks: list[Block] = []
    # what is new comes first; what stands apart may have stood apart for long
    for search in sorted(diagnosis.searches, key=lambda s: not s.mode.startswith("change")):
        blocks += _search(search)
    return Section(
        "segments",
        "Who was hit",
        "What changed against the baseline comes first, then what stood apart in the incident and "
        "may have done so before. Conditions are searched together, up to three at a time. An "
        "effect is the mean inside the segment minus that of all other requests; p is corrected "
        "for every segment tested.",
        blocks or [Lines(["No segments were searched."])],
    )


def where(predicate: Predicate, hours: tuple[int, int] | None = None) -> Markup:
    """A conjunction for people; names stay names."""
    parts = Markup(" <span class=quiet>and</span> ").join(pair(c, v) for c, v in predicate)
    if hours is not None:
        parts += Markup("<small>hours {} to {} of the window</small>").format(*hours)
    return parts or Markup("all requests")


def _search(search: Search) -> list[Block]:
    title = f"{shown(search.title)}: {MODES.get(search.mode, search.mode).lower()}"
    found = search.found
    if found is None:
        return [Lines([prose(search.refusal)], title)]
    blocks: list[Block] = []
    unit = "share" if search.unit == "share" else "number"
    if found.segments:
        blocks.append(_figure(title, search, found.segments))
        blocks.append(_table(found.segments, unit))
        said: list[Text] = [prose(s.sentence) for s in found.segments[:3]]
        blocks.append(Lines(said, listed=True))
    else:
        blocks.append(Lines(["No segment differs from the rest beyond chance."], title))
    if found.offsets:
        blocks.append(_offsets(found.offsets, unit))
    notes = [r.sentence for r in found.refusals] + [*found.notes, *found.bounds]
    tested = f"{count(found.cells_tested)} segments of {count(found.rows)} requests were tested"
    carry = f"; those found carry {percent(found.explained)} of the variance"
    notes.append(f"{tested}{carry if found.segments else ''}.")
    blocks.append(Lines([quiet(prose(f"{n[:1].upper()}{n[1:]}".rstrip(".") + ".")) for n in notes]))
    if found.one_way:
        blocks.append(_one_way(found.one_way, unit))
    return blocks


def _interval(where_: Predicate, seen: Observed) -> Interval | None:
    if seen.value is None:
        return None
    words = " and ".join(label(c, v) for c, v in where_) or "all requests"
    return Interval(words, seen.value, seen.low, seen.high)


def _figure(title: str, search: Search, segments: Sequence[Segment]) -> Figure:
    rows = [row for s in segments if (row := _interval(s.where, s.effect)) is not None]
    form = "~%" if search.unit == "share" else None
    wide, narrow = (charts.intervals(rows, width=width, form=form) for width in (WIDE, NARROW))
    first = rows[0] if rows else None
    return Figure(
        title,
        f"{len(rows)} segments found. "
        + (f"First {first.label}: {number(first.value)} {search.unit}." if first else ""),
        wide,
        narrow,
        (),
        f"Effect in {shown(search.unit)}, against all other requests, with its interval.",
    )


def _table(segments: Sequence[Segment], unit: str) -> Table:
    ratios = any(s.risk_ratio.value is not None for s in segments)
    words = ("Requests", "Effect", "Alone", "In SD", *(["Risk ratio"] if ratios else ()))
    heads = [
        Head("Segment"),
        *(Head(x, "number") for x in (*words, "Of divergence", "z, corrected p")),
    ]
    rows: list[list[Text]] = [
        [
            where(s.where, s.hours) + _aliases(s.aliases),
            below(count(s.n), f"{percent(s.support)} of all"),
            result(s.effect, unit),
            result(s.alone, unit),
            number(s.effect_sd),
            *([result(s.risk_ratio)] if ratios else []),
            below(percent(s.share), f"{number(s.lift)} times its part"),
            below(number(s.z), f"p = {number(s.p)}" if s.p >= LEAST_P else f"p < {LEAST_P:f}"),
        ]
        for s in segments
    ]
    caption = "Segments found, the clearest first. Alone: after the others’ effects are taken off"
    return Table(caption, heads, rows, first=OPEN)


def _aliases(aliases: Sequence[Predicate]) -> Markup:
    if not aliases:
        return Markup("")
    listed = Markup("; ").join(where(a) for a in aliases[:5])
    return Markup("<small>the same requests: {}</small>").format(listed)


def _offsets(offsets: Sequence[Offset], unit: str) -> Table:
    rows: list[list[Text]] = [
        [
            where(o.parent),
            Markup("; ").join(where(c) for c in o.children),
            count(o.n),
            result(o.effect, unit),
        ]
        for o in offsets
    ]
    heads = [Head("Inside"), Head("These cancel"), Head("Requests", "number")]
    return Table(
        "Segments of opposite sign that hide each other",
        [*heads, Head("Effect of the whole", "number")],
        rows,
    )


def _one_way(values: Sequence[Value], unit: str) -> Table:
    heads = [
        Head("Value"),
        *(Head(x, "number") for x in ("Requests", "Of all", "Mean", "Against the rest")),
        *(Head(x, "number") for x in ("Of divergence", "Over-represented")),
    ]
    rows: list[list[Text]] = [
        [
            pair(v.column, v.value),
            count(v.n),
            percent(v.support),
            percent(v.mean) if unit == "share" else number(v.mean),
            result(v.effect, unit),
            percent(v.share),
            f"{number(v.lift)} times",
        ]
        for v in values
    ]
    return Table(
        "Value by value, not corrected for their number",
        heads,
        rows,
        folded=f"One column at a time ({len(values)} values)",
        dense=True,
    )
