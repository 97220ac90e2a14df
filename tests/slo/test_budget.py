"""Error budgets and burn rates: the arithmetic of the SRE workbook, followed minute by minute."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer import policy
from analyzer.errors import ConfigError
from analyzer.profile import table
from analyzer.slo.budget import Budget, budgets
from analyzer.slo.burn import Alert
from analyzer.slo.history import history
from analyzer.stats.budget import burn_rate, spent_by
from analyzer.verdict import Check
from analyzer.window import parse, show
from benchmarks.planted.service import Service

POLICY = policy.load()
MONDAY = parse("2025-03-03")
DAYS = 31
NOON = (DAYS - 1) * 1440 + 720


def steady(n: int = 10_000, days: int = DAYS) -> Service:
    service = Service(MONDAY, days)
    service.serve("champion", np.full(service.minutes, n))
    return service


def judged(
    service: Service, day: int | None = None, **changed: Any
) -> tuple[dict[str, Budget], dict[str, Check]]:
    limits = msgspec.structs.replace(POLICY, slo=msgspec.structs.replace(POLICY.slo, **changed))
    material = service.material(limits, service.window(service.days - 1 if day is None else day))
    past = history(material.rollout, material.profiles, limits.slo, ())
    found, checks = budgets(material, past)
    return {b.objective: b for b in found}, {c.id.partition(".")[2]: c for c in checks}


def alert(service: Service, rate: float, what: str = "errors", **changed: Any) -> Alert:
    found, _ = judged(service, **changed)
    return next(a for a in found[what].alerts if a.rate == rate)


def test_what_an_alert_costs_is_the_workbooks_table() -> None:
    # Beyer et al. (2018), The Site Reliability Workbook, chapter 5, table 5-2: 2 % in an hour at
    # 14.4, 5 % in six hours at 6, 10 % in three days at 1
    published = [(14.4, 1, 0.02), (6, 6, 0.05), (1, 72, 0.10)]
    for rate, hours, gone in published:
        assert spent_by(rate, hours, 30) == pytest.approx(gone)
    shipped = [(b.rate, b.hours, b.minutes) for b in POLICY.slo.burn]
    assert shipped == [(14.4, 1, 5), (6.0, 6, 30), (1.0, 72, 360)]


@pytest.mark.parametrize("burn", POLICY.slo.burn, ids=lambda b: f"{b.hours}h")
def test_burning_at_the_rate_for_the_long_window_spends_that_share(burn: Any) -> None:
    service = steady(1_000_000)
    last = burn.hours * 60
    service.arms["champion"]["errors"][-last:] = round(1000 * burn.rate)
    found, checks = judged(service)
    spent = spent_by(burn.rate, burn.hours, 30)
    assert found["errors"].spent.value == pytest.approx(spent, rel=1e-6)
    assert found["errors"].left.value == pytest.approx(1 - spent, rel=1e-6)
    assert checks["budget.errors"].outcome == "pass"


@pytest.mark.parametrize(("errors", "outcome"), [(144, "quiet"), (145, "alerted")])
def test_exactly_the_rate_is_no_alert(errors: int, outcome: str) -> None:
    service = steady()
    service.arms["champion"]["errors"][NOON : NOON + 120] = errors
    found = alert(service, 14.4)
    assert found.outcome == outcome
    assert found.highest.value == pytest.approx(errors / 10)
    _, checks = judged(service)
    check = checks["burn.errors.1h"]
    assert (check.outcome, check.severity) == ("pass" if errors == 144 else "fail", "block")


def test_both_windows_must_burn() -> None:
    service = steady()
    service.arms["champion"]["errors"][NOON : NOON + 5] = 1000  # 100 times, for five minutes
    short = alert(service, 14.4)  # of the hour that is 8.3 times
    assert short.outcome == "quiet" and short.highest.value == pytest.approx(100 / 12)
    service.arms["champion"]["errors"][NOON : NOON + 60] = 1000
    both = alert(service, 14.4)
    first = NOON + 8  # nine minutes of 1,000: 15 per thousand of the hour's requests
    last = NOON + 59 + 4  # the last minute whose five still burn
    assert both.outcome == "alerted"
    assert both.episodes == [(show(MONDAY + first * 60_000_000), show(MONDAY + last * 60_000_000))]
    assert both.long.value == 0 and both.short.value == 0  # it is over by the end


def test_alerts_hold_or_roll_back_as_the_policy_says_and_a_ticket_informs() -> None:
    service = steady()
    service.arms["champion"]["errors"][-72 * 60 :] = 12
    _, checks = judged(service, on_fail="roll back")
    slow = checks["burn.errors.72h"]
    assert (slow.outcome, slow.severity, slow.on_fail) == ("fail", "warn", "roll back")
    assert "above 1 is a ticket, as 10 % of the budget is gone by then" in slow.sentence


def test_a_quiet_service_is_not_judged_by_noise() -> None:
    service = steady(1)
    service.arms["champion"]["errors"][NOON] = 1
    found = alert(service, 14.4)
    assert found.outcome == "undecided" and not found.episodes
    _, checks = judged(service)
    assert checks["burn.errors.1h"].outcome == "undecided"
    assert checks["burn.errors.1h"].severity == "warn"
    assert "too few requests" in checks["burn.errors.1h"].sentence
    busy = steady(100)  # 500 in five minutes are enough, 348 would be
    assert alert(busy, 14.4).outcome == "quiet"


def test_a_young_log_says_how_many_days_it_stands_on() -> None:
    service = steady(days=3)
    service.arms["champion"]["errors"][:1440] = 20
    found, checks = judged(service)
    assert found["errors"].stands_on == 3.0
    assert "It stands on 3 of 30 days" in checks["budget.errors"].sentence
    assert found["errors"].spent.value == pytest.approx(2 / 3)


def test_days_that_were_not_scanned_are_no_days_without_errors() -> None:
    service = steady()
    service.gone = set(range(5, 15))
    found, _ = judged(service)
    assert found["errors"].stands_on == 20.0
    assert found["errors"].requests == 20 * 1440 * 10_000


def test_no_news_of_failures_is_no_quiet_budget() -> None:
    service = steady()
    hours = [service.at(DAYS - 1, 60 * hour) for hour in range(24)]
    unknown = {"hour": hours, "model": ["champion"] * 24, "reason": ["error unknown"] * 24}
    service.tables["rejects"] = table("rejects", {**unknown, "n": [600_000] * 24})
    found = alert(service, 14.4)
    assert found.outcome == "undecided" and found.long.value is None
    service.tables["rejects"] = table("rejects", {**unknown, "n": [300_000] * 24})
    service.arms["champion"]["errors"][NOON : NOON + 120] = 73  # of the 5,000 that are known
    assert alert(service, 14.4).outcome == "alerted"
    assert "cannot be said" not in judged(service)[1]["budget.errors"].sentence


def test_an_overspent_budget_is_said_and_warns() -> None:
    service = steady()
    service.arms["champion"]["errors"][: 10 * 1440] = 40
    found, checks = judged(service)
    assert found["errors"].left.value is not None and found["errors"].left.value < 0
    assert (checks["budget.errors"].outcome, checks["budget.errors"].severity) == ("fail", "warn")


def test_latency_has_a_budget_of_its_own() -> None:
    service = steady()
    service.arms["champion"]["over_200ms"][NOON : NOON + 120] = 1500
    assert alert(service, 14.4, "latency").outcome == "alerted"
    assert alert(service, 14.4, "errors").outcome == "quiet"
    never = alert(service, 14.4, "latency", latency_quantile=0.9)  # 144 % cannot be slow
    assert never.outcome == "undecided" and "never reached" in never.highest.undefined
    del service.arms["champion"]["over_200ms"]
    assert list(judged(service)[0]) == ["errors"]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 40), min_size=120, max_size=120),
    st.integers(1, 3),
    st.sampled_from([(60, 5), (30, 10)]),
)
def test_alerts_are_those_of_a_plain_recount(
    errors: list[int], n: int, windows: tuple[int, int]
) -> None:
    service = steady(n * 1000, days=2)
    service.arms["champion"]["errors"][-120:] = errors
    long, short = windows
    burn = policy.Burn(rate=14.4, hours=1, minutes=short, alert="page")
    found = alert(service, 14.4, burn=[burn])
    bad = service.arms["champion"]["errors"]
    wanted = []
    for minute in range(1440, 2880):
        sums = [int(bad[max(minute + 1 - w, 0) : minute + 1].sum()) for w in (60, short)]
        rows = [min(minute + 1, w) * n * 1000 for w in (60, short)]
        wanted.append(all(k * 10_000 > 144 * r for k, r in zip(sums, rows, strict=True)))
    alerted = np.zeros(1440, dtype=bool)
    for first, last in found.episodes:
        places = [(parse(x) - service.at(1)) // 60_000_000 for x in (first, last)]
        alerted[places[0] : places[1] + 1] = True
    assert alerted.tolist() == wanted
    assert long in (60, 30)


def test_undefined_burn_rates() -> None:
    assert burn_rate(0, 0, 0.001, 14.4).n == 0  # type: ignore[union-attr]
    low = burn_rate(5, 348, 0.001, 14.4)
    assert low.value == pytest.approx(14.37, abs=0.01)  # type: ignore[union-attr]
    assert low.low < 6 < 30 < low.high  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        "[[slo.burn]]\nrate = 2.0\nhours = 1\nminutes = 60\nalert = 'page'",
        "[[slo.burn]]\nrate = inf\nhours = 1\nminutes = 5\nalert = 'page'",
        "[[slo.burn]]\nrate = 2.0\nhours = 1\nminutes = 5\nalert = 'mail'",
        "[slo]\nmin_baseline_weeks = 5",
        2 * "[[slo.burn]]\nrate = 2.0\nhours = 1\nminutes = 5\nalert = 'page'\n",
        "[slo]\nmax_eror_rate = 0.1",
    ],
)
def test_a_policy_that_means_nothing_is_refused(tmp_path: Any, text: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="slo"):
        policy.load(file)
