"""Infrastructure levels on minutes that are known: each limit, who serves, what nobody logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from analyzer import policy
from analyzer.diary import Event
from analyzer.phases.gate import Material
from analyzer.profile import UNDATED, table
from analyzer.slo.history import history
from analyzer.slo.infrastructure import infrastructure_checks, upper_age
from analyzer.verdict import Check
from analyzer.window import HOUR, parse, show
from benchmarks.planted.service import Service

POLICY = policy.load()
MONDAY = parse("2025-03-03")
TODAY = slice(21 * 1440, 22 * 1440)


def steady(n: int = 1000) -> Service:
    service = Service(MONDAY, 22)
    service.serve("champion", np.full(service.minutes, n))
    return service


def checked(service: Service, events: Sequence[Event] = (), **changed: Any) -> dict[str, Check]:
    material: Material = service.material(POLICY, service.window(21))
    past = history(material.rollout, material.profiles, POLICY.slo, tuple(events))
    return {c.id.partition(".")[2]: c for c in infrastructure_checks(material, past)}


@pytest.mark.parametrize(
    ("measure", "share", "check", "outcome"),
    [
        ("errors", 0.0, "errors", "pass"),
        ("errors", 0.0009, "errors", "pass"),
        ("errors", 0.001, "errors", "undecided"),
        ("errors", 0.0011, "errors", "fail"),
        ("over_50ms", 0.49, "latency_median", "pass"),
        ("over_50ms", 0.5, "latency_median", "undecided"),
        ("over_50ms", 0.51, "latency_median", "fail"),
        ("over_200ms", 0.009, "latency_tail", "pass"),
        ("over_200ms", 0.01, "latency_tail", "undecided"),
        ("over_200ms", 0.011, "latency_tail", "fail"),
    ],
)
def test_shares_around_their_limits(measure: str, share: float, check: str, outcome: str) -> None:
    service = steady(10_000)
    service.arms["champion"][measure][TODAY] = round(10_000 * share)
    found = checked(service)[check]
    assert found.outcome == outcome, found.sentence
    assert found.observed.value == pytest.approx(share)
    assert found.counts["requests"] == 14_400_000


def test_an_hour_of_failures_fails_the_day_and_unevenness_alone_passes_nothing() -> None:
    service = steady()
    service.arms["champion"]["errors"][21 * 1440 + 600 : 21 * 1440 + 660] = 50
    found = checked(service)["errors"]
    assert found.outcome == "fail" and found.observed.value == pytest.approx(3000 / 1_440_000)
    assert f"Worst hour {show(service.at(21, 600))}: 3,000 of 60,000" in found.sentence
    service.arms["champion"]["errors"][:] = 0
    service.arms["champion"]["errors"][21 * 1440 + 600 : 21 * 1440 + 660] = 20
    assert checked(service)["errors"].outcome == "undecided"  # 0.083 %, all within an hour


def test_what_nobody_logged_is_neither_fine_nor_failed() -> None:
    service = steady()
    hours = [service.at(21, 60 * hour) for hour in range(24)]
    unknown = ["error unknown"] * 24
    service.tables["rejects"] = table(
        "rejects",
        {
            "hour": hours,
            "model": ["champion"] * 24,
            "reason": unknown,
            "n": [120] * 24,
        },
    )
    found = checked(service)["errors"]
    assert found.outcome == "undecided" and "Of 2,880 it was not logged" in found.sentence
    every = service.tables["rejects"].set_column(3, "n", [[60_000] * 24])
    service.tables["rejects"] = every
    assert "no request it is known" in checked(service)["errors"].observed.undefined
    service.arms["champion"]["latency_n"][TODAY] = 980
    silent = checked(service)["latency_tail"]
    assert silent.outcome == "undecided" and "28,800 requests log no latency" in silent.sentence
    service.arms["champion"]["latency_n"][:] = 0
    assert "log no latency" in checked(service)["latency_tail"].observed.undefined


def test_only_those_who_answer_users_count() -> None:
    service = steady()
    service.serve("challenger", np.full(service.minutes, 1000))
    service.arms["challenger"]["errors"][TODAY] = 500
    assert checked(service)["errors"].outcome == "pass"
    full = [Event(ts=show(service.at(21)), kind="weight", challenger_weight=1.0)]
    found = checked(service, full)["errors"]
    assert found.outcome == "fail" and found.observed.value == pytest.approx(0.5)
    half = [Event(ts=show(service.at(21)), kind="weight", challenger_weight=0.5)]
    assert checked(service, half)["errors"].observed.value == pytest.approx(0.25)


def test_users_of_both_models_are_allowed_for() -> None:
    # half each, 1.3 errors in a thousand, nearly all of a few users: no certain failure
    service = steady(50)
    service.serve("challenger", np.full(service.minutes, 50))
    for arm in service.arms.values():
        arm["errors"][TODAY][::30] = 2
    half = [Event(ts=show(service.at(20)), kind="weight", challenger_weight=0.5)]
    assert checked(service, half)["errors"].outcome == "fail"
    bucket = np.arange(256)
    columns = {
        "slot": np.full(256, service.at(21)),
        "a": pa.nulls(256, pa.string()),
        "a_value": pa.nulls(256, pa.string()),
        "bucket": bucket,
        "n": np.full(256, 281),
    }
    some = {**columns, "errors": np.where(bucket < 4, 24, 0)}
    parts = [table("cell_buckets", {**some, "model": [side] * 256}) for side in service.arms]
    service.tables["cell_buckets"] = pa.concat_tables(parts)
    found = checked(service, half)["errors"]
    assert found.outcome == "undecided", found.sentence


@pytest.mark.parametrize(("lost", "outcome"), [(0, "pass"), (1, "pass"), (2, "fail")])
def test_availability_counts_minutes_due(lost: int, outcome: str) -> None:
    service = steady()
    arm = service.arms["champion"]
    arm["errors"][21 * 1440 + 30 : 21 * 1440 + 30 + lost] = 1000  # all failed: nobody was answered
    found = checked(service)["availability"]
    assert found.outcome == outcome
    assert found.counts == {"answered_minutes": 1440 - lost, "due_minutes": 1440}
    for measure in arm:
        arm[measure][21 * 1440 + 30 : 21 * 1440 + 30 + lost] = 0  # or nobody asked
    assert checked(service)["availability"].outcome == outcome


def test_exactly_three_nines_are_enough() -> None:
    service = Service(MONDAY, 200)
    service.serve("champion", np.full(service.minutes, 1000))
    service.arms["champion"]["n"][21 * 1440 : 21 * 1440 + 36] = 0
    material = service.material(POLICY, service.window(21, 25))
    past = history(material.rollout, material.profiles, POLICY.slo, ())
    found = next(c for c in infrastructure_checks(material, past) if c.id.endswith("availability"))
    assert found.counts["due_minutes"] == 36_000 and found.outcome == "pass"
    assert found.observed.value == pytest.approx(0.999)


def test_silence_of_a_quiet_service_means_nothing() -> None:
    service = steady(9)
    service.arms["champion"]["n"][21 * 1440 : 21 * 1440 + 600] = 0
    found = checked(service)["availability"]
    assert (found.outcome, found.severity) == ("undecided", "warn")
    young = Service(MONDAY, 1)
    young.serve("champion", np.full(1440, 1000))
    material = young.material(POLICY, young.window(0))
    past = history(material.rollout, material.profiles, POLICY.slo, ())
    first = next(c for c in infrastructure_checks(material, past) if c.id.endswith("availability"))
    assert (first.outcome, first.severity) == ("undecided", "block")


def aged(service: Service, parts: dict[int, tuple[int, int]], model: str = "champion") -> None:
    """Per hour of the last day and code of an age: rows, and fresh ones of them."""
    hours = [service.at(21) + hour * HOUR for hour in range(24)]
    codes = sorted(parts)
    service.tables["freshness"] = table(
        "freshness",
        {
            "hour": np.repeat(hours, len(codes)),
            "model": [model] * 24 * len(codes),
            "code": codes * 24,
            "n": [parts[c][0] for c in codes] * 24,
            "fresh_300s": [parts[c][1] for c in codes] * 24,
        },
    )


@pytest.mark.parametrize(("stale", "outcome"), [(590, "pass"), (600, "undecided"), (620, "fail")])
def test_freshness_around_its_limit(stale: int, outcome: str) -> None:
    service = steady()
    aged(service, {0x4200: (60_000 - stale, 60_000 - stale), 0x4400: (stale, 0)})
    found = checked(service)
    assert found["freshness"].outcome in (outcome, "undecided")
    service = steady(100_000)
    aged(
        service,
        {0x4200: (100 * (60_000 - stale), 100 * (60_000 - stale)), 0x4400: (100 * stale, 0)},
    )
    assert checked(service)["freshness"].outcome == outcome
    assert "half within 34 s, 99 % within" in found["freshness"].sentence


def test_features_from_the_future_or_without_a_date_are_no_fresh_ones() -> None:
    service = steady()
    aged(service, {0x4200: (59_000, 59_000), -0x3E00: (1000, 0)})
    found = checked(service)
    assert found["freshness"].outcome == "undecided"
    assert found["feature_ts"].outcome == "fail" and found["feature_ts"].layer == "data"
    assert "24,000 of 1,440,000 answers carry a feature_ts after" in found["feature_ts"].sentence
    aged(service, {UNDATED: (60_000, 0)})
    lost = checked(service)["freshness"]  # the column is there and says nothing any more
    assert (lost.outcome, lost.severity) == ("undecided", "block")
    aged(service, {0x4200: (30_000, 30_000)})  # half of the rows are of a store without ages
    assert checked(service)["freshness"].outcome == "undecided"
    del service.tables["freshness"]
    absent = checked(service)["freshness"]
    assert (absent.outcome, absent.severity) == ("undecided", "warn")
    assert "logs no feature_ts" in absent.observed.undefined


def test_a_limit_that_the_store_did_not_count_is_named() -> None:
    service = steady()
    aged(service, {0x4200: (60_000, 60_000)})
    whole = service.tables["freshness"]
    service.tables["freshness"] = whole.rename_columns([*whole.schema.names[:-1], "fresh_60s"])
    assert "scan again" in checked(service)["freshness"].observed.undefined
    del service.arms["champion"]["over_200ms"]
    assert "scan again" in checked(service)["latency_tail"].observed.undefined


def test_the_upper_end_of_an_age() -> None:
    assert upper_age(0x4200) == 34.0  # 32 s and a sixteenth of an octave
    assert upper_age(0) > 0
