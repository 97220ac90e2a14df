"""The same units as logs, read by the product: do the tables of `trial_units` equal its own?"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from analyzer.config import Log, Rollout
from analyzer.design import Experiment
from analyzer.diary import Event
from analyzer.experiment.known import Known, known
from analyzer.experiment.update import update
from benchmarks.planted.trial_units import FIRST, Trial, known_of
from benchmarks.planted.trial_worlds import checks_of, promised, read


def outcomes(trial: Trial, champion: str = "A", challenger: str = "B") -> pl.DataFrame:
    """One row per outcome."""
    unit, day = np.nonzero(trial.active)
    start = datetime.fromtimestamp(FIRST * 86_400, UTC)
    names = np.array(trial.named())
    columns: dict[str, object] = {
        "unit_id": names[unit],
        "ts": [start + timedelta(days=d, seconds=s % 86_400) for s, d in enumerate(day.tolist())],
        "variant": np.where(trial.arm[unit] == 1, challenger, champion),
    }
    columns |= {name: x[unit, day] for name, x in trial.values.items()}
    columns |= {name: x[unit] for name, x in trial.covariates.items()}
    columns |= {name: [f"v{c}" for c in x[unit].tolist()] for name, x in trial.segments.items()}
    return pl.DataFrame(columns).with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))


def known_from_logs(design: Experiment, trial: Trial, folder: Path) -> Known:
    """Write the logs of a trial into a folder and let the product read them."""
    (folder / "outcomes").mkdir(parents=True)
    frame = outcomes(trial, design.champion, design.challenger)
    for number in range(3):
        frame.gather_every(3, number).write_parquet(folder / "outcomes" / f"{number}.parquet")
    rollout = Rollout(
        name="planted",
        champion=Log(paths=["champion"]),
        challenger=Log(paths=["challenger"]),
        root=str(folder),
        experiment=design,
    )
    update(rollout)
    return known(rollout)


def differences(design: Experiment, trial: Trial, events: list[Event]) -> list[str]:
    """Where a trial's tables, and what is said of them on each day, are not those of its logs."""
    with tempfile.TemporaryDirectory() as folder:
        logged = known_from_logs(design, trial, Path(folder))
    drawn = known_of(design, trial)
    found = [] if logged.scales == drawn.scales else ["scales"]
    for name in ("arrivals", "unit_bins", "event_bins", "unit_buckets"):
        if name not in logged.tables:  # nothing is binned
            continue
        keys = [c for c in drawn.tables[name].column_names if c in KEYS]
        one, two = (
            pl.DataFrame(known.tables[name].to_pydict()).sort(keys) for known in (drawn, logged)
        )
        if not one.equals(two.select(one.columns).cast(one.schema)):  # type: ignore[arg-type]
            found.append(name)
    promise = promised(design, len(trial.arm), trial.days)
    for day in range(FIRST + 1, FIRST + trial.days + 1):
        one_said, two_said = (read(k.at(day), promise, events) for k in (drawn, logged))
        if repr(one_said) != repr(two_said):
            found.append(f"analysis of day {day - FIRST}")
        elif checks_of(one_said, drawn.at(day)) != checks_of(two_said, logged.at(day)):
            found.append(f"checks of day {day - FIRST}")
    return found


KEYS = ("day", "exposed", "arm", "measure", "code", "bucket")
