"""What a diagnosis is made of: small frozen types, ready to be written and to be rendered.

Instants are ISO 8601 text, UTC. Shares lie between 0 and 1. A number that could not be had is
None in a chart's series, and an `Observed` with a reason where it is an answer. Nothing here is
computed by who renders it.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from analyzer.segments.finding import Found
from analyzer.stages import Leg
from analyzer.verdict import Observed

Span = tuple[str, str]
"""[from, to), two instants."""

FoundBy = Literal["given", "auto", "rollback"]
Measure = Literal["difference", "spread", "flips", "latency", "errors", "unscored"]
Mode = Literal["level", "change"]


class Sentence(Struct, frozen=True, kw_only=True):
    """One line of the summary, in plain words. topic: what question it answers."""

    topic: Literal["what", "when", "who", "first", "labels", "sure", "done", "time"]
    text: str


class Refusal(Struct, frozen=True, kw_only=True):
    """A question that could not be answered, and why: a finding like any other."""

    part: str
    reason: str


class Moment(Struct, frozen=True, kw_only=True):
    """One line of the diary: a trigger, a rollback, a phase, a change of weight, a note."""

    at: str
    kind: str
    text: str
    end: str | None = None
    challenger_weight: float | None = None
    source: str = ""


class Incident(Struct, frozen=True, kw_only=True):
    """Which time is looked at, compared with which, and what the diary says of it.

    found: given by the user, the onset found by itself, or the diary's rollback. baseline None:
    no clean time of that length was profiled. onset: of the series that moved first, None where
    none was located. Minutes are None where the diary does not say. parts: the way
    from the first breaching minute to confirmed zero traffic, where the tool itself rolled back.
    """

    window: Span
    found: FoundBy
    why: str
    baseline: Span | None
    baseline_rule: str
    onset: str | None
    onset_interval: Span | None
    onset_series: str | None
    trigger: str | None
    rollback: str | None
    minutes_onset_to_trigger: float | None
    minutes_trigger_to_rollback: float | None
    minutes_onset_to_rollback: float | None
    objective_minutes: float
    diary: list[Moment]
    parts: list[Leg] = []


class Hours(Struct, frozen=True, kw_only=True):
    """Columns over a dense grid of time: value i is of [start + i * step, + step)."""

    start: str
    step_minutes: int
    columns: dict[str, list[float | None]]


class Rows(Struct, frozen=True, kw_only=True):
    """How many rows each log holds in a window and how they pair."""

    champion: int
    challenger: int
    pairs: int
    only_champion: int
    only_challenger: int
    duplicates: int
    hours_without_champion: int
    hours_without_challenger: int
    unmatched: Observed


class Unmatched(Struct, frozen=True, kw_only=True):
    """Champion requests of one segment value that the challenger never answered."""

    column: str
    value: str | None
    n: int
    unmatched: int
    share: float
    share_before: float | None


class Parity(Struct, frozen=True, kw_only=True):
    """A feature that both models logged for the same requests: how often its values differ."""

    feature: str
    compared: int
    differing: int
    share: float
    share_before: float | None
    null_on_champion: int
    null_on_challenger: int


class Rejected(Struct, frozen=True, kw_only=True):
    """Rows of one model that could not be used in full, by reason."""

    model: str
    reason: str
    n: int


class Coverage(Struct, frozen=True, kw_only=True):
    """What is missing comes before what is different.

    hours: columns champion, challenger, pairs, only_champion, only_challenger. parity_known:
    False where only one model logs features, so that nothing can be compared.
    """

    incident: Rows
    baseline: Rows | None
    hours: Hours
    segments: list[Unmatched]
    parity_known: bool
    parity: list[Parity]
    rejected: list[Rejected]
    lines: list[str]


class Series(Struct, frozen=True, kw_only=True):
    """One hourly series for the chart; its onset is the one of that name in `onsets`.

    hours: columns `value`, `usual` (median of that hour of the week in earlier clean weeks, None
    where unknown) and `n`.
    """

    name: str
    title: str
    unit: str
    hours: Hours


class Search(Struct, frozen=True, kw_only=True):
    """The search for segments by one measure: in the incident (`level`), or against its baseline
    (`change`). title and unit are for people; found None: `refusal` says why.
    """

    measure: Measure
    mode: Mode
    title: str
    unit: str
    found: Found | None
    refusal: str


class Cell(Struct, frozen=True):
    """One cell of a feature's distribution: its words, its share before and in the incident."""

    label: str
    before: float
    after: float


class Feature(Struct, frozen=True, kw_only=True):
    """What a chart shows of one feature; its ranking is the `precursors` entry of that name.

    model: whose log it is from. inside: how it drifted within the worst segments, in words.
    before, after: windows of the distribution. spark: column `psi` over time.
    """

    feature: str
    model: str
    before: Span
    after: Span
    distribution: list[Cell]
    spark: Hours
    inside: list[str]


class NullRun(Struct, frozen=True, kw_only=True):
    """The same analysis on an earlier clean window of the same length: it should find nothing.

    largest: by measure the largest |z| of a segment found there, what these logs do by themselves.
    """

    window: Span | None
    baseline: Span | None
    series: list[str]
    segments: list[str]
    features: list[str]
    tested: int
    largest: dict[str, float] = {}
    words: str
    refusal: str


class Density(Struct, frozen=True, kw_only=True):
    """Shares of rows by bin, for a chart: bin i is [edges[i], edges[i + 1])."""

    name: str
    edges: list[float]
    shares: dict[str, list[float]]
    n: dict[str, int]


class Latency(Struct, frozen=True, kw_only=True):
    """Percentiles of one model by hour, ms: columns p50, p99, n (p99 None below 380 requests)."""

    model: str
    hours: Hours


class MaturedLoss(Struct, frozen=True, kw_only=True):
    """Both models on the same labelled pairs of some whole prediction days.

    days: those complete enough of the `asked` ones with pairs; labels of `rows` pairs have come;
    complete: least share of a class's labels that has. refusal: why nothing is said.
    """

    window: Span
    asked: int
    days: int
    rows: float
    labels: float
    complete: float
    champion: Observed
    challenger: Observed
    difference: Observed
    refusal: str


class Matured(Struct, frozen=True, kw_only=True):
    """What labels known by `as_of` say of the incident's days against its baseline's.

    metric: what is compared; difference is challenger minus champion. daily: columns champion,
    challenger, difference, complete by prediction day, None where too few labels are here: the
    grain of labels is a day. moved: incident minus baseline, of champion, challenger and
    difference. ready: date on which 0.9 of the labels of every day of the incident are here.
    missing: why there is nothing of all this; then the rest is empty.
    """

    metric: str
    as_of: str
    daily: Hours | None
    incident: MaturedLoss | None
    baseline: MaturedLoss | None
    moved: dict[str, Observed]
    ready: str | None
    lines: list[str]
    missing: str


class DrillDown(Struct, frozen=True, kw_only=True):
    """The raw logs that were read again: which windows, which dimensions, what was left out.

    pairs: of all windows; searched: those of them in which segments were searched.
    """

    windows: list[Span]
    pairs: int
    searched: int
    dimensions: list[str]
    left_out: list[str]
    unit: str
    digest: str
    lines: list[str]


class Provenance(Struct, frozen=True, kw_only=True):
    """From what every number was made, and how to make it again."""

    profiles: dict[str, str]
    policy: str
    config: str
    frozen: str
    commands: list[str]
    queries: list[str]
