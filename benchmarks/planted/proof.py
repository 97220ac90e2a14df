"""Proof that simulated tables are what a scan writes: the same rows as Parquet, really scanned.

    python -m benchmarks.planted.proof --seed 1 --runs 3

For each phase the rows are written as two logs, scanned, and every simulated table is compared
with the scan's, value by value; then the gate judges both.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from analyzer import policy
from analyzer.config import Rollout
from analyzer.phases.gate import Material
from analyzer.phases.shadow import shadow_checks
from analyzer.profiles import Profiles, open_profiles
from analyzer.scan.run import scan
from analyzer.store import Store
from analyzer.window import Window
from benchmarks.planted.process import HARMS, LAG, Phase, Rows, draw, rows
from benchmarks.planted.shadow import RESULTS
from benchmarks.planted.tables import ROLLOUT, SIDES, simulate

INSTANT = pa.timestamp("us", tz="UTC")
COMPARED = ("coverage", "minutes", "cells", "cell_buckets", "fine_hours", "histograms", "parity")


def write(phase: Phase, folder: Path) -> None:
    """The phase's rows as a champion's and a challenger's log, one file a day each."""
    for number, day in enumerate(rows(phase)):
        for side in SIDES:
            path = folder / side / f"{number}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(_log(day, side), path)


def _log(day: Rows, side: str) -> pa.Table:
    late = LAG if side == "challenger" else 0
    table = pa.table(
        {
            "request_id": day.request,
            "ts": pa.array(day.ts + late, INSTANT),
            "unit_id": day.user,
            "score": day.scores[side],
            "latency_ms": day.latency[side],
            "error": day.errors[side],
            "amount": pa.array(day.amount[side], from_pandas=True),
        }
    )
    return table.filter(pa.array(~day.lost)) if side == "challenger" else table


def rollout_in(folder: Path) -> Rollout:
    """The simulation's rollout, pointed at a folder of logs."""
    return Rollout(
        name=ROLLOUT.name,
        champion=type(ROLLOUT.champion)(paths=["champion"]),
        challenger=type(ROLLOUT.challenger)(paths=["challenger"]),
        features=ROLLOUT.features,
        root=str(folder),
    )


def compare(phase: Phase, limits: policy.Policy) -> list[str]:
    """Differences between the simulated and the scanned profiles; none when they are equal."""
    simulated = simulate(phase, limits)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(phase, folder)
        rollout = rollout_in(folder)
        scan(rollout, limits)
        window = Window(simulated.window.start, simulated.window.end)
        scanned = open_profiles(Store(rollout.store_path), window)
        found = [f"{t}: {d}" for t in COMPARED for d in _differences(simulated, scanned, t)]
        found += [
            f"{side}: {c.id}"
            for side, c in _unlike(_checks(simulated, limits), _checks(scanned, limits))
        ]
    return found


def _differences(simulated: Profiles, scanned: Profiles, name: str) -> list[str]:
    ours, theirs = simulated.table(name), scanned.table(name)
    if ours.num_rows != theirs.num_rows:
        return [f"{ours.num_rows} rows simulated, {theirs.num_rows} scanned"]
    if name == "fine_hours":
        ours, theirs = (
            t.sort_by([(c, "ascending") for c in t.schema.names]) for t in (ours, theirs)
        )
    return [
        column
        for column in theirs.schema.names
        if column not in ours.schema.names
        or not ours[column].combine_chunks().equals(theirs[column].combine_chunks())
    ]


def _checks(profiles: Profiles, limits: policy.Policy) -> dict[str, object]:
    material = Material(ROLLOUT, limits, profiles, (), profiles.window.end, profiles.window.start)
    return {check.id: check for check in shadow_checks(material)}


def _unlike(ours: dict[str, object], theirs: dict[str, object]) -> list[tuple[str, object]]:
    return [("simulated", c) for name, c in ours.items() if theirs.get(name) != c] + [
        ("scanned", c) for name, c in theirs.items() if name not in ours
    ]


def main() -> None:
    """Compare some phases of each kind and write what differed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3, help="phases of each kind")
    parser.add_argument("--hours", type=int, nargs=2, default=(24, 50))
    parser.add_argument("--traffic", type=float, nargs=2, default=(1000, 4000))
    parser.add_argument("--out", type=Path, default=RESULTS / "proof.json")
    given = parser.parse_args()
    limits = policy.load()
    found = {}
    for harm in HARMS:
        for seed in range(given.seed, given.seed + given.runs):
            phase = draw(seed, harm, tuple(given.hours), tuple(given.traffic))
            found[f"{harm} {seed}"] = compare(phase, limits)
            print(harm, seed, found[f"{harm} {seed}"] or "equal", flush=True)
    result = {
        "compared": [*COMPARED, "checks"],
        "equal": sum(not d for d in found.values()),
        "phases": len(found),
        "differences": {name: d for name, d in found.items() if d},
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
