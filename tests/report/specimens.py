"""Pages to look at: one in which every name is hostile, one as large as they get.

Everything is made up, seeded, and built from the same types that the product fills.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from msgspec import structs

from analyzer.diagnose.diagnosis import Diagnosis
from analyzer.diagnose.findings import (
    Cell,
    Coverage,
    Density,
    DrillDown,
    Feature,
    Hours,
    Incident,
    Latency,
    Moment,
    NullRun,
    Parity,
    Provenance,
    Refusal,
    Rejected,
    Rows,
    Search,
    Sentence,
    Series,
    Unmatched,
)
from analyzer.divergence import Divergence, ScoreDistribution, SegmentDivergence, WorstPair
from analyzer.drift import ColumnDrift, Drift
from analyzer.latency import Latency as Percentiles
from analyzer.latency import ModelLatency
from analyzer.measure import Rate
from analyzer.mix import Mix, Part
from analyzer.onset import Onset, Onsets
from analyzer.overview import Answers, Column, Overview
from analyzer.precursors import Finding, Precursor, Precursors
from analyzer.report import incident as incidents
from analyzer.report import night
from analyzer.segments.finding import Found, Offset, Segment, Value
from analyzer.segments.finding import Refusal as SearchRefusal
from analyzer.stats.result import Estimate, Undefined
from analyzer.verdict import Check, Observed, Step, Trial, Verdict, Waiting

START = datetime(2025, 3, 3, tzinfo=UTC)

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'; DROP TABLE predictions; --",
    "</style></svg><script>alert(3)</script>",
    "<b>bold</b> &amp; &lt;i&gt;",
    "{{ 7 * 7 }}{% raw %}${7*7}",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe",
    "\u0645\u0631\u062d\u0628\u0627",
    "family \U0001f468\u200d\U0001f469\u200d\U0001f467 caf\u00e9",
    "bell\x07 esc\x1b[31m nul\x00",
    "two\nlines\ttab",
    "javascript:alert(4)",
    "datum.value + 1 \\u0041 \\",
    "x" * 5_000,
    " ",
    "",
]
"""Names that someone's log may hold: markup, quotes, templates, other scripts, control codes."""


