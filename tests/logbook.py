"""Writes small folders of logs: Parquet with any columns and types, and their rollout.toml.

    book = Book(tmp_path)
    book.write("champion.parquet", {"request_id": [...], "ts": times([0, 5]), "score": [...]})
    book.write("challenger.parquet", {...})
    book.describe(score={"threshold": 0.5}, segments={"columns": ["country"]})
    book.scan()
    book.table("coverage").to_pylist()

`messy(rows)` makes a pair of logs in which everything that goes wrong goes wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analyzer import config, policy
from analyzer.config import Rollout
from analyzer.profiles import Profiles, open_profiles
from analyzer.scan.run import Scan, scan
from analyzer.store import Store
from analyzer.window import HOUR, parse

START = parse("2025-03-03")
"""Midnight at which the logs of the tests begin, microseconds UTC."""

SECOND = 1_000_000
INSTANT = pa.timestamp("us", tz="UTC")


def times(seconds: Sequence[float], kind: pa.DataType = INSTANT) -> pa.Array:
    """Timestamps that many seconds after START."""
    micros = START + np.round(np.asarray(seconds, dtype=float) * SECOND).astype(np.int64)
    return pa.array(micros, INSTANT).cast(pa.timestamp("us", tz=kind.tz)).cast(kind)


class Book:
    """A folder with logs, a rollout.toml and the store that a scan makes of them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, columns: Mapping[str, Any] | pa.Table, **parquet: Any) -> Path:
        """Write one Parquet file; keywords go to `pyarrow.parquet.write_table`."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
        pq.write_table(content, path, **parquet)
        return path

    def describe(
        self,
        champion: Mapping[str, Any] | None = None,
        challenger: Mapping[str, Any] | None = None,
        **sections: Mapping[str, Any],
    ) -> Rollout:
        """Write rollout.toml and read it back. Sections are given as `time={"slot_hours": 1}`."""
        given = {
            "champion": champion or {"paths": ["champion.parquet"]},
            "challenger": challenger or {"paths": ["challenger.parquet"]},
            **sections,
        }
        lines = ['name = "test"']
        for section, keys in given.items():
            tables = {key: value for key, value in keys.items() if isinstance(value, Mapping)}
            lines.append(f"[{section}]")
            lines += [
                f"{k} = {json.dumps(v, ensure_ascii=False)}"
                for k, v in keys.items()
                if k not in tables
            ]
            for key, mapping in tables.items():
                lines.append(f"[{section}.{key}]")
                lines += [
                    f"{json.dumps(k, ensure_ascii=False)} = {json.dumps(v, ensure_ascii=False)}"
                    for k, v in mapping.items()
                ]
        file = self.root / "rollout.toml"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return config.load(file)

    @property
    def rollout(self) -> Rollout:
        """The rollout as rollout.toml describes it now."""
        return config.load(self.root / "rollout.toml")

    @property
    def store(self) -> Store:
        """The store that a scan fills."""
        return Store(self.rollout.store_path)

    def scan(self, **options: Any) -> Scan:
        """Bring the store up to date under the shipped policy."""
        return scan(self.rollout, policy.load(), **options)

    @property
    def profiles(self) -> Profiles:
        """All that the store holds."""
        return open_profiles(self.store)

    def table(self, name: str) -> pa.Table:
        """One table over everything that was scanned."""
        return self.profiles.table(name)

    def total(self, name: str, measured: str = "n", /, **where: Any) -> int:
        """Sum of a measure over the rows of a table that have these values."""
        rows = self.table(name)
        for column, value in where.items():
            chosen = pc.is_null(rows[column]) if value is None else pc.equal(rows[column], value)
            rows = rows.filter(chosen)
        return pc.sum(rows[measured]).as_py() or 0

    def digests(self) -> dict[str, str]:
        """Digest of every slot's tables that are not empty: equal digests are equal bytes."""
        store = self.store
        return {
            m.slot: m.digest
            for m in store.manifests().values()
            if store.read(m, "coverage").num_rows
        }


