"""The nightly label update against its yardstick: `python -m benchmarks.labels --date D`.

The logs hold 30 open days, the labels one file per label day; a store has joined all but the
last night. Then that night's predictions and labels appear. Yardstick: scanning the last day and
bare reading of the narrow columns (ids, times, scores, units, segments) of the open window.
"""

import json
import shutil
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from benchmarks import logs
from benchmarks.incremental import linked, scan
from benchmarks.measure import Run, run
from benchmarks.results import against, alternate, ratio, save, shown, spread
from sample_data.generate import generate

SHARE = 0.5
NARROW = {
    "champion": ["request_id", "ts", "score", "unit_id", *logs.SEGMENTS],
    "challenger": ["request_id", "ts", "score"],
}
READERS = ("pyarrow", "polars")


def main() -> None:
    """Measure and write results/labels.*"""
    parser = logs.options(__doc__, pairs=4.2e7, days=30, rounds=3)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    folder = made(options.data, options.pairs, options.days)
    days = logs.days_of(folder)
    before, night = (options.data / f"store-labels-{n}" for n in ("before", "night"))
    view = options.data / "view-labels"
    config = _config(folder, view, before, days[:-1])
    first_scan = scan(config, options.cores)
    first = joined(config, options.cores)
    _show(folder, view, days)
    config = _config(folder, view, night, days)

    def last_day() -> Run:
        shutil.rmtree(night, ignore_errors=True)
        shutil.copytree(before, night)
        return scan(config, options.cores)

    contenders = {
        "scan of the last day": last_day,
        **{f"narrow columns by {r}": _reader(r, folder, options.cores) for r in READERS},
        "label update": lambda: joined(config, options.cores),
        "nothing new": lambda: joined(config, options.cores),
    }
    runs = alternate(contenders, options.rounds)
    rows, share = _rows(runs)
    save(
        "labels",
        "Nightly label update",
        options.date,
        options.out,
        {
            "pairs": int(options.pairs),
            "days": options.days,
            "cores": options.cores,
            "rounds": options.rounds,
            "labels of the night": labels_of(folder, days[-1]),
        },
        {
            "Steps": rows,
            "Update over yardstick": [
                {"share": shown(share), "target": against(share["median"], SHARE)}
            ],
        },
        {
            "first scan": first_scan.answer,
            "first join": first.answer,
            **{name: [{"cpu": r.cpu, **r.answer} for r in each] for name, each in runs.items()},
        },
        [
            "inside: without the interpreter's start and imports. The yardstick takes the faster "
            "reader of each round. First join: all label days but the last, "
            f"{first.answer['seconds']:.1f} s for {first.answer['made']} days."
        ],
    )


def made(data: Path, pairs: float, days: int) -> Path:
    """Folder of logs with labels, one label file per label day; made the first time."""
    folder = data / f"labels-{int(pairs)}-{days}"
    if (folder / "by_day").exists():
        return folder
    print(f"making logs of {int(pairs):,} pairs over {days} days, with labels", flush=True)
    generate(folder, pairs=int(pairs), days=days, start=logs.START, labels=True)
    part = folder / "by_day.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    every = pl.scan_parquet(str(folder / "labels" / "*" / "*.parquet"))
    for day in logs.days_of(folder):
        start = pl.lit(day).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        inside = (pl.col("label_ts") >= start) & (pl.col("label_ts") < start + timedelta(days=1))
        every.filter(inside).sink_parquet(part / f"{day}.parquet")
    part.rename(folder / "by_day")
    return folder


def labels_of(folder: Path, day: date) -> int:
    """Labels that became available on a day."""
    count = pl.scan_parquet(folder / "by_day" / f"{day}.parquet").select(pl.len()).collect()
    return int(count.item())


def _show(folder: Path, view: Path, days: Sequence[date]) -> None:
    """A view of the logs and labels of some days."""
    linked(folder, view, days)
    (view / "labels").mkdir()
    for day in days:
        (view / "labels" / f"{day}.parquet").symlink_to(
            (folder / "by_day" / f"{day}.parquet").resolve()
        )


def _config(folder: Path, view: Path, store: Path, days: Sequence[date]) -> Path:
    _show(folder, view, days)
    config = logs.configure(view, store)
    with open(config, "a", encoding="utf-8") as file:
        file.write('[labels]\npaths = ["labels/*.parquet"]\n')
    return config


def joined(config: Path, cores: int) -> Run:
    """One label update."""
    return run([sys.executable, "-m", "benchmarks.labels_once", str(config)], cores=cores)


def _reader(name: str, folder: Path, cores: int):
    command = [sys.executable, "-m", "benchmarks.labels", "read", name, str(folder), str(cores)]
    return lambda: run(command, cores=cores)


def read(name: str, folder: Path, cores: int) -> None:
    """Read the narrow columns once; print the seconds."""
    import time

    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_cpu_count(cores)
    began = time.perf_counter()
    for side, columns in NARROW.items():
        for path in logs.files(folder, side):
            if name == "polars":
                pl.scan_parquet(path).select(columns).collect()
            else:
                texts = [c for c in columns if c in logs.SEGMENTS]
                pq.ParquetFile(path, read_dictionary=texts).read(columns=columns)
    print(json.dumps({"seconds": time.perf_counter() - began}))


def _rows(runs: dict[str, list[Run]]) -> tuple[list[dict], dict[str, float]]:
    inside = {name: [r.answer["seconds"] for r in each] for name, each in runs.items()}
    readers = zip(*(inside[f"narrow columns by {r}"] for r in READERS), strict=True)
    floor = [min(each) for each in readers]
    yardstick = [a + b for a, b in zip(inside["scan of the last day"], floor, strict=True)]
    rows = [
        {
            "step": name,
            "inside s": shown(spread(inside[name])),
            "CPU s": shown(spread([r.cpu for r in each])),
            "label days made": each[0].answer.get("made", ""),
            "peak MB": round(max(r.answer.get("peak", 0) for r in each) / 1e6) or "",
        }
        for name, each in runs.items()
    ]
    return rows, ratio(inside["label update"], yardstick)


if __name__ == "__main__":
    if sys.argv[1:2] == ["read"]:
        read(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
