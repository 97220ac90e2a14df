"""The flights as if they had been a canary: `python -m sample_data.flights_canary FOLDER`.

In the sample both models answered every request. Here each request belongs to one of them, by a
hash of its id: the challenger gets SHARE of the requests, the champion the rest, from October on.
No row is made up; the rows of the other model are left out. Writes logs, rollout.toml, policy.toml
and a diary.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent / "flights"
SHARE = 0.2
FIRST = "2013-11-01T00:00:00Z"
POLICY = """# About 930 requests a day: a minute holds none or one. Buckets of an hour hold
# 38, a fifth of them the challenger's: finer than that these logs cannot be judged.
[trigger]
bucket_minutes = 60
min_requests = 5
min_expected = 20.0
latency_minutes = 120
error_minutes = 120
volume_minutes = 120
"""


def arm(request_id: str) -> str:
    """Which model answers a request."""
    place = int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:8], "big") / 2**64
    return "challenger" if place < SHARE else "champion"


def write(folder: Path) -> None:
    """Write the canary's logs and what describes them."""
    for side in ("champion", "challenger"):
        (folder / side).mkdir(parents=True, exist_ok=True)
        for path in sorted((HERE / side).glob("2013-1*.parquet")):
            rows = pq.read_table(path)
            mine = [arm(request) == side for request in rows["request_id"].to_pylist()]
            pq.write_table(rows.filter(pa.array(mine)), folder / side / path.name)
    text = (HERE / "rollout.toml").read_text(encoding="utf-8")
    cut = text.index("[labels]")
    described = text[:cut] + '[policy]\npath = "policy.toml"\n'
    (folder / "rollout.toml").write_text(described, encoding="utf-8")
    (folder / "policy.toml").write_text(POLICY, encoding="utf-8")
    events = [
        {"ts": "2013-10-01T00:00:00Z", "kind": "weight", "challenger_weight": SHARE},
        {"ts": FIRST, "kind": "phase", "phase": "canary", "challenger_weight": SHARE},
        {"ts": "2013-11-28T05:00:00Z", "kind": "holiday", "end": "2013-11-29T05:00:00Z"},
        {"ts": "2013-12-25T05:00:00Z", "kind": "holiday", "end": "2013-12-26T05:00:00Z"},
    ]
    lines = "".join(json.dumps(event) + "\n" for event in events)
    (folder / "events.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
