"""What must not change a diagnosis, and what must change it in a known way."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planted import MONDAY, describe, diagnosed, hours, named, scanned

from analyzer.diagnose.diagnosis import Diagnosis, encode
from analyzer.scan import workers

DAYS = 5
INCIDENT = hours(96, 120)


@pytest.fixture(scope="module")
def usual(week: Path) -> Diagnosis:
    return diagnosed(week / "rollout.toml", incident=INCIDENT).diagnosis


def rewritten(folder: Path, target: Path, change: Any) -> None:
    """Both logs written again: `change` turns (side, table) into tables, a file each."""
    for side in ("champion", "challenger"):
        whole = pa.concat_tables(pq.read_table(p) for p in sorted(folder.glob(f"{side}/*/*")))
        for number, part in enumerate(change(side, whole)):
            path = target / side / f"{number}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(part, path, row_group_size=4_000)
    describe(target)


def told(diagnosis: Diagnosis) -> dict[str, Any]:
    """All but where it came from."""
    plain = {name: getattr(diagnosis, name) for name in diagnosis.__struct_fields__}
    del plain["provenance"]
    return plain


def test_again_gives_the_same_bytes(week: Path, usual: Diagnosis) -> None:
    again = diagnosed(week / "rollout.toml", incident=INCIDENT)
    assert encode(again.diagnosis) == encode(usual)


def test_workers_do_not_show(week: Path, usual: Diagnosis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SMALL", 0)
    again = diagnosed(week / "rollout.toml", incident=INCIDENT, jobs=2)
    assert encode(again.diagnosis) == encode(usual)


def test_files_and_their_order_do_not_show(week: Path, usual: Diagnosis, tmp_path: Path) -> None:
    def shuffled(side: str, table: pa.Table) -> list[pa.Table]:
        random = np.random.default_rng(len(side))
        day = (table["ts"].cast(pa.int64()).to_numpy() - MONDAY) // 86_400_000_000
        parts = [table.filter(pa.array(day == d)) for d in range(DAYS)]
        parts.append(table.filter(pa.array(day == DAYS)))  # the last seconds of a late shadow
        mixed = [p.take(random.permutation(p.num_rows)) for p in parts if p.num_rows]
        return [
            half for p in mixed for half in (p.slice(p.num_rows // 3), p.slice(0, p.num_rows // 3))
        ]

    rewritten(week, tmp_path, shuffled)
    scanned(tmp_path / "rollout.toml")
    found = diagnosed(tmp_path / "rollout.toml", incident=INCIDENT)
    assert told(found.diagnosis) == told(usual)
    assert found.diagnosis.provenance.profiles == usual.provenance.profiles


def test_swapped_models_turn_the_signs(week: Path, usual: Diagnosis) -> None:
    both = {"champion": "challenger", "challenger": "champion"}
    sides = {ours: {"paths": [f"{theirs}/**/*.parquet"]} for ours, theirs in both.items()}
    path = describe(week, "swapped", **sides)
    scanned(path)
    found = diagnosed(path, incident=INCIDENT).diagnosis
    assert named(found.searches, "difference") == [{"channel": "organic"}]
    assert named(usual.searches, "difference") == [{"channel": "organic"}]

    def effect(diagnosis: Diagnosis) -> float:
        search = next(
            s for s in diagnosis.searches if (s.measure, s.mode) == ("difference", "change")
        )
        assert search.found is not None
        value = search.found.segments[0].effect.value
        assert value is not None
        return value

    assert effect(found) == pytest.approx(-effect(usual), rel=1e-3)
    assert effect(usual) > 0


def test_duplicate_rows_change_nothing_that_pairs(
    week: Path, usual: Diagnosis, tmp_path: Path
) -> None:
    rewritten(week, tmp_path, lambda side, table: [table, table])
    scanned(tmp_path / "rollout.toml")
    found = diagnosed(tmp_path / "rollout.toml", incident=INCIDENT).diagnosis
    assert [s for s in found.searches if s.measure == "difference"] == [
        s for s in usual.searches if s.measure == "difference"
    ]
    assert found.coverage.incident.duplicates == 2 * usual.coverage.incident.pairs
    shutil.rmtree(tmp_path)
