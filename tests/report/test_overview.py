"""What a page shows is what the logs hold: gathered from profiles, held against the rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from logbook import Book, times

from analyzer import cli, courses, diary, policy, shapes, verdict
from analyzer.beside import answers, drift_of
from analyzer.column_counts import counts_of
from analyzer.diary import Event
from analyzer.gate import gate
from analyzer.nightly import nightly
from analyzer.overview import Overview, overview
from analyzer.profiles import Profiles
from analyzer.window import HOUR, Window, parse_window

DAYS, PER_DAY = 10, 480
NASTY = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """Ten days of both logs: a feature that moves on the last day, a plan that turns NULL."""
    book = Book(tmp_path_factory.mktemp("logs"))
    random = np.random.default_rng(11)
    rows = DAYS * PER_DAY
    at = np.sort(random.uniform(0, DAYS * 86_400, rows))
    last = at >= (DAYS - 1) * 86_400
    no_plan = last & (random.random(rows) < 0.5)
    score = random.uniform(0.05, 0.95, rows)
    ours = {
        "request_id": [f"r{i}" for i in range(rows)],
        "ts": times(at),
        "score": score,
        "latency_ms": random.gamma(2.0, 30.0, rows),
        "error": random.random(rows) < 0.01,
        "country": random.choice([NASTY, "de"], rows),
        "amount": random.normal(10, 2, rows) + 5 * last,
        "plan": pa.array(random.choice(["free", "pro"], rows), mask=no_plan),
    }
    theirs = {
        **{k: ours[k] for k in ("request_id", "error", "amount", "plan")},
        "ts": times(at + 0.5),
        "score": np.clip(score + random.normal(0.02, 0.05, rows), 0, 1),
        "latency_ms": ours["latency_ms"] * 1.2,
    }
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe(
        segments={"columns": ["country"]},
        features={"numeric": ["amount"], "categorical": ["plan"], "critical": ["amount"]},
    )
    diary.append(
        diary.path_of(book.rollout),
        Event(ts="2025-03-11T00:00Z", kind="phase", phase="shadow", challenger_weight=0.0),
    )
    book.scan()
    return book


@pytest.fixture(scope="module")
def window() -> Window:
    """The last two days."""
    return parse_window("2025-03-11", "2025-03-13")


@pytest.fixture(scope="module")
def profiles(book: Book, window: Window) -> Profiles:
    """Profiles of the window."""
    return book.profiles.within(window)


@pytest.fixture(scope="module")
def seen(book: Book, window: Window, profiles: Profiles) -> Overview:
    """What the page of a verdict on the window shows."""
    events = diary.read(diary.path_of(book.rollout))
    judged = gate(book.rollout, policy.load(), "shadow", window=window, events=events)
    found = answers(policy.load(), profiles, events)
    return overview(book.rollout, judged, profiles, found, events=events)


def test_traffic_adds_up_to_what_was_logged(profiles: Profiles, seen: Overview) -> None:
    assert seen.traffic is not None
    columns = seen.traffic.columns
    assert seen.traffic.step_minutes == 60
    assert {len(c) for c in columns.values()} == {48}
    coverage = seen.answers.divergence.coverage if seen.answers.divergence else {}
    assert sum(x or 0 for x in columns["champion"]) == coverage["champion_rows"]
    pairs = np.asarray([x or 0 for x in columns["pairs"]])
    absolute = np.asarray([x or 0 for x in columns["mean_absolute"]])
    overall = seen.answers.divergence.mean_absolute if seen.answers.divergence else None
    assert (pairs * absolute).sum() / pairs.sum() == pytest.approx(overall)


@pytest.mark.parametrize(
    ("hours", "step"), [(1, 1), (168, 1), (169, 6), (1008, 6), (1009, 24), (9000, 24)]
)
def test_steps_are_as_fine_as_a_chart_can_show(hours: int, step: int) -> None:
    assert courses.step_hours(Window(0, hours * HOUR)) == step


def test_percentiles_are_those_of_the_command(seen: Overview) -> None:
    assert seen.answers.latency is not None
    by_hour = {(h.model, h.hour): h for h in seen.answers.latency.hours}
    for part in seen.latency:
        first = by_hour[part.model, part.hours.start]
        assert part.hours.columns["p50"][0] == first.p50.value  # type: ignore[union-attr]
        assert part.hours.columns["n"][0] == first.n
        assert part.hours.columns["p99"][0] is None  # 20 requests an hour allow no P99


def test_densities_are_shares(seen: Overview) -> None:
    assert [d.name for d in seen.densities] == ["scores", "difference"]
    for shape in seen.densities:
        for series, shares in shape.shares.items():
            assert len(shares) == len(shape.edges) - 1 <= 30
            assert sum(shares) == pytest.approx(1)
            assert shape.n[series] > 900
    edges = np.asarray(seen.densities[0].edges)
    assert np.allclose(np.round(edges / 0.05), edges / 0.05, atol=1e-9)


def test_the_last_day_moved_and_the_spark_shows_it(seen: Overview) -> None:
    column = next(c for c in seen.columns if c.drift.column == "amount")
    assert column.models == "both"
    assert column.spark is not None
    psi = column.spark.columns["psi"]
    assert len(psi) == DAYS
    assert psi.index(max(x or 0 for x in psi)) == DAYS - 1
    assert max(x or 0 for x in psi[:-1]) < 0.2 < (psi[-1] or 0)


def test_distributions_hold_every_row_and_null_last(seen: Overview) -> None:
    cells = {c.drift.column: c.cells for c in seen.columns if c.models in ("both", "champion")}
    for column in ("amount", "plan", "score"):
        assert sum(c.before for c in cells[column]) == pytest.approx(1)
        assert sum(c.after for c in cells[column]) == pytest.approx(1)
    assert [c.label for c in cells["plan"]] == ["free", "pro", "NULL"] or [
        c.label for c in cells["plan"]
    ] == ["pro", "free", "NULL"]
    assert cells["plan"][-1].before == 0
    assert cells["plan"][-1].after == pytest.approx(0.25, abs=0.05)


def test_whole_numbers_stay_whole(book: Book) -> None:
    frozen = book.profiles.frozen
    whole = counts_of(book.profiles, True)["champion", "amount"]
    assert shapes.distribution(frozen, "amount", whole, whole)
    edges = shapes.round_edges(np.arange(7.0), np.ones(7, np.int64))
    assert set(range(7)) <= {round(float(e), 9) for e in edges}


def test_a_column_known_by_its_reference_cells(book: Book) -> None:
    frozen = book.profiles.frozen
    cells = len(frozen.bins["amount"].starts)
    before = np.asarray([*np.ones(cells, np.int64), 0, 0, 4, 0, 0, 0])
    after = np.asarray([*np.zeros(cells, np.int64), 0, 30, 0, 10, 0, 0])
    found = shapes.reference_distribution(frozen, "amount", before, after)
    assert sum(c.before for c in found) == pytest.approx(1)
    assert sum(c.after for c in found) == pytest.approx(1)
    assert len(found) <= 16 + 2
    assert found[-2].label.startswith("> ")
    assert (found[-2].before, found[-2].after) == (0, 0.75)
    assert (found[-1].label, found[-1].after) == ("NULL", 0.25)
    numbers = [float(c.label) for c in found[:-2]]
    assert numbers == sorted(numbers)


def test_a_changed_profile_is_named(book: Book, profiles: Profiles, seen: Overview) -> None:
    assert seen.changed == ()
    other = {**seen.verdict.profiles, "2025-03-12T00": "else", "2031-01-01T00": "gone"}
    import msgspec

    later = overview(
        book.rollout,
        msgspec.structs.replace(seen.verdict, profiles=other),
        profiles,
        seen.answers,
    )
    assert later.changed == ("2025-03-12T00", "2031-01-01T00")


def test_what_drift_cannot_say_is_named(book: Book) -> None:
    first = book.profiles.within(parse_window("2025-03-03", "2025-03-04"))
    found = answers(policy.load(), first, ())
    assert found.drift is None
    assert [part.part for part in found.missing] == ["drift"]
    with pytest.raises(Exception, match="needs a reference"):
        drift_of(first, ())


def test_the_night_writes_the_page_that_report_writes(
    book: Book, window: Window, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(book.root / "rollout.toml")]
    assert cli.run(["report", *config]) == 2
    assert "run `analyzer nightly`" in capsys.readouterr().err
    night = nightly(book.rollout, policy.load(), window=window)
    assert [Path(f).name for f in night.files] == [
        *("verdict.json", "diff.json", "latency.json", "drift.json", "slo.json"),
        *("triggers.json", "report.html"),
    ]
    file = Path(night.files[-1])
    page = file.read_bytes()
    file.unlink()
    assert cli.run(["report", *config]) == 0  # that of the last night
    assert "report.html" in capsys.readouterr().out
    assert file.read_bytes() == page
    text = page.decode()
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert str(book.root) not in text
    assert verdict.digest(night.verdict) in text


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"incident": 3}', "\x00", '{"a": NaN}'])
def test_what_is_no_verdict_is_refused_by_name(
    book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(content)
    assert cli.run(["report", str(file), "--config", str(book.root / "rollout.toml")]) == 2
    said = capsys.readouterr().err
    assert "mine.json" in said
    assert "Traceback" not in said
    assert not (tmp_path / "report.html").exists()


def test_a_page_that_cannot_be_written_is_an_error(
    book: Book, window: Window, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["report", str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err
