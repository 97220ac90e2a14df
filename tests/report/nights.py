"""Made-up content of the page about a verdict, built from the types that the product fills."""

from __future__ import annotations

from functools import cache

import numpy as np
from report.specimens import HOSTILE, course, density, estimate, instant

from analyzer import policy
from analyzer.config import Features
from analyzer.diagnose.findings import Cell, Latency, Moment, Refusal, Rejected
from analyzer.divergence import Divergence, ScoreDistribution, SegmentDivergence, WorstPair
from analyzer.drift import ColumnDrift, Drift
from analyzer.latency import Latency as Percentiles
from analyzer.latency import ModelLatency
from analyzer.measure import Rate
from analyzer.overview import Answers, Column, Overview
from analyzer.report import night
from analyzer.slo.answer import Slo, slo
from analyzer.stages import Stages
from analyzer.stats.result import Undefined
from analyzer.triggers.watched import Watched
from analyzer.verdict import Check, Observed, Override, Step, Trial, Verdict, Waiting
from analyzer.window import parse
from benchmarks.planted.service import Service


@cache
def hostile() -> bytes:
    """A page whose every name is hostile."""
    sizes = {"features": len(HOSTILE), "segments": 20, "cells": 9, "drawn": 6}
    return night.report(overview(HOSTILE, days=2, **sizes))


@cache
def large() -> bytes:
    """30 days, 200 features of both models, 50 segments."""
    names = [f"feature_with_a_usual_name_{i:03d}" for i in range(200)]
    return night.report(overview(names, days=30, features=200, segments=50, cells=24))


def levels(features: list[str]) -> Slo:
    """A day on which an hour failed, with these critical features."""
    service = Service(parse("2025-03-03"), 31)
    service.serve("champion", np.full(service.minutes, 500))
    service.serve("challenger", np.full(service.minutes, 500))
    service.arms["champion"]["errors"][-600:-540] = 20
    described = Features(numeric=sorted(set(features))[:12], critical=sorted(set(features))[:12])
    material = service.material(policy.load(), service.window(30), features=described)
    return slo(material.rollout, material.policy, material.profiles, ())


def overview(
    names: list[str], *, days: int, features: int, segments: int, cells: int, drawn: int = 20
) -> Overview:
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
            if i < drawn // 2
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
        levels=levels(names[:features]),
        densities=(
            density("scores", random, 0.0, "champion", "challenger"),
            density("difference", random, -0.5, "pairs"),
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
        watched=Watched(
            missing=pick(2),
            ways=(Stages(decided="2025-03-03T10:00:01Z", written="2025-03-03T10:00:01.250Z"),),
        ),
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
        evidence=["0123456789abcdef"],
        overrides=[
            Override(phase="canary", what="skip", reason=n, by=names[0], at=window[0])
            for n in names[:4]
        ],
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