def instant(hours: float) -> str:
    """An instant of the made-up window."""
    return (START + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%MZ")


def estimate(value: float, width: float = 0.1, n: float = 10_000) -> Estimate:
    """A value with a symmetrical interval."""
    return Estimate(value, value - width, value + width, n, "made up 95%")


def course(random: np.random.Generator, steps: int, minutes: int, *names: str) -> Hours:
    """Series with a gap in each."""
    columns = {}
    for name in names:
        values: list[float | None] = np.abs(random.normal(1, 0.2, steps)).round(6).tolist()
        if steps > 8:
            values[3] = None
        columns[name] = values
    return Hours(start=instant(0), step_minutes=minutes, columns=columns)


def overview(names: list[str], days: int, features: int, segments: int, cells: int) -> Overview:
    """A page's content with `features` columns of each model and `segments` segments."""
    random = np.random.default_rng(3)

    def pick(i: int) -> str:
        return names[i % len(names)]

    steps, minutes = (days * 24, 60) if days <= 7 else (days * 4, 360)
    traffic = course(
        random,
        steps,
        minutes,
        *("champion", "challenger", "pairs", "failed_champion", "failed_challenger"),
        *("mean_difference", "mean_absolute", "flips"),
    )
    columns = [
        Column(
            _drift(model, f"{pick(i)}{i // len(names) or ''}", 0.4 / (1 + i), random),
            model,
            course(random, days, 24 * 60, "psi"),
            tuple(
                Cell(pick(k) if i % 2 else f"{k * 0.5:g}", *random.dirichlet([1, 1])[:2].tolist())
                for k in range(cells)
            )
            if i < 10
            else (),
        )
        for i in range(features)
        for model in ("champion", "challenger")
    ]
    window = (instant(0), instant(days * 24))
    return Overview(
        verdict=verdict(names, window),
        answers=Answers(
            divergence=_divergence(names, segments, window),
            latency=_percentiles(window),
            drift=Drift("/".join(window), "a/b", 0, [c.drift for c in columns]),
            missing=(Refusal(part="drift", reason=pick(4)),),
        ),
        columns=tuple(columns),
        densities=(
            _density("scores", random, 0.0, "champion", "challenger"),
            _density("difference", random, -0.5, "pairs"),
        ),
        traffic=traffic,
        latency=tuple(
            Latency(model=model, hours=course(random, steps, minutes, "p50", "p99", "n"))
            for model in ("champion", "challenger")
        ),
        labels=False,
        rejected=(Rejected(model="champion", reason=pick(0), n=12),),
        unusable=((f"logs/{pick(1)}.parquet", pick(5)),),
        diary=(
            Moment(
                at=instant(1), kind="phase", text=pick(0), challenger_weight=0.0, source=pick(6)
            ),
            Moment(at=instant(9), kind="trigger", text=pick(3)),
            Moment(at=instant(10), kind="incident", text=pick(8), end=instant(12)),
        ),
        changed=("2025-03-03T00",),
    )


def verdict(names: list[str], window: tuple[str, str]) -> Verdict:
    """A verdict with a check of each outcome for each name."""
    outcomes = ("fail", "undecided", "invalid", "pass")
    checks = [
        Check(
            id=f"model.nulls.{name}",
            layer="model",
            metric=f"null share of {name}",
            segment=None,
            window=window,
            observed=Observed(value=0.1 * i, low=0.05 * i, high=None, n=500, method="made up")
            if i % 5
            else Observed(undefined=f"nothing of {name}"),
            counts={},
            operator="<",
            limit=0.4,
            outcome=outcomes[i % 4],  # type: ignore[arg-type]
            severity="warn" if i % 3 == 2 else "block",
            on_fail="hold",
            sentence=f"Critical feature {name}: 5 % are NULL; below 4 % is needed.",
        )
        for i, name in enumerate(names)
    ]
    return Verdict(
        schema=1,
        tool="analyzer test",
        rollout=names[0],
        phase="shadow",
        outcome="hold",
        exit_code=3,
        headline="Hold",
        window=window,
        as_of=window[1],
        valid_until=window[1],
        models={"champion": names[1 % len(names)], "challenger": names[2 % len(names)]},
        policy="0123456789abcdef",
        profiles={f"2025-03-{3 + i:02d}T00": "0123456789abcdef" for i in range(28)},
        checks=checks,
        blocking=[c.id for c in checks if c.outcome != "pass" and c.severity == "block"],
        enough_data=[
            Waiting(check=checks[0].id, has=1, needs=2, at=None, sentence=f"Wait for {names[0]}.")
        ],
        detectable=["A rate of 1 % or more would have been found."],
        record=[Trial(what="A/A", splits=200, held=0, undecided=0, sentence=f"On {names[0]}.")],
        unwatched_minutes=3,
        cost="12 mirrored requests, 0.1 h of serving time.",
        next=Step("canary", 0.01),
        evidence=[],
        notes=[f"Beware of {name}" for name in names[:6]],
    )


def _drift(model: str, column: str, psi: float, random: np.random.Generator) -> ColumnDrift:
    none = Undefined("values have no order")
    p = estimate(0.03, 0.01) if random.random() < 0.5 else Undefined("no past windows")
    return ColumnDrift(
        *(model, column, psi, psi - 0.001, p, 11, 50_000, 60_000, 0.01, 0.02, 0.0, 0.001, False),
        *(none, none, none, "became something else" if random.random() < 0.1 else ""),
    )


def _divergence(names: list[str], segments: int, window: tuple[str, str]) -> Divergence:
    found = [
        SegmentDivergence(
            names[i % len(names)],
            None if i % 9 == 8 else names[(i + 1) % len(names)],
            *(1_000 + i, i, estimate(0.1 + i / 100), 0.1, 1 / (i + 2), estimate(0.3 - i / 30)),
            *(40, Undefined("no flips outside") if i % 4 == 0 else estimate(1.2)),
        )
        for i in range(segments)
    ]
    coverage = {"champion_rows": 60_000, "challenger_rows": 59_000, "matched": 58_999}
    flips = Rate(500, 58_999, 1.5, estimate(0.0085, 0.001))
    scores = [
        ScoreDistribution(m, 60_000, {"P50": estimate(0.4), "P95": Undefined("too few", 3)})
        for m in ("champion", "challenger")
    ]
    worst = [WorstPair(name, instant(3), 0.1, 0.9) for name in names]
    classes = [{"champion": a, "challenger": None, "n": 12} for a in names]
    return Divergence(
        *("/".join(window), coverage, 58_999, 3, estimate(0.01, 0.001), 0.03, flips, scores, 0.02),
        *(estimate(0.05, 0.01), Undefined("no rows"), found, worst, classes),
    )


def _percentiles(window: tuple[str, str]) -> Percentiles:
    models = [
        ModelLatency(
            model,
            60_000,
            0,
            {"P50": estimate(30.0, 1.0), "P99": Undefined("too few requests", 40)},
            {"200": Rate(3, 60_000, 1.0, estimate(0.00005, 0.00001))},
        )
        for model in ("champion", "challenger")
    ]
    return Percentiles("/".join(window), models, [])


def _density(name: str, random: np.random.Generator, first: float, *series: str) -> Density:
    return Density(
        name=name,
        edges=(first + np.arange(25) / 24).tolist(),
        shares={s: random.dirichlet(np.ones(24)).tolist() for s in series},
        n=dict.fromkeys(series, 58999),
    )


def diagnosis(names: list[str], days: int, features: int, segments: int, cells: int) -> Diagnosis:
    """An incident in which `features` features and `segments` segments moved."""
    random = np.random.default_rng(4)

    def pick(i: int) -> str:
        return names[i % len(names)]

    window = (instant(days * 24 - 30), instant(days * 24))
    before = (instant(days * 24 - 54), instant(days * 24 - 30))
    onset = Onset(
        series="difference",
        unit="score",
        located=True,
        refusal="",
        at=instant(days * 24 - 20),
        low=instant(days * 24 - 22),
        high=instant(days * 24 - 19),
        shift=0.034,
        shift_sd=4.2,
        direction="up",
        kind="step",
        statistic=7.1,
        threshold=4.4,
        deseasoned="hour of the week",
        points_before=400,
        points_searched=60,
        sentence=f"the mean difference rose at {instant(days * 24 - 20)}",
    )
    still = structs.replace(
        onset,
        series=pick(1),
        unit="share",
        located=False,
        refusal=pick(4),
        at=None,
        low=None,
        high=None,
        shift=None,
        shift_sd=None,
        direction=None,
        sentence=f"{pick(2)} did not move",
    )
    incident = Incident(
        window=window,
        found="rollback",
        why=f"the diary's rollback, {pick(3)}",
        baseline=before,
        baseline_rule=f"the 24 h before, {pick(5)}",
        onset=onset.at,
        onset_interval=(onset.low or "", onset.high or ""),
        onset_series="difference",
        trigger=instant(days * 24 - 4),
        rollback=instant(days * 24 - 3.95),
        minutes_onset_to_trigger=960,
        minutes_trigger_to_rollback=3,
        minutes_onset_to_rollback=963,
        objective_minutes=5,
        diary=[
            Moment(at=instant(days * 24 - 4), kind="trigger", text=pick(0)),
            Moment(at=instant(days * 24 - 3.95), kind="rollback", text=pick(1), source=pick(7)),
        ],
    )
    observed = Observed(value=0.031, low=0.02, high=0.042, n=9_000, method="made up 95%")
    nothing = Observed(undefined=f"nothing of {pick(2)}")
    rows = Rows(
        champion=40_000,
        challenger=39_000,
        pairs=39_000,
        only_champion=1_000,
        only_challenger=0,
        duplicates=3,
        hours_without_champion=0,
        hours_without_challenger=1,
        unmatched=observed,
    )
    hours = course(random, min(days, 9) * 24, 60, "value", "usual", "n")
    moved = [
        Segment(
            where=tuple(
                (pick(i + k), None if i % 7 == 6 else pick(i + k + 1)) for k in range(1 + i % 3)
            ),
            hours=(3, 9) if i % 5 == 4 else None,
            aliases=((("alias", pick(i)),),) if i % 4 == 1 else (),
            n=9_000 - i,
            support=0.2 / (1 + i),
            mean=0.05,
            effect=Observed(
                value=0.3 / (1 + i), low=0.2 / (1 + i), high=None, n=9, method="made up"
            ),
            alone=observed,
            effect_sd=0.4,
            z=12.0 - i / 10,
            deff=1.7,
            p=1e-9,
            risk_ratio=nothing if i % 2 else observed,
            share=0.3,
            lift=2.5,
            sentence=f"{pick(i)} differs by 0.3 from the rest",
        )
        for i in range(min(segments, 20))
    ]
    values = tuple(
        Value(
            column=pick(i),
            value=pick(i + 1),
            n=900,
            support=0.1,
            mean=0.02,
            effect=observed,
            share=0.2,
            lift=2.0,
        )
        for i in range(segments)
    )
    found = Found(
        outcome="difference",
        mode="change",
        rows=39_000,
        mean=observed,
        sd=0.2,
        segments=tuple(moved),
        offsets=(
            Offset(
                parent=((pick(0), pick(1)),),
                n=400,
                effect=observed,
                children=(((pick(2), pick(3)),), ((pick(4), None),)),
                sentence=pick(5),
            ),
        ),
        one_way=values,
        cells_tested=4_321,
        cells_apart=7,
        cells_left=0,
        explained=0.12,
        refusals=(SearchRefusal(reason="too few units", sentence=f"too few units in {pick(6)}"),),
        notes=(f"a note on {pick(7)}",),
    )
    labels = ("leads", "coincides", "follows", "drifts, score unmoved", "undecided", "unmoved")
    ranked = [
        Precursor(
            feature=f"{pick(i)}{i // len(names) or ''}",
            rank=i + 1,
            label=labels[min(i // 3, 5)],
            psi=0.3 / (1 + i),
            debiased=0.29 / (1 + i),
            score=3.0,
            p=0.001,
            q=0.01,
            psi_after=0.2,
            q_after=None,
            cells=11,
            rows=20_000,
            rows_reference=80_000,
            first=instant(30),
            first_low=instant(29),
            first_high=instant(33),
            carried=0.2 if i % 2 else None,
            sparkline=[0.01] * 12,
            sentence=f"{pick(i)} moved",
        )
        for i in range(features)
    ]
    drawn = [
        Feature(
            feature=r.feature,
            model="challenger",
            before=before,
            after=window,
            distribution=[
                Cell(pick(k) if i % 2 else f"{k * 0.5:g}", *random.dirichlet([1, 1])[:2].tolist())
                for k in range(cells)
            ]
            if i < 20
            else [],
            spark=course(random, days * 4, 360, "psi"),
            inside=[f"inside {pick(i)}: PSI 0.3"] if i < 3 else [],
        )
        for i, r in enumerate(ranked)
    ]
    part = Part(
        group=pick(0),
        share_before=0.4,
        share_after=0.5,
        mean_before=0.1,
        mean_after=None,
        mix=0.01,
        within=-0.002,
    )
    return Diagnosis(
        schema=1,
        tool="analyzer test",
        rollout=pick(0),
        models={"champion": pick(1), "challenger": pick(2)},
        score="probability",
        incident=incident,
        summary=[
            Sentence(topic=topic, text=f"About {topic}: {pick(i)} since {instant(20)}, 4 % of all.")
            for i, topic in enumerate(("what", "when", "who", "first", "sure", "done", "time"))
        ],
        coverage=Coverage(
            incident=rows,
            baseline=rows,
            hours=course(
                random, min(days, 9) * 24, 60, "champion", "challenger", "pairs", "only_champion"
            ),
            segments=[
                Unmatched(
                    column=pick(i),
                    value=pick(i + 1),
                    n=500,
                    unmatched=50,
                    share=0.1,
                    share_before=None if i else 0.01,
                )
                for i in range(len(names))
            ],
            parity_known=True,
            parity=[
                Parity(
                    feature=pick(i),
                    compared=900,
                    differing=90,
                    share=0.1,
                    share_before=0.0,
                    null_on_champion=1,
                    null_on_challenger=2,
                )
                for i in range(len(names))
            ],
            rejected=[Rejected(model="champion", reason=pick(9), n=3)],
            lines=[f"The challenger never answered 1,000 requests of {pick(3)}."],
        ),
        onsets=Onsets(
            searched=window,
            step="hour",
            false_alarm=0.03,
            series=[still, onset],
            order=["difference"],
            at=onset.at,
            low=onset.low,
            high=onset.high,
            hours_to_trigger=16.0,
            hours_to_rollback=16.05,
            sentences=[pick(8)],
        ),
        series=[
            Series(name=name, title=f"Series {name}", unit=unit, hours=hours)
            for name, unit in (("difference", "score"), (pick(1), "share"), ("latency", "ms"))
        ],
        searches=[
            Search(
                measure="difference",
                mode="change",
                title="Mean difference",
                unit="score",
                found=found,
                refusal="",
            ),
            Search(
                measure="flips",
                mode="level",
                title="Decisions that differ",
                unit="share",
                found=structs.replace(found, segments=(), offsets=()),
                refusal="",
            ),
            Search(
                measure="errors",
                mode="level",
                title="Failed requests",
                unit="share",
                found=None,
                refusal=f"too few rows of {pick(5)}",
            ),
        ],
        precursors=Precursors(
            before=before,
            after=window,
            weeks=4,
            null_windows=60,
            level=0.1,
            ranking_only=False,
            features=ranked,
            findings=[
                Finding(
                    feature=pick(i),
                    what="null",
                    rows=40,
                    of=900,
                    share=0.04,
                    share_reference=0.001,
                    q=0.001,
                    first=instant(20),
                    when="leads",
                    sentence=f"NULLs of {pick(i)} rose",
                )
                for i in range(len(names))
            ],
            left_after_top_two=0.4,
            refusal="",
            sentences=[f"{pick(0)} moved before it."],
        ),
        features=drawn,
        mix={
            "score": [
                Mix(
                    column=pick(i),
                    shift=0.05,
                    mix=0.01,
                    within=0.04,
                    parts=[part] * cells,
                    refusal="" if i else pick(4),
                    sentence=f"by {pick(i)}: mostly within",
                )
                for i in range(8)
            ]
        },
        null_run=NullRun(
            window=before,
            baseline=before,
            series=[],
            segments=[pick(1)],
            features=[],
            tested=4_000,
            words=f"A clean window found {pick(1)}.",
            refusal="",
        ),
        densities=[
            _density(
                "scores",
                random,
                0.0,
                "champion",
                "challenger",
                "champion before",
                "challenger before",
            ),
            _density("difference", random, -0.5, "pairs", "pairs before"),
        ],
        latency=[
            Latency(model=model, hours=course(random, min(days, 9) * 24, 60, "p50", "p99", "n"))
            for model in ("champion", "challenger")
        ],
        refusals=[Refusal(part=pick(0), reason=f"not enough of {pick(1)}")],
        drilldown=DrillDown(
            windows=[window, before],
            pairs=80_000,
            read_share=1.0,
            dimensions=names[:8],
            left_out=names[8:9],
            unit="unit_id",
            digest="0123456789abcdef",
            lines=[pick(2)],
        ),
        provenance=Provenance(
            profiles={f"2025-03-{3 + i:02d}T00": "0123456789abcdef" for i in range(28)},
            policy="p",
            config="c",
            frozen="f",
            commands=["analyzer diagnose --incident A/B"],
            queries=["rows"],
        ),
    )


def hostile_incident() -> bytes:
    """The page about an incident whose every name is hostile."""
    return incidents.report(diagnosis(HOSTILE, days=5, features=16, segments=18, cells=9))


def large_incident() -> bytes:
    """30 days, 200 features, 50 segments."""
    names = [f"feature_with_a_usual_name_{i:03d}" for i in range(50)]
    return incidents.report(diagnosis(names, days=30, features=200, segments=50, cells=24))


def hostile_night() -> bytes:
    """A page whose every name is hostile."""
    return night.report(overview(HOSTILE, days=2, features=17, segments=40, cells=9))


def large_night() -> bytes:
    """30 days, 200 features of both models, 50 segments."""
    names = [f"feature_with_a_usual_name_{i:03d}" for i in range(200)]
    return night.report(overview(names, days=30, features=200, segments=50, cells=24))