def plain(rows: int, hours: float = 4, seed: int = 0, **columns: Any) -> tuple[pa.Table, pa.Table]:
    """Two faultless logs of `rows` requests; `columns` are added to the champion's."""
    random = np.random.default_rng(seed)
    at = np.sort(random.uniform(0, hours * 3600, rows))
    score = random.uniform(0.01, 0.99, rows)
    ids = [f"r{i}" for i in range(rows)]
    latency = random.gamma(2.0, 30.0, rows)
    ours = {"request_id": ids, "ts": times(at), "score": score, "latency_ms": latency, **columns}
    other = np.clip(score + random.normal(0, 0.02, rows), 0, 1)
    theirs = {
        "request_id": ids,
        "ts": times(at + 0.5),
        "score": other,
        "latency_ms": latency * 1.1,
    }
    return pa.table(ours), pa.table(theirs)


def messy(rows: int = 4000, hours: int = 6, seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """Champion and challenger with duplicates, NULLs, NaN, lost rows, many segment values."""
    random = np.random.default_rng(seed)
    ours = _messy_side(random, rows, hours, 0)
    theirs = _messy_side(random, rows, hours, 0.3)
    return ours, theirs


def _messy_side(random: np.random.Generator, rows: int, hours: int, late: float) -> pa.Table:
    number = random.permutation(rows)[: int(rows * 0.95)]
    again = number[random.integers(0, len(number), rows // 25)]
    number = np.concatenate((number, again))
    count = len(number)
    at = number * (hours * 3600 / rows) + late + random.exponential(0.2, count)
    at[-len(again) :] += random.choice([0.0, 1.0, 400.0], len(again))
    score = np.round(random.beta(2, 2, count), 3)
    score[random.random(count) < 0.01] = np.nan
    score[random.random(count) < 0.01] = np.inf
    score[random.random(count) < 0.01] = 1.5
    latency = random.gamma(2.0, 60.0, count).astype(np.float32)
    latency[random.random(count) < 0.01] = -1
    latency[random.random(count) < 0.02] = 200.0
    country = random.choice(["de", "fr", "o'neill", "<b>", "(other)"], count)
    many = [f"v{int(i)}" for i in np.minimum(random.geometric(0.03, count), 80)]
    amount = random.lognormal(3, 1, count).astype(np.float32)
    amount[random.random(count) < 0.01] = np.nan
    amount[random.random(count) < 0.01] = -np.inf
    order = random.permutation(count)

    def holes(values: Any, share: float = 0.02) -> pa.Array:
        return pa.array(values, mask=random.random(count) < share)

    table = pa.table(
        {
            "request_id": holes([f"request-{i}" for i in number], 0.005),
            "ts": times(at),
            "score": holes(score),
            "prediction": holes(random.choice(["yes", "no", "perhaps"], count)),
            "latency_ms": holes(latency),
            "error": holes(random.choice([200, 204, 404, 500, 503], count)),
            "unit_id": holes(random.integers(0, 300, count)),
            "country": holes(country),
            "many": holes(many),
            "amount": holes(amount),
            "age": holes(random.integers(18, 90, count).astype(np.int32)),
            "plan": holes(random.choice(["free", "pro", "team"], count)),
        }
    )
    return table.take(pa.array(order))


MESSY = {
    "score": {"type": "probability", "threshold": 0.5},
    "segments": {"columns": ["country", "many"]},
    "features": {"numeric": ["amount", "age"], "categorical": ["plan"]},
}
"""Sections of rollout.toml that fit `messy`."""


def write_messy(book: Book, slot_hours: int = 3, **options: Any) -> None:
    """A messy pair of logs, described and ready to scan."""
    ours, theirs = messy(**options)
    book.write("champion.parquet", ours, row_group_size=1000)
    book.write("challenger.parquet", theirs, row_group_size=1500)
    book.describe(**MESSY, time={"slot_hours": slot_hours})


def hour_of(moment: Any) -> int:
    """Hours between START and a moment of a table."""
    return int((round(moment.timestamp() * 1_000_000) - START) // HOUR)
