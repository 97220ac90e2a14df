"""The logs that are measured: made once by the seeded generator, kept in a cache folder."""

import argparse
import json
import shutil
import tempfile
from datetime import date
from pathlib import Path

from benchmarks.results import RESULTS
from sample_data.generate import generate

START = date(2025, 3, 3)
FEATURES = [f"f{k:02d}" for k in range(20)]
CATEGORICAL = ["c0", "c1", "c2"]
SEGMENTS = ["country", "device", "channel", "plan"]
SERVING = ["request_id", "ts", "score", "latency_ms", "error"]
CHAMPION = [*SERVING, "unit_id", *SEGMENTS, *FEATURES, *CATEGORICAL]
"""What a scan reads of the champion's log."""
CHALLENGER = SERVING


def options(description: str, pairs: float, days: int, rounds: int) -> argparse.ArgumentParser:
    """Options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    default = Path(tempfile.gettempdir()) / "analyzer-benchmarks"
    parser.add_argument("--date", required=True, help="day of the measurement, for the results")
    parser.add_argument("--pairs", type=float, default=pairs)
    parser.add_argument("--days", type=int, default=days)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--data", type=Path, default=default, help="where logs are kept")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where results are written")
    return parser


def _folder(data: Path, pairs: float, days: int) -> Path:
    return data / f"logs-{int(pairs)}-{days}"


def make(data: Path, pairs: float, days: int) -> Path:
    """Folder of the logs of that size; made the first time."""
    folder = _folder(data, pairs, days)
    if not (folder / "truth.json").exists():
        print(f"making logs of {int(pairs):,} pairs over {days} days", flush=True)
        generate(folder, pairs=int(pairs), days=days, start=START)
    return folder


def remove(data: Path, pairs: float, days: int) -> None:
    """Delete the logs of that size: the largest take gigabytes."""
    shutil.rmtree(_folder(data, pairs, days), ignore_errors=True)


def files(logs: Path, side: str) -> list[str]:
    """Paths of one side's files, in order of time."""
    return sorted(str(path) for path in (logs / side).glob("*/*.parquet"))


def days_of(logs: Path) -> list[date]:
    """The days that the champion logged."""
    return [date.fromisoformat(path.name) for path in sorted((logs / "champion").iterdir())]


def cells(logs: Path) -> int:
    """Values that a scan reads: rows times columns, of both logs."""
    rows = json.loads((logs / "truth.json").read_text(encoding="utf-8"))["rows"]
    return rows["champion_rows"] * len(CHAMPION) + rows["challenger_rows"] * len(CHALLENGER)


def configure(logs: Path, store: Path, name: str = "rollout") -> Path:
    """Write a rollout.toml of these logs; its store is emptied."""
    shutil.rmtree(store, ignore_errors=True)
    text = "\n".join(
        [
            'name = "benchmark"',
            "[champion]",
            'paths = ["champion/*/*.parquet"]',
            "[challenger]",
            'paths = ["challenger/*/*.parquet"]',
            "[segments]",
            f"columns = {json.dumps(SEGMENTS)}",
            "[features]",
            f"numeric = {json.dumps(FEATURES)}",
            f"categorical = {json.dumps(CATEGORICAL)}",
            "[store]",
            f"path = {json.dumps(str(store.resolve()))}",
            "",
        ]
    )
    file = logs / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    return file
