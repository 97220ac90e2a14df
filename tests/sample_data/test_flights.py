"""The committed flight logs are what their README says."""

import json
from datetime import timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

MONTHS = [f"2013-{month:02d}" for month in range(5, 13)]
MODELS = ("champion", "challenger")
ROWS = 227_639
LABELS = 221_856
SHARED = ("sched_hour", "distance", "temp", "wind_speed", "precip", "visib")


@pytest.fixture(scope="module")
def logs(flights: Path) -> dict[str, pl.DataFrame]:
    """Return all months of each log."""
    names = (*MODELS, "labels")
    return {name: pl.read_parquet(flights / name / "*.parquet") for name in names}


def test_the_logs_are_small(flights: Path) -> None:
    assert sum(path.stat().st_size for path in flights.rglob("*") if path.is_file()) < 20e6


@pytest.mark.parametrize("model", MODELS)
def test_one_file_a_month_of_request_time(flights: Path, model: str) -> None:
    assert sorted(path.stem for path in (flights / model).glob("*")) == MONTHS
    for month in MONTHS:
        ts = pl.read_parquet(flights / model / f"{month}.parquet", columns=["ts"])["ts"]
        assert ts.is_sorted()
        assert set(ts.dt.strftime("%Y-%m")) == {month}


@pytest.mark.parametrize("model", MODELS)
def test_one_row_a_request(logs: dict[str, pl.DataFrame], model: str) -> None:
    assert logs[model].height == ROWS == logs[model]["request_id"].n_unique()
    assert logs["champion"]["request_id"].equals(logs[model]["request_id"])
    assert logs["champion"]["ts"].equals(logs[model]["ts"])


@pytest.mark.parametrize("model", MODELS)
def test_times_are_utc_instants(flights: Path, model: str) -> None:
    schema = pq.read_schema(flights / model / "2013-05.parquet")
    for name in ("ts", "feature_ts"):
        assert schema.field(name).type == pa.timestamp("us", tz="UTC")
    assert schema.field("score").type == schema.field("temp").type == pa.float32()


@pytest.mark.parametrize("model", MODELS)
def test_answers(flights: Path, logs: dict[str, pl.DataFrame], model: str) -> None:
    log = logs[model]
    threshold = json.loads((flights / "quality.json").read_text())[model]["threshold"]
    assert not log["error"].any()
    assert log["score"].is_between(0, 1, closed="none").all()
    assert (log["prediction"] == (log["score"] >= threshold)).mean() > 0.9999
    assert (log["latency_ms"] > 0).all()


@pytest.mark.parametrize("model", MODELS)
def test_features_were_known_at_the_time_of_the_request(
    logs: dict[str, pl.DataFrame], model: str
) -> None:
    age = (logs[model]["ts"] - logs[model]["feature_ts"]).drop_nulls()
    assert age.min() >= timedelta(hours=1)
    assert age.max() < timedelta(hours=2 if model == "champion" else 8)


def test_what_is_missing_is_null(logs: dict[str, pl.DataFrame]) -> None:
    champion, challenger = (logs[model] for model in MODELS)
    assert champion["unit_id"].null_count() > 0
    assert champion["temp"].null_count() > challenger["temp"].null_count() > 0
    assert challenger["pressure"].null_count() > challenger["temp"].null_count()
    assert challenger["plane_year"].null_count() > 0
    for log in (champion, challenger):
        for name in log.select(pl.col(pl.Float32)).columns:
            assert not log[name].is_nan().any()


def test_shared_features_agree_where_the_weather_is_of_the_same_hour(
    logs: dict[str, pl.DataFrame],
) -> None:
    sides = logs["champion"].join(logs["challenger"], on="request_id", suffix="_b")
    same = sides.filter(pl.col("feature_ts") == pl.col("feature_ts_b"))
    assert ROWS > same.height > 0.99 * ROWS
    for name in SHARED:
        assert same[name].eq_missing(same[f"{name}_b"]).all()


def test_labels_follow_their_requests(logs: dict[str, pl.DataFrame]) -> None:
    labels = logs["labels"]
    assert labels.height == LABELS == labels["request_id"].n_unique()
    assert set(labels["label"]) == {0, 1}
    assert labels["label"].null_count() == labels["label_ts"].null_count() == 0
    both = logs["champion"].join(labels, on="request_id")
    assert both.height == LABELS
    wait = both["label_ts"] - both["ts"]
    assert wait.min() > timedelta(hours=1)
    assert wait.max() < timedelta(hours=36)


@pytest.mark.parametrize("model", MODELS)
def test_scores_rank_the_late_above_the_punctual(
    flights: Path, logs: dict[str, pl.DataFrame], model: str
) -> None:
    both = logs[model].join(logs["labels"], on="request_id")
    rank = both["score"].rank()
    late = both["label"] == 1
    n, m = late.sum(), (~late).sum()
    auc = (rank.filter(late).sum() - n * (n + 1) / 2) / (n * m)
    written = json.loads((flights / "quality.json").read_text())[model]["auc"]
    assert auc == pytest.approx(written, abs=1e-3)
