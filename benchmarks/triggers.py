"""Rollback triggers over the newest minutes: `python -m benchmarks.triggers --date D`.

Two hours of a file a minute and model. Cold: nothing is known. Warm: one minute of both models is
new. Again: nothing is. Each is a whole process of `analyzer triggers --live`. Beside them the
decode floor: another process reads the three columns of the same files, one after the other.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import logs
from benchmarks.measure import Run, run
from benchmarks.results import against, alternate, save, shown, spread

LIMIT_SECONDS = 1.0
MINUTES = 124
"""Two hours, two minutes that are not settled yet, and the two of which one is new each time."""

START = np.datetime64("2025-03-10T10:00", "us").astype(np.int64)
MINUTE = 60_000_000

DECODE = """
import sys
import pyarrow.parquet as pq
for file in sys.argv[1:]:
    pq.read_table(file, columns=["ts", "latency_ms", "error"], use_threads=False)
"""
"""The least that counting the minutes of some files can cost."""


def make(folder: Path, rows: int) -> Path:
    """Logs of so many rows a minute and model; made the first time."""
    if (folder / "rollout.toml").exists():
        return folder
    random = np.random.default_rng(1)
    for side in ("champion", "challenger"):
        (folder / side).mkdir(parents=True, exist_ok=True)
        for minute in range(MINUTES):
            ts = np.sort(random.integers(0, MINUTE, rows)) + START + minute * MINUTE
            first = minute * rows
            table = pa.table(
                {
                    "request_id": np.arange(first, first + rows),
                    "ts": pa.array(ts, pa.timestamp("us", tz="UTC")),
                    "score": random.random(rows, dtype=np.float32),
                    "latency_ms": random.gamma(4, 20, rows).astype(np.float32),
                    "error": random.random(rows) < 5e-4,
                }
            )
            pq.write_table(table, folder / side / f"{minute:04d}.parquet", compression="zstd")
    text = "\n".join(
        [
            'name = "benchmark"',
            "[champion]",
            'paths = ["champion/*.parquet"]',
            "[challenger]",
            'paths = ["challenger/*.parquet"]',
            "",
        ]
    )
    (folder / "rollout.toml").write_text(text, encoding="utf-8")
    return folder


def main() -> None:
    """Measure and write results/triggers.*"""
    parser = logs.options(__doc__, pairs=3.6e7, days=1, rounds=5)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    rows = int(options.pairs) // 120
    folder = make(options.data / f"newest-{rows}", rows)
    store = folder / ".analyzer"

    def asked(minute: int) -> Run:
        as_of = np.datetime_as_string(np.datetime64(int(START + minute * MINUTE), "us"), unit="s")
        command = [
            sys.executable,
            "-m",
            "analyzer.cli",
            "triggers",
            "--live",
            "--as-of",
            f"{as_of}Z",
        ]
        command += ["--config", str(folder / "rollout.toml")]
        return run(command, cores=options.cores, memory=True, accept=(0, 4))

    def cold() -> Run:
        shutil.rmtree(store, ignore_errors=True)
        return asked(MINUTES - 2)

    def decode() -> Run:
        files = sorted(map(str, folder.glob("*/*.parquet")))
        needed = [name for name in files if int(Path(name).stem) < MINUTES - 4]
        command = [sys.executable, "-c", DECODE, *needed]
        return run(command, cores=options.cores, memory=True)

    contenders = {
        "(decode floor)": decode,
        "cold": cold,
        "one minute is new": lambda: asked(MINUTES - 1),
        "nothing is new": lambda: asked(MINUTES - 1),
    }
    runs = alternate(contenders, options.rounds)
    table = [
        {
            "triggers --live": name,
            "process s": shown(spread([r.seconds for r in each])),
            "CPU s": shown(spread([r.cpu for r in each])),
            "peak MB": shown(spread([r.peak_pss / 1e6 for r in each])),
            "target": ""
            if name in ("cold", "(decode floor)")
            else against(spread([r.seconds for r in each])["median"], LIMIT_SECONDS) + " s",
        }
        for name, each in runs.items()
    ]
    size = sum(f.stat().st_size for f in folder.rglob("*.parquet"))
    save(
        "triggers",
        "Rollback triggers over the newest minutes",
        options.date,
        options.out,
        {
            "rows a model in two hours": rows * 120,
            "files": 2 * MINUTES,
            "MB": round(size / 1e6),
            "cores": options.cores,
            "rounds": options.rounds,
        },
        {"Whole processes": table},
        {
            name: [json.loads(json.dumps([r.seconds, r.cpu, r.peak_pss])) for r in each]
            for name, each in runs.items()
        },
        ["With start and imports. No weeks are profiled, so volume is undecided."],
    )


if __name__ == "__main__":
    main()
