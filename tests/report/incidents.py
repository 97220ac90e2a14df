"""Made-up content of the page about an incident, built from the types that the product fills."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from msgspec import structs
from report.searches import searches
from report.specimens import HOSTILE, course, density, instant

from analyzer.diagnose.diagnosis import DIAGNOSIS_SCHEMA, Diagnosis
from analyzer.diagnose.findings import (
    Cell,
    Coverage,
    DrillDown,
    Feature,
    Hours,
    Incident,
    Latency,
    Matured,
    MaturedLoss,
    Moment,
    NullRun,
    Parity,
    Provenance,
    Refusal,
    Rejected,
    Rows,
    Sentence,
    Series,
    Span,
    Unmatched,
)
from analyzer.mix import Mix, Part
from analyzer.onset.precursors import Finding, Precursor, Precursors
from analyzer.onset.search import Onset, Onsets
from analyzer.report import incident
from analyzer.stages import Leg
from analyzer.verdict import Observed

LABELS = ("leads", "coincides", "follows", "drifts, score unmoved", "undecided", "unmoved")


@cache
def hostile() -> bytes:
    """A page whose every name is hostile."""
    sizes = {"features": len(HOSTILE), "segments": 18, "cells": 9, "drawn": 6}
    return incident.report(diagnosis(HOSTILE, days=5, **sizes))


@cache
def large() -> bytes:
    """30 days, 200 features, 50 segments."""
    names = [f"feature_with_a_usual_name_{i:03d}" for i in range(50)]
    return incident.report(diagnosis(names, days=30, features=200, segments=50, cells=24))


def diagnosis(
    names: list[str], *, days: int, features: int, segments: int, cells: int, drawn: int = 20
) -> Diagnosis:
    """An incident on the last of `days` days; names are used over and over."""
    random = np.random.default_rng(4)
    hours = (days + 8) * 24  # charts show a week before and a day after
    window = (instant(days * 24 - 30), instant(days * 24))
    before = (instant(days * 24 - 54), instant(days * 24 - 30))
    onset = _onset(days)
    every = [names[i % len(names)] for i in range(max(features, 20))]
    topics = ("what", "when", "who", "first", "labels", "sure", "done", "time")
    return Diagnosis(
        schema=DIAGNOSIS_SCHEMA,
        tool="analyzer test",
        rollout=names[0],
        models={"champion": every[1], "challenger": every[2]},
        score="probability",
        incident=_incident(every, days, window, before, onset),
        summary=[
            Sentence(topic=topic, text=f"About {topic}: {name} since {instant(20)}, 4 % of all.")
            for topic, name in zip(topics, every, strict=False)
        ],
        coverage=_coverage(names, course(random, hours, 60, "pairs", "only_champion")),
        onsets=_onsets(every, window, onset),
        series=[
            Series(
                name=name,
                title=f"Series {name}",
                unit=unit,
                hours=course(random, hours, 60, "value", "usual", "n"),
            )
            for name, unit in (
                *(("difference", "score"), (every[1], "share"), ("latency", "ms")),
                *((f"more {i}", "share") for i in range(6)),
            )
        ],
        searches=searches(names, segments),
        precursors=_precursors(every[:features], names, window, before),
        features=[
            Feature(
                feature=f"{name}{i // len(names) or ''}",
                model="challenger",
                before=before,
                after=window,
                distribution=_cells(random, names, i, cells) if i < drawn else [],
                spark=course(random, days * 4, 360, "psi"),
                inside=[f"inside {name}: PSI 0.3"] if i < 3 else [],
            )
            for i, name in enumerate(every[:features])
        ],
        mix={"score": [_mix(name, i, cells) for i, name in enumerate(every[:8])]},
        null_run=NullRun(
            window=before,
            baseline=before,
            series=[],
            segments=[every[1]],
            features=[],
            tested=4_000,
            words=f"A clean window found {every[1]}.",
            refusal="",
        ),
        densities=[
            density(
                "scores",
                random,
                0.0,
                *("champion", "challenger", "champion before", "challenger before"),
            ),
            density("difference", random, -0.5, "pairs", "pairs before"),
        ],
        latency=[
            Latency(model=model, hours=course(random, hours, 60, "p50", "p99", "n"))
            for model in ("champion", "challenger")
        ],
        matured=_matured(every, window, before, course(random, days, 24 * 60, *LOSSES)),
        refusals=[Refusal(part=every[0], reason=f"not enough of {every[1]}")],
        drilldown=DrillDown(
            windows=[window, before],
            pairs=80_000,
            searched=1,
            dimensions=names[:8],
            left_out=names[8:9],
            unit="",
            digest="0123456789abcdef",
            lines=[every[2]],
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


LOSSES = ("champion", "challenger", "difference", "complete")


def _matured(names: Sequence[str], window: Span, before: Span, daily: Hours) -> Matured:
    seen = Observed(value=0.2, low=0.19, high=0.22, n=900.0, method="example")
    loss = MaturedLoss(
        window=window,
        asked=2,
        days=1,
        rows=1000.0,
        labels=900.0,
        complete=0.8,
        champion=seen,
        challenger=seen,
        difference=Observed(undefined=names[3]),
        refusal="",
    )
    return Matured(
        metric="brier",
        as_of="2025-03-31",
        daily=daily,
        incident=loss,
        baseline=structs.replace(loss, window=before),
        moved=dict.fromkeys(LOSSES[:3], seen),
        ready="2025-04-02",
        lines=[f"Brier of {names[4]} was 0.2."],
        missing="",
    )


def _onset(days: int) -> Onset:
    return Onset(
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


def _onsets(names: Sequence[str], window: Span, onset: Onset) -> Onsets:
    still = structs.replace(
        onset,
        series=names[1],
        unit="share",
        located=False,
        refusal=names[4],
        at=None,
        low=None,
        high=None,
        shift=None,
        shift_sd=None,
        direction=None,
        sentence=f"{names[2]} did not move",
    )
    more = [structs.replace(onset, series=s) for s in ("latency", "more 0", "more 1")]
    return Onsets(
        searched=window,
        step="hour",
        false_alarm=0.03,
        series=[still, onset, *more],
        order=["difference", "latency", "more 0", "more 1"],
        at=onset.at,
        low=onset.low,
        high=onset.high,
        hours_to_trigger=16.0,
        hours_to_rollback=16.05,
        sentences=[names[8]],
    )


def _incident(
    names: Sequence[str], days: int, window: Span, before: Span, onset: Onset
) -> Incident:
    trigger, rollback = instant(days * 24 - 4), instant(days * 24 - 3.95)
    return Incident(
        window=window,
        found="rollback",
        why=f"the diary's rollback, {names[3]}",
        baseline=before,
        baseline_rule=f"the 24 h before, {names[5]}",
        onset=onset.at,
        onset_interval=(onset.low or "", onset.high or ""),
        onset_series="difference",
        trigger=trigger,
        rollback=rollback,
        minutes_onset_to_trigger=960,
        minutes_trigger_to_rollback=3,
        minutes_onset_to_rollback=963,
        objective_minutes=5,
        diary=[
            Moment(at=trigger, kind="trigger", text=names[0]),
            Moment(at=rollback, kind="rollback", text=names[1], source=names[7]),
        ],
        parts=[Leg(start="breach", end="fired", seconds=600.0)],
    )


def _coverage(names: Sequence[str], hours: Hours) -> Coverage:
    rows = Rows(
        champion=40_000,
        challenger=39_000,
        pairs=39_000,
        only_champion=1_000,
        only_challenger=0,
        duplicates=3,
        hours_without_champion=0,
        hours_without_challenger=1,
        unmatched=Observed(value=0.025, low=0.02, high=0.03, n=40_000, method="made up 95%"),
    )
    lost = {"n": 500, "unmatched": 50, "share": 0.1}
    apart = {"compared": 900, "differing": 90, "share": 0.1, "share_before": 0.0}
    nulls = {"null_on_champion": 1, "null_on_challenger": 2}
    return Coverage(
        incident=rows,
        baseline=rows,
        hours=hours,
        segments=[
            Unmatched(column=name, value=None, share_before=0.01 if i else None, **lost)
            for i, name in enumerate(names)
        ],
        parity_known=True,
        parity=[Parity(feature=name, **apart, **nulls) for name in names],
        rejected=[Rejected(model="champion", reason=names[-1], n=3)],
        lines=[f"The challenger never answered 1,000 requests of {names[3]}."],
    )


def _precursors(
    features: Sequence[str], names: Sequence[str], window: Span, before: Span
) -> Precursors:
    return Precursors(
        before=before,
        after=window,
        weeks=4,
        null_windows=60,
        level=0.1,
        least_psi=0.01,
        ranking_only=False,
        features=[
            Precursor(
                feature=f"{name}{i // len(names) or ''}",
                rank=i + 1,
                label=LABELS[min(i // 3, 5)],
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
                sentence=f"{name} moved",
            )
            for i, name in enumerate(features)
        ],
        findings=[
            Finding(
                feature=name,
                what="null",
                rows=40,
                of=900,
                share=0.04,
                share_reference=0.001,
                q=0.001,
                first=instant(20),
                when="leads",
                sentence=f"NULLs of {name} rose",
            )
            for name in names
        ],
        left_after_top_two=0.4,
        refusal="",
        sentences=[f"{names[0]} moved before it."],
    )


def _cells(random: np.random.Generator, names: Sequence[str], i: int, cells: int) -> list[Cell]:
    return [
        Cell(names[k % len(names)] if i % 2 else f"{k * 0.5:g}", *random.dirichlet([1, 1]).tolist())
        for k in range(cells)
    ]


def _mix(name: str, i: int, cells: int) -> Mix:
    part = Part(
        group=name,
        share_before=0.4,
        share_after=0.5,
        mean_before=0.1,
        mean_after=None,
        mix=0.01,
        within=-0.002,
    )
    return Mix(
        column=name,
        shift=0.05,
        mix=0.01,
        within=0.04,
        parts=[part] * cells,
        refusal="" if i else name,
        sentence=f"by {name}: mostly within",
    )
