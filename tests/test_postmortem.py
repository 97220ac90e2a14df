"""The written post-mortem of the flights is what the product says and what the logs hold.

The headline is found again from the raw logs. The search for segments and features (a minute with
its scan) is not run again: what the text quotes of it is compared with the page that was kept.
"""

from __future__ import annotations

import html
import re
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from msgspec import structs

from analyzer import config, policy
from analyzer.cli import reference
from analyzer.config import Features, Segments
from analyzer.diagnose.history import History
from analyzer.diagnose.located import Located, locate, narrowed
from analyzer.diagnose.phrases import shifted
from analyzer.diagnose.windows import asked, profiled
from analyzer.profiles import open_profiles
from analyzer.report.words import prose
from analyzer.scan.run import scan
from analyzer.store import Store
from analyzer.window import parse_window

ROOT = Path(__file__).parents[1]
FLIGHTS = ROOT / "sample_data" / "flights"
TEXT = (ROOT / "docs" / "postmortem-flights.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "postmortem-flights.html").read_bytes()
INCIDENT, BASELINE = ("2013-06-24", "2013-07-02"), ("2013-06-10", "2013-06-18")
HISTORY = parse_window("2013-05-17", "2013-07-03")
"""Five weeks before the search for the onset begins, and a day after the incident."""


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def located(tmp_path_factory: pytest.TempPathFactory) -> Located:
    rollout = config.load(FLIGHTS / "rollout.toml")
    store = structs.replace(rollout.store, path=str(tmp_path_factory.mktemp("store")))
    bare = structs.replace(rollout, features=Features(), segments=Segments(), store=store)
    scan(bare, policy.load(), window=(HISTORY.start, HISTORY.end))
    profiles = open_profiles(Store(bare.store_path))
    held = profiled(profiles.manifests)
    question = narrowed(asked(held, [], parse_window(*INCIDENT), False), profiles.manifests)
    return locate(History.of(bare, profiles.within(HISTORY), []), question)


def test_the_headline_comes_out_again(located: Located) -> None:
    moved = [o for o in located.onsets.series if o.located]
    assert [o.series for o in moved] == ["difference"]
    said = words(TEXT)
    assert f"What happened {shifted(moved[0])}" in said
    assert f"Since {moved[0].at}, somewhere in {moved[0].low} to {moved[0].high}." in said
    baseline = located.baseline
    assert baseline == parse_window(*BASELINE)
    assert f"({located.rule})" in said


def test_its_commands_are_commands() -> None:
    known = {name: command for name, command, _ in reference.commands()}
    lines = re.findall(r"^analyzer (\w+) ?(.*)$", TEXT, re.MULTILINE)
    assert [name for name, _ in lines] == ["scan", "labels", "diagnose"]
    for name, rest in lines:
        known[name].make_context(name, rest.split(), help_option_names=["-h", "--help"])


def test_what_it_quotes_stands_on_the_page() -> None:
    body = re.sub(rb"<style>.*?</style>", b"", PAGE, flags=re.DOTALL).decode()
    page = words(html.unescape(re.sub(r"<[^>]+>", " ", body)))
    block = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)[0]
    answers = [textwrap.dedent(part) for part in re.split(r"\n\n[A-Z][\w ]+\n", block)[1:]]
    assert len(answers) == 8
    page = page.replace("( ", "(").replace(" )", ")")
    for answer in answers:
        said = words(prose(words(answer)))
        assert re.sub(r"\s+(?=[.,;:)])", "", said) in re.sub(r"\s+(?=[.,;:)])", "", page)


def test_the_page_is_small_and_loads_nothing() -> None:
    assert len(PAGE) < 1_500_000
    assert b"<script" not in PAGE and b"http" not in PAGE.replace(b"http-equiv", b"")


def test_what_it_says_of_the_world() -> None:
    logs = [pl.read_parquet(FLIGHTS / name / "*.parquet") for name in ("champion", "challenger")]
    pairs = logs[0].join(logs[1], on="request_id", suffix="_new")
    pairs = pairs.join(pl.read_parquet(FLIGHTS / "labels" / "*.parquet"), "request_id", "left")
    now, before = (_between(pairs, *span) for span in (INCIDENT, BASELINE))
    late = now.filter(pl.col("label").is_not_null())
    said = words(TEXT)
    assert f"{_mean(now, pl.col('label')):.1%}".replace("%", " %") == "48.0 %" and "48.0 %" in said
    assert f"{_mean(before, pl.col('label')):.1%} were".replace("%", " %")[:6] in said
    assert f"{now['label'].null_count()} flights were cancelled or diverted, then " in said
    assert f"diverted, then {before['label'].null_count()}." in said
    scores = [f"{_mean(late, pl.col(name)):.3f}" for name in ("score_new", "score")]
    assert f"was {scores[0]}, the champion's {scores[1]}" in said
    brier = [_mean(late, (pl.col(n) - pl.col("label")) ** 2) for n in ("score_new", "score")]
    assert f"(Brier score {brier[0]:.3f} against {brier[1]:.3f})" in said
    rain = [f"{_mean(rows, pl.col('precip') > 0) * 100:.1f} %" for rows in (now, before)]
    assert f"rained on {rain[0]} of the requests, on {rain[1]} in the baseline" in said
    hit = [("origin", x) for x in ("EWR", "JFK", "LGA")]
    for column, value in (*hit, ("time_of_day", "evening"), ("time_of_day", "morning")):
        part = [rows.filter(pl.col(column) == value) for rows in (before, now)]
        first, last = (round(_mean(rows, pl.col("label")) * 100) for rows in part)
        assert f"from {first} to {last}" in said, value
    day = pl.col("ts").dt.convert_time_zone("America/New_York").dt.date()
    for number, delay in (("20", "1.7 minutes on 20 June"), ("24", "25.0 on 24 June")):
        rows = pairs.filter(day == datetime.fromisoformat(f"2013-06-{number}").date())
        assert f"{_mean(rows, pl.col('recent_dep_delay')):.1f}" == delay.split()[0]
        assert delay in said


def _between(rows: pl.DataFrame, start: str, end: str) -> pl.DataFrame:
    first, last = (datetime.fromisoformat(x).replace(tzinfo=UTC) for x in (start, end))
    return rows.filter((pl.col("ts") >= first) & (pl.col("ts") < last))


def _mean(rows: pl.DataFrame, what: pl.Expr) -> float:
    return float(rows.select(what.cast(pl.Float64).mean()).item())
