"""`init`: every layout is recognised, and the file it writes works unchanged."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analyzer import config, init, policy
from analyzer.errors import LogError
from analyzer.scan.run import scan

START = datetime(2025, 3, 3, tzinfo=UTC)
ROWS = 200
FLIGHTS = Path(__file__).parents[1] / "sample_data" / "flights"


def rows(**columns: object) -> dict[str, object]:
    """Columns of a small log; arguments add or replace."""
    base: dict[str, object] = {
        "request_id": [f"r{i:05d}" for i in range(ROWS)],
        "ts": [START + timedelta(minutes=7 * i) for i in range(ROWS)],
        "score": [i / ROWS for i in range(ROWS)],
    }
    return {**base, **columns}


def write(path: Path, columns: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def load(folder: Path, *logs: str) -> tuple[config.Rollout, init.Guess]:
    """Guess, write, read back."""
    guess = init.guess([folder / log for log in logs], folder)
    (folder / "rollout.toml").write_text(guess.text, encoding="utf-8")
    return config.load(folder / "rollout.toml"), guess


def test_two_folders_and_labels(tmp_path: Path) -> None:
    extra = {
        "latency": [1.0] * ROWS,
        "http_status": [200] * ROWS,
        "user_id": [i % 50 for i in range(ROWS)],
        "country": ["FR", "DE"] * (ROWS // 2),
        "age": list(range(ROWS)),
        "note": [f"free text {i}" for i in range(ROWS)],
    }
    write(tmp_path / "logs/prod/a.parquet", rows(**extra))
    write(tmp_path / "logs/shadow/a.parquet", rows())
    labels = {"id": ["r00001"], "label": [1], "ts": [START]}
    write(tmp_path / "logs/labels/a.parquet", labels)
    rollout, guess = load(tmp_path, "logs")
    assert rollout.champion.paths == ["logs/prod/*.parquet"]
    assert rollout.challenger.paths == ["logs/shadow/*.parquet"]
    assert rollout.champion.columns == {
        "latency_ms": "latency",
        "error": "http_status",
        "unit_id": "user_id",
    }
    assert rollout.score.type == "probability"
    assert rollout.segments.columns == ["country"]
    assert rollout.features.numeric == ["age"]
    assert rollout.features.categorical == ["country"]
    assert rollout.labels.paths == ["logs/labels/*.parquet"]
    assert rollout.labels.columns == {"request_id": "id", "label_ts": "ts"}
    assert any("not used: note" in line for line in guess.notes)
    assert scan(rollout, policy.load()).rows == 2 * ROWS


def test_two_files_without_telling_names(tmp_path: Path) -> None:
    write(tmp_path / "m1.parquet", rows(age=list(range(ROWS))))
    write(tmp_path / "m2.parquet", rows())
    rollout, guess = load(tmp_path, "m2.parquet", "m1.parquet")
    assert rollout.champion.paths == ["m1.parquet"]
    assert any(line.startswith("NOT SURE") for line in guess.notes)


def test_files_of_both_models_in_one_folder(tmp_path: Path) -> None:
    for day in (1, 2):
        write(tmp_path / f"logs/champion-{day}.parquet", rows())
        write(tmp_path / f"logs/challenger-{day}.parquet", rows())
    rollout, _ = load(tmp_path, "logs")
    assert rollout.champion.paths == ["logs/champion*.parquet"]
    assert rollout.challenger.paths == ["logs/challenger*.parquet"]


def test_a_model_column_in_a_file_sorted_by_model(tmp_path: Path) -> None:
    ids = [f"r{i:05d}" for i in range(ROWS)] * 2
    write(
        tmp_path / "log.parquet",
        {
            "trace_id": ids,
            "event_time": [START + timedelta(minutes=i % ROWS) for i in range(2 * ROWS)],
            "y_pred": [0.1, 12.0] * ROWS,
            "Model Name": ["it's v1"] * ROWS + ["v2 candidate"] * ROWS,
        },
    )
    rollout, _ = load(tmp_path, "log.parquet")
    assert rollout.champion.where == "\"Model Name\" = 'it''s v1'"
    assert rollout.challenger.name == "v2 candidate"
    assert rollout.score.type == "regression"
    assert scan(rollout, policy.load()).rows > 0


def test_hive_partitions_by_model_and_day(tmp_path: Path) -> None:
    for model in ("champion", "challenger"):
        for day in ("2025-03-03", "2025-03-04"):
            write(tmp_path / f"logs/model={model}/date={day}/0.parquet", rows())
    rollout, _ = load(tmp_path, "logs")
    assert rollout.champion.paths == ["logs/**/*.parquet"]
    assert rollout.champion.where == "\"model\" = 'champion'"
    assert rollout.segments.columns == []
    scan(rollout, policy.load())


def test_one_wide_row(tmp_path: Path) -> None:
    wide = rows(
        champion_score=[0.2] * ROWS,
        challenger_score=[0.3] * ROWS,
        champion_latency_ms=[1.0] * ROWS,
        challenger_latency_ms=[2.0] * ROWS,
        plan=["free", "paid"] * (ROWS // 2),
    )
    del wide["score"]
    write(tmp_path / "log.parquet", wide)
    rollout, _ = load(tmp_path, "log.parquet")
    assert rollout.challenger.columns == {
        "score": "challenger_score",
        "latency_ms": "challenger_latency_ms",
    }
    assert rollout.segments.columns == ["plan"]
    assert rollout.features.numeric == []
    scan(rollout, policy.load())


def test_classes_and_naive_timestamps(tmp_path: Path) -> None:
    naive = [START.replace(tzinfo=None) + timedelta(minutes=i) for i in range(ROWS)]
    said = rows(ts=naive, predicted_class=["cat", "dog"] * (ROWS // 2))
    del said["score"]
    for side in ("champion", "challenger"):
        write(tmp_path / side / "a.parquet", said)
    rollout, guess = load(tmp_path, "champion", "challenger")
    assert rollout.score.type == "class"
    assert rollout.champion.columns["prediction"] == "predicted_class"
    assert '# zone = "UTC"' in guess.text
    assert any(line.startswith("TO DO") for line in guess.notes)


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    hostile = 'x"; DROP TABLE logs; -- <b>\u007f🚀\n'
    folder = tmp_path / 'it\'s a "test"'
    write(folder / "champion" / "a.parquet", rows(**{hostile: ["a", "b"] * (ROWS // 2)}))
    write(folder / "challenger" / "a.parquet", rows())
    rollout, _ = load(folder, "champion", "challenger")
    assert rollout.segments.columns == [hostile]
    scan(rollout, policy.load())


def test_an_unreadable_file_is_named_and_left_out(tmp_path: Path) -> None:
    for side in ("champion", "challenger"):
        write(tmp_path / side / "a.parquet", rows())
    (tmp_path / "champion" / "b.parquet").write_bytes(b"PAR1 cut")
    _, guess = load(tmp_path, "champion", "challenger")
    assert any("left out" in line and "b.parquet" in line for line in guess.notes)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "matches no Parquet file"),
        ({"a/0.parquet": rows(), "b/0.parquet": rows(), "c/0.parquet": rows()}, "cannot be told"),
        ({"a/0.parquet": rows()}, "name the other log too"),
        ({"a/0.parquet": {"x": [1]}, "b/0.parquet": {"x": [1]}}, "looks like request_id or ts"),
    ],
)
def test_what_cannot_be_told_is_said(
    tmp_path: Path, files: dict[str, dict[str, object]], says: str
) -> None:
    for name, columns in files.items():
        write(tmp_path / "logs" / name, columns)
    with pytest.raises(LogError, match=says):
        init.guess([tmp_path / "logs"], tmp_path)


def test_the_flights_work_unchanged(tmp_path: Path) -> None:
    guess = init.guess([FLIGHTS / side for side in ("champion", "challenger", "labels")], tmp_path)
    (tmp_path / "rollout.toml").write_text(guess.text, encoding="utf-8")
    rollout = config.load(tmp_path / "rollout.toml")
    assert rollout.score.type == "probability"
    assert {"origin", "carrier"} <= set(rollout.segments.columns)
    assert {"distance", "temp"} <= set(rollout.features.numeric)
    june = (1_370_044_800_000_000, 1_370_131_200_000_000)
    assert scan(rollout, policy.load(), window=june).scanned == ("2013-06-01T00",)
