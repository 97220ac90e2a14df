"""Generate logs: one slot (UTC day) a task, slots in any order, truth at the end."""

import json
import multiprocessing
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from .block import BLOCK, MODELS, PARTS_PER_DAY, make_block, part_requests
from .clock import Clock, wind
from .incidents import Scene, play
from .models import SD_DIFFERENCE, SD_SCORE
from .plants import Plant, parse_plant
from .population import Population, populate
from .spec import Spec
from .tables import label_table, model_table
from .tally import Tally
from .writer import PartWriter

MOST_USERS = 2_000_000


def generate(
    out: Path | str,
    *,
    pairs: int,
    days: int = 7,
    seed: int = 1,
    start: date | str = "2025-03-03",
    features: int = 20,
    float64: bool = False,
    string_ids: bool = True,
    users: int | None = None,
    challenger_features: bool = False,
    labels: bool = False,
    plants: Iterable[Plant | str] = (),
    workers: int | None = None,
) -> dict[str, Any]:
    """Write logs under `out` and return the truth that is also in `out/truth.json`.

    The bytes depend on the arguments only, not on `workers`.  Folders of an earlier run under
    `out` are replaced.
    """
    spec = Spec(
        pairs=int(pairs),
        days=days,
        seed=seed,
        start=date.fromisoformat(start) if isinstance(start, str) else start,
        users=users or min(max(100, int(pairs) // 20), MOST_USERS),
        features=features,
        float64=float64,
        string_ids=string_ids,
        challenger_features=challenger_features,
        labels=labels,
        plants=tuple(parse_plant(p) if isinstance(p, str) else p for p in plants),
    )
    root = Path(out)
    _clear(root)
    truth = _truth(spec, list(_slots(spec, root, workers or min(os.cpu_count() or 1, days))))
    text = json.dumps(truth, indent=2) + "\n"
    (root / "truth.json").write_text(text, encoding="utf-8")
    return truth


def _clear(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for folder in (*MODELS, "labels"):
        shutil.rmtree(root / folder, ignore_errors=True)


def _slots(spec: Spec, root: Path, workers: int) -> Iterator[Tally]:
    if workers == 1:
        clock, people = wind(spec), populate(spec)
        yield from (write_slot(spec, clock, people, root, slot) for slot in range(spec.days))
        return
    # Forking a process in which Arrow already runs threads can hang the child.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _prepare, (spec,)) as pool:
        yield from pool.map(_write_prepared, [root] * spec.days, range(spec.days))


_prepared: dict[str, Any] = {}
"""Per worker process: what all slots share, made once."""


def _prepare(spec: Spec) -> None:
    _prepared.update(spec=spec, clock=wind(spec), people=populate(spec))


def _write_prepared(root: Path, slot: int) -> Tally:
    return write_slot(**_prepared, root=root, slot=slot)


def write_slot(spec: Spec, clock: Clock, people: Population, root: Path, slot: int) -> Tally:
    """Write one day's parts of every log, block by block."""
    tally = Tally()
    day = (spec.start + timedelta(days=slot)).isoformat()
    for part in range(PARTS_PER_DAY):
        rows = int(part_requests(clock, slot, part).sum())
        with ExitStack() as stack:
            writers = {
                log: stack.enter_context(PartWriter(root / log / day / f"part-{part:02d}.parquet"))
                for log in _logs(spec, slot)
            }
            for first in range(0, rows, BLOCK):
                span = range(first, min(first + BLOCK, rows))
                block, streams = make_block(spec, clock, people, (slot, part, span))
                scene = Scene(spec, slot, block, streams, tally)
                play(scene)
                _write(scene, writers)
    return tally


def _logs(spec: Spec, slot: int) -> list[str]:
    missing = [p for p in spec.plants if p.kind == "missing_day" and p.params["day"] == slot]
    logs = [model for model in MODELS if not any(p.hits(model) for p in missing)]
    return [*logs, "labels"] if spec.labels else logs


def _write(scene: Scene, writers: dict[str, PartWriter]) -> None:
    scene.tally.rows["pairs"] += len(scene.block)
    for log, writer in writers.items():
        table = label_table(scene) if log == "labels" else model_table(scene, log)
        writer.write(table)
        scene.tally.rows[f"{log}_rows"] += table.num_rows
        if log != "labels":
            failed = scene.block.error[log] & scene.block.present[log]
            scene.tally.rows[f"{log}_errors"] += int(failed.sum())


def _truth(spec: Spec, slots: list[Tally]) -> dict[str, Any]:
    total = Tally()
    for tally in slots:
        total.add(tally)
    return {
        "schema": 1,
        "spec": spec.as_truth(),
        "units": {"sd_score": SD_SCORE, "sd_difference": SD_DIFFERENCE},
        "rows": dict(sorted(total.rows.items())),
        "days": {
            (spec.start + timedelta(days=slot)).isoformat(): dict(sorted(tally.rows.items()))
            for slot, tally in enumerate(slots)
        },
        "plants": [
            {**plant.as_truth(spec.start_us, spec.days), "counts": total.of_plant(number)}
            for number, plant in enumerate(spec.plants)
        ],
    }
