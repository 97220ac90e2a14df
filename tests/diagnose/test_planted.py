"""What was planted is named, when, where and how much; what was not is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted import diagnosed, hours, named

from analyzer.diagnose.diagnosis import Diagnosis
from analyzer.window import parse, show


@pytest.fixture(scope="module")
def found(fortnight: Path) -> Diagnosis:
    return diagnosed(fortnight / "rollout.toml", incident=hours(276, 300)).diagnosis


def text(diagnosis: Diagnosis, topic: str) -> str:
    return next(line.text for line in diagnosis.summary if line.topic == topic)


def onset_of(diagnosis: Diagnosis, series: str) -> tuple[int, int] | None:
    assert diagnosis.onsets is not None
    one = next(o for o in diagnosis.onsets.series if o.series == series)
    return (parse(one.low), parse(one.high)) if one.low and one.high else None


def test_who_was_hit(found: Diagnosis) -> None:
    assert named(found.searches, "difference") == [{"country": "US", "device": "ios"}]
    search = next(s for s in found.searches if (s.measure, s.mode) == ("difference", "change"))
    assert search.found is not None
    (segment,) = search.found.segments
    assert segment.effect.low is not None and segment.effect.high is not None
    assert segment.effect.low < 2 * 0.064 < segment.effect.high
    assert "country = US and device = ios" in text(found, "who")


def test_when_it_began(found: Diagnosis) -> None:
    difference = onset_of(found, "difference")
    assert difference is not None
    assert difference[0] <= hours(276, 300).start <= difference[1]
    score = onset_of(found, "score")
    assert score is not None and score[0] <= hours(270, 300).start <= score[1]
    assert found.incident.onset is not None
    assert abs(parse(found.incident.onset) - hours(270, 300).start) <= 12 * 3_600_000_000


def test_which_feature_goes_with_it(found: Diagnosis) -> None:
    assert found.precursors is not None
    carried = {f.feature: f.carried or 0.0 for f in found.precursors.features}
    assert max(carried, key=lambda name: carried[name]) == "f01" and carried["f01"] > 0.6
    assert "f01" in text(found, "first")
    mix = next(m for m in found.mix["score"] if m.column == "f01")
    assert mix.mix is not None and mix.shift is not None and mix.mix > 0.7 * mix.shift
    assert any("f01" in line for line in (found.drilldown.lines if found.drilldown else []))


def test_mix_is_an_identity(found: Diagnosis) -> None:
    for measure in found.mix.values():
        for one in measure:
            assert one.shift is not None and one.mix is not None and one.within is not None
            assert one.shift == pytest.approx(one.mix + one.within, abs=1e-9)


def test_the_null_run_finds_nothing(found: Diagnosis) -> None:
    assert found.null_run.window is not None
    assert found.null_run.segments == []
    assert found.null_run.series == []
    assert "nothing, as it should" in found.null_run.words


def test_the_baseline_is_a_week_earlier(found: Diagnosis) -> None:
    week_before = hours(276 - 168, 300 - 168)
    assert found.incident.baseline == (show(week_before.start), show(week_before.end))


def test_the_onset_is_found_without_being_told(fortnight: Path) -> None:
    found = diagnosed(fortnight / "rollout.toml", auto=hours(240, 300)).diagnosis
    assert found.incident.found == "auto"
    assert found.incident.onset is not None
    assert abs(parse(found.incident.window[0]) - hours(270, 300).start) <= 12 * 3_600_000_000
    assert {"country": "US", "device": "ios"} in named(found.searches, "difference")


def test_no_incident_at_all(fortnight: Path) -> None:
    quiet = hours(144, 168)
    found = diagnosed(fortnight / "rollout.toml", incident=quiet, as_of=quiet.end).diagnosis
    assert found.incident.onset is None
    assert "Onset not located" in text(found, "when")
    assert not [s for s in found.searches if s.mode == "change" and s.found and s.found.segments]
    assert "no segment differs" in text(found, "what")
    assert "No segment stands out" in text(found, "who")
    assert any(r.part == "onset" for r in found.refusals)


@pytest.fixture(scope="module")
def served(fortnight: Path) -> Diagnosis:
    return diagnosed(fortnight / "rollout.toml", incident=hours(216, 240)).diagnosis


def test_latency_and_errors_have_onsets(served: Diagnosis) -> None:
    start = hours(216, 240).start
    for series in ("latency", "slow", "errors", "unmatched"):
        interval = onset_of(served, series)
        assert interval is not None, series
        assert interval[0] <= start <= interval[1], series


def test_errors_and_lost_requests_have_segments(served: Diagnosis) -> None:
    assert {"device": "desktop"} in named(served.searches, "errors")
    assert served.coverage.segments[0].column == "channel"
    assert served.coverage.segments[0].value == "email"
    assert served.coverage.segments[0].share == pytest.approx(0.5, abs=0.06)
    assert "channel = email lost most" in text(served, "what")
    assert served.coverage.lines[0].startswith("The challenger never answered")


def test_a_uniform_change_names_no_segment(served: Diagnosis) -> None:
    assert named(served.searches, "latency") == []
    assert named(served.searches, "difference") == []


def test_nulls_are_said_first(served: Diagnosis) -> None:
    line = next(line for line in served.coverage.lines if line.startswith("f02"))
    assert line.startswith("f02 is NULL in 3") and "in the baseline" in line
    assert "null features" in (served.onsets.order if served.onsets else [])


def test_a_day_without_the_shadow_is_no_baseline(fortnight: Path) -> None:
    found = diagnosed(fortnight / "rollout.toml", incident=hours(192, 216)).diagnosis
    assert found.incident.baseline_rule.startswith("the same hours of the day")
    lost = diagnosed(fortnight / "rollout.toml", incident=hours(24, 48)).diagnosis
    assert lost.coverage.incident.hours_without_challenger == 24
    assert lost.coverage.incident.pairs == 0
    assert any("24 h of the incident hold no row" in line for line in lost.coverage.lines)
    assert any("0 measured rows" in r.reason for r in lost.refusals)
