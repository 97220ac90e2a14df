"""Logs that lack things: every question is answered or refused in words, never by a traceback."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from logbook import START, Book, plain, write_messy

from analyzer import diary, policy
from analyzer.diagnose.analysis import diagnose
from analyzer.diagnose.diagnosis import Diagnosis, decode, encode
from analyzer.diary import Event
from analyzer.errors import ConfigError, StoreError
from analyzer.window import HOUR, Window, show


def window(first: float, last: float) -> Window:
    return Window(START + round(first * HOUR), START + round(last * HOUR))


def diagnosis(book: Book, **options: Any) -> Diagnosis:
    rollout = book.rollout
    events = diary.read(diary.path_of(rollout))
    found = diagnose(rollout, policy.load(), events=events, **options).diagnosis
    assert decode(encode(found)) == found
    return found


def days(count: int, rows: int, seed: int = 0, **columns: Any) -> tuple[pa.Table, pa.Table]:
    return plain(rows, hours=24 * count, seed=seed, **columns)


def write(book: Book, ours: pa.Table, theirs: pa.Table, **sections: Any) -> None:
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe(**sections)
    book.scan()


def test_a_few_messy_hours(book: Book) -> None:
    write_messy(book, slot_hours=1)
    book.scan()
    found = diagnosis(book, incident=window(4, 6))
    assert found.incident.onset is None
    assert found.incident.baseline_rule
    assert {"onset"} <= {r.part for r in found.refusals}
    assert all(s.found is not None for s in found.searches)
    assert "(other)" in str(found.coverage.segments) or found.coverage.segments == []


def test_no_segments_features_latency_or_units(book: Book) -> None:
    ours, theirs = days(3, 6_000)
    write(book, ours.drop_columns("latency_ms"), theirs.drop_columns("latency_ms"))
    found = diagnosis(book, incident=window(60, 72))
    assert found.precursors is None and found.features == []
    assert "no features are declared in rollout.toml" in str(found.refusals)
    assert "no segment columns are declared" in str(found.refusals)
    assert found.latency == []
    assert found.drilldown is not None and found.drilldown.unit == ""
    assert any("No unit ids" in line for line in found.drilldown.lines)
    assert not [s for s in found.searches if s.measure == "latency"]
    assert "latency" not in {s.name for s in found.series}


def test_classes_without_scores(book: Book) -> None:
    random = np.random.default_rng(0)
    ours, theirs = days(4, 16_000, country=random.choice(["de", "fr", "it"], 16_000))
    kinds = random.choice(["cat", "dog"], 16_000)
    others = kinds.copy()
    at = (ours["ts"].cast(pa.int64()).to_numpy() - START) // HOUR
    hit = (at >= 72) & (ours["country"].to_pylist() == np.asarray("de"))
    others[hit] = np.where(random.random(hit.sum()) < 0.5, "bird", others[hit])
    ours = ours.drop_columns("score").append_column("prediction", pa.array(kinds))
    theirs = theirs.drop_columns("score").append_column("prediction", pa.array(others))
    write(book, ours, theirs, score={"type": "class"}, segments={"columns": ["country"]})
    found = diagnosis(book, incident=window(72, 96))
    (search,) = (s for s in found.searches if (s.measure, s.mode) == ("flips", "change"))
    assert search.found is not None
    assert [s.where for s in search.found.segments] == [(("country", "de"),)]
    assert not [s for s in found.searches if s.measure == "difference"]
    assert found.mix == {"score": [], "difference": []}
    assert found.densities == []


HOSTILE = ["</script><b>", "\x1b[31m", "=cmd|' /C calc'!A0", "née", "(other)", " ", "NULL"]


def test_hostile_names_are_data(book: Book) -> None:
    random = np.random.default_rng(0)
    rows = 20_000
    values = random.choice(HOSTILE, rows)
    ours, theirs = days(4, rows, **{"<i>seg</i>": values, "x'; --": random.normal(0, 1, rows)})
    at = (ours["ts"].cast(pa.int64()).to_numpy() - START) // HOUR
    score = theirs["score"].to_numpy().copy()
    score[(at >= 72) & (values == HOSTILE[0])] *= 0.5
    theirs = theirs.set_column(2, "score", pa.array(score))
    write(
        book,
        ours,
        theirs,
        segments={"columns": ["<i>seg</i>"]},
        features={"numeric": ["x'; --"]},
    )
    found = diagnosis(book, incident=window(72, 96))
    (search,) = (s for s in found.searches if (s.measure, s.mode) == ("difference", "change"))
    assert search.found is not None
    assert search.found.segments[0].where == (("<i>seg</i>", HOSTILE[0]),)
    labels = {v.value for v in search.found.one_way if v.column == "<i>seg</i>"}
    assert "\\(other)" in labels and "NULL" in labels


def test_features_of_one_model_only_and_of_both(book: Book) -> None:
    ours, theirs = days(3, 6_000, amount=np.arange(6_000) % 50)
    write(book, ours, theirs, features={"numeric": ["amount"]})
    alone = diagnosis(book, incident=window(48, 72))
    assert not alone.coverage.parity_known
    assert any("Only one model logs features" in line for line in alone.coverage.lines)


def test_parity_comes_first(book: Book) -> None:
    ours, theirs = days(3, 6_000, amount=np.arange(6_000) % 50)
    at = (ours["ts"].cast(pa.int64()).to_numpy() - START) // HOUR
    seen = np.where(at >= 48, np.arange(6_000) % 50 + 1, np.arange(6_000) % 50)
    theirs = theirs.append_column("amount", pa.array(seen))
    write(book, ours, theirs, features={"numeric": ["amount"]})
    found = diagnosis(book, incident=window(48, 72))
    assert found.coverage.parity_known
    assert found.coverage.parity[0].share == 1.0 and found.coverage.parity[0].share_before == 0.0
    assert any("are not data drift" in line for line in found.coverage.lines)
    assert {f.feature for f in found.features} == {"amount", "amount (challenger)"}


def test_the_diary_tells_how_long_it_took(book: Book) -> None:
    ours, theirs = days(4, 40_000)
    at = (ours["ts"].cast(pa.int64()).to_numpy() - START) // HOUR
    score = theirs["score"].to_numpy() + np.where(at >= 84, 0.2, 0.0)
    theirs = theirs.set_column(2, "score", pa.array(np.clip(score, 0, 1)))
    write(book, ours, theirs)
    path = diary.path_of(book.rollout)
    trigger, rollback = START + 94 * HOUR, START + 94 * HOUR + 4 * 60_000_000
    diary.append(path, Event(ts=show(trigger), kind="trigger", note="latency P99"))
    diary.append(
        path, Event(ts=show(rollback), kind="rollback", challenger_weight=0.0, source="router")
    )
    found = diagnosis(book)
    incident = found.incident
    assert incident.found == "rollback"
    assert incident.window[1] == show(START + 95 * HOUR)
    assert incident.onset == show(START + 84 * HOUR)
    assert incident.minutes_onset_to_trigger == 600
    assert incident.minutes_trigger_to_rollback == 4
    spoken = next(s.text for s in found.summary if s.topic == "time")
    assert "the objective of 5 minutes was kept" in spoken
    assert "rollback" in next(s.text for s in found.summary if s.topic == "done")


def test_what_cannot_be_asked(book: Book) -> None:
    ours, theirs = days(2, 2_000)
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe()
    with pytest.raises(StoreError, match="analyzer scan"):
        diagnosis(book, incident=window(0, 24))
    book.scan()
    with pytest.raises(ConfigError, match="names no rollback"):
        diagnosis(book)
    with pytest.raises(ConfigError, match="was profiled"):
        diagnosis(book, incident=window(240, 264))
    with pytest.raises(ConfigError, match="--as-of"):
        diagnosis(book, incident=window(0, 24), as_of=START - HOUR)


def test_an_incident_that_begins_with_the_logs(book: Book) -> None:
    ours, theirs = days(2, 4_000)
    write(book, ours, theirs)
    found = diagnosis(book, incident=window(0, 24))
    assert found.incident.baseline is None
    assert {"baseline", "null run"} <= {r.part for r in found.refusals}
    assert "Without a baseline" in next(s.text for s in found.summary if s.topic == "who")
    assert {s.mode for s in found.searches} == {"level"}


def test_a_window_that_was_profiled_in_part(book: Book) -> None:
    ours, theirs = days(3, 6_000)
    write(book, ours, theirs)
    found = diagnosis(book, incident=window(60, 90))
    assert found.incident.window == (show(START + 60 * HOUR), show(START + 72 * HOUR))
    assert "only" in found.incident.why and "was profiled" in found.incident.why
    assert "window" in {r.part for r in found.refusals}
    assert found.incident.baseline is not None


def test_a_rollback_after_what_was_profiled(book: Book) -> None:
    ours, theirs = days(3, 6_000)
    write(book, ours, theirs)
    path = diary.path_of(book.rollout)
    diary.append(path, Event(ts=show(START + 80 * HOUR), kind="rollback"))
    found = diagnosis(book)
    assert found.incident.window[1] == show(START + 72 * HOUR)
    assert "rollback" not in found.incident.why and "was profiled" in found.incident.why
    with pytest.raises(ConfigError, match="names no rollback"):  # it was not known by then
        diagnosis(book, as_of=START + 70 * HOUR)
    diary.append(path, Event(ts=show(START + 400 * HOUR), kind="rollback"))
    with pytest.raises(ConfigError, match="nothing of"):
        diagnosis(book)


def test_decisions_that_are_not_known_are_no_agreement(book: Book) -> None:
    random = np.random.default_rng(0)
    rows = 20_000
    country = random.choice(["de", "fr", "it"], rows)
    ours, theirs = days(4, rows, country=country)
    one = random.random(rows) < 0.3
    other = np.where(random.random(rows) < 0.2, ~one, one)
    at = (ours["ts"].cast(pa.int64()).to_numpy() - START) // HOUR
    lost = pa.array((country == "fr") & (at >= 72))
    ours = ours.append_column("decision", pa.array(np.where(one, "yes", "no")))
    told = pa.array(np.where(other, "yes", "no"))
    theirs = theirs.append_column("decision", pc.if_else(lost, pa.scalar(None, pa.string()), told))
    write(book, ours, theirs, segments={"columns": ["country"]})
    found = diagnosis(book, incident=window(72, 96))
    flips = [s.found for s in found.searches if s.measure == "flips"]
    assert flips and all(f is not None and not f.segments and f.notes for f in flips)


def test_scores_that_explode_are_a_segment_of_their_own(book: Book) -> None:
    random = np.random.default_rng(0)
    rows = 20_000
    country = random.choice(["de", "fr", "it"], rows)
    ours, theirs = days(4, rows, country=country)
    at = (ours["ts"].cast(pa.int64()).to_numpy() - START) // HOUR
    hit = (country == "de") & (at >= 72) & (random.random(rows) < 0.5)
    score = np.where(hit, 1e6, 1.0) * theirs["score"].to_numpy()
    theirs = theirs.set_column(2, "score", pa.array(score))
    write(book, ours, theirs, score={"type": "regression"}, segments={"columns": ["country"]})
    found = diagnosis(book, incident=window(72, 96))
    (search,) = (s for s in found.searches if s.measure == "unscored")
    assert search.found is not None
    assert [s.where for s in search.found.segments] == [(("country", "de"),)]
    assert "country = de" in next(s.text for s in found.summary if s.topic == "who")
    said = next(s.text for s in found.summary if s.topic == "what")
    assert "hardly varied before" in said and "standard deviations" not in said


def test_columns_that_are_not_searched_are_named(book: Book) -> None:
    random = np.random.default_rng(0)
    names = [f"c{i}" for i in range(13)]
    ours, theirs = days(3, 6_000, **{name: random.choice(["a", "b"], 6_000) for name in names})
    write(book, ours, theirs, segments={"columns": [*names, "ghost"]})
    found = diagnosis(book, incident=window(48, 72))
    assert found.drilldown is not None
    lines = "\n".join(found.drilldown.lines)
    assert "as neither log has such a column: ghost" in lines
    assert "as they come last in rollout.toml: c12" in lines
    who = next(s.text for s in found.summary if s.topic == "who")
    assert who == "No segment stands out against its baseline."


def test_a_champion_that_fell_silent_comes_first(book: Book) -> None:
    ours, theirs = days(3, 6_000)
    kept = pa.array((ours["ts"].cast(pa.int64()).to_numpy() - START) // HOUR < 48)
    write(book, ours.filter(kept), theirs)
    found = diagnosis(book, incident=window(48, 72))
    assert found.summary[0].text.startswith("No row of the champion in 24 h")
