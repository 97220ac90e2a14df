"""The generator writes the same bytes for the same arguments, in bounded pieces."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Generate = Callable[..., dict[str, Any]]
SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"


def digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory, generate: Generate) -> Path:
    root = tmp_path_factory.mktemp("logs")
    generate(root, pairs=20_000, days=2, seed=7, labels=True, workers=1)
    return root


def test_same_arguments_same_bytes_on_any_number_of_workers(
    logs: Path, tmp_path: Path, generate: Generate
) -> None:
    generate(tmp_path, pairs=20_000, days=2, seed=7, labels=True, workers=2)
    assert digests(tmp_path) == digests(logs)


def test_another_seed_gives_other_logs(logs: Path, tmp_path: Path, generate: Generate) -> None:
    generate(tmp_path, pairs=20_000, days=2, seed=8, labels=True, workers=1)
    assert not set(digests(tmp_path).values()) & set(digests(logs).values())


def test_the_command_writes_what_the_function_writes(logs: Path, tmp_path: Path) -> None:
    arguments = ["--pairs", "2e4", "--days", "2", "--seed", "7", "--labels", "--workers", "1"]
    command = [sys.executable, str(SAMPLE_DATA / "generate.py"), str(tmp_path), *arguments]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert json.loads(printed)["rows"]["pairs"] == 20_000
    assert digests(tmp_path) == digests(logs)


def test_layout_is_four_parts_a_day(logs: Path) -> None:
    for log in ("champion", "challenger", "labels"):
        found = sorted(
            path.relative_to(logs / log).as_posix() for path in (logs / log).rglob("*.p*")
        )
        days = ("2025-03-03", "2025-03-04")
        assert found == [f"{day}/part-{k:02d}.parquet" for day in days for k in range(4)]


def test_columns_and_types(logs: Path) -> None:
    schema = pq.read_schema(logs / "champion/2025-03-03/part-00.parquet")
    assert schema.names[:6] == ["request_id", "ts", "unit_id", "score", "latency_ms", "error"]
    assert schema.names[6:10] == ["country", "device", "channel", "plan"]
    assert schema.names[10:] == [f"f{k:02d}" for k in range(20)] + ["c0", "c1", "c2"]
    assert schema.field("ts").type == pa.timestamp("us", tz="UTC")
    assert schema.field("score").type == pa.float32()
    assert schema.field("country").type == pa.string()


def test_a_healthy_log_is_healthy(logs: Path) -> None:
    champion = pl.read_parquet(logs / "champion/*/*.parquet")
    challenger = pl.read_parquet(logs / "challenger/*/*.parquet")
    assert champion.height == challenger.height == champion["request_id"].n_unique() == 20_000
    assert champion["ts"].is_sorted()
    assert champion["request_id"].str.contains("^[0-9a-f]{16}$").all()
    assert (champion["score"].is_null() == champion["error"]).all()
    assert champion["f04"].null_count() / 20_000 == pytest.approx(0.01, abs=0.003)
    assert champion["latency_ms"].median() == pytest.approx(30, rel=0.1)
    assert champion["latency_ms"].quantile(0.99) == pytest.approx(125, rel=0.15)
    pairs = champion.join(challenger, on="request_id", suffix="_b")
    assert pairs.height == 20_000
    late = (pairs["ts_b"] - pairs["ts"]).dt.total_microseconds()
    assert late.min() >= 5_000 and late.max() <= 50_000
    scored = pairs.drop_nulls(["score", "score_b"])
    assert scored.select(pl.corr("score", "score_b")).item() == pytest.approx(0.95, abs=0.01)


def test_users_return(logs: Path) -> None:
    visits = pl.read_parquet(logs / "champion/*/*.parquet")["unit_id"].value_counts(sort=True)
    assert visits.height < 1_001
    assert visits["count"][0] > 300
    assert visits["unit_id"].str.contains("^u[0-9]{6}$").all()


def test_labels_follow_their_requests(logs: Path) -> None:
    labels = pl.read_parquet(logs / "labels/*/*.parquet")
    pairs = pl.read_parquet(logs / "champion/*/*.parquet").join(labels, on="request_id")
    assert pairs.height == 20_000
    assert (pairs["label_ts"] > pairs["ts"]).all()
    late = pairs.group_by("label").agg(pl.col("score").mean()).sort("label")["score"]
    assert late[1] > late[0] + 0.1


def test_rows_come_in_bounded_pieces(tmp_path: Path, generate: Generate) -> None:
    generate(tmp_path, pairs=550_000, days=1, features=1, workers=1)
    for path in sorted(tmp_path.rglob("*.parquet")):
        sizes = [
            pq.ParquetFile(path).metadata.row_group(k).num_rows
            for k in range(pq.ParquetFile(path).num_row_groups)
        ]
        assert all(size == 120_000 for size in sizes[:-1]) and sizes[-1] <= 120_000
    ids = pl.read_parquet(tmp_path / "champion/*/*.parquet", columns=["request_id"])
    assert ids["request_id"].n_unique() == ids.height == 550_000


def test_options(tmp_path: Path, generate: Generate) -> None:
    generate(
        tmp_path,
        pairs=2_000,
        days=1,
        features=3,
        float64=True,
        string_ids=False,
        users=100,
        challenger_features=True,
        workers=1,
    )
    champion = pl.read_parquet(tmp_path / "champion/*/*.parquet")
    challenger = pl.read_parquet(tmp_path / "challenger/*/*.parquet")
    assert champion["request_id"].dtype == pl.Int64
    assert champion["request_id"].n_unique() == 2_000
    assert champion["f02"].dtype == champion["score"].dtype == pl.Float64
    assert champion["unit_id"].n_unique() <= 100
    pairs = champion.join(challenger, on="request_id", suffix="_b")
    for name in ("f00", "f01", "f02", "c0", "c1", "c2"):
        assert pairs[name].eq_missing(pairs[f"{name}_b"]).all()


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        ("earthquake", "unknown plant"),
        ("drift:feature=f20", "no feature"),
        ("drift:size=2", "unknown parameter"),
        ("drift:feature", "expected key=value"),
        ("segment:country=XX", "no value 'XX'"),
        ("lost:share=2", "between 0 and 1"),
        ("errors:from=30", "inside the 1 days"),
        ("missing_day:day=1", "day must be"),
        ("parity", "challenger_features"),
    ],
)
def test_bad_plants_are_refused(plant: str, words: str, tmp_path: Path, generate: Generate) -> None:
    with pytest.raises(ValueError, match=words):
        generate(tmp_path, pairs=100, days=1, plants=[plant], workers=1)
